//! Unit test: a panic of the runtime itself in a wait ends the process.

use std::env;
use std::process::Command;

use super::Worker;
use crate::latch::Awaited;
use crate::latch::Wait;
use crate::pool::ThreadPoolBuilder;

/// Set in the process in which the fault is to happen.
const CHILD: &str = "FILCH_TEST_FAULT";

/// A wait that fails when the worker has begun to wait.
struct Faulty;

impl Wait for Faulty {
    fn done(&self) -> bool {
        false
    }

    fn register_waker(&self) -> bool {
        true
    }

    fn what(&self) -> Awaited {
        Awaited::Task
    }

    fn runner(&self) -> Option<usize> {
        panic!("a fault in a wait")
    }
}

/// Otherwise a thief could write to a frame that is gone, or two threads could act on one core.
#[test]
fn a_panic_of_our_own_in_a_wait_aborts() {
    if env::var_os(CHILD).is_some() {
        let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let wait = || Worker::current().into_iter().for_each(|worker| worker.wait_until(&Faulty));
        assert!(pool.spawn(wait).join().is_err(), "it waits");
        return;
    }
    let name = "worker::faults::a_panic_of_our_own_in_a_wait_aborts";
    let mut child = Command::new(env::current_exe().unwrap());
    let output = child.args([name, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "the panic reached the joiner: {told}");
    assert!(
        told.contains("a fault in a wait") && told.contains("the runtime itself failed"),
        "{told}"
    );
}
