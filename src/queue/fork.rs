//! The two-level queue of forks: a private LIFO that costs nothing to share, and the public
//! deque that its oldest jobs are published to when somebody asks.
//!
//! # The private part
//! The owner's pending forks stand in a ring, `ring[head..top)`, which only the owner touches.
//! A fork writes its job to `top`; its end takes it back from there. Since forks nest, the job
//! of the fork that ends is the newest one, unless it has been published: then all older ones
//! have been, too, and the ring is empty.
//!
//! # The gate
//! Two shared words per queue decide "may this fork stay private?" and "is the newest job still
//! private?" with one comparison each:
//! - open: `limit` is `head + CAPACITY` and `floor` is `head`. A fork stays private while
//!   `top < limit`; a fork that ends finds its job, in `slot`, private while `slot >= floor`.
//! - closed: `limit` is [`DEMAND`] (somebody found nothing to steal here) or [`RECHECK`] (the
//!   owner has nothing public), `floor` is [`CLOSED`]. No slot passes either comparison, so that
//!   the owner's next fork, or the next end of a fork, comes to the slow path and publishes.
//!
//! `limit` is the truth. Who closes swaps `limit`, then stores `floor`; who opens stores `floor`,
//! then swaps `limit`; so the last swap's `floor` stands, or `floor` is closed in vain, which
//! costs one slow path.
//!
//! # Publishing
//! The owner gives away its **oldest** jobs: they are the biggest. While it has any private job,
//! something of its is public, or the gate is closed; so its first fork is public at once, and
//! another is when that was stolen or taken back. In a balanced recursion of depth d these are
//! some d of 2^d forks. How many to keep public depends on what became of the last ones: one,
//! more when they were stolen, one again when the owner had to take one back.
//!
//! # The handshake with sleepers
//! Who is about to sleep (1) counts itself as idle, (2) closes every gate, (3) looks at every
//! deque. Who publishes (a) pushes to the deque, (b) swaps `limit`, (c) reads the count of idle
//! workers. All writes of `limit` are read-modify-writes, so its Release sequence never breaks:
//! either (2) comes after (b) in its order and (3) sees the push, or (b) comes after (2) and (c)
//! sees the idle worker. No fence is needed on either side.

use std::cell::Cell;
use std::ptr::NonNull;

use crossbeam_utils::CachePadded;

use super::deque::{Steal, Stealer, Worker};
use crate::sync::{AtomicUsize, Ordering};

/// Forks that can be private at a time. Small enough to stay in the first-level cache, large
/// enough that only recursions deeper than this ever publish for lack of room. (A guess: 64
/// and 1,024 measured the same.)
pub(crate) const CAPACITY: usize = if cfg!(loom) { 4 } else { 256 };
const MASK: usize = CAPACITY - 1;

/// `limit` of a closed gate: a thief wants work from here.
const DEMAND: usize = 0;
/// `limit` of a closed gate: nobody asked, but nothing is public.
const RECHECK: usize = 1;
/// `floor` of a closed gate.
const CLOSED: usize = usize::MAX;
/// The first slot: no closed limit lets it pass.
const FIRST: usize = RECHECK + 1;

/// What became of the job of a fork that ends.
#[must_use]
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Popped {
    /// It is the owner's again.
    Mine,
    /// A thief has it.
    Stolen,
}

/// A private job `J` as others see it.
pub(crate) trait Published<J> {
    /// Whether this is the published `private`.
    fn is(&self, private: NonNull<J>) -> bool;
}

/// A worker's pending forks: private jobs `J`, public ones `P`.
///
/// `front.top`, `front.ring` and `own` are the owner's alone (the holder of the worker's seat, see
/// `sleep/mod.rs`); `front.gate` and `stealer` are everybody's.
#[repr(C)]
pub(crate) struct ForkQueue<J, P> {
    front: ForkFront<J>,
    own: Own<P>,
    stealer: Stealer<P>,
}

/// The part of a queue that a fork touches where nothing is shared. It comes first in the queue
/// and, unlike the rest, can stand alone: closed for good, it is the queue of threads that are no
/// workers, so that a fork need not ask which it is on.
#[repr(C)]
pub(crate) struct ForkFront<J> {
    own: CachePadded<Private<J>>,
    gate: CachePadded<Gate>,
}

struct Private<J> {
    /// The slot of the next fork.
    top: Cell<usize>,
    ring: [Cell<Option<NonNull<J>>>; CAPACITY],
}

