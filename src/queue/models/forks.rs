//! Models of the fork queue: each job is run once, and a publisher and a sleeper do not miss each
//! other.

use std::ptr::NonNull;

use loom::sync::Arc;
use loom::thread;

use super::start;
use crate::queue::{ForkFront, ForkQueue, Popped, Published, until_sure};
use crate::sync::{AtomicUsize, Ordering, UnsafeCell, fence, seq_cst_is_enough};

/// A job, to be run once.
struct Job {
    runs: AtomicUsize,
    /// Whether the owner has written the job: stands for what it writes before a fork.
    closure: UnsafeCell<bool>,
}

impl Job {
    fn new() -> Self {
        Job { runs: AtomicUsize::new(0), closure: UnsafeCell::new(false) }
    }

    fn make(&self) {
        // SAFETY: no other thread has the job yet.
        unsafe { *self.closure.get() = true };
    }

    fn run(&self) {
        assert_eq!(self.runs.fetch_add(1, Ordering::Relaxed), 0, "a job ran twice");
        // SAFETY: only the thread that runs the job has it.
        assert!(unsafe { *self.closure.get() }, "a job was run before it was made");
    }
}

/// A job that any thread may take.
struct Public(NonNull<Job>);

impl Public {
    fn run(self) {
        // SAFETY: the jobs live as long as the queue.
        unsafe { self.0.as_ref() }.run();
    }
}

impl Published<Job> for Public {
    fn into_pointer(self) -> NonNull<Job> {
        self.0
    }

    unsafe fn from_pointer(job: NonNull<Job>) -> Self {
        Public(job)
    }

    fn is(&self, private: NonNull<Job>) -> bool {
        self.0 == private
    }
}

/// A fork that is pending.
struct Pending {
    job: usize,
    slot: usize,
    /// Whether the fork published a job and then saw a sleeper, which it would wake.
    wakes: bool,
}

/// A worker's forks, as the owner and thieves use them, and the count of sleepers.
struct Forks {
    queue: ForkQueue<Job, Public>,
    jobs: Vec<Job>,
    sleepers: AtomicUsize,
}

// SAFETY: in each model one thread is the queue's owner.
unsafe impl Sync for Forks {}
// SAFETY: nothing in them depends on their thread.
unsafe impl Send for Forks {}

impl Forks {
    fn new(jobs: usize) -> Arc<Self> {
        let jobs = (0..jobs).map(|_| Job::new()).collect();
        Arc::new(Forks { queue: ForkQueue::new(1, 2, false), jobs, sleepers: AtomicUsize::new(0) })
    }

    fn assert_all_ran(&self) {
        let runs: Vec<_> = self.jobs.iter().map(|job| job.runs.load(Ordering::Relaxed)).collect();
        assert!(runs.iter().all(|&runs| runs == 1), "{runs:?}");
    }

    // ---- the owner: fork/join.rs, worker/publish.rs ------------------------------------------

    fn front(&self) -> &ForkFront<Job> {
        // SAFETY: the front is the queue's first field, and the layout is C's.
        unsafe { &*(&raw const self.queue).cast() }
    }

    fn sees_sleepers(&self) -> bool {
        seq_cst_is_enough();
        self.sleepers.load(Ordering::SeqCst) > 0
    }

    fn fork(&self, job: usize) -> Pending {
        self.jobs[job].make();
        let pointer = NonNull::from(&self.jobs[job]);
        let (slot, published) = match self.front().push(pointer) {
            Some(slot) => (slot, 0),
            None => self.queue.push_slow(pointer, Public),
        };
        Pending { job, slot, wakes: published > 0 && self.sees_sleepers() }
    }

    /// Takes the fork's job back, unless a thief has it. Also returns whether it wakes a sleeper.
    fn unfork(&self, fork: &Pending) -> (Popped, bool) {
        if self.front().pop(fork.slot) {
            return (Popped::Mine, false);
        }
        let pointer = NonNull::from(&self.jobs[fork.job]);
        let (popped, published) = self.queue.pop_slow(fork.slot, pointer, Public);
        let publishes = published > 0 || popped == Popped::Stolen;
        (popped, publishes && self.sees_sleepers())
    }

