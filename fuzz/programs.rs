//! Fuzz target: makes a parallel program from the input, runs it, and compares the result with a
//! serial oracle. A hang is also a finding (`-timeout`). If `FILCH_FUZZ_SHOW` is set, each program
//! is printed before it runs.
#![no_main]

#[path = "../tests/common/program.rs"]
mod program;

use std::sync::LazyLock;

use filch::{ThreadPoolBuilder, WaitPolicy};
use libfuzzer_sys::arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use program::{Books, Machine, Program};

/// The numbers of workers of the two pools, and their wait policy. The first byte of the input
/// chooses one.
const KINDS: [([usize; 2], WaitPolicy); 6] = [
    ([1, 1], WaitPolicy::AnyWork),
    ([2, 1], WaitPolicy::AnyWork),
    ([1, 2], WaitPolicy::AnyWork),
    ([4, 2], WaitPolicy::AnyWork),
    ([2, 1], WaitPolicy::OwnDescendants),
    ([4, 2], WaitPolicy::OwnDescendants),
];

/// Built once, because starting threads is expensive.
static MACHINES: LazyLock<Vec<Machine>> = LazyLock::new(|| KINDS.map(machine).into());

fn machine((threads, policy): ([usize; 2], WaitPolicy)) -> Machine {
    Machine::new(|| ThreadPoolBuilder::new().wait_policy(policy), threads, Books::open())
}

static SHOW: LazyLock<bool> = LazyLock::new(|| std::env::var_os("FILCH_FUZZ_SHOW").is_some());

fuzz_target!(|input: &[u8]| {
    let Some((pick, bytes)) = input.split_first() else { return };
    let kind = usize::from(*pick) % KINDS.len();
    let machine = &MACHINES[kind];
    let program = Program::arbitrary(&mut Unstructured::new(bytes)).expect("any bytes are valid");
    if *SHOW {
        eprintln!("{:?} {program:#?}", KINDS[kind]);
    }
    if let Err(reason) = machine.check(&program) {
        panic!("{reason}\n{program:#?}");
    }
});