struct Own<P> {
    /// The slot of the oldest private job; `head <= top`.
    head: Cell<usize>,
    /// How many jobs to keep public; from 1 to `handful_limit`, or none where that is 0.
    handful: Cell<usize>,
    handful_limit: usize,
    public: Worker<P>,
}

struct Gate {
    limit: AtomicUsize,
    floor: AtomicUsize,
}

impl Gate {
    fn new(open: bool) -> Self {
        let gate = Gate { limit: AtomicUsize::new(RECHECK), floor: AtomicUsize::new(CLOSED) };
        if open {
            gate.open(FIRST);
        }
        gate
    }

    /// Opens it (owner only).
    fn open(&self, head: usize) {
        self.floor.store(head, Ordering::Relaxed);
        // AcqRel: see "the handshake with sleepers"; also orders the stores of `floor`.
        self.limit.swap(head + CAPACITY, Ordering::AcqRel);
    }

    fn close(&self, limit: usize) {
        // AcqRel: as in `open`.
        self.limit.swap(limit, Ordering::AcqRel);
        self.floor.store(CLOSED, Ordering::Relaxed);
    }

    fn is_demand(&self) -> bool {
        self.limit.load(Ordering::Relaxed) == DEMAND
    }
}

// SAFETY: only for `closed`, whose `top` and `ring` nobody ever writes: every push is turned away.
// Those of a worker's queue are covered by the worker's own promise.
unsafe impl<J> Sync for ForkFront<J> {}

impl<J> ForkFront<J> {
    /// A front that lets nothing pass, ever.
    #[cfg(not(loom))]
    pub(crate) const fn closed() -> Self {
        Self::new(Gate { limit: AtomicUsize::new(DEMAND), floor: AtomicUsize::new(CLOSED) })
    }

    #[cfg_attr(not(loom), allow(clippy::declare_interior_mutable_const))]
    const fn new(gate: Gate) -> Self {
        ForkFront {
            own: CachePadded::new(Private {
                top: Cell::new(FIRST),
                ring: [const { Cell::new(None) }; CAPACITY],
            }),
            gate: CachePadded::new(gate),
        }
    }

    /// Makes `job` the newest private job (owner only) and returns its slot. `None`: the gate is
    /// closed or the ring full; then `push_slow` has to do it.
    #[inline(always)]
    pub(crate) fn push(&self, job: NonNull<J>) -> Option<usize> {
        let slot = self.own.top.get();
        // Relaxed: a stale limit only delays the answer to a thief by a fork.
        if slot >= self.gate.limit.load(Ordering::Relaxed) {
            return None;
        }
        self.own.ring[slot & MASK].set(Some(job));
        self.own.top.set(slot + 1);
        Some(slot)
    }

    /// Takes the newest job, which is in `slot`, back if it is still private (owner only).
    /// `false`: it may have been published, or somebody asks for work; then `pop_slow` knows.
    ///
    /// That `top` is `slot + 1` is not asked of `top`: through memory, each fork would wait for
    /// the last one's store (measured: a fifth of a fork's time).
    #[inline(always)]
    pub(crate) fn pop(&self, slot: usize) -> bool {
        // Relaxed: only the owner publishes, and it knows its own writes.
        if slot < self.gate.floor.load(Ordering::Relaxed) {
            return false;
        }
        self.own.top.set(slot);
        true
    }
}

impl<J, P: Published<J>> ForkQueue<J, P> {
    /// A queue whose owner keeps up to `handful_limit` jobs public; 0: there are no thieves.
    pub(crate) fn new(handful_limit: usize) -> Self {
        let public = Worker::new_lifo();
        let stealer = public.stealer();
        ForkQueue {
            front: ForkFront::new(Gate::new(handful_limit == 0)),
            own: Own {
                head: Cell::new(FIRST),
                handful: Cell::new(handful_limit.min(1)),
                handful_limit,
                public,
            },
            stealer,
        }
    }

    // ---- the owner's side -------------------------------------------------------------------

    /// `push` where it could not: makes room, and publishes. `publish_job` makes a job fit for
    /// others. Returns the slot, and whether anything was published, of which the caller then has
    /// to notify sleepers.
    #[must_use]
    pub(crate) fn push_slow(
        &self,
        job: NonNull<J>,
        publish_job: impl Fn(NonNull<J>) -> P,
    ) -> (usize, bool) {
        let (own, private) = (&self.own, &*self.front.own);
        let slot = private.top.get();
        let mut published = 0;
        if slot - own.head.get() == CAPACITY {
            published += self.publish(CAPACITY / 2, &publish_job);
        }
        private.ring[slot & MASK].set(Some(job));
        private.top.set(slot + 1);
        published += self.answer(publish_job);
        (slot, published > 0)
    }

