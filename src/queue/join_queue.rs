//! A worker's pending forks: a private ring that only its owner touches, and a public part from
//! which thieves steal.
//!
//! # States
//! The job of a pending fork is in one of three places:
//!
//! | place | put there by | taken out by |
//! | --- | --- | --- |
//! | *private ring*, `ring[head..top)` | `push` | the owner; a thief by force |
//! | *fast slot*, one word | `push_slow` | the owner or a thief, by a swap |
//! | public deque | `publish`, from the ring | the owner takes the newest, thieves the oldest |
//!
//! The *gate* is two shared words, `limit` and `floor`. It is in one of two states:
//! - Open: `limit` is `head + CAPACITY - 1` and `floor` is `head`. A fork stays in the ring if its
//!   `slot < limit`. A fork that ends takes its job from its slot if `slot >= floor`.
//! - Closed: `limit` is 0 and `floor` is `CLOSED`. No slot passes either comparison, so the
//!   owner's next fork, or the next end of a fork, takes a slow path, which publishes.
//!
//! Publishing moves the **oldest** jobs of the ring to the deque, since they are the biggest. At
//! first, and when it begins a job from outside that should be long, the owner keeps `max_public`
//! jobs public. When it takes a public job back itself, it returns to `min_public`. Each time it
//! ends a fork that was stolen, it doubles that number, up to `max_public`. The gate stays closed
//! until that many are public. If it opened as soon as one is, a join tree of items that sleep
//! would hide most of its forks: the last of 64 items would begin 1.7 times as late (medians, on
//! two shared virtual cores).
//!
//! A fork that is made while none is pending goes to the fast slot. Putting it there takes one
//! read-modify-write, and so does taking it back. If one public job is enough, the gate opens
//! before that by plain stores. So the forks inside this one are private at once.
//!
//! # Invariant
//! Each pending job is in one place. Jobs in the fast slot are older than those in the deque, and
//! these are older than those in the ring. While the ring is not empty, some job is public, or the
//! gate is closed, or the thief that took the last public job is about to close it.
//!
//! # Lemmas
//! 1. *A fork that ends is the newest.* Forks nest. So its job is the newest of the ring, or the
//!    ring is empty and the job is the newest public one, or a thief has it.
//!    Models: `a_fork_that_thieves_are_after_is_run_once`,
//!    `forks_in_the_fast_slot_one_after_the_other_are_run_once`.
//! 2. *A job at or above `floor` is private.* Only the owner, and a thief by force, raise `head`.
//!    The owner then opens the gate at the new `head`, or closes it; a thief has closed it before.
//!    To open it is to store `floor`, then write `limit`; to close it is to write `limit`, then
//!    store `floor`. So if both overlap, the one that writes `limit` last takes effect, except that
//!    `floor` may stay closed although `limit` is open. That costs slow paths that are not needed.
//!    Model: `a_fork_that_is_flushed_is_run_once`.
//! 3. *A fork overwrites no pending job.* Before a fork, at most `CAPACITY - 1` jobs are in the
//!    ring, since an open gate's `limit` is at most `head + CAPACITY - 1`: the owner closes the
//!    gate when it lowers `head`. Models: `a_ring_that_is_full_loses_nothing`,
//!    `a_ring_that_starts_over_under_an_open_gate_loses_nothing`.
//! 4. *A public job has one taker.* The fast slot is emptied by a swap, and crossbeam's deque gives
//!    an element out once. Model: `one_of_two_thieves_gets_a_job_or_its_owner`.
//! 5. *Slot numbers do not grow without end.* When a published fork ends, the ring is empty, and
//!    the jobs that are still pending have lower slots (lemma 1). So the owner reuses this fork's
//!    slot and those above it. If threads have handed off the core, the forks on their stacks keep
//!    their slots, and the core's holder does not use these (`reserved`). Unit tests:
//!    `queue/slots.rs`.
//!
//! # Force
//! An owner that runs a long closure without forks reaches no slow path, and so publishes nothing.
//! A thief that has found nothing for a while takes all private jobs of such an owner by *force*,
//! if the system has a fence that one thread can impose on all others (`os::heavy_fence`). The
//! thief takes the lock `forced`, closes the gate, imposes the fence, and reads `busy`, the gate,
//! `head`, `top` and the ring. This costs the owner no fence.
//!
//! 6. *An end of a fork and a thief do not take the same job.* `pop` stores `top`, then reads
//!    `floor`. If it read `floor` before the fence, the thief sees its `top`, and leaves its job
//!    alone. If it reads `floor` later, it finds the gate closed. A fork that reads `limit` later
//!    also does, and `push_private` sees by `head` whether the thief has the job. Models:
//!    `a_fork_that_is_taken_by_force_is_run_once`,
//!    `a_fork_that_force_finds_at_once_is_run_once`.
//! 7. *A slow path and a thief exclude each other.* A slow path stores `busy`, then reads `forced`.
//!    If it read `forced` before the fence, the thief sees `busy` and gives up, unless the slow
//!    path has ended by then. In that case the thief sees whether the slow path opened the gate,
//!    and gives up if it did. If the slow path reads `forced` later, it waits for the thief.
//!    Models: `a_fork_that_is_taken_by_force_and_flushed_is_run_once`,
//!    `a_gate_that_is_opened_again_keeps_force_out`,
//!    `a_thief_that_is_kept_out_leaves_the_forks_as_they_are`.
//! 8. *The fast slot needs no `busy`.* `clears_ring` takes the job out of the ring, then reads
//!    `forced`. If it read `forced` before the fence, the thief finds the ring empty. If later, it
//!    closes the gate again, and `push_private` goes on. When a fork is taken back from the slot,
//!    no job is private. Models: `a_fork_that_force_finds_before_it_is_public_is_run_once`,
//!    `forks_in_the_fast_slot_after_one_that_is_taken_by_force_are_run_once`.
//! 9. *One thief forces at a time*, since `forced` is a lock. Model:
//!    `two_thieves_that_use_force_get_a_fork_each`.
//!
//! # The handshake with sleepers
//! A worker that is about to sleep (1) counts itself as parked, (2) issues a SeqCst fence, and (3)
//! reads `limit` and the fast slot of every queue, then looks at the deques. It writes to none of
//! them, so the cost to others does not grow with the number of workers. An owner that publishes
//! (a) pushes to the deque, (b) swaps `limit`, or fills the fast slot, by a SeqCst operation, and
//! (c) reads the counts, SeqCst.
//!
//! 10. *A published job and a sleeper do not miss each other.* If (3) reads the value from before
//!     (b), then the fence (2) precedes (b), and hence (c), in the single order of SeqCst
//!     operations. So (c) sees the count. Otherwise (3) sees the push: other threads write `limit`
//!     only by read-modify-writes, and the owner's stores are Release. Models:
//!     `a_flush_and_a_sleeper_see_each_other`, `an_older_fork_and_a_sleeper_see_each_other`,
//!     `a_fork_in_the_fast_slot_and_a_sleeper_see_each_other`.
//! 11. *The owner learns that nothing is public.* Of the thieves that take the last public jobs, at
//!     least one closes the gate. (`open_before_fast` may undo a `close`, but then fills the fast
//!     slot.) Models: `one_of_two_thieves_that_take_the_last_raises_demand`,
//!     `the_next_fork_is_published_for_a_sleeper`,
//!     `the_next_end_of_a_fork_publishes_an_older_one_for_a_sleeper`.
//! 12. *No private job is overlooked.* A thief that takes the last public job closes the gate, and
//!     then relies on a searcher or the sentry. If there is none, it looks for private jobs itself.
//!     So does a last searcher that parks, or that has found a job and sees no other, a sentry that
//!     resigns, and a thread after whose departure a core is parked. If some thief has closed an
//!     open gate before, the one that looks imposes the heavy fence first. A fork stores `top`,
//!     then reads the gate and what is public. If it read that before the fence, `hides_work` sees
//!     the fork. If later, it is published.
//!     Models: `a_fork_behind_a_stolen_one_is_not_hidden_from_the_last_sleeper`,
//!     `a_fork_behind_one_that_is_being_stolen_is_not_hidden_from_the_last_sleeper`,
//!     `a_thief_sees_the_fork_behind_the_one_that_it_steals`,
//!     `a_private_fork_finds_the_last_searcher_as_it_parks`.
//!
//! # What it is worth
//! A row's time without a mechanism, divided by its time with it: medians by
//! `benches/ablation/run`, on two shared virtual cores.
//!
//! | without | row | threads | time | CPU time |
//! | --- | --- | ---: | ---: | ---: |
//! | `fast-slot`: the fast slot | join of empty closures | 2 | 2.61 | – |
//! |  | loop of 100 | 2 | 1.47 | – |
//! | `kept-public`: more than one job public | join tree of 64 that sleep | 8 | 1.01 | 1.22 |

