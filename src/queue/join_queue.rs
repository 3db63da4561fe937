//! The two-level queue of forks: a private LIFO that costs nothing to share, and the public
//! deque that its oldest jobs are published to.
//!
//! # The private part
//! The owner's pending forks stand in a ring, `ring[head..top)`, which is the owner's alone.
//! A fork writes its job to `top`; its end takes it back from there. Since forks nest, the job
//! of the fork that ends is the newest one, unless it has been published: then all older ones
//! have been, too, and the ring is empty.
//!
//! When a published fork ends, the owner starts over with that fork's slot: those that are still
//! pending stand in slots below it. So slots do not climb, however many forks a long job publishes,
//! and no index wraps around. Where several stacks have forks in one queue, since threads have
//! handed off the core, its holder leaves their slots alone until they have it back.
//!
//! # The gate
//! Two shared words per queue decide "may this fork stay private?" and "is the newest job still
//! private?" with one comparison each:
//! - open: `limit` is `head + CAPACITY` and `floor` is `head`. A fork stays private while
//!   `top < limit`; a fork that ends finds its job, in `slot`, private while `slot >= floor`.
//! - closed, by who found nothing to steal here, or by the owner, which has nothing public, or one
//!   job by which it does not know yet whether there are forks within: `limit` is 0, `floor` is
//!   [`CLOSED`]. No slot passes either comparison, so that the owner's next fork, or the next end
//!   of a fork, comes to the slow path and publishes.
//!
//! `limit` is the truth. Who closes swaps `limit`, then stores `floor`; who opens stores `floor`,
//! then swaps `limit`; so the last swap's `floor` stands, or `floor` is closed in vain, which
//! costs one slow path.
//!
//! # The fast slot
//! A fork while nothing is pending, and the gate is closed, as it then mostly is, is published at
//! once, past ring and deque, in a word of its own, the *fast slot*: to put it there and to take it
//! back is one read-modify-write each. It is older than whatever is in the deque, since the slot is
//! filled only while that is empty.
//!
//! # Publishing
//! The owner gives away its **oldest** jobs: they are the biggest. While it has any private job,
//! something of its is public, or the gate is closed; so its first fork is public at once, and
//! another is when that was stolen or taken back. In a balanced recursion of depth d these are
//! some d of 2^d forks. How many to keep public depends on what became of the last ones: one,
//! more when they were stolen, one again when the owner had to take one back.
//!
//! # Force
//! An owner that runs a long closure without a fork answers nobody. So a thief that has found
//! nothing for a while may take a private job by *force*, where the system has a fence that one
//! thread can impose on all others (`os::heavy_fence`): it sets `forced`, closes the gate,
//! imposes the fence, and then may read `head`, `top` and the ring, unless the owner is `busy` in
//! a slow path.
//! - An end of a fork stores `top`, then looks at the gate. If it looked before the fence, its
//!   `top` is visible after it, and the thief leaves its job alone; if it looks later, it finds the
//!   gate closed and goes to its slow path.
//! - A slow path stores `busy`, then looks at `forced`. If it looked before the fence, the thief
//!   sees `busy` and goes, or the slow path has ended and may have opened the gate again, which
//!   the thief sees likewise; if it looks later, it waits until the thief is through.
//! - A fork that the thief does not see yet is one it does not take.
//! - A fork in the fast slot needs no `busy`: to put it there and to take it back moves neither
//!   `head` nor the ring and opens no gate, and when it is taken back, no private job is left.
//!
//! The thief takes every private fork of an owner that is silent, since the next thief would have
//! to wait and to impose the fence again.
//!
//! The owner pays nothing for it but the order of two instructions, which the compiler must keep.
//! The same fence is part of the last searcher's going to sleep: where nothing is public the gate
//! is closed, so a fork that looked at the gate before the fence is seen by `hides_work`, and one
//! that looks later is published.
//!
//! # The handshake with sleepers
//! A worker that is about to sleep (1) counts itself as parked, (2) issues a SeqCst fence, (3)
//! reads `limit` and the fast slot of every queue, then looks at the deques. It writes to none of
//! them, so what it costs others does not grow with the number of workers. An owner that publishes
//! (a) pushes to the deque, (b) swaps `limit`, SeqCst, or fills the fast slot, likewise, (c) reads
//! the counts, SeqCst. If (3) reads what `limit` was before (b), the fence comes before (b) in
//! the single order of SeqCst operations, hence before (c), which then sees the count. Else (3)
//! sees the push: all writes of `limit` are read-modify-writes, so its Release sequence never
//! breaks.
//!
//! # What it is worth
//! What a row takes without it, as a multiple of what it takes with it: medians by
//! `benches/ablation/run`, on two shared virtual cores. (CPU time only where threads sleep,
//! since that of others is accounted for too late.)
//!
//! | without | row | threads | time | CPU time |
//! | --- | --- | ---: | ---: | ---: |
//! | `fast-slot`: the fast slot | join of empty closures | 2 | 2.61 | – |
//! |  | loop of 100 | 2 | 1.47 | – |
//! |  | tree sum, 15 nodes | 2 | 1.37 | – |
//! |  | empty joins from outside | 2 | 1.21 | – |
//! | `kept-public`: more than one job public | join tree of 64 that sleep | 8 | 1.01 | 1.22 |