    /// Ends a fork, and runs its job unless a thief has it.
    fn end(&self, fork: Pending) {
        if self.unfork(&fork).0 == Popped::Mine {
            self.jobs[fork.job].run();
        }
    }

    /// Returns whether it wakes a sleeper.
    fn flush(&self) -> bool {
        self.queue.flush(Public) > 0 && self.sees_sleepers()
    }

    // ---- thieves and sleepers: worker/find.rs -------------------------------------------------

    fn steal_one(&self) {
        if self.queue.is_empty() {
            self.queue.raise_demand();
        } else if let Some(job) = until_sure(|| self.queue.steal()) {
            job.run();
        }
    }

    fn force_all(&self) {
        self.queue.force(heavy_fence, Public, Public::run);
    }

    /// Goes to sleep unless it sees work. Returns whether it sleeps.
    fn sleep(&self) -> bool {
        self.sleepers.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let sleeps = self.queue.is_empty();
        if sleeps {
            self.queue.raise_demand();
        }
        sleeps
    }

    /// The same for the last searcher.
    fn sleep_as_last(&self) -> bool {
        self.sleep() && heavy_fence() && !self.queue.hides_work()
    }
}

/// In a model, the light and the heavy fence are the same: see `sync::light_fence`.
fn heavy_fence() -> bool {
    fence(Ordering::SeqCst);
    true
}

// ---- each job is run once -------------------------------------------------------------------

/// Weakened: `queue/fast_slot.rs take: self.0.swap(0, Ordering::AcqRel) => self.0.swap(0,
/// Ordering::Relaxed)`
#[test]
fn a_fork_that_thieves_are_after_is_run_once() {
    loom::model(|| {
        let forks = Forks::new(3);
        let thief = start(&forks, |forks| (0..2).for_each(|_| forks.steal_one()));
        let [a, b, c] = [0, 1, 2].map(|job| forks.fork(job));
        [c, b, a].into_iter().for_each(|fork| forks.end(fork));
        thief.join().unwrap();
        forks.assert_all_ran();
    });
}

/// Weakened: `queue/fast_slot.rs take: self.0.swap(0, Ordering::AcqRel) => { let address =
/// self.0.load(Ordering::Acquire); self.0.store(0, Ordering::Relaxed); address }`
#[test]
fn one_of_two_thieves_gets_a_job_or_its_owner() {
    loom::model(|| {
        let forks = Forks::new(1);
        let a = forks.fork(0);
        let thieves = [(); 2].map(|()| start(&forks, Forks::steal_one));
        forks.end(a);
        thieves.into_iter().for_each(|thief| thief.join().unwrap());
        forks.assert_all_ran();
    });
}

/// Fails when `pop_slow` does not check which job it took.
///
/// Weakened: `queue/fast_slot.rs put: Ordering::SeqCst => Ordering::Relaxed`
#[test]
fn forks_in_the_fast_slot_one_after_the_other_are_run_once() {
    loom::model(|| {
        let forks = Forks::new(3);
        let thief = start(&forks, |forks| (0..2).for_each(|_| forks.steal_one()));
        for job in 0..3 {
            let fork = forks.fork(job);
            forks.end(fork);
        }
        thief.join().unwrap();
        forks.assert_all_ran();
    });
}

/// Fails when `flush` does not close the gate.
///
/// Weakened: `queue/join_queue.rs flush: self.front.gate.close(); =>`
#[test]
fn a_fork_that_is_flushed_is_run_once() {
    loom::model(|| {
        let forks = Forks::new(2);
        let thief = start(&forks, |forks| (0..2).for_each(|_| forks.steal_one()));
        let [a, b] = [0, 1].map(|job| forks.fork(job));
        let _ = forks.flush();
        [b, a].into_iter().for_each(|fork| forks.end(fork));
        thief.join().unwrap();
        forks.assert_all_ran();
    });
}