use std::cell::Cell;
use std::ptr::NonNull;

use super::deque::{Stealer, Worker};
use super::fast_slot::FAST;
use super::front::{CAPACITY, FIRST, ForkFront, Gate, MASK};
use super::give_way;
use crate::sync::{AtomicUsize, Ordering, light_fence};

/// Every slot is lower than this.
const MOST: usize = usize::MAX / 2;

/// Which thread has the job of a fork that ends.
#[must_use]
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Popped {
    /// The owner has it back.
    Mine,
    /// A thief has it.
    Stolen,
}

/// The public form of a private job `J`.
pub(crate) trait Published<J> {
    /// Returns the job as a pointer, from which `from_pointer` makes it again.
    fn into_pointer(self) -> NonNull<J>;

    /// # Safety
    /// `job` came from `into_pointer`, and is passed to this function once.
    unsafe fn from_pointer(job: NonNull<J>) -> Self;

    /// Returns whether this is the public form of `private`.
    fn is(&self, private: NonNull<J>) -> bool;
}

/// A worker's pending forks: private jobs `J`, public ones `P`.
///
/// The owner is the thread that holds the worker's core (`sleep/mod.rs`). Any thread may use
/// `front.gate` and `stealer`. Only the owner uses `front.own` and the rest, except that a thief
/// that forces does too, and that any thread may read how much is pending (Relaxed).
#[repr(C)]
pub(crate) struct ForkQueue<J, P> {
    pub(super) front: ForkFront<J>,
    pub(super) own: Own<P>,
    pub(super) stealer: Stealer<P>,
}

