//! Programs made from random bytes end as a serial oracle says, on pools of 1, 2 and 4 workers.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};

use crate::common::{any_wait_builder, is_simulated, seed, sized, time_limit};
use crate::program::{Books, Machine, Program};
use arbitrary::{Arbitrary, Unstructured};
use filch::WaitPolicy;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};

/// How many programs each test runs. `ci/long` runs the larger number.
const PROGRAMS: usize = if cfg!(debug_assertions) { 500 } else { 1_500 };
const SIMULATED_PROGRAMS: usize = 30;
/// The largest number of bytes that a program is made from.
const MOST_BYTES: usize = 700;

/// Prints a program that hangs.
struct Watch {
    current: Arc<Mutex<String>>,
    beat: mpsc::Sender<()>,
}

impl Watch {
    fn start() -> Self {
        let current = Arc::<Mutex<String>>::default();
        let (beat, beats) = mpsc::channel();
        let shown = current.clone();
        std::thread::spawn(move || {
            loop {
                match beats.recv_timeout(time_limit() / 2) {
                    Ok(()) => (),
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => break,
                }
            }
            crate::common::say(&format!("this program hangs:\n{}", shown.lock().unwrap()));
            std::process::abort();
        });
        Watch { current, beat }
    }

    fn runs(&self, program: &Program) {
        *self.current.lock().unwrap() = format!("{program:?}");
        self.beat.send(()).unwrap();
    }
}

/// Runs the same programs each time, with other schedules. In a simulation every seed has its own
/// programs, each on new pools, so that a smaller version of a program that fails can fail again.
fn check_programs(threads: [usize; 2], policy: WaitPolicy) {
    let watch = Watch::start();
    let builder = || any_wait_builder().wait_policy(policy);
    let new_machine = || Machine::new(builder, threads, Books::open());
    let machine = new_machine();
    let config = ProptestConfig {
        cases: sized(PROGRAMS, SIMULATED_PROGRAMS) as u32,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    };
    let rng = match seed() {
        Some(seed) => {
            let words = [seed, seed, threads[0] as u64, 0].map(u64::to_le_bytes);
            TestRng::from_seed(RngAlgorithm::ChaCha, words.as_flattened())
        }
        None => TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    };
    let bytes = prop::collection::vec(any::<u8>(), 0..MOST_BYTES);
    let result = TestRunner::new_with_rng(config, rng).run(&bytes, |bytes| {
        let program =
            Program::arbitrary(&mut Unstructured::new(&bytes)).expect("any bytes make a program");
        watch.runs(&program);
        let ended = match is_simulated() {
            true => new_machine().check(&program),
            false => machine.check(&program),
        };
        ended.map_err(TestCaseError::fail)
    });
    if let Err(TestError::Fail(reason, bytes)) = &result {
        let program = Program::arbitrary(&mut Unstructured::new(bytes));
        panic!("{reason}\n{program:#?}");
    }
    result.unwrap();
}

#[test]
fn programs_end_as_predicted_with_one_worker_each() {
    check_programs([1, 1], WaitPolicy::AnyWork);
}

#[test]
fn programs_end_as_predicted_with_two_workers_and_one() {
    check_programs([2, 1], WaitPolicy::AnyWork);
}

#[test]
fn programs_end_as_predicted_with_four_workers_and_two() {
    check_programs([4, 2], WaitPolicy::AnyWork);
}

#[test]
fn programs_end_as_predicted_under_own_descendants() {
    check_programs([2, 1], WaitPolicy::OwnDescendants);
    check_programs([4, 2], WaitPolicy::OwnDescendants);
}
