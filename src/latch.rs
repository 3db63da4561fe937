//! "It is done", said once by whoever did it, and whom to wake then.
//!
//! A latch goes from `UNSET` to `SET` exactly once. The one thread that waits for it may note in
//! between that it is about to sleep (`ASLEEP`); the setter, which sees that note because both
//! are read-modify-writes of one word, then has to wake it.
#![allow(unsafe_code)]

use crate::sync::{AtomicU32, Ordering};

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

    /// The root of the task that is waited for, where it is one.
    fn root(&self) -> Option<usize> {
        None
    }

    /// Whether what is waited for is another pool's, which may need any job of this one.
    fn is_elsewhere(&self) -> bool {
        false
    }

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