pub(super) struct Own<P> {
    /// The slot of the oldest private job; `head <= top`.
    pub(super) head: AtomicUsize,
    /// Whether the owner is in a slow path.
    pub(super) busy: AtomicUsize,
    /// How many forks the owner has published; wraps around.
    pub(super) published: AtomicUsize,
    /// Slots below this one may belong to forks on other stacks (owner only).
    pub(super) reserved: Cell<usize>,
    /// How many jobs to keep public, from `min_public` to `max_public`.
    pub(super) public_target: Cell<usize>,
    pub(super) min_public: usize,
    pub(super) max_public: usize,
    /// Whether every fork, and every end of one, takes a slow path.
    pub(super) keeps_gate_closed: bool,
    pub(super) public: Worker<P>,
}

impl<P> Own<P> {
    /// Counts jobs that become public (owner only).
    fn count_published(&self, jobs: usize) {
        let before = self.published.load(Ordering::Relaxed);
        self.published.store(before.wrapping_add(jobs), Ordering::Relaxed);
    }
}

impl<J, P: Published<J>> ForkQueue<J, P> {
    /// Makes a queue whose owner keeps from `min_public` to `max_public` jobs public. If
    /// `max_public` is 0, there are no thieves. If `keeps_gate_closed`, every fork and every end of
    /// one takes a slow path.
    pub(crate) fn new(min_public: usize, max_public: usize, keeps_gate_closed: bool) -> Self {
        let public = Worker::new_lifo();
        let stealer = public.stealer();
        ForkQueue {
            front: ForkFront::new(Gate::new(max_public == 0)),
            own: Own {
                head: AtomicUsize::new(FIRST),
                busy: AtomicUsize::new(0),
                published: AtomicUsize::new(0),
                reserved: Cell::new(FIRST),
                public_target: Cell::new(max_public),
                min_public,
                max_public,
                keeps_gate_closed,
                public,
            },
            stealer,
        }
    }

