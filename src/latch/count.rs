//! How many of a scope's tasks have not ended, and how the scope's *opener* waits for them.
//!
//! # States
//! The count has two parts. `local` belongs to an opener that is a worker of the pool: the tasks
//! that it spawned, less those that it ran. So a task that it both spawns and runs costs no atomic
//! operation. `remote` counts in the same way for all other threads, in steps of [`TASK`], and has
//! one flag, [`WAITING`].
//!
//! # Invariant
//! The sum of both parts is the number of tasks that have not ended. One part may be negative.
//!
//! # Lemmas
//! 1. *The opener does not see 0 too early.* The `remote` that it reads may be old, but it shows no
//!    end of a task without the spawns that precede it. So if a spawn is missing, the end of the
//!    task that spawned is missing as well, and so on up to a task that is counted. Models:
//!    `a_task_counts_once_whoever_spawns_and_runs_it`,
//!    `tasks_that_spawn_are_waited_for_by_an_opener_that_polls`.
//!    After a drop, `done` may use an older value, but only to say that tasks are left.
//!    Model: `an_opener_that_drops_tasks_sees_all_that_the_others_did`.
//! 2. *The last task wakes an opener that sleeps.* Before it sleeps, the opener moves `local` into
//!    `remote`, and sets `WAITING` there unless `remote` is 0. All this and the ends of tasks are
//!    read-modify-writes of one word. If the last task ends before the flag is set, the opener sees
//!    0. If not, the task finds the flag and wakes the opener. Models:
//!    `the_last_task_wakes_an_opener_that_sleeps`,
//!    `an_opener_that_registers_and_spawns_waits_for_that_task`.
//! 3. *No task touches a scope that is gone.* The scope may be gone as soon as the sum is 0. So a
//!    thread that ends a task does not touch the scope after that, unless the opener waits for
//!    an event that the thread makes happen.
//!    Models: `an_opener_that_polls_sees_all_that_the_tasks_did_and_is_not_woken`,
//!    `an_opener_from_outside_sees_all_that_the_tasks_did`.

use std::cell::Cell;

use crossbeam_utils::CachePadded;

use crate::latch::{Wait, Waiter};
use crate::sync::{AtomicIsize, Ordering};

/// One task in `remote`.
const TASK: isize = 2;
/// The opener is to be woken when no task is left. Never cleared.
const WAITING: isize = 1;

/// A scope's count of tasks.
#[derive(Default)]
pub(crate) struct TaskCount {
    /// Used by the opener only, like the next three.
    local: Cell<isize>,
    /// Whether the opener has dropped a task since `done` was called.
    has_dropped: Cell<bool>,
    /// The tasks of `remote` when `done_after_drop` last read it.
    seen: Cell<isize>,
    /// How many more calls may rely on `seen`.
    relies: Cell<u32>,
    /// Counts in steps of `TASK`, plus `WAITING`.
    remote: CachePadded<AtomicIsize>,
}

impl TaskCount {
    /// Counts a task that the opener spawns.
    #[inline]
    pub(crate) fn add_local(&self) {
        self.local.set(self.local.get() + 1);
    }

    /// Counts a task that another thread spawns, or an opener that is no worker of the pool.
    #[inline]
    pub(crate) fn add_remote(&self) {
        // Relaxed: the task that spawns keeps the opener waiting, and its end publishes this.
        self.remote.fetch_add(TASK, Ordering::Relaxed);
    }

    /// Counts the end of a task that the opener ran.
    #[inline]
    pub(crate) fn end_local(&self) {
        self.local.set(self.local.get() - 1);
    }

    /// Counts the end of a cancelled task that the opener dropped, in a pool with other workers.
    #[inline]
    pub(crate) fn drop_local(&self) {
        self.has_dropped.set(true);
        self.end_local();
    }

    /// `done` after a drop. Other workers may be dropping tasks at the same time. Reading `remote`,
    /// which they write, costs more than a drop, so only one call in 16 reads it. (Two workers drop
    /// a million tasks in 0.72 of the time.)
    #[cold]
    fn done_after_drop(&self) -> bool {
        self.has_dropped.set(false);
        let (local, relies) = (self.local.get(), self.relies.get());
        if relies > 0 && self.seen.get() + local > 0 {
            self.relies.set(relies - 1);
            return false;
        }
        let remote = self.remote_tasks();
        self.seen.set(remote);
        self.relies.set(15);
        remote + local == 0
    }

    fn remote_tasks(&self) -> isize {
        // Acquire: matches the Release in `end_remote`.
        self.remote.load(Ordering::Acquire) >> 1
    }

    /// Counts the end of a task that another thread ran. When this returns, the count may be gone,
    /// hence the pointer.
    ///
    /// # Safety
    /// `this` points to a count that counts the task.
    #[inline]
    #[allow(unsafe_code)]
    pub(crate) unsafe fn end_remote(this: *const TaskCount) -> Waiter {
        // SAFETY: the opener waits until the task's end is counted, below.
        let remote = unsafe { &(*this).remote };
        // Release: publishes what the task did. Acquire: matches the opener's `WAITING`.
        match remote.fetch_sub(TASK, Ordering::AcqRel) - TASK {
            WAITING => Waiter::Asleep,
            _ => Waiter::Awake,
        }
    }
}

impl Wait for TaskCount {
    fn done(&self) -> bool {
        match self.has_dropped.get() {
            true => self.done_after_drop(),
            false => self.remote_tasks() + self.local.get() == 0,
        }
    }

    fn register_waker(&self) -> bool {
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