use std::cell::Cell;
use std::ptr::{self, NonNull};

use crossbeam_utils::CachePadded;

use super::deque::{Steal, Stealer, Worker};
use super::give_way;
use crate::sync::{AtomicPtr, AtomicUsize, Ordering, light_fence};

/// Forks that can be private at a time. Small enough to stay in the first-level cache, large
/// enough that only recursions deeper than this ever publish for lack of room. (A guess.)
pub(crate) const CAPACITY: usize = if cfg!(loom) { 4 } else { 256 };
const MASK: usize = CAPACITY - 1;

/// Stands for the fast slot, which is not in the ring.
const FAST: usize = 0;
/// The first slot of the ring.
const FIRST: usize = FAST + 1;
/// No slot is as high as this.
const MOST: usize = usize::MAX / 2;
/// `floor` of a closed gate, of which `limit` is 0.
const CLOSED: usize = usize::MAX;

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
    /// The job, for `from_pointer`.
    fn into_pointer(self) -> NonNull<J>;

    /// # Safety
    /// `job` came from `into_pointer`, and is used for this once.
    unsafe fn from_pointer(job: NonNull<J>) -> Self;

    /// Whether this is the published `private`.
    fn is(&self, private: NonNull<J>) -> bool;
}

/// A worker's pending forks: private jobs `J`, public ones `P`.
///
/// `front.own` and `own` are for the owner alone (the holder of the worker's core, see
/// `sleep/mod.rs`), but for a thief that forces, and for glances at how much is there;
/// `front.gate`, `own.fast` and `stealer` are everybody's.
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
    top: AtomicUsize,
    ring: [AtomicPtr<J>; CAPACITY],
}

struct Own<P> {
    /// The slot of the oldest private job; `head <= top`.
    head: AtomicUsize,
    /// Whether the owner is in a slow path.
    busy: AtomicUsize,
    fast: FastSlot,
    /// How many forks the owner has published; wraps around.
    published: AtomicUsize,
    /// The slots below this may be those of forks on other stacks (owner only).
    kept: Cell<usize>,
    /// How many jobs to keep public, from `fewest` to `most`.
    handful: Cell<usize>,
    fewest: usize,
    most: usize,
    /// Whether the owner comes to a slow path at every fork and its end.
    keeps_gate_closed: bool,
    public: Worker<P>,
}

impl<P> Own<P> {
    /// How many jobs are public (owner only: it knows without a fence).
    fn public(&self) -> usize {
        self.fast.len() + self.public.len()
    }

    /// Counts jobs that become public (owner only).
    fn count_published(&self, jobs: usize) {
        let before = self.published.load(Ordering::Relaxed);
        self.published.store(before.wrapping_add(jobs), Ordering::Relaxed);
    }
}

/// The fast slot: the address of a published job, or 0. (An address: a thread that writes it back
/// must not make it a pointer to a job that was there before, in the same place.)
struct FastSlot(AtomicUsize);

impl FastSlot {
    fn holds<J>(&self, job: NonNull<J>) -> bool {
        self.0.load(Ordering::Relaxed) == job.addr().get()
    }

