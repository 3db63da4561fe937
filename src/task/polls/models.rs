//! Loom models of when a future is polled.
#![allow(unsafe_code)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use super::Polls;
use crate::task::state::{Detached, Done, TaskState};

/// A future that ends when both of its wakers have written.
struct Model {
    polls: Polls,
    written: [AtomicBool; 2],
    /// How often it was polled: the future itself.
    polled: UnsafeCell<usize>,
    ends: AtomicUsize,
}

impl Model {
    /// Polls the future, which the caller holds, until it waits or ends.
    fn run(&self) {
        loop {
            assert!(!self.polls.begin());
            // SAFETY: only the holder is here.
            self.polled.with_mut(|polled| unsafe { *polled += 1 });
            if self.written.iter().all(|written| written.load(Ordering::Relaxed)) {
                self.ends.fetch_add(1, Ordering::Relaxed);
                return;
            }
            if self.polls.pause() {
                return;
            }
        }
    }

    fn write_and_wake(&self, nth: usize) {
        self.written[nth].store(true, Ordering::Relaxed);
        if self.polls.wake(false) {
            self.run();
        }
    }
}

/// Whatever the order, some poll sees what both wakers have written, and it is the last one.
///
/// Weakened: `task/polls.rs change: state | WOKEN | also => state | also`
#[test]
fn what_a_waker_has_written_is_polled() {
    loom::model(|| {
        let model = Arc::new(Model {
            polls: Polls::new(),
            written: [AtomicBool::new(false), AtomicBool::new(false)],
            polled: UnsafeCell::new(0),
            ends: AtomicUsize::new(0),
        });
        // The pool's reference.
        model.polls.share();
        let theirs = model.clone();
        let other = thread::spawn(move || theirs.write_and_wake(1));
        let theirs = model.clone();
        let polls = thread::spawn(move || theirs.run());
        model.write_and_wake(0);
        other.join().unwrap();
        polls.join().unwrap();
        assert_eq!(model.ends.load(Ordering::Relaxed), 1);
    });
}

/// A future ends beside the drop of its handle: one of the two settles the result, and frees the
/// block after all uses.
///
/// Weakened: `task/state.rs has_dropped_handle: Ordering::Acquire => Ordering::Relaxed`
#[test]
fn a_future_that_ends_sees_that_its_handle_has_gone() {
    loom::model(|| {
        let block = Arc::new((TaskState::claimed(), UnsafeCell::new(0), AtomicUsize::new(0)));
        let free = |block: &(TaskState, UnsafeCell<i32>, AtomicUsize)| {
            // SAFETY: the model checker sees if another thread uses it.
            block.1.with_mut(|freed| unsafe { *freed = 1 });
            block.2.fetch_add(1, Ordering::Relaxed);
        };
        let theirs = block.clone();
        let handle = thread::spawn(move || {
            // SAFETY: as above.
            theirs.1.with(|used| _ = unsafe { *used });
            if theirs.0.detach() == Detached::Settle && theirs.0.leave_as_handle() {
                free(&theirs);
            }
        });
        let has_gone = block.0.has_dropped_handle() || block.0.finish() == Done::Settle;
        if has_gone || block.0.leave_as_entry() {
            free(&block);
        }
        handle.join().unwrap();
        assert_eq!(block.2.load(Ordering::Relaxed), 1);
    });
}

/// A waker is dropped, another wakes the future and gives up its reference, and the future
/// ends: one of the three frees the block, after all uses.
///
/// Weakened: `task/polls.rs release: self.0.fetch_sub(REFERENCE, Ordering::AcqRel)
/// => self.0.fetch_sub(REFERENCE, Ordering::Relaxed)`
/// Weakened: `task/polls.rs is_sole: Ordering::Acquire => Ordering::Relaxed`
#[test]
fn the_last_reference_is_told() {
    loom::model(|| {
        let block = Arc::new((Polls::new(), UnsafeCell::new(0), AtomicUsize::new(0)));
        let leave = |block: &(Polls, UnsafeCell<i32>, AtomicUsize)| {
            // SAFETY: as above.
            block.1.with(|used| _ = unsafe { *used });
            if block.0.is_sole() || block.0.release() {
                // SAFETY: as above.
                block.1.with_mut(|freed| unsafe { *freed = 1 });
                block.2.fetch_add(1, Ordering::Relaxed);
            }
        };
        let others = [false, true].map(|wakes| {
            block.0.share();
            let block = block.clone();
            thread::spawn(move || {
                assert!(!wakes || !block.0.wake(true));
                leave(&block);
            })
        });
        leave(&block);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(block.2.load(Ordering::Relaxed), 1);
    });
}
