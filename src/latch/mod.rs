//! The one-shot latch: one thread tells one waiter that something is done.
//!
//! *States.* A latch goes from [`UNSET`] to [`SET`] once. In between, the waiter may register that
//! it is about to sleep ([`ASLEEP`]).
//!
//! *Lemma.* A waiter that sleeps is woken. Both transitions are read-modify-writes of one word: the
//! setter finds `ASLEEP` and wakes the waiter, or the waiter finds `SET` and does not sleep.
//! Models: `a_waiter_that_parks_is_woken`, `a_waiter_that_polls_sees_what_the_setter_did`.
#![allow(unsafe_code)]

mod awaited;
pub(crate) mod count;

pub(crate) use awaited::{Awaited, AwaitedTask, JobName};

use crate::sync::{AtomicU32, Ordering};

/// The tag of a job that is inside no task with a handle: see `job::Header::tag`.
pub(crate) const NO_TAG: usize = 0;
/// Any tag: those of some jobs are not known.
pub(crate) const ANY_TAG: usize = 8;

/// In the place of a pool's address, if any thread may end the wait.
pub(crate) const EXTERNAL: usize = usize::MAX;

/// Not set, and the waiter does not sleep.
const UNSET: u32 = 0;
/// Not set, and the setter has to wake the waiter. Stored by the waiter only.
const ASLEEP: u32 = 1;
/// Set; the last value.
const SET: u32 = 2;

/// A wait of a worker, which runs other jobs meanwhile.
pub(crate) trait Wait {
    /// Whether the wait is over. If so, all that the setter did before is visible.
    fn done(&self) -> bool;

    /// Registers this worker, to be woken when the wait is over. Returns `false` if it is.
    fn register_waker(&self) -> bool;

    /// The tag of the awaited task, if the wait is for a task.
    fn tag(&self) -> Option<usize> {
        None
    }

    /// The address of the pool that will end the wait, if it is not the waiting worker's. That pool
    /// may need any job of this one.
    fn other_pool(&self) -> Option<usize> {
        None
    }

    /// Whether any thread may end the wait, and may need any job of any pool for that.
    fn is_external(&self) -> bool {
        false
    }

    fn is_for_other_pool(&self) -> bool {
        self.other_pool().is_some()
    }

    /// The identity of this wait: see `Sleep::wake_blocked`.
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Called by a worker that is about to hand off its core and wait without it. From then on
    /// `done` must not touch what belongs to the holder of the core.
    fn leave_core(&self) {}

    /// What is waited for, for dumps: a scope, if this is not implemented.
    fn what(&self) -> Awaited {
        Awaited::Scope
    }

    /// The worker that runs what is waited for, if that is known.
    fn runner(&self) -> Option<usize> {
        None
    }
}

/// What the setter of a latch has to do for its waiter.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Waiter {
    /// Nothing: the waiter is awake, and will see the latch.
    Awake,
    /// Wake the waiter, which sleeps or is about to.
    Asleep,
}

pub(crate) struct Latch {
    state: AtomicU32,
}

impl Latch {
    pub(crate) fn new() -> Self {
        Latch { state: AtomicU32::new(UNSET) }
    }

    /// Sets the latch. When this returns, the waiter may have freed the latch, hence the pointer.
    ///
    /// # Safety
    /// `this` points to a latch that is not set yet.
    pub(crate) unsafe fn set(this: *const Latch) -> Waiter {
        // SAFETY: the waiter keeps an unset latch alive.
        let state = unsafe { &(*this).state };
        // Release: matches the Acquire in `done`. Acquire: matches the Release in `register_waker`.
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

    fn register_waker(&self) -> bool {
        // Release: matches the Acquire in `set`. Acquire: as in `done`.
        let found = self.state.compare_exchange(UNSET, ASLEEP, Ordering::AcqRel, Ordering::Acquire);
        found != Err(SET)
    }
}

#[cfg(all(test, loom))]
mod models;