    fn len(&self) -> usize {
        usize::from(self.0.load(Ordering::Relaxed) != 0)
    }

    /// Fills the empty slot (owner only).
    fn put<J>(&self, job: NonNull<J>) {
        let address = job.as_ptr().expose_provenance();
        // Release: publishes the job to the Acquire in `take`. SeqCst: "the handshake with
        // sleepers".
        let before = self.0.swap(address, Ordering::SeqCst);
        debug_assert_eq!(before, 0, "another fork in the fast slot was lost");
    }

    fn take<J>(&self) -> Option<NonNull<J>> {
        if self.len() == 0 {
            return None;
        }
        // AcqRel: matches the Release in `put`. A read-modify-write, as all writes are.
        let address = self.0.swap(0, Ordering::AcqRel);
        NonNull::new(ptr::with_exposed_provenance_mut(address))
    }

    /// Whether nothing is there, for a thief that has taken something elsewhere: another that takes
    /// the fork here later sees that.
    fn is_taken(&self) -> bool {
        // Release: matches the Acquire in `take`.
        self.len() == 0 || self.0.fetch_add(0, Ordering::Release) == 0
    }
}

struct Gate {
    limit: AtomicUsize,
    floor: AtomicUsize,
    /// Whether a thief is at the private jobs.
    forced: AtomicUsize,
}

impl Gate {
    fn new(open: bool) -> Self {
        let gate = Gate {
            limit: AtomicUsize::new(0),
            floor: AtomicUsize::new(CLOSED),
            forced: AtomicUsize::new(0),
        };
        if open {
            gate.open(FIRST);
        }
        gate
    }

    /// Opens it (owner only).
    fn open(&self, head: usize) {
        self.floor.store(head, Ordering::Relaxed);
        // SeqCst: see "the handshake with sleepers". AcqRel: orders the stores of `floor`.
        self.limit.swap(head + CAPACITY, Ordering::SeqCst);
    }

    fn close(&self) {
        // SeqCst: as in `open`.
        self.limit.swap(0, Ordering::SeqCst);
        self.floor.store(CLOSED, Ordering::Relaxed);
    }

    /// Closes it, if it does not seem to be.
    #[inline]
    fn keep_closed(&self) {
        if !self.is_closed() {
            self.close();
        }
    }

    /// Whether both words are closed.
    fn is_closed(&self) -> bool {
        // Acquire: matches the Release in `open` and `close`.
        self.limit.load(Ordering::Acquire) == 0 && self.floor.load(Ordering::Relaxed) == CLOSED
    }
}

impl<J> ForkFront<J> {
    /// A front that lets nothing pass, ever.
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
            }),
        }
    }

    fn new(gate: Gate) -> Self {
        ForkFront {
            own: CachePadded::new(Private {
                top: AtomicUsize::new(FIRST),
                ring: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            }),
            gate: CachePadded::new(gate),
        }
    }

    /// Makes `job` the newest private job (owner only) and returns its slot. `None`: the gate is
    /// closed or the ring full; then `push_slow` has to do it.
    #[inline(always)]
    pub(crate) fn push(&self, job: NonNull<J>) -> Option<usize> {
        let slot = self.own.top.load(Ordering::Relaxed);
        // Relaxed: a stale limit only delays the answer to a thief by a fork.
        if slot >= self.gate.limit.load(Ordering::Relaxed) {
            return None;
        }
        self.own.ring[slot & MASK].store(job.as_ptr(), Ordering::Relaxed);
        // Release: matches the Acquire of a thief that forces.
        self.own.top.store(slot + 1, Ordering::Release);
        Some(slot)
    }

    /// Takes the newest job, which is in `slot`, back if it is still private (owner only).
    /// `false`: it may have been published, or somebody asks for work; then `pop_slow` knows.
    ///
    /// That `top` is `slot + 1` is not asked of `top`: through memory, each fork would wait for
    /// the last one's store.
    #[inline(always)]
    pub(crate) fn pop(&self, slot: usize) -> bool {
        // Release: as in `push`.
        self.own.top.store(slot, Ordering::Release);
        // Pairs with the heavy fence in `force`.
        light_fence();
        // Relaxed: the owner knows its own writes, and a thief's are ordered by the fences.
        slot >= self.gate.floor.load(Ordering::Relaxed)
    }
}

