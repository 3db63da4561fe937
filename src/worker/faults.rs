//! Unit tests: a panic of the runtime itself in a wait ends the process, and what is no part of a
//! job does not have the job's tag.

use std::env;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use super::Worker;
use crate::WaitPolicy;
use crate::job::{NO_TAG, ancestors};
use crate::latch::{Awaited, Wait};
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
        Awaited::Task(None)
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

/// Sends the tags of the job in which it is dropped.
struct Probe(Sender<Vec<usize>>);

impl Probe {
    fn tags() -> Vec<usize> {
        let tag = Worker::current().map_or(NO_TAG, Worker::tag);
        // SAFETY: the caller's job has not ended.
        unsafe { ancestors(tag) }.collect()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.send(Self::tags()).unwrap();
    }
}

/// The job may be over for its waiter when it drops the last reference to the waiter's pool.
#[test]
fn handlers_that_are_dropped_in_a_job_do_not_have_its_tags() {
    let ((sender, dropped), (ended, job_ended)) = (channel(), channel());
    let builder = ThreadPoolBuilder::new().num_threads(1).wait_policy(WaitPolicy::OwnDescendants);
    let job = |probe: Probe| {
        let handler = move |_| {
            let _ = &probe;
        };
        let other = ThreadPoolBuilder::new().num_threads(1).start_handler(handler).build().unwrap();
        let last = other.registry().arc();
        drop(other);
        while Arc::strong_count(&last) > 1 {
            thread::yield_now();
        }
        drop(last);
        ended.send(Probe::tags()).unwrap();
    };
    let run = || crate::scope(|s| drop(s.spawn(|| job(Probe(sender)))));
    builder.build().unwrap().install(run);
    let (outer, inner) = (job_ended.recv().unwrap(), dropped.recv().unwrap());
    assert!(!outer.is_empty() && !inner.is_empty(), "{outer:?}, {inner:?}");
    assert!(inner.iter().all(|tag| !outer.contains(tag)), "{outer:?}, {inner:?}");
}
