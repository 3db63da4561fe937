//! The fast slot, for a fork that is made while none is pending.

use std::ptr::{self, NonNull};

use crate::sync::{AtomicUsize, Ordering};

/// The slot number that stands for the fast slot, which is not in the ring.
pub(super) const FAST: usize = 0;

/// The fast slot: the address of a published job, or 0. (It is not a pointer: `is_taken` writes
/// back the address that it found, at which there may be another job by then.)
pub(super) struct FastSlot(pub(super) AtomicUsize);

impl FastSlot {
    #[inline]
    pub(super) fn holds<J>(&self, job: NonNull<J>) -> bool {
        self.0.load(Ordering::Relaxed) == job.addr().get()
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.0.load(Ordering::Relaxed) != 0)
    }

    /// Fills the empty slot (owner only).
    #[inline]
    pub(super) fn put<J>(&self, job: NonNull<J>) {
        let address = job.as_ptr().expose_provenance();
        // Release: publishes the job to the Acquire in `take`. SeqCst: "the handshake with
        // sleepers".
        let before = self.0.swap(address, Ordering::SeqCst);
        debug_assert_eq!(before, 0, "another fork in the fast slot was lost");
    }

    #[inline]
    pub(super) fn take<J>(&self) -> Option<NonNull<J>> {
        if self.len() == 0 {
            return None;
        }
        // AcqRel: matches the Release in `put`. A read-modify-write, as all writes are.
        let address = self.0.swap(0, Ordering::AcqRel);
        NonNull::new(ptr::with_exposed_provenance_mut(address))
    }

    /// Returns whether the slot is empty. A thief calls this after it has taken a job from the
    /// deque. If the slot is not empty, this writes it, so that the thief that takes the slot's
    /// fork later also sees that the job from the deque is gone.
    #[inline]
    pub(super) fn is_taken(&self) -> bool {
        // Release: matches the Acquire in `take`.
        self.len() == 0 || self.0.fetch_add(0, Ordering::Release) == 0
    }
}
