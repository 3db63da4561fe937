//! The part of a fork queue that the fast path of a fork touches: the private ring and the gate.
//! For the lemmas and the handshake with sleepers, see `join_queue.rs`.

use std::ptr::{self, NonNull};

use crossbeam_utils::CachePadded;

use super::fast_slot::FastSlot;
use crate::sync::{AtomicPtr, AtomicUsize, Ordering, light_fence};

/// How many entries the ring has. (`push` fills one before it knows whether it may.) Small enough
/// to stay in the first-level cache, large enough that only recursions deeper than this ever
/// publish for lack of room. (A guess.)
pub(crate) const CAPACITY: usize = if cfg!(loom) { 4 } else { 256 };
pub(super) const MASK: usize = CAPACITY - 1;

/// The first slot of the ring. 0 stands for the fast slot.
pub(super) const FIRST: usize = 1;
/// The `floor` of a closed gate. Its `limit` is 0.
const CLOSED: usize = usize::MAX;

/// The first field of a queue. Threads that are not workers share one front, which is closed for
/// good. So the fast path does not check which kind of thread it runs on.
#[repr(C)]
pub(crate) struct ForkFront<J> {
    pub(super) own: CachePadded<Private<J>>,
    pub(super) gate: CachePadded<Gate>,
}

pub(super) struct Private<J> {
    /// The slot of the next fork.
    pub(super) top: AtomicUsize,
    pub(super) ring: [AtomicPtr<J>; CAPACITY],
}

pub(super) struct Gate {
    pub(super) limit: AtomicUsize,
    floor: AtomicUsize,
    /// The lock of the thieves that force: 1 while one has access to the private jobs.
    pub(super) forced: AtomicUsize,
    /// In one cache line with `limit`, which is read and written together with it.
    pub(super) fast: FastSlot,
}

impl Gate {
    #[inline]
    pub(super) fn new(open: bool) -> Self {
        let gate = Gate {
            limit: AtomicUsize::new(0),
            floor: AtomicUsize::new(CLOSED),
            forced: AtomicUsize::new(0),
            fast: FastSlot(AtomicUsize::new(0)),
        };
        if open {
            gate.open(FIRST);
        }
        gate
    }

    /// Opens the gate (owner only).
    #[inline]
    pub(super) fn open(&self, head: usize) {
        self.floor.store(head, Ordering::Relaxed);
        // SeqCst: the handshake with sleepers. AcqRel: orders the stores of `floor` (lemma 2).
        self.limit.swap(head + CAPACITY - 1, Ordering::SeqCst);
    }

    /// `open` before the owner fills the fast slot. A thief that empties the slot closes the gate
    /// after this.
    #[inline]
    pub(super) fn open_before_fast(&self, head: usize) {
        self.floor.store(head, Ordering::Relaxed);
        // Release: orders the stores of `floor` (lemma 2), and matches the Acquire in `is_empty`.
        self.limit.store(head + CAPACITY - 1, Ordering::Release);
    }

    /// `close` by the owner, without a handshake. (Only the owner opens the gate.)
    #[inline]
    pub(super) fn shut(&self) {
        // Release: as in `open_before_fast`.
        self.limit.store(0, Ordering::Release);
        self.floor.store(CLOSED, Ordering::Relaxed);
    }

    /// Returns whether the gate was open.
    #[inline]
    pub(super) fn close(&self) -> bool {
        // SeqCst: as in `open`.
        let limit = self.limit.swap(0, Ordering::SeqCst);
        self.floor.store(CLOSED, Ordering::Relaxed);
        limit != 0
    }

    /// Returns whether both words say that the gate is closed.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        // Acquire: matches the Release in `open` and `close`.
        self.limit.load(Ordering::Acquire) == 0 && self.floor.load(Ordering::Relaxed) == CLOSED
    }
}

impl<J> ForkFront<J> {
    /// A front whose gate is closed for good.
    #[cfg(not(loom))]
    pub(crate) const fn closed() -> Self {
        ForkFront {
            own: CachePadded::new(Private {
                top: AtomicUsize::new(FIRST),
                ring: [const { AtomicPtr::new(ptr::null_mut()) }; CAPACITY],
            }),
            gate: CachePadded::new(Gate {
                limit: AtomicUsize::new(0),
                floor: AtomicUsize::new(CLOSED),
                forced: AtomicUsize::new(0),
                fast: FastSlot(AtomicUsize::new(0)),
            }),
        }
    }

    pub(super) fn new(gate: Gate) -> Self {
        ForkFront {
            own: CachePadded::new(Private {
                top: AtomicUsize::new(FIRST),
                ring: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            }),
            gate: CachePadded::new(gate),
        }
    }

    /// Makes `job` the newest private job and returns its slot (owner only). Returns `None` if the
    /// gate is closed or the ring is full. A worker then calls `push_slow`. (The `top` of other
    /// threads may wrap around.)
    #[inline(always)]
    pub(crate) fn push(&self, job: NonNull<J>) -> Option<usize> {
        let slot = self.own.top.load(Ordering::Relaxed);
        self.own.ring[slot & MASK].store(job.as_ptr(), Ordering::Relaxed);
        // Release: matches the Acquire of a thief that forces.
        self.own.top.store(slot.wrapping_add(1), Ordering::Release);
        // Pairs with the heavy fences of thieves that force (lemma 6) or look (lemma 12).
        light_fence();
        // Relaxed: a stale limit delays the answer to a thief by one fork.
        (slot < self.gate.limit.load(Ordering::Relaxed)).then_some(slot)
    }

    /// Takes back the newest job, which is in `slot`, if it is private (owner only). Returns
    /// `false` if it may be public, or a thief wants work. The caller then calls `pop_slow`.
    ///
    /// The slot is passed in. If it were read from `top`, each fork would wait for the last store.
    #[inline(always)]
    pub(crate) fn pop(&self, slot: usize) -> bool {
        // Release: as in `push`.
        self.own.top.store(slot, Ordering::Release);
        // Pairs with the heavy fence in `force` (lemma 6).
        light_fence();
        // Relaxed: the owner knows its own writes, and a thief's are ordered by the fences.
        slot >= self.gate.floor.load(Ordering::Relaxed)
    }
}