    /// Called after `push` returned `None` for `job`, which is now the newest of the ring. Moves it
    /// to the fast slot, or publishes the oldest jobs, each by `publish_job`. Returns the slot, and
    /// how many jobs this call published. The caller then notifies the sleepers of these.
    #[must_use]
    #[inline(always)]
    pub(crate) fn push_slow(
        &self,
        job: NonNull<J>,
        publish_job: impl Fn(NonNull<J>) -> P,
    ) -> (usize, usize) {
        let slot = self.top() - 1;
        if self.has_only(slot) && self.clears_ring(slot) {
            self.own.count_published(1);
            self.front.gate.fast.put(publish_job(job).into_pointer());
            return (FAST, 1);
        }
        (slot, self.push_private(slot, publish_job))
    }

    /// Whether no job is pending but the one in `slot`, which may go to the fast slot.
    fn has_only(&self, slot: usize) -> bool {
        let (own, fast) = (&self.own, &self.front.gate.fast);
        slot == self.head() && fast.len() == 0 && own.public.is_empty() && own.max_public > 0
    }

    /// Takes the ring's only job out of it, and opens the gate if one public job is enough. Returns
    /// `false` if a thief forces meanwhile: lemma 8.
    #[inline(always)]
    fn clears_ring(&self, slot: usize) -> bool {
        let (own, gate) = (&self.own, &self.front.gate);
        // Release: as in `ForkFront::push`.
        self.front.own.top.store(slot, Ordering::Release);
        if own.public_target.get() <= 1 && !own.keeps_gate_closed {
            gate.open_before_fast(slot);
        }
        // Pairs with the heavy fence in `force`.
        light_fence();
        let clears = !self.is_forced() && self.head() == slot;
        if !clears {
            gate.shut();
        }
        clears
    }

    #[cold]
    #[inline(never)]
    fn push_private(&self, slot: usize, publish_job: impl Fn(NonNull<J>) -> P) -> usize {
        let _busy = self.be_busy();
        // Release: as in `ForkFront::push`.
        self.front.own.top.store(slot + 1, Ordering::Release);
        if slot < self.head() {
            // A thief has taken the job by force.
            return 0;
        }
        assert!(slot < MOST, "there are no slots for forks left");
        let is_full = self.hidden() == CAPACITY;
        let room = if is_full { self.publish(CAPACITY / 2, &publish_job) } else { 0 };
        room + self.answer(publish_job)
    }

    /// Called after `pop` returned `false` for `job`, which was put into `slot`. Returns which
    /// thread has the job, and how many older jobs this call published.
    #[inline(always)]
    pub(crate) fn pop_slow(
        &self,
        slot: usize,
        job: NonNull<J>,
        publish_job: impl Fn(NonNull<J>) -> P,
    ) -> (Popped, usize) {
        let fast = &self.front.gate.fast;
        if fast.holds(job) && fast.take::<J>().is_some() {
            // Release: as in `ForkFront::push`.
            self.front.own.top.store(self.head(), Ordering::Release);
            self.took_public_back();
            return (Popped::Mine, 0);
        }
        self.pop_other(slot, job, publish_job)
    }

