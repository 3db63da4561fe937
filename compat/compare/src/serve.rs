//! One side of the contest: runs the cases that its standard input names.

use std::error::Error;
use std::io::{Write, stdin, stdout};

use crate::cases;
use crate::clock::{Times, time};

/// For a line with the name of a case, prepares the case, warms up, and runs it. For an empty line,
/// runs it again. After each run, prints the wall time and the CPU time in nanoseconds, and a
/// checksum.
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
        let run = case.as_mut().ok_or("a case must be named first")?;
        let (sum, Times { wall, cpu }) = time(run);
        println!("{} {} {sum}", wall.as_nanos(), cpu.as_nanos());
        stdout().flush()?;
    }
    Ok(())
}

/// Binds the calling thread to one of the processors it may use. Otherwise the kernel sometimes
/// keeps two busy threads on one processor for longer than a measurement takes.
fn bind(index: usize) {
    // SAFETY: all zeroes is the empty set, which is valid.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let size = size_of_val(&set);
    // SAFETY: the set has the size given.
    if unsafe { libc::sched_getaffinity(0, size, &mut set) } != 0 {
        return;
    }
    // SAFETY: `cpu` is below `CPU_SETSIZE`.
    let allowed = |&cpu: &usize| unsafe { libc::CPU_ISSET(cpu, &set) };
    let processors: Vec<usize> = (0..libc::CPU_SETSIZE as usize).filter(allowed).collect();
    // SAFETY: as above.
    let mut one: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the processor is below `CPU_SETSIZE`.
    unsafe { libc::CPU_SET(processors[index % processors.len()], &mut one) };
    // SAFETY: the set has the size given. If this fails, the thread is not bound.
    unsafe { libc::sched_setaffinity(0, size, &one) };
}