/// Fails when `push_slow` does not make room.
///
/// Weakened: `queue/join_queue.rs push_private: published += self.publish(CAPACITY / 2,
/// &publish_job); =>`
#[test]
fn a_ring_that_is_full_loses_nothing() {
    loom::model(|| {
        let forks = Forks::new(6);
        let thief = start(&forks, Forks::steal_one);
        let pending: Vec<_> = (0..6).map(|job| forks.fork(job)).collect();
        pending.into_iter().rev().for_each(|fork| forks.end(fork));
        thief.join().unwrap();
        forks.assert_all_ran();
    });
}

/// A thief has taken the newest published fork but not yet closed the gate, when the owner starts
/// over with that fork's slot.
///
/// Fails when `pop_other` leaves the gate open.
///
/// Weakened: `queue/join_queue.rs pop_other: self.front.gate.keep_closed(); =>`
#[test]
fn a_ring_that_starts_over_under_an_open_gate_loses_nothing() {
    loom::model(|| {
        let forks = Forks::new(8);
        let [first, a] = [0, 1].map(|job| forks.fork(job));
        let _ = forks.flush();
        forks.steal_one();
        let within = forks.fork(2);
        forks.end(within);
        let thief = start(&forks, Forks::steal_one);
        forks.end(a);
        let pending: Vec<_> = (3..8).map(|job| forks.fork(job)).collect();
        let _ = forks.flush();
        pending.into_iter().rev().for_each(|fork| forks.end(fork));
        forks.end(first);
        thief.join().unwrap();
        forks.assert_all_ran();
    });
}

// ---- force ----------------------------------------------------------------------------------

/// Weakened: `queue/front.rs pop: light_fence(); =>`
#[test]
fn a_fork_that_is_taken_by_force_is_run_once() {
    loom::model(|| {
        let forks = Forks::new(3);
        let [a, b, c] = [0, 1, 2].map(|job| forks.fork(job));
        let thief = start(&forks, Forks::force_all);
        [c, b, a].into_iter().for_each(|fork| forks.end(fork));
        thief.join().unwrap();
        forks.assert_all_ran();
    });
}

/// Weakened: `queue/join_queue.rs be_busy: light_fence(); =>`
#[test]
fn a_fork_that_is_taken_by_force_and_flushed_is_run_once() {
    loom::model(|| {
        let forks = Forks::new(3);
        let [a, b] = [0, 1].map(|job| forks.fork(job));
        let thief = start(&forks, Forks::force_all);
        let c = forks.fork(2);
        let _ = forks.flush();
        [c, b, a].into_iter().for_each(|fork| forks.end(fork));
        thief.join().unwrap();
        forks.assert_all_ran();
    });
}

/// The fork reuses the slot of one that has ended, and nothing older is private.
///
/// Fails when `push` or `pop` stores `top`, or `force` loads it, with Relaxed.
///
/// Weakened: `queue/front.rs push: Ordering::Release => Ordering::Relaxed`
#[test]
fn a_fork_that_force_finds_at_once_is_run_once() {
    loom::model(|| {
        let forks = Forks::new(4);
        let [a, b] = [0, 1].map(|job| forks.fork(job));
        forks.end(b);
        let thief = start(&forks, Forks::force_all);
        let [c, d] = [2, 3].map(|job| forks.fork(job));
        [d, c, a].into_iter().for_each(|fork| forks.end(fork));
        thief.join().unwrap();
        forks.assert_all_ran();
    });
}

/// Weakened: `queue/thieves.rs force: forced.compare_exchange(0, 1, Ordering::Acquire,
/// Ordering::Relaxed).is_err() => forced.swap(1, Ordering::Acquire) == 2`
#[test]
fn two_thieves_that_use_force_get_a_fork_each() {
    loom::model(|| {
        let forks = Forks::new(3);
        let [a, b, c] = [0, 1, 2].map(|job| forks.fork(job));
        let thieves = [(); 2].map(|()| start(&forks, Forks::force_all));
        forks.end(c);
        thieves.into_iter().for_each(|thief| thief.join().unwrap());
        [b, a].into_iter().for_each(|fork| forks.end(fork));
        forks.assert_all_ran();
    });
}

