//! When a future is polled, and how many references there are to its block, in one word.
//!
//! # States
//! A future *is active* while it is queued or polled, and for good once it has ended. The thread
//! that makes it active queues it. Each waker is a reference, and an active future that has not
//! ended has one more. Its handle is none: see `state.rs`, whose *entry* is all references
//! together.
//!
//! # Invariant
//! Only the holder of an active future, which is its place in a queue or the thread that polls it,
//! touches the future and the cells of its block.
//!
//! # Lemmas
//! All transitions but that of `begin` are read-modify-writes of the one word.
//! 1. *No wake-up is lost.* Of `pause` and `wake`, one is first. If it is `pause`, `wake` makes the
//!    future active. If not, `pause` sees `WOKEN`, and the future is queued again. `begin` may
//!    clear `WOKEN`, since the poll that follows sees what was written before the wake-up. If
//!    `begin` misses it, `pause` sees it. Model: `what_a_waker_has_written_is_polled`.
//! 2. *A future is in one queue at most*: only `new`, a `wake` that makes it active, and a `pause`
//!    that refuses let it be queued. Model: as above.
//! 3. *The block is left once*, by the last reference. A future that waits has a reference: the
//!    pool has a waker (`worker/attached.rs`) until it stops the future, which then does not wait
//!    again. Model:
//!    `the_last_reference_is_told`. The handle counts apart: model
//!    `a_future_that_ends_sees_that_its_handle_has_gone`.

use crate::sync::{AtomicUsize, Ordering};

/// The future is queued, or polled, or has ended.
const ACTIVE: usize = 1;
/// It was woken while it was active. The last `begin` did not see this.
const WOKEN: usize = 2;
/// It is to be dropped instead of polled.
const STOPPED: usize = 4;
/// One reference. The count of them is in the bits from here on.
const REFERENCE: usize = 8;

pub(super) struct Polls(AtomicUsize);

impl Polls {
    /// The state of a future that its maker queues.
    pub(super) fn new() -> Self {
        Polls(AtomicUsize::new(ACTIVE | REFERENCE))
    }

    /// A poll begins. Returns whether the future is to be dropped instead.
    #[inline]
    pub(super) fn begin(&self) -> bool {
        let mut state = self.0.load(Ordering::Relaxed);
        if state & WOKEN != 0 {
            // Acquire: matches the Releases of all calls of `wake` until now.
            state = self.0.fetch_and(!WOKEN, Ordering::Acquire);
        }
        state & STOPPED != 0
    }

    /// A poll ends, and the future waits. Returns `false` if the future was woken since `begin`:
    /// then the caller queues it again. If not, the caller does not touch the block again.
    #[must_use]
    #[inline]
    pub(super) fn pause(&self) -> bool {
        let paused = |state| (state & WOKEN == 0).then_some(state - ACTIVE - REFERENCE);
        // Release: matches the Acquire in `wake`, over what the poll did.
        self.0.fetch_update(Ordering::Release, Ordering::Relaxed, paused).is_ok()
    }

    /// Wakes the future. If it `gives` its reference, the caller no longer has that if this returns
    /// `true`. Returns whether the caller is to queue the future.
    #[must_use]
    #[inline]
    pub(super) fn wake(&self, gives: bool) -> bool {
        self.change(gives, 0)
    }

    /// Lets the future be dropped instead of polled. Returns as `wake`.
    #[must_use]
    pub(super) fn stop(&self) -> bool {
        self.change(false, STOPPED)
    }

    #[inline]
    fn change(&self, gives: bool, also: usize) -> bool {
        let more = if gives { 0 } else { REFERENCE };
        let woken = |state| match state & ACTIVE {
            0 => Some((state | ACTIVE | also) + more),
            _ => Some(state | WOKEN | also),
        };
        // Release: matches the Acquire in `begin`; a write even if nothing changes. Acquire:
        // matches the Release in `pause`.
        let before = self.0.fetch_update(Ordering::AcqRel, Ordering::Relaxed, woken);
        before.is_ok_and(|state| state & ACTIVE == 0)
    }

    /// Adds a reference. The caller has one.
    #[inline]
    pub(super) fn share(&self) {
        // Relaxed: the caller's reference keeps the block.
        if self.0.fetch_add(REFERENCE, Ordering::Relaxed) > isize::MAX as usize {
            // (As for an `Arc`: only wakers that are forgotten can be so many.)
            std::process::abort();
        }
    }

    /// Gives up a reference. Returns `true` if it was the last one.
    #[must_use]
    #[inline]
    pub(super) fn release(&self) -> bool {
        // Release: comes after all uses of the block. Acquire: the last sees all uses.
        self.0.fetch_sub(REFERENCE, Ordering::AcqRel) < 2 * REFERENCE
    }

    /// Whether the caller has the only reference.
    #[inline]
    pub(super) fn is_sole(&self) -> bool {
        // Acquire: matches the Release in `release`.
        self.0.load(Ordering::Acquire) < 2 * REFERENCE
    }
}

#[cfg(all(test, loom))]
mod models;
