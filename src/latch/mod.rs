//! "It is done", said once by whoever did it, and whom to wake then.
//!
//! A latch goes from `UNSET` to `SET` exactly once. The one thread that waits for it may note in
//! between that it is about to sleep (`ASLEEP`); the setter, which sees that note because both
//! are read-modify-writes of one word, then has to wake it.
#![allow(unsafe_code)]

mod awaited;
pub(crate) mod count;

pub(crate) use awaited::Awaited;

use crate::sync::{AtomicU32, Ordering};

/// The tag of work that nobody waits for by a handle: see `job::Header::tag`.
pub(crate) const NO_TAG: usize = 0;
/// Stands for any tag, where those of some jobs are not known.
pub(crate) const ANY_TAG: usize = 1;

/// Nobody has set the latch, nobody sleeps on it.
const UNSET: u32 = 0;
/// Not set; its waiter wants to be woken when it is. Only the waiter sets this.
const ASLEEP: u32 = 1;
/// Set; the last value.
const SET: u32 = 2;

/// A wait that a worker can serve by working: what it waits for, and how it is to be woken.
pub(crate) trait Wait {
    /// Whether the wait is over. What the setter did before is then visible.
    fn done(&self) -> bool;

    /// Asks the setter to wake this worker. `false`: the wait is over already.
    fn ask_wake(&self) -> bool;

    /// The tag of the task that is waited for, where it is one.
    fn tag(&self) -> Option<usize> {
        None
    }

    /// The address of the other pool that brings about what is waited for, if it is not the waiting
    /// worker's. That pool may need any job of this one.
    fn elsewhere(&self) -> Option<usize> {
        None
    }

    fn is_elsewhere(&self) -> bool {
        self.elsewhere().is_some()
    }

    /// What tells this wait from others: `Sleep::wake_blocked`.
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Called by a worker that is to wait without its core, while it still has that: the next
    /// holder may touch nothing that this wait's probes touch, but by what others may.
    fn leave_core(&self) {}

    /// What is waited for, for those who look at a pool that stands still.
    fn what(&self) -> Awaited;

    /// The worker that runs what is waited for, where that is known.
    fn runner(&self) -> Option<usize> {
        None
    }
}

/// What the setter of a latch owes its waiter.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Waiter {
    /// It is awake, and will see the latch.
    Awake,
    /// It sleeps, or is about to, and must be woken.
    Asleep,
}

/// One event that one worker waits for.
pub(crate) struct Latch {
    state: AtomicU32,
}

impl Latch {
    pub(crate) fn new() -> Self {
        Latch { state: AtomicU32::new(UNSET) }
    }

    /// Sets the latch. The latch may be gone when this returns, since the waiter may have seen
    /// it: hence the pointer.
    ///
    /// # Safety
    /// `this` points to a latch that is not set yet.
    pub(crate) unsafe fn set(this: *const Latch) -> Waiter {
        // SAFETY: an unset latch is alive, since its waiter still waits for it.
        let state = unsafe { &(*this).state };
        // Release: matches the Acquire in `done`. Acquire: matches the Release in `ask_wake`.
        match state.swap(SET, Ordering::AcqRel) {
            ASLEEP => Waiter::Asleep,
            _ => Waiter::Awake,
        }
    }
}

impl Wait for Latch {
    fn what(&self) -> Awaited {
        Awaited::Fork(None)
    }

    #[inline]
    fn done(&self) -> bool {
        // Acquire: matches the Release in `set`.
        self.state.load(Ordering::Acquire) == SET
    }

    fn ask_wake(&self) -> bool {
        // Release: matches the Acquire in `set`. Acquire: as in `done`.
        let asked = self.state.compare_exchange(UNSET, ASLEEP, Ordering::AcqRel, Ordering::Acquire);
        asked != Err(SET)
    }
}

#[cfg(all(test, loom))]
mod models {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::sync::{Parker, UnsafeCell};

    /// What a waiter keeps in its frame, and what it parks on.
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
            Frame { latch: Latch::new().into(), data: UnsafeCell::new(0), parker: Parker::new() }
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
            // SAFETY: nobody frees the latch meanwhile.
            wait(unsafe { &*self.latch.get() });
            // SAFETY: the latch is set, so that nobody writes the data any more.
            assert_eq!(unsafe { *self.data.get() }, 7);
            self.free();
        }

        /// What the end of the waiter's frame is to the model checker: an access to the latch
        /// that suffers no other beside it or after it.
        fn free(&self) {
            // SAFETY: the latch is set, so that nobody uses it any more.
            unsafe { &mut (*self.latch.get()).state }.with_mut(|_| ());
        }
    }

    /// Checks that one waiter and one setter part well.
    fn check(wait: fn(&Frame)) {
        loom::model(move || {
            let frame = Arc::new(Frame::new());
            let setters = frame.clone();
            let setter = thread::spawn(move || setters.set());
            wait(&frame);
            setter.join().unwrap();
        });
    }

    /// Weakened: `latch/mod.rs ask_wake: self.state.compare_exchange(UNSET, ASLEEP,
    /// Ordering::AcqRel, Ordering::Acquire) => Ok::<u32, u32>(UNSET)`
    #[test]
    fn a_waiter_that_parks_is_woken() {
        check(|frame| {
            frame.wait(|latch| {
                while latch.ask_wake() {
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
}
