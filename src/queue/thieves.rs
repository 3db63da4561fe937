//! What thieves do with a fork queue: look, steal, raise demand, force. The proof is in
//! `join_queue.rs`.

use std::ptr::NonNull;

use super::deque::Steal;
use super::join_queue::{ForkQueue, Published};
use crate::sync::Ordering;

impl<J, P: Published<J>> ForkQueue<J, P> {
    /// Returns whether nothing is public. After a SeqCst fence, this is step (3) of the handshake.
    pub(crate) fn is_empty(&self) -> bool {
        // Acquire: matches the Release of `open` and `close`, before which the deque was filled.
        self.front.gate.limit.load(Ordering::Acquire);
        self.front.gate.fast.len() == 0 && self.stealer.is_empty()
    }

    /// Returns whether nothing is public. A thread calls this after it has taken a job. If one
    /// thief empties the fast slot and another one the deque, at least one of them gets `true`.
    pub(super) fn took_last(&self) -> bool {
        self.stealer.is_empty() && self.front.gate.fast.is_taken()
    }

    pub(super) fn take_fast(&self) -> Option<P> {
        let job = self.front.gate.fast.take()?;
        // SAFETY: the slot is filled by `push_slow` only, with what `into_pointer` gave, and one
        // thread takes it out.
        Some(unsafe { P::from_pointer(job) })
    }

    /// Returns how many jobs the owner has published so far. The number wraps around. (Relaxed: it
    /// orders nothing.)
    pub(crate) fn published(&self) -> usize {
        self.own.published.load(Ordering::Relaxed)
    }

    /// Steals the oldest public job. The thief then calls `took_one`.
    pub(crate) fn steal(&self) -> Steal<P> {
        self.take_fast().map_or_else(|| self.stealer.steal(), Steal::Success)
    }

    /// Closes the gate if nothing is public any more. Returns whether it was open.
    #[must_use]
    pub(crate) fn took_one(&self) -> bool {
        // Not `raise_demand`, which may read a gate that the owner has opened since.
        self.took_last() && self.front.gate.close()
    }

    /// Makes the owner publish at its next fork, or at the next end of one. Returns whether the gate
    /// was open.
    #[must_use]
    pub(crate) fn raise_demand(&self) -> bool {
        !self.front.gate.is_closed() && self.front.gate.close()
    }

    pub(crate) fn hides_work(&self) -> bool {
        self.hidden() > 0
    }

    pub(crate) fn hidden(&self) -> usize {
        self.top().saturating_sub(self.head())
    }

    /// Returns how many jobs are public. After a SeqCst fence, this is step (3), like `is_empty`.
    pub(crate) fn public(&self) -> usize {
        // Acquire: as in `is_empty`.
        self.front.gate.limit.load(Ordering::Acquire);
        self.front.gate.fast.len() + self.stealer.len()
    }

    /// Returns a pair that changes with each fork and each end of a fork. (Relaxed: it orders
    /// nothing.)
    pub(crate) fn progress(&self) -> (usize, usize) {
        (self.head(), self.top())
    }

    /// Takes all private jobs of an owner that does not answer, and gives them to `take`, the
    /// oldest first: see "Force". Does nothing if `heavy_fence` fails. Returns how many it took.
    pub(crate) fn force(
        &self,
        heavy_fence: impl Fn() -> bool,
        publish_job: impl Fn(NonNull<J>) -> P,
        mut take: impl FnMut(P),
    ) -> usize {
        let forced = &self.front.gate.forced;
        // Acquire: matches the last thief's Release.
        if forced.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return 0;
        }
        self.front.gate.close();
        // Acquire: matches the Release at the end of a slow path. A slow path that began before
        // `forced` was set may have opened the gate again.
        let may = heavy_fence()
            && self.own.busy.load(Ordering::Acquire) == 0
            && self.front.gate.is_closed();
        let mut count = 0;
        if may {
            let head = self.head();
            // Acquire: matches the owner's Release of `top`.
            let top = self.front.own.top.load(Ordering::Acquire).max(head);
            self.own.head.store(top, Ordering::Relaxed);
            (head..top).for_each(|slot| take(publish_job(self.private(slot))));
            count = top - head;
        }
        // Release: matches the Acquire in `be_busy`.
        forced.store(0, Ordering::Release);
        count
    }
}
