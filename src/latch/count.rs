//! How many of a scope's tasks have not ended, and whom to wake when none is left.
//!
//! # Two parts
//! `local` counts for the worker that opened the scope: tasks it spawned, less tasks it ran; only
//! that worker touches it, so that a task which is spawned and run there costs no atomic
//! operation. `remote` counts likewise for everybody else. Either may be negative; no task is left
//! when their sum is 0.
//!
//! # Seeing that none is left
//! The opener adds the two. The `remote` that it reads may be old, but never shows an end without
//! the spawns that came before it: that of the task, and those by the task. So while a spawn is
//! missing, the end of the task that spawned is missing, too; follow it up to one that is counted
//! already, and the sum is not 0.
//!
//! # Being woken
//! Before the opener sleeps, it moves `local` into `remote`, and then sets [`WAITING`] there
//! unless `remote` is 0. From then on `remote` is the whole count, until the opener is awake and
//! spawns or runs a task. Ends and these two steps are read-modify-writes of one word: a task that
//! brings it to 0 either comes before `WAITING`, which then finds 0, or finds `WAITING`, and wakes.
//!
//! # When the scope is gone
//! As soon as the sum is 0. So who ends a task touches nothing of the scope after that, except
//! where the opener waits for what this does next.

use std::cell::Cell;

use crossbeam_utils::CachePadded;

use crate::latch::{Wait, Waiter};
use crate::sync::{AtomicIsize, Ordering};

/// One task in `remote`.
const TASK: isize = 2;
/// In `remote`: the opener wants to be woken when no task is left. Never cleared.
const WAITING: isize = 1;

/// A scope's count of tasks.
pub(crate) struct TaskCount {
    /// The opener's alone.
    local: Cell<isize>,
    /// Counts in steps of `TASK`, plus `WAITING`.
    remote: CachePadded<AtomicIsize>,
}

impl TaskCount {
    pub(crate) fn new() -> Self {
        TaskCount { local: Cell::new(0), remote: CachePadded::new(AtomicIsize::new(0)) }
    }

    /// Counts a task that the opener spawns.
    #[inline]
    pub(crate) fn add_local(&self) {
        self.local.set(self.local.get() + 1);
    }

    /// Counts a task that anybody else spawns, from within a task or before the opener waits.
    #[inline]
    pub(crate) fn add_remote(&self) {
        // Relaxed: whoever spawns keeps the opener waiting, and with its own end publishes this.
        self.remote.fetch_add(TASK, Ordering::Relaxed);
    }

    /// A task that the opener ran has ended.
    #[inline]
    pub(crate) fn end_local(&self) {
        self.local.set(self.local.get() - 1);
    }

    /// A task that anybody else ran has ended. The count may be gone when this returns: hence the
    /// pointer.
    ///
    /// # Safety
    /// `this` points to a count that counts the task.
    #[inline]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn end_remote(this: *const TaskCount) -> Waiter {
        // SAFETY: the opener waits for the task, up to the count below.
        let remote = unsafe { &(*this).remote };
        // Release: publishes what the task did. Acquire: matches the opener's `WAITING`.
        match remote.fetch_sub(TASK, Ordering::AcqRel) - TASK {
            WAITING => Waiter::Asleep,
            _ => Waiter::Awake,
        }
    }
}

/// The opener's wait.
impl Wait for TaskCount {
    fn what(&self) -> crate::latch::Awaited {
        crate::latch::Awaited::Scope
    }

    fn done(&self) -> bool {
        // Acquire: matches the Release in `end_remote`.
        (self.remote.load(Ordering::Acquire) >> 1) + self.local.get() == 0
    }

    fn ask_wake(&self) -> bool {
        let local = self.local.take() * TASK;
        // AcqRel: the last task sees `WAITING`, or this sees all that the tasks did.
        let remote = self.remote.fetch_add(local, Ordering::AcqRel) + local;
        if remote >> 1 == 0 {
            return false;
        }
        let waiting = self.remote.fetch_or(WAITING, Ordering::AcqRel);
        waiting >> 1 != 0
    }
}

#[cfg(all(test, loom))]
mod models;