/// Weakened: `queue/thieves.rs force: self.own.busy.load(Ordering::Acquire) == 0 => true`
#[test]
fn forks_in_the_fast_slot_after_one_that_is_taken_by_force_are_run_once() {
    loom::model(|| {
        let forks = Forks::new(4);
        let [a, b] = [0, 1].map(|job| forks.fork(job));
        forks.steal_one();
        let thief = start(&forks, Forks::force_all);
        let [c, d] = [2, 3].map(|job| forks.fork(job));
        [d, c, b, a].into_iter().for_each(|fork| forks.end(fork));
        thief.join().unwrap();
        forks.assert_all_ran();
    });
}

/// The owner's slow path begins before the thief closes the gate, and opens it again later. A yield
/// lets time pass without using up a preemption.
///
/// Fails when `force` does not read the gate after the fence.
///
/// Weakened: `queue/thieves.rs force: self.front.gate.is_closed() => true`
#[test]
fn a_gate_that_is_opened_again_keeps_force_out() {
    loom::model(|| {
        let forks = Forks::new(2);
        let thief = start(&forks, |forks| {
            let slow_fence = || {
                thread::yield_now();
                heavy_fence()
            };
            forks.queue.force(slow_fence, Public, Public::run);
        });
        let [a, b] = [0, 1].map(|job| forks.fork(job));
        thread::yield_now();
        [b, a].into_iter().for_each(|fork| forks.end(fork));
        thief.join().unwrap();
        forks.assert_all_ran();
    });
}

/// Fails when `force` writes `head` although it gives up.
///
/// Weakened: `queue/join_queue.rs be_busy: self.front.gate.forced.load(Ordering::Acquire) != 0 =>
/// false`
#[test]
fn a_thief_that_is_kept_out_leaves_the_forks_as_they_are() {
    loom::model(|| {
        let forks = Forks::new(3);
        let [a, b, c] = [0, 1, 2].map(|job| forks.fork(job));
        let thief = start(&forks, Forks::force_all);
        let _ = forks.flush();
        [c, b, a].into_iter().for_each(|fork| forks.end(fork));
        thief.join().unwrap();
        // A job that was published, but that the owner found private, would still be in the deque.
        (0..3).for_each(|_| forks.steal_one());
        forks.assert_all_ran();
    });
}

/// The owner does nothing more. Its private fork is newer than one that is being stolen.
///
/// Fails when `steal` does not close the gate and `sleep_as_last` does not look at private forks.
///
/// Weakened: `queue/thieves.rs hides_work: self.hidden() > 0 => false`
#[test]
fn a_fork_behind_a_stolen_one_is_not_hidden_from_the_last_sleeper() {
    loom::model(|| {
        let forks = Forks::new(2);
        let [_, b] = [0, 1].map(|job| forks.fork(job));
        let thief = start(&forks, Forks::steal_one);
        let sleeper = start(&forks, Forks::sleep_as_last);
        thief.join().unwrap();
        assert!(!sleeper.join().unwrap());
        forks.end(b);
    });
}

/// The same, but the owner forks while the older fork is being stolen.
///
/// Fails when `answer` begins without a fence.
///
/// Weakened: `queue/join_queue.rs answer: light_fence(); =>`
#[test]
fn a_fork_behind_one_that_is_being_stolen_is_not_hidden_from_the_last_sleeper() {
    loom::model(|| {
        let forks = Forks::new(2);
        let a = forks.fork(0);
        let thief = start(&forks, Forks::steal_one);
        let sleeper = start(&forks, Forks::sleep_as_last);
        let b = forks.fork(1);
        let asleep = sleeper.join().unwrap() && !a.wakes && !b.wakes;
        assert!(!asleep || !forks.queue.hides_work());
        thief.join().unwrap();
        [b, a].into_iter().for_each(|fork| forks.end(fork));
        forks.assert_all_ran();
    });
}

// ---- publishers and sleepers ----------------------------------------------------------------

