//! One side of the contest: runs cases that the standard input names.

use std::error::Error;
use std::io::{Write, stdin, stdout};

use crate::cases;
use crate::clock::{Times, time};

/// For each line, the name of a case, prepares that, and runs it once to warm up; for each empty
/// line, runs it. Answers with wall time, processor time, both in nanoseconds, and a checksum.
pub fn serve(pin: bool) -> Result<(), Box<dyn Error>> {
    let builder = rayon::ThreadPoolBuilder::new();
    if pin {
        builder.start_handler(bind).build_global()?;
    } else {
        builder.build_global()?;
    }
    let mut case = None;
    for line in stdin().lines() {
        let line = line?;
        if !line.is_empty() {
            let mut prepared = cases::prepare(&line).ok_or("no such case")?;
            prepared();
            case = Some(prepared);
        }
        let run = case.as_mut().ok_or("a case has to be named first")?;
        let (sum, Times { wall, cpu }) = time(run);
        println!("{} {} {sum}", wall.as_nanos(), cpu.as_nanos());
        stdout().flush()?;
    }
    Ok(())
}

/// Binds the calling thread to one of the processors it may use. (The kernel likes to put two busy
/// threads on one, for longer than a measurement takes.)
fn bind(index: usize) {
    // SAFETY: a set of no processors is a valid one.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let size = size_of_val(&set);
    // SAFETY: the set is of the size that is said.
    if unsafe { libc::sched_getaffinity(0, size, &mut set) } != 0 {
        return;
    }
    // SAFETY: asks about a processor that a set has a bit for.
    let allowed = |&cpu: &usize| unsafe { libc::CPU_ISSET(cpu, &set) };
    let processors: Vec<usize> = (0..libc::CPU_SETSIZE as usize).filter(allowed).collect();
    // SAFETY: as above.
    let mut one: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: a processor that the set has a bit for.
    unsafe { libc::CPU_SET(processors[index % processors.len()], &mut one) };
    // SAFETY: the set is of the size that is said. If this fails, the thread is not bound.
    unsafe { libc::sched_setaffinity(0, size, &one) };
}