    /// `pop_slow` of a job that is not in the fast slot.
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
        // The ring is empty, and all that is still pending has lower slots: lemmas 1 and 5.
        let head = if slot >= own.reserved.get() { slot } else { head };
        own.head.store(head, Ordering::Relaxed);
        // Release: as in `ForkFront::push`.
        self.front.own.top.store(head, Ordering::Release);
        let popped = self.pop_public(job);
        if popped == Popped::Mine {
            self.took_public_back();
        } else {
            own.public_target.set(own.public_target.get().saturating_mul(2).min(own.max_public));
            // An open gate's limit may be too high now: lemma 3.
            self.front.gate.shut();
        }
        (popped, 0)
    }

    #[inline(always)]
    pub(super) fn took_public_back(&self) {
        self.own.public_target.set(self.own.min_public);
        // The next fork is published again.
        self.front.gate.shut();
    }

    /// Returns how many jobs are public (owner only; another thread would need a fence).
    fn public_by_owner(&self) -> usize {
        self.front.gate.fast.len() + self.own.public.len()
    }

    /// Makes the owner keep the most jobs public until it takes one back (owner only).
    pub(crate) fn keep_most_public(&self) {
        self.own.public_target.set(self.own.max_public);
    }

    pub(super) fn top(&self) -> usize {
        self.front.own.top.load(Ordering::Relaxed)
    }

    pub(super) fn head(&self) -> usize {
        self.own.head.load(Ordering::Relaxed)
    }

    /// Begins a slow path, which excludes thieves that force: lemma 7.
    fn be_busy(&self) -> Busy<'_> {
        self.own.busy.store(1, Ordering::Relaxed);
        // Pairs with the heavy fence in `force`: the thief sees `busy`, or this sees `forced`.
        light_fence();
        let mut round = 0;
        while self.is_forced() {
            give_way(&mut round);
        }
        Busy(&self.own.busy)
    }

    fn is_forced(&self) -> bool {
        // Acquire: matches the thief's Release.
        self.front.gate.forced.load(Ordering::Acquire) != 0
    }

    /// In the child of a `fork()`, releases the lock of a thief that exists only in the parent. A
    /// job that the thief was taking is still in the ring, or is lost with the thief.
    pub(crate) fn forget_thief(&self) {
        self.front.gate.forced.store(0, Ordering::Relaxed);
    }

    /// If it `keeps` them, reserves the slots in use, since they belong to forks on a stack that
    /// continues later. If not, releases all reserved slots.
    pub(crate) fn keep_slots(&self, keeps: bool) {
        self.own.reserved.set(if keeps { self.head() } else { FIRST });
    }

    /// Called when all forks of the owner have ended. Starts over with the first slot if half of
    /// them are used up. (Slot numbers climb because reserved slots are not used again.)
    pub(crate) fn rewind(&self) {
        if self.lacks_slots() {
            let _busy = self.be_busy();
            self.own.head.store(FIRST, Ordering::Relaxed);
            // Release: as in `ForkFront::push`.
            self.front.own.top.store(FIRST, Ordering::Release);
            self.front.gate.close();
        }
    }

    pub(crate) fn lacks_slots(&self) -> bool {
        self.head() > MOST / 2
    }

    /// Makes the owner publish at its next fork, or at the next end of one.
    pub(crate) fn recheck(&self) {
        self.front.gate.close();
    }

    /// Undoes `pop_newest_public`. The caller notifies the sleepers of the job again.
    pub(crate) fn push_newest_public(&self, job: P) {
        self.own.public.push(job);
        self.recheck();
    }

    /// Whether the owner keeps the most jobs public: at first, and after thieves took its last ones
    /// (owner only).
    pub(crate) fn is_in_demand(&self) -> bool {
        let own = &self.own;
        own.min_public < own.max_public && own.public_target.get() == own.max_public
    }

    /// Takes the newest public job (owner only). If that was the last, the next fork is published.
    pub(crate) fn pop_newest_public(&self) -> Option<P> {
        let job = self.own.public.pop().or_else(|| self.take_fast())?;
        if self.took_last() {
            self.front.gate.shut();
        }
        Some(job)
    }

    /// Publishes every private job, and returns how many there were. An owner does this before it
    /// waits for anything but its newest job.
    #[must_use]
    pub(crate) fn flush(&self, publish_job: impl Fn(NonNull<J>) -> P) -> usize {
        let _busy = self.be_busy();
        let published = self.publish(CAPACITY, &publish_job);
        if published > 0 {
            self.front.gate.close();
        }
        published
    }

    /// Publishes until `public_target` jobs are public. Opens the gate, unless fewer are.
    fn answer(&self, publish_job: impl Fn(NonNull<J>) -> P) -> usize {
        let own = &self.own;
        let wanted = own.public_target.get().saturating_sub(self.public_by_owner());
        let published = self.publish(wanted, &publish_job);
        self.front.gate.open(self.head());
        if self.public_by_owner() < own.public_target.get() || own.keeps_gate_closed {
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

    pub(super) fn private(&self, slot: usize) -> NonNull<J> {
        let job = self.front.own.ring[slot & MASK].load(Ordering::Relaxed);
        match NonNull::new(job) {
            Some(job) => job,
            None => unreachable!("the slots from head to top are filled"),
        }
    }

    /// Takes `job` back from the deque, unless it was stolen. All other public jobs are older, and
    /// stay.
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
}

/// The owner is in a slow path until this is dropped.
struct Busy<'q>(&'q AtomicUsize);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        // Release: matches the Acquire in `force`.
        self.0.store(0, Ordering::Release);
    }
}