impl<J, P: Published<J>> ForkQueue<J, P> {
    /// A queue whose owner keeps from `fewest` to `most` jobs public; 0: there are no thieves.
    /// `keeps_gate_closed`: the owner is to come to a slow path at every fork and its end.
    pub(crate) fn new(fewest: usize, most: usize, keeps_gate_closed: bool) -> Self {
        let public = Worker::new_lifo();
        let stealer = public.stealer();
        ForkQueue {
            front: ForkFront::new(Gate::new(most == 0)),
            own: Own {
                head: AtomicUsize::new(FIRST),
                busy: AtomicUsize::new(0),
                fast: FastSlot(AtomicUsize::new(0)),
                published: AtomicUsize::new(0),
                kept: Cell::new(FIRST),
                handful: Cell::new(fewest),
                fewest,
                most,
                keeps_gate_closed,
                public,
            },
            stealer,
        }
    }

    // ---- the owner's side -------------------------------------------------------------------

    /// `push` where it could not: fills the fast slot, else makes room, and publishes older ones.
    /// `publish_job` makes a job fit for others. Returns the slot, and how many were published, of
    /// which the caller then has to notify sleepers.
    #[must_use]
    #[inline(always)]
    pub(crate) fn push_slow(
        &self,
        job: NonNull<J>,
        publish_job: impl Fn(NonNull<J>) -> P,
    ) -> (usize, usize) {
        match self.push_fast(job, &publish_job) {
            Some(slot) => (slot, 1),
            None => self.push_private(job, publish_job),
        }
    }

    /// Publishes `job` in the fast slot, if nothing else is pending, and returns that slot.
    #[inline(always)]
    fn push_fast(&self, job: NonNull<J>, publish_job: impl Fn(NonNull<J>) -> P) -> Option<usize> {
        let own = &self.own;
        if self.top() != self.head() || own.public() > 0 || own.most == 0 {
            return None;
        }
        // Perhaps a fork without any within. What is the next one's to find out is left to it: the
        // gate stays closed.
        own.count_published(1);
        own.fast.put(publish_job(job).into_pointer());
        Some(FAST)
    }

    #[cold]
    #[inline(never)]
    fn push_private(
        &self,
        job: NonNull<J>,
        publish_job: impl Fn(NonNull<J>) -> P,
    ) -> (usize, usize) {
        let _busy = self.be_busy();
        let private = &self.front.own;
        let (slot, head) = (self.top(), self.head());
        assert!(slot < MOST, "there are no slots for forks left");
        let mut published = 0;
        if slot - head == CAPACITY {
            published += self.publish(CAPACITY / 2, &publish_job);
        }
        private.ring[slot & MASK].store(job.as_ptr(), Ordering::Relaxed);
        private.top.store(slot + 1, Ordering::Release);
        published += self.answer(publish_job);
        (slot, published)
    }

    /// `pop` where it could not tell, of `job` in `slot`. The second value: how many older ones
    /// were published.
    #[inline(always)]
    pub(crate) fn pop_slow(
        &self,
        slot: usize,
        job: NonNull<J>,
        publish_job: impl Fn(NonNull<J>) -> P,
    ) -> (Popped, usize) {
        let fast = &self.own.fast;
        if fast.holds(job) && fast.take::<J>().is_some() {
            self.front.own.top.store(self.head(), Ordering::Release);
            self.took_public_back();
            return (Popped::Mine, 0);
        }
        self.pop_other(slot, job, publish_job)
    }

