//! Loom models of a latch.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::{Parker, UnsafeCell};

/// What is in the waiter's frame, and its parker.
struct Frame {
    latch: std::cell::UnsafeCell<Latch>,
    data: UnsafeCell<u32>,
    parker: Parker,
}

// SAFETY: the model checker sees every access to the data and to the latch's word.
unsafe impl Sync for Frame {}
// SAFETY: nothing in a frame depends on its thread.
unsafe impl Send for Frame {}

impl Frame {
    fn new() -> Self {
        Frame { latch: Latch::new().into(), data: UnsafeCell::new(0), parker: Parker::default() }
    }

    /// Does the work, sets the latch, and wakes the waiter if it has to.
    fn set(&self) {
        // SAFETY: the waiter reads the data when the latch is set, not before.
        unsafe { *self.data.get() = 7 };
        // SAFETY: it is set once, here.
        if unsafe { Latch::set(self.latch.get()) } == Waiter::Asleep {
            self.parker.unpark();
        }
    }

    fn wait(&self, wait: impl FnOnce(&Latch)) {
        // SAFETY: only this thread frees the latch, below.
        wait(unsafe { &*self.latch.get() });
        // SAFETY: the latch is set, so the setter has written the data.
        assert_eq!(unsafe { *self.data.get() }, 7);
        self.free();
    }

    /// The end of the waiter's frame. To the model checker, an access that conflicts with any
    /// other beside it or after it.
    fn free(&self) {
        // SAFETY: the latch is set, and the setter does not use it after that.
        unsafe { &mut (*self.latch.get()).state }.with_mut(|_| ());
    }
}

fn check(wait: fn(&Frame)) {
    loom::model(move || {
        let frame = Arc::new(Frame::new());
        let setters = frame.clone();
        let setter = thread::spawn(move || setters.set());
        wait(&frame);
        setter.join().unwrap();
    });
}

/// Weakened: `latch/mod.rs register_waker: self.state.compare_exchange(UNSET, ASLEEP,
/// Ordering::AcqRel, Ordering::Acquire) => Ok::<u32, u32>(UNSET)`
#[test]
fn a_waiter_that_parks_is_woken() {
    check(|frame| {
        frame.wait(|latch| {
            while latch.register_waker() {
                frame.parker.park();
            }
        });
    });
}

/// Weakened: `latch/mod.rs done: Ordering::Acquire => Ordering::Relaxed`
#[test]
fn a_waiter_that_polls_sees_what_the_setter_did() {
    check(|frame| {
        frame.wait(|latch| {
            while !latch.done() {
                thread::yield_now();
            }
        });
    });
}