    /// `pop` where it could not tell, of `job`. The second value: whether older jobs were
    /// published.
    pub(crate) fn pop_slow(
        &self,
        job: NonNull<J>,
        publish_job: impl Fn(NonNull<J>) -> P,
    ) -> (Popped, bool) {
        let (own, private) = (&self.own, &*self.front.own);
        if private.top.get() > own.head.get() {
            private.top.set(private.top.get() - 1);
            let nothing_older = private.top.get() == own.head.get();
            return (Popped::Mine, !nothing_older && self.answer(publish_job) > 0);
        }
        let popped = self.pop_public(job);
        if popped == Popped::Mine {
            own.handful.set(own.handful_limit.min(1));
            // What is next shall be public again.
            self.front.gate.close(RECHECK);
        } else {
            own.handful.set((own.handful.get() * 2).min(own.handful_limit));
        }
        (popped, false)
    }

    /// Has the next fork look at who is idle.
    pub(crate) fn recheck(&self) {
        self.front.gate.close(RECHECK);
    }

    /// Undoes `pop_newest_public`. The caller has to announce the job again.
    pub(crate) fn push_newest_public(&self, job: P) {
        self.own.public.push(job);
        self.recheck();
    }

    /// Takes the newest public job, for an owner that has nothing better to do.
    pub(crate) fn pop_newest_public(&self) -> Option<P> {
        self.own.public.pop()
    }

    /// Publishes every private job. Returns whether there was any. An owner does this before it
    /// waits for something other than its newest job.
    #[must_use]
    pub(crate) fn flush(&self, publish_job: impl Fn(NonNull<J>) -> P) -> bool {
        let published = self.publish(CAPACITY, &publish_job);
        if published > 0 {
            self.front.gate.close(RECHECK);
        }
        published > 0
    }

    /// Sees to it that enough is public, and opens the gate unless nothing is.
    fn answer(&self, publish_job: impl Fn(NonNull<J>) -> P) -> usize {
        let own = &self.own;
        let wanted = own.handful.get().saturating_sub(own.public.len());
        let published = self.publish(wanted, &publish_job);
        self.front.gate.open(own.head.get());
        if own.public.is_empty() && own.handful_limit > 0 {
            // Nothing was there, or all of it is stolen already.
            self.front.gate.close(RECHECK);
        }
        published
    }

    /// Moves the oldest `count` private jobs, or all if there are fewer, to the deque.
    fn publish(&self, count: usize, publish_job: &impl Fn(NonNull<J>) -> P) -> usize {
        let (own, private) = (&self.own, &*self.front.own);
        let head = own.head.get();
        let count = count.min(private.top.get() - head);
        for slot in head..head + count {
            if let Some(job) = private.ring[slot & MASK].take() {
                own.public.push(publish_job(job));
            }
        }
        own.head.set(head + count);
        count
    }

    /// Takes `job` back from the deque. Whatever else is there is older, and stays.
    fn pop_public(&self, job: NonNull<J>) -> Popped {
        match self.own.public.pop() {
            Some(popped) if popped.is(job) => Popped::Mine,
            Some(older) => {
                self.own.public.push(older);
                Popped::Stolen
            }
            None => Popped::Stolen,
        }
    }

    // ---- the thieves' side ------------------------------------------------------------------

    /// Whether nothing is public.
    pub(crate) fn is_empty(&self) -> bool {
        self.stealer.is_empty()
    }

    /// Steals the oldest public job. Raises demand if that was the last one, or none was there.
    pub(crate) fn steal(&self) -> Steal<P> {
        let stolen = self.stealer.steal();
        if self.stealer.is_empty() {
            self.raise_demand();
        }
        stolen
    }

    /// Asks the owner to publish.
    pub(crate) fn raise_demand(&self) {
        if !self.front.gate.is_demand() {
            self.announce_idle();
        }
    }

    /// Asks the owner to publish, as part of going to sleep: see "the handshake with sleepers".
    pub(crate) fn announce_idle(&self) {
        self.front.gate.close(DEMAND);
    }
}