    /// `pop_slow` of a fork that is not in the fast slot, or no longer.
    #[cold]
    #[inline(never)]
    fn pop_other(
        &self,
        slot: usize,
        job: NonNull<J>,
        publish_job: impl Fn(NonNull<J>) -> P,
    ) -> (Popped, usize) {
        let _busy = self.be_busy();
        let (own, head) = (&self.own, self.head());
        if slot >= head {
            let published = if slot > head { self.answer(publish_job) } else { 0 };
            return (Popped::Mine, published);
        }
        // The ring is empty, as everything older was published before, and stands in lower slots.
        let head = if slot >= own.kept.get() { slot } else { head };
        own.head.store(head, Ordering::Relaxed);
        self.front.own.top.store(head, Ordering::Release);
        let popped = self.pop_public(job);
        if popped == Popped::Mine {
            self.took_public_back();
        } else {
            own.handful.set(own.handful.get().saturating_mul(2).min(own.most));
            // An open gate's limit is too high now.
            self.front.gate.keep_closed();
        }
        (popped, 0)
    }

    #[inline(always)]
    fn took_public_back(&self) {
        self.own.handful.set(self.own.fewest);
        // What is next shall be public again. (Nobody else opens a gate.)
        self.front.gate.keep_closed();
    }

    fn top(&self) -> usize {
        self.front.own.top.load(Ordering::Relaxed)
    }

    fn head(&self) -> usize {
        self.own.head.load(Ordering::Relaxed)
    }

