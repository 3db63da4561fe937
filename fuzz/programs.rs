//! Fuzz target: programs made from the input end as a serial oracle says. A hang is a finding,
//! too (`-timeout`). With `FILCH_FUZZ_SHOW` set, each program is printed before it runs.
#![no_main]

#[path = "../tests/common/program.rs"]
mod program;

use std::sync::LazyLock;

use libfuzzer_sys::arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use program::{Books, Machine, Program};

/// The workers of the two pools, of which the input's first byte picks.
const THREADS: [[usize; 2]; 4] = [[1, 1], [2, 1], [1, 2], [4, 2]];

/// Built once, because threads are dear.
static MACHINES: LazyLock<Vec<Machine>> = LazyLock::new(|| THREADS.map(machine).into());

fn machine(threads: [usize; 2]) -> Machine {
    Machine::new(filch::ThreadPoolBuilder::new, threads, Books::open())
}

static SHOW: LazyLock<bool> = LazyLock::new(|| std::env::var_os("FILCH_FUZZ_SHOW").is_some());

fuzz_target!(|input: &[u8]| {
    let Some((pick, bytes)) = input.split_first() else { return };
    let machine = &MACHINES[usize::from(*pick) % THREADS.len()];
    let program = Program::arbitrary(&mut Unstructured::new(bytes)).expect("any bytes do");
    if *SHOW {
        eprintln!("{:?} {program:#?}", THREADS[usize::from(*pick) % THREADS.len()]);
    }
    if let Err(reason) = machine.check(&program) {
        panic!("{reason}\n{program:#?}");
    }
});
