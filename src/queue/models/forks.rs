//! Models of the fork queue: each job is run once. `force.rs` has those of thieves that use force,
//! and `sleepers.rs` those of publishers and sleepers, which do not miss each other.

mod force;
mod sleepers;

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
    /// Whether it was published: stands for what is written then.
    header: UnsafeCell<bool>,
}

impl Job {
    fn new() -> Self {
        let [closure, header] = [false; 2].map(UnsafeCell::new);
        Job { runs: AtomicUsize::new(0), closure, header }
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
        let job = unsafe { self.0.as_ref() };
        // SAFETY: only the thread that takes the job has it.
        assert!(unsafe { *job.header.get() }, "a job was taken before it was published");
        job.run();
    }
}

fn publish(job: NonNull<Job>) -> Public {
    // SAFETY: the jobs live as long as the queue, and no other thread has this one.
    unsafe { *job.as_ref().header.get() = true };
    Public(job)
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
        let queue = ForkQueue::new(1, 2, false);
        // A new owner keeps two forks public, so few would be private here. Later it keeps one.
        queue.took_public_back();
        Arc::new(Forks { queue, jobs, sleepers: AtomicUsize::new(0) })
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
            None => self.queue.push_slow(pointer, publish),
        };
        Pending { job, slot, wakes: published > 0 && self.sees_sleepers() }
    }

    /// Takes the fork's job back, unless a thief has it. Also returns whether it wakes a sleeper.
    fn unfork(&self, fork: &Pending) -> (Popped, bool) {
        if self.front().pop(fork.slot) {
            return (Popped::Mine, false);
        }
        let pointer = NonNull::from(&self.jobs[fork.job]);
        let (popped, published) = self.queue.pop_slow(fork.slot, pointer, publish);
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
        self.queue.flush(publish) > 0 && self.sees_sleepers()
    }

    // ---- thieves and sleepers: worker/find.rs -------------------------------------------------

    fn steal_one(&self) {
        if self.queue.is_empty() {
            let _ = self.queue.raise_demand();
            return;
        }
        let stolen = until_sure(|| self.queue.steal());
        let _ = self.queue.took_one();
        if let Some(job) = stolen {
            job.run();
        }
    }

    /// Steals as a thief that is no searcher. Returns whether it wakes a sleeper for private forks.
    fn steal_and_look(&self) -> bool {
        self.steal_one();
        let hides = || self.queue.hides_work();
        (hides() || heavy_fence() && hides()) && self.sees_sleepers()
    }

    fn force_all(&self) {
        self.queue.force(heavy_fence, publish, Public::run);
    }

    /// Goes to sleep unless it sees work. Returns whether it sleeps.
    fn sleep(&self) -> bool {
        self.sleepers.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let sleeps = self.queue.is_empty();
        if sleeps {
            let _ = self.queue.raise_demand();
        }
        sleeps
    }

    /// The same for the last searcher.
    fn sleep_as_last(&self) -> bool {
        self.sleep() && heavy_fence() && !self.queue.hides_work()
    }
}

/// Forks twice. Then the second fork alone is public, in the deque, and the gate is closed.
fn publish_in_the_deque(forks: &Forks) -> [Pending; 2] {
    let pending = [0, 1].map(|job| forks.fork(job));
    let _ = forks.flush();
    forks.steal_one();
    pending
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
        forks.queue.keep_most_public();
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
        let forks = Forks::new(2);
        forks.queue.keep_most_public();
        let thief = start(&forks, |forks| (0..2).for_each(|_| forks.steal_one()));
        for job in 0..2 {
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
/// Weakened: `queue/join_queue.rs push_private: self.hidden() == CAPACITY => false`
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
/// Weakened: `queue/join_queue.rs pop_other: self.front.gate.shut(); =>`
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