/// Fails when the swap in `close` is Relaxed, or is a store.
///
/// Weakened: `queue/models/forks.rs sleep: fence(Ordering::SeqCst); =>`
#[test]
fn a_flush_and_a_sleeper_see_each_other() {
    loom::model(|| {
        let forks = Forks::new(2);
        let _ = forks.fork(0);
        let _ = forks.fork(1);
        let _ = forks.queue.pop_newest_public();
        let sleeper = start(&forks, Forks::sleep);
        let wakes = forks.flush();
        assert!(!sleeper.join().unwrap() || wakes);
    });
}

/// Fails when the swap in `open` is Relaxed, or is a store.
///
/// Weakened: `queue/models/forks.rs sleep: fence(Ordering::SeqCst); =>`
#[test]
fn an_older_fork_and_a_sleeper_see_each_other() {
    loom::model(|| {
        let forks = Forks::new(3);
        let _ = forks.fork(0);
        let _ = forks.fork(1);
        forks.steal_one();
        let sleeper = start(&forks, Forks::sleep);
        let c = forks.fork(2);
        assert!(!sleeper.join().unwrap() || c.wakes);
    });
}

/// Fails when the swap in `put` is Relaxed, or is a store, and when a sleeper does not read that
/// word.
///
/// Weakened: `queue/models/forks.rs sleep: fence(Ordering::SeqCst); =>`
#[test]
fn a_fork_in_the_fast_slot_and_a_sleeper_see_each_other() {
    loom::model(|| {
        let forks = Forks::new(1);
        let sleeper = start(&forks, Forks::sleep);
        let a = forks.fork(0);
        assert!(!sleeper.join().unwrap() || a.wakes);
    });
}

/// A worker goes to sleep while the first of two forks is stolen. Returns the second fork, and
/// whether the worker sleeps on.
fn fork_twice_beside_a_sleeper_and_a_thief(forks: &Arc<Forks>) -> (Pending, bool) {
    let a = forks.fork(0);
    let thief = start(forks, Forks::steal_one);
    let sleeper = start(forks, Forks::sleep);
    let b = forks.fork(1);
    thief.join().unwrap();
    let asleep = sleeper.join().unwrap() && !a.wakes && !b.wakes;
    (b, asleep)
}

/// Fails when `steal` does not close the gate.
///
/// Weakened: `queue/thieves.rs steal: self.took_last() => false`
#[test]
fn the_next_fork_is_published_for_a_sleeper() {
    loom::model(|| {
        let forks = Forks::new(3);
        let (_, asleep) = fork_twice_beside_a_sleeper_and_a_thief(&forks);
        assert!(!asleep || forks.fork(2).wakes);
    });
}

/// Fails when `close` leaves `floor` as it is.
///
/// Weakened: `queue/front.rs close: self.floor.store(CLOSED, Ordering::Relaxed); =>`
#[test]
fn the_next_end_of_a_fork_publishes_an_older_one_for_a_sleeper() {
    loom::model(|| {
        let forks = Forks::new(3);
        let a = forks.fork(0);
        let b = forks.fork(1);
        let c = forks.fork(2);
        assert!(!a.wakes && !b.wakes);
        forks.steal_one();
        let sleeper = start(&forks, Forks::sleep);
        let (popped, wakes) = forks.unfork(&c);
        assert_eq!(popped, Popped::Mine);
        assert!(!sleeper.join().unwrap() || wakes);
    });
}

/// Fails when `answer` opens the gate without a look at whether a job is public.
///
/// Weakened: `queue/join_queue.rs push_fast: own.fast.put(publish_job(job).into_pointer()); =>`
#[test]
fn the_fork_after_one_that_was_stolen_at_once_is_published() {
    loom::model(|| {
        let forks = Forks::new(2);
        let thief = start(&forks, Forks::steal_one);
        let _ = forks.fork(0);
        thief.join().unwrap();
        let _ = forks.fork(1);
        assert!(!forks.queue.is_empty());
    });
}