    /// Keeps thieves that force out of the private part while the owner is in a slow path.
    fn be_busy(&self) -> Busy<'_> {
        self.own.busy.store(1, Ordering::Relaxed);
        // Pairs with the heavy fence in `force`: either the thief sees `busy` and goes, or this
        // sees `forced`.
        light_fence();
        let mut round = 0;
        // Acquire: matches the thief's Release.
        while self.front.gate.forced.load(Ordering::Acquire) != 0 {
            give_way(&mut round);
        }
        Busy(&self.own.busy)
    }

    /// Sees to it that the owner waits for no thief that forces, which a `fork()` has left in the
    /// parent. Either its job is still here, or the owner misses it.
    pub(crate) fn forget_thief(&self) {
        self.front.gate.forced.store(0, Ordering::Relaxed);
    }

    /// Whether the slots that are in use are to be left alone from now on: they may be those of
    /// another stack, which goes on later.
    pub(crate) fn keep_slots(&self, keeps: bool) {
        self.own.kept.set(if keeps { self.head() } else { FIRST });
    }

    /// Starts over with the first slot, long before there is none left; for an owner without any
    /// fork that has not come to its end. (Some slots are lost where stacks have taken turns.)
    pub(crate) fn rewind(&self) {
        if self.head() > MOST / 2 {
            let _busy = self.be_busy();
            self.own.head.store(FIRST, Ordering::Relaxed);
            self.front.own.top.store(FIRST, Ordering::Release);
            self.front.gate.close();
        }
    }

    /// Has the next fork publish.
    pub(crate) fn recheck(&self) {
        self.front.gate.close();
    }

    /// Undoes `pop_newest_public`. The caller has to announce the job again.
    pub(crate) fn push_newest_public(&self, job: P) {
        self.own.public.push(job);
        self.recheck();
    }

    /// Takes the newest public job, for an owner that has nothing better to do. What that forks
    /// shall be public again, if this was the last.
    pub(crate) fn pop_newest_public(&self) -> Option<P> {
        let job = self.own.public.pop().or_else(|| self.take_fast())?;
        if self.took_last() {
            self.front.gate.keep_closed();
        }
        Some(job)
    }

    /// Publishes every private job. Returns how many there were. An owner does this before it
    /// waits for something other than its newest job.
    #[must_use]
    pub(crate) fn flush(&self, publish_job: impl Fn(NonNull<J>) -> P) -> usize {
        let _busy = self.be_busy();
        let published = self.publish(CAPACITY, &publish_job);
        if published > 0 {
            self.front.gate.close();
        }
        published
    }

    /// Sees to it that enough is public, and opens the gate unless nothing is.
    fn answer(&self, publish_job: impl Fn(NonNull<J>) -> P) -> usize {
        // Pairs with the heavy fence of who sleeps for good: either that sees the job which is
        // private by now, or this sees what became of the public ones.
        light_fence();
        let own = &self.own;
        let wanted = own.handful.get().saturating_sub(own.public());
        let published = self.publish(wanted, &publish_job);
        self.front.gate.open(self.head());
        if own.most > 0 && (own.public() == 0 || own.keeps_gate_closed) {
            // Nothing was there, or all of it is stolen already.
            self.front.gate.close();
        }
        published
    }

    /// Moves the oldest `count` private jobs, or all if there are fewer, to the deque.
    fn publish(&self, count: usize, publish_job: &impl Fn(NonNull<J>) -> P) -> usize {
        let head = self.head();
        let count = count.min(self.top() - head);
        for slot in head..head + count {
            self.own.public.push(publish_job(self.private(slot)));
        }
        self.own.head.store(head + count, Ordering::Relaxed);
        self.own.count_published(count);
        count
    }

    /// The private job in `slot`.
    fn private(&self, slot: usize) -> NonNull<J> {
        let job = self.front.own.ring[slot & MASK].load(Ordering::Relaxed);
        match NonNull::new(job) {
            Some(job) => job,
            None => unreachable!("the slots from head to top are filled"),
        }
    }

    /// Takes `job` back. Whatever else is public is older, and stays.
    fn pop_public(&self, job: NonNull<J>) -> Popped {
        match self.own.public.pop() {
            Some(popped) if popped.is(job) => Popped::Mine,
            Some(older) => {
                self.push_newest_public(older);
                Popped::Stolen
            }
            None => Popped::Stolen,
        }
    }

    // ---- the thieves' side ------------------------------------------------------------------

    /// Whether nothing is public. After a SeqCst fence it is step (3) of the handshake.
    pub(crate) fn is_empty(&self) -> bool {
        // Acquire: matches the Release of `open` and `close`, before which the deque was filled.
        self.front.gate.limit.load(Ordering::Acquire);
        self.own.fast.len() == 0 && self.stealer.is_empty()
    }

    /// Whether nothing is public, for a thief that has just taken something. If one thief takes the
    /// fork in the fast slot, and another the last one in the deque, one of them sees it.
    fn took_last(&self) -> bool {
        self.stealer.is_empty() && self.own.fast.is_taken()
    }

    fn take_fast(&self) -> Option<P> {
        let job = self.own.fast.take()?;
        // SAFETY: the slot is filled by `push_fast` only, with what `into_pointer` gave, and one
        // thread takes it out.
        Some(unsafe { P::from_pointer(job) })
    }

    /// What goes up by one with each job that the owner publishes. (A glance: nothing is ordered by
    /// it.)
    pub(crate) fn published(&self) -> usize {
        self.own.published.load(Ordering::Relaxed)
    }

    /// Steals the oldest public job. Raises demand if that was the last one, or none was there.
    pub(crate) fn steal(&self) -> Steal<P> {
        let stolen = self.take_fast().map_or_else(|| self.stealer.steal(), Steal::Success);
        if self.took_last() {
            // Not `raise_demand`: what it sees may be older than what the owner last answered.
            self.front.gate.close();
        }
        stolen
    }

    /// Asks the owner to publish.
    pub(crate) fn raise_demand(&self) {
        self.front.gate.keep_closed();
    }

    /// Whether the owner seems to have private jobs.
    pub(crate) fn hides_work(&self) -> bool {
        self.hidden() > 0
    }

    /// How many private jobs there seem to be.
    pub(crate) fn hidden(&self) -> usize {
        self.top().saturating_sub(self.head())
    }

    /// How many jobs are public. After a SeqCst fence it is step (3) of the handshake, as
    /// `is_empty`.
    pub(crate) fn public(&self) -> usize {
        // Acquire: as in `is_empty`.
        self.front.gate.limit.load(Ordering::Acquire);
        self.own.fast.len() + self.stealer.len()
    }

    /// What changes with each fork and each end of one. (A glance: nothing is ordered by it.)
    pub(crate) fn progress(&self) -> (usize, usize) {
        (self.head(), self.top())
    }

    /// Hands every private job of an owner that does not answer to `take`, the oldest first; see
    /// "Force". `heavy_fence` says whether it could do what it should. Returns how many there were.
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
        // Acquire: matches the Release when the owner leaves its slow path. That may have begun
        // before `forced` was set and have opened the gate again.
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

/// While this lives, the owner is in a slow path.
struct Busy<'q>(&'q AtomicUsize);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        // Release: matches the Acquire in `force`.
        self.0.store(0, Ordering::Release);
    }
}
