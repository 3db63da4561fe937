//! The state of a spawned task, in one word: which thread runs or cancels the task, takes its
//! result, wakes its joiner and frees its block.
//!
//! # States
//! Two parties refer to a task's block: the *entry*, a `JobRef` in some queue, and the *handle*.
//! The word holds flags. Each is set at most once and never cleared, except `WAITING`. (So a flag
//! that only one thread may set is added, which is one instruction on some processors.)
//!
//! | flag | set by | meaning |
//! | --- | --- | --- |
//! | [`CLAIMED`] | the thread that will run or cancel the task | the closure is that thread's |
//! | [`CANCELLED`] | the handle, with `CLAIMED` | the closure is dropped and not run |
//! | [`DONE`] | the thread that claimed it, unless that is the joiner | the result is there |
//! | [`WAITING`] | the handle, which may clear it | above the flags is the address of a `Waiting` |
//! | [`DETACHED`] | the handle, when it is dropped | the handle does not want the result |
//! | [`ENTRY_GONE`] | the entry, as its last step | the entry does not touch the block again |
//! | [`HANDLE_GONE`] | the handle, as its last step | the same for the handle |
//!
//! # Invariant
//! A thread touches the block only as a party that has not gone, or for a request (`request.rs`)
//! whose handle waits. A handle that sets `DETACHED` before `DONE` goes by that step.
//!
//! # Lemmas
//! Once the task is queued, all transitions are read-modify-writes of the one word, so of any two,
//! one is first and the second sees it.
//! 1. *The closure runs once, or is dropped once*: by the thread that set `CLAIMED`, or by an entry
//!    that found `DETACHED` without `CLAIMED`, since then no other thread can claim it. Models:
//!    `a_task_that_its_joiner_may_run_is_run_and_freed_once`,
//!    `a_task_that_a_request_or_its_entry_runs_is_settled_once`,
//!    `a_task_that_is_cancelled_is_not_run`,
//!    `a_task_that_is_cancelled_and_dropped_is_not_run`.
//! 2. *The result is settled once.* A joiner takes it. If the handle is dropped, the second of
//!    `detach` and `finish` drops it. Models:
//!    `a_task_whose_handle_is_dropped_is_settled_and_freed_once`,
//!    `a_joiner_that_polls_sees_the_result`.
//! 3. *A joiner that sleeps is woken, and its `Waiting` has one owner.* Of `register_waker` and
//!    `finish`, the second owns the `Waiting`: `finish` wakes it, or the handle sees `DONE` and
//!    drops it. Of `withdraw` and `finish`, the first owns it: a future that is polled again, or a
//!    joiner whose time is over, either takes it back or sees `DONE`. If the handle is dropped
//!    before `DONE`, the handle owns it, since `finish` then does not look at it. Models:
//!    `a_joiner_that_sleeps_is_woken`, `a_future_that_is_polled_twice_is_woken`,
//!    `a_future_that_is_dropped_leaves_no_waker`.
//! 4. *The block is freed once*: by the second of `leave_as_entry` and `leave_as_handle`, or by the
//!    entry if `DETACHED` came before `DONE`. Models: those of 1 and 2.

use crate::sync::{AtomicUsize, Ordering};

/// The result is there. Not set if the joiner itself ran the task.
const DONE: usize = 1;
/// A thread runs the task or cancels it, or has done so.
const CLAIMED: usize = 2;
/// The joiner sleeps until `DONE`. The bits above the flags are the address of its `Waiting`, which
/// belongs to the thread that sets `DONE`, unless the handle withdraws it or is dropped before.
const WAITING: usize = 4;
/// The handle was dropped. If that came before `DONE`, the entry owns the result and the block.
const DETACHED: usize = 8;
/// The entry does not touch the block again.
const ENTRY_GONE: usize = 16;
/// The handle has taken or dropped the result, and does not touch the block again.
const HANDLE_GONE: usize = 32;
/// The task is not run. Its home is told of the end by the entry, which is still in its queue.
const CANCELLED: usize = 64;
/// All flags. An address above them has to be aligned to more than this.
pub(crate) const FLAGS: usize = 127;

/// What the thread that sets `DONE` has to do.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// Nothing: the handle will see the result.
    Nothing,
    /// Wake the `Waiting` at this address, which the caller now owns.
    Wake(usize),
    /// Drop the result and free the block: the handle is gone.
    Settle,
}

/// What a handle that is dropped has to do.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detached {
    /// Nothing: it has gone.
    Nothing,
    /// Drop the `Waiting` at this address. For the rest, it has gone.
    Withdraw(usize),
    /// Drop the result, and leave.
    Settle,
}

pub(crate) struct TaskState(AtomicUsize);

impl TaskState {
    #[inline]
    pub(crate) fn new() -> Self {
        TaskState(AtomicUsize::new(0))
    }

    /// The state of a task without a closure (`completer.rs`).
    pub(crate) fn claimed() -> Self {
        TaskState(AtomicUsize::new(CLAIMED))
    }