/// The second fork opens the gate.
///
/// Fails when `pop_slow` does not close it.
///
/// Weakened: `queue/join_queue.rs took_public_back: self.front.gate.keep_closed(); =>`
#[test]
fn the_fork_after_one_that_was_taken_back_is_published() {
    loom::model(|| {
        let forks = Forks::new(3);
        let [a, b] = [0, 1].map(|job| forks.fork(job));
        [b, a].into_iter().for_each(|fork| forks.end(fork));
        let _ = forks.fork(2);
        assert!(!forks.queue.is_empty());
    });
}

/// A waiting owner runs its only public fork itself, while the gate is open.
///
/// Fails when `pop_newest_public` does not close it.
///
/// Weakened: `queue/join_queue.rs pop_newest_public: self.took_last() => false`
#[test]
fn the_fork_after_one_that_its_waiting_owner_ran_is_published() {
    loom::model(|| {
        let forks = Forks::new(3);
        let [a, b] = [0, 1].map(|job| forks.fork(job));
        forks.end(b);
        forks.queue.pop_newest_public().unwrap().run();
        let c = forks.fork(2);
        assert!(!forks.queue.is_empty());
        forks.end(c);
        let (popped, _) = forks.unfork(&a);
        assert_eq!(popped, Popped::Stolen);
        forks.assert_all_ran();
    });
}

/// A waiting owner takes the fork out of the fast slot, may not run it, and puts it back into the
/// deque.
///
/// Fails when `push_newest_public` does not close the gate.
///
/// Weakened: `queue/models/forks.rs sleep: fence(Ordering::SeqCst); =>`
#[test]
fn a_fork_in_the_fast_slot_that_is_put_back_and_a_sleeper_see_each_other() {
    loom::model(|| {
        let forks = Forks::new(1);
        let a = forks.fork(0);
        let sleeper = start(&forks, Forks::sleep);
        let job = forks.queue.pop_newest_public().unwrap();
        forks.queue.push_newest_public(job);
        let wakes = forks.sees_sleepers();
        assert!(!sleeper.join().unwrap() || wakes);
        forks.end(a);
        forks.assert_all_ran();
    });
}

/// A waiting owner has run its newest public job itself, and now ends that fork.
///
/// Fails when the owner does not wake a sleeper after it missed its job.
///
/// Weakened: `queue/models/forks.rs unfork: popped == Popped::Stolen => false`
#[test]
fn a_job_that_is_put_back_and_a_sleeper_see_each_other() {
    loom::model(|| {
        let forks = Forks::new(3);
        let [_, _, b] = [0, 1, 2].map(|job| forks.fork(job));
        // The one in the fast slot, which a sleeper would see.
        forks.steal_one();
        let _ = forks.flush();
        forks.queue.pop_newest_public().unwrap().run();
        let sleeper = start(&forks, Forks::sleep);
        let (popped, wakes) = forks.unfork(&b);
        assert_eq!(popped, Popped::Stolen);
        assert!(!sleeper.join().unwrap() || wakes);
    });
}

/// Two thieves take the last public jobs, one from the fast slot, one from the deque.
///
/// Fails when `took_last` is no more than `is_empty`.
///
/// Weakened: `queue/thieves.rs took_last: self.own.fast.is_taken() => self.own.fast.len() == 0`
#[test]
fn one_of_two_thieves_that_take_the_last_raises_demand() {
    loom::model(|| {
        let forks = Forks::new(5);
        // From now on the owner keeps two jobs public.
        let first = forks.fork(0);
        forks.steal_one();
        forks.end(first);
        let thieves = [(); 2].map(|()| start(&forks, Forks::steal_one));
        let pending = [1, 2, 3].map(|job| forks.fork(job));
        thieves.into_iter().for_each(|thief| thief.join().unwrap());
        let is_hidden = forks.queue.is_empty() && forks.queue.hides_work();
        let next = forks.fork(4);
        assert!(!is_hidden || !forks.queue.is_empty(), "no thief closed the gate");
        forks.end(next);
        pending.into_iter().rev().for_each(|fork| forks.end(fork));
        forks.assert_all_ran();
    });
}