    /// Whether the handle was dropped. If that was before `DONE`, it does not touch the block
    /// again.
    pub(crate) fn has_dropped_handle(&self) -> bool {
        // Acquire: matches the Release in `detach`.
        self.0.load(Ordering::Acquire) & DETACHED != 0
    }

    /// Whether the handle was dropped before the task was claimed. If so, the entry, which calls
    /// this, owns the block.
    #[inline]
    pub(crate) fn is_detached_unclaimed(&self) -> bool {
        // Acquire: matches the Release in `detach`.
        self.0.load(Ordering::Acquire) & (DETACHED | CLAIMED) == DETACHED
    }

    /// Whether the task is claimed. If this is false, a claim may still fail.
    #[inline]
    pub(crate) fn is_claimed(&self) -> bool {
        self.0.load(Ordering::Relaxed) & CLAIMED != 0
    }

    /// Claims the task. Returns whether the caller is to run it.
    #[must_use]
    #[inline]
    pub(crate) fn claim(&self) -> bool {
        // AcqRel: one of entry and handle is first; the second sees what the first did.
        self.0.fetch_or(CLAIMED, Ordering::AcqRel) & CLAIMED == 0
    }

    /// Claims the task for its handle, so that it is not run. Returns whether it was not claimed
    /// before; then the caller drops the closure, writes the result, and calls `finish`.
    #[must_use]
    pub(crate) fn cancel(&self) -> bool {
        let unclaimed = |state| (state & CLAIMED == 0).then_some(state | CLAIMED | CANCELLED);
        // AcqRel: as in `claim`.
        self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, unclaimed).is_ok()
    }

    /// Whether the task was cancelled, for its entry, which found it claimed. (Relaxed: both flags
    /// come at once.)
    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) & CANCELLED != 0
    }

    /// Whether the result is there, for a handle whose owner did not run the task itself.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        // Acquire: matches the Release in `finish`.
        self.0.load(Ordering::Acquire) & DONE != 0
    }

    /// Called by the thread that ran or cancelled the task when the result is in the block.
    #[inline]
    pub(crate) fn finish(&self) -> Done {
        // Release: publishes the result. Acquire: matches the handle's Releases.
        let state = self.0.fetch_add(DONE, Ordering::AcqRel);
        if state & DETACHED != 0 {
            Done::Settle
        } else if state & WAITING != 0 {
            Done::Wake(state & !FLAGS)
        } else {
            Done::Nothing
        }
    }

    /// Registers the handle's `Waiting`, if it has none registered. Returns `false` if the task is
    /// done; then the caller still owns the `Waiting`.
    #[must_use]
    pub(crate) fn register_waker(&self, waiting: usize) -> bool {
        debug_assert_eq!(waiting & FLAGS, 0);
        // Release: publishes the `Waiting`. Acquire: matches the Release in `finish`.
        self.0.fetch_or(waiting | WAITING, Ordering::AcqRel) & DONE == 0
    }

    /// Takes back what the handle has registered. Returns its address, which is the handle's again,
    /// or `None` if there is none or the task is done.
    #[must_use]
    #[inline]
    pub(crate) fn withdraw(&self) -> Option<usize> {
        // Relaxed: only the handle, which calls this, registers.
        if self.0.load(Ordering::Relaxed) & WAITING == 0 {
            return None;
        }
        // Relaxed: what the handle wrote comes back to it, and `finish` touches nothing then.
        let state = self.0.fetch_and(FLAGS & !WAITING, Ordering::Relaxed);
        (state & DONE == 0).then_some(state & !FLAGS)
    }

    /// Called when the handle is dropped.
    #[inline]
    pub(crate) fn detach(&self) -> Detached {
        // AcqRel: one of this and `finish` is first; the second settles the result.
        let state = self.0.fetch_add(DETACHED, Ordering::AcqRel);
        if state & (DONE | WAITING) == 0 {
            Detached::Nothing
        } else if state & DONE != 0 {
            Detached::Settle
        } else {
            Detached::Withdraw(state & !FLAGS)
        }
    }

    /// Like `detach`, of a task that is not queued yet: only the caller knows it.
    #[inline]
    pub(crate) fn detach_unqueued(&self) {
        self.0.store(DETACHED, Ordering::Relaxed);
    }

    /// The entry goes. Returns `true` if the handle has gone; then the caller frees the block.
    #[must_use]
    #[inline]
    pub(crate) fn leave_as_entry(&self) -> bool {
        // AcqRel: the last to go sees all that the other did.
        self.0.fetch_add(ENTRY_GONE, Ordering::AcqRel) & HANDLE_GONE != 0
    }

    /// The same for the handle.
    #[must_use]
    #[inline]
    pub(crate) fn leave_as_handle(&self) -> bool {
        // AcqRel: as in `leave_as_entry`.
        self.0.fetch_add(HANDLE_GONE, Ordering::AcqRel) & ENTRY_GONE != 0
    }

    /// Whether the handle has gone, so that the entry is empty. (Relaxed: `leave_as_entry`
    /// acquires.)
    #[inline]
    pub(crate) fn is_entry_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) & HANDLE_GONE != 0
    }
}

#[cfg(all(test, loom))]
mod models;
