//! Unit test: the number of shared writes of parking, a last look, waking, a steal and forcing does
//! not grow with the number of workers. (It counts all writes to atomics, and each lock of a mutex
//! as one. `cargo test --lib width -- --nocapture` prints the table of `BENCHMARKS.md`.) Also: how
//! many sleepers a fork wakes.
#![allow(unsafe_code)]

use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::{Acting, JoinHeader, Worker};
use crate::job::NO_TAG;
use crate::pool::ThreadPoolBuilder;
use crate::sleep::{CoreThread, Kind};
use crate::sync::counted::writes;
use crate::worker::join_job::JoinJob;
use crate::worker::shared::Registry;

const WIDTHS: [usize; 4] = [8, 32, 128, 256];

/// A pool without threads: the test acts as its workers, one after the other.
fn pool_of(workers: usize) -> Arc<Registry> {
    ThreadPoolBuilder::new().registry_without_threads(workers)
}

/// Returns the result of `act`, and how many writes it made.
fn writes_of<R>(act: impl FnOnce() -> R) -> (R, usize) {
    let before = writes();
    let result = act();
    (result, writes() - before)
}

/// `worker` announces that it parks, while all others are at work.
fn park(worker: &Worker) {
    let sleep = worker.sleep();
    assert!(sleep.start_searching(worker.index));
    sleep.set_looking(worker.index, true);
    let me = CoreThread::at_bottom(worker.index, true);
    let entered = sleep.announce(worker.index, Kind::Idle(&me), false);
    assert!(entered && !worker.sees_work());
}

/// Returns the slot.
fn fork(owner: &Worker, job: NonNull<JoinHeader>) -> usize {
    // SAFETY: it points to `owner`.
    let front = unsafe { &*owner.as_current() };
    front.push(job).unwrap_or_else(|| owner.fork_slow(job))
}

/// Counts the writes of worker 1 as it forks and wakes a sleeper, and of worker 0 as it steals the
/// fork and then looks for more work.
fn wake_and_steal(registry: &Registry) -> [usize; 3] {
    let [thief, owner] = [0, 1].map(|index| &*registry.workers()[index]);
    park(thief);
    let _acting = Acting::start(owner);
    let job = JoinJob::new(owner.as_current(), |_| ());
    let ((), forked) = writes_of(|| _ = fork(owner, job.head()));
    assert!(!thief.sleep().is_parked(0), "the fork wakes it");
    let (stolen, stole) = writes_of(|| thief.steal_fork(owner, || false));
    assert!(
        stolen.is_some_and(|stolen| ptr::eq(
            stolen.address() as *const u8,
            job.head().as_ptr().cast()
        ))
    );
    // SAFETY: the thief has it, and does not run it.
    (unsafe { job.take() })(false);
    let ((), looked) = writes_of(|| thief.stop_searching());
    [forked, stole, looked]
}

/// Forks, and takes the fork back. From then on, the worker keeps only one fork public.
fn take_back(owner: &Worker) {
    let job = JoinJob::new(owner.as_current(), |_| ());
    let slot = fork(owner, job.head());
    assert!(owner.unfork_slow(slot, job.head()));
    // SAFETY: no thief has it.
    (unsafe { job.take() })(false);
}

/// Counts the writes of worker 0 as it takes a private fork of worker 1 by force.
fn force(registry: &Registry) -> usize {
    let [thief, owner] = [0, 1].map(|index| &*registry.workers()[index]);
    let _acting = Acting::start(owner);
    take_back(owner);
    let jobs = [(); 2].map(|()| JoinJob::new(owner.as_current(), |_| ()));
    jobs.iter().for_each(|job| _ = fork(owner, job.head()));
    let public = thief.steal_fork(owner, || false);
    thief.forces.store(1, crate::sync::Ordering::Relaxed);
    let (hidden, wrote) = writes_of(|| thief.forced(|_| true, Some));
    assert!(public.is_some() && hidden.is_some());
    // SAFETY: the thief has them, and does not run them.
    jobs.iter().for_each(|job| (unsafe { job.take() })(false));
    wrote
}

#[test]
fn what_workers_write_does_not_grow_with_their_number() {
    let rows = WIDTHS.map(|workers| {
        let registry = pool_of(workers);
        let ((), parked) = writes_of(|| park(&registry.workers()[0]));
        let (_, woke) = writes_of(|| registry.sleep().notify_from_outside(NO_TAG));
        let [forked, stole, looked] = wake_and_steal(&pool_of(workers));
        let forced = force(&pool_of(workers));
        [parked, woke, forked, stole, looked, forced]
    });
    println!("| workers | park | wake | fork and wake | steal | last look | force |");
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (workers, row) in WIDTHS.iter().zip(&rows) {
        println!("| {workers} | {} |", row.map(|writes| writes.to_string()).join(" | "));
    }
    assert!(rows.iter().all(|row| *row == rows[0]), "{rows:?}");
}

/// How many of three sleepers a worker wakes by a fork, after thieves took its last `stolen`
/// forks.
fn woken_by_a_fork(stolen: usize, took_ticks: u64) -> usize {
    let registry = pool_of(5);
    let [owner, thief] = [0, 1].map(|index| &*registry.workers()[index]);
    let _acting = Acting::start(owner);
    take_back(owner);
    for _ in 0..stolen {
        let job = JoinJob::new(owner.as_current(), |_| ());
        let slot = fork(owner, job.head());
        assert!(thief.steal_fork(owner, || false).is_some());
        assert!(!owner.unfork_slow(slot, job.head()), "the thief has it");
        // SAFETY: the thief does not run it.
        (unsafe { job.take() })(false);
    }
    for index in 2..5 {
        let sleep = owner.sleep();
        let idle = CoreThread::at_bottom(index, true);
        let entered = sleep.announce(index, Kind::Idle(&idle), false);
        assert!(entered);
    }
    registry.callers.job_took(took_ticks);
    let job = JoinJob::new(owner.as_current(), |_| ());
    let slot = fork(owner, job.head());
    let woken = owner.sleep().counts().searchers();
    assert!(owner.unfork_slow(slot, job.head()));
    // SAFETY: no thief has it.
    (unsafe { job.take() })(false);
    woken
}

#[test]
fn a_fork_wakes_one_more_where_thieves_took_the_last_ones_and_jobs_are_long() {
    let (short, long) = (0, u64::MAX);
    assert_eq!(woken_by_a_fork(3, long), 2);
    assert_eq!(woken_by_a_fork(3, short), 1);
    assert_eq!(woken_by_a_fork(0, long), 1);
}

#[test]
fn thieves_first_take_all_forks_of_the_worker_that_began_a_long_job_from_outside() {
    let registry = pool_of(16);
    let workers = registry.workers();
    let (thief, root) = (&workers[0], &workers[9]);
    let forked = |owner: &Worker| {
        let job = Box::new(JoinJob::new(owner.as_current(), |_| ()));
        let _acting = Acting::start(owner);
        fork(owner, job.head());
        job
    };
    workers.iter().for_each(|worker| take_back(worker));
    registry.callers.job_took(u64::MAX);
    root.begin_from_outside();
    let biggest = [(); 3].map(|()| forked(root));
    let others = [1, 5, 12, 15].map(|index| forked(&workers[index]));
    for (stolen, job) in biggest.iter().chain(&others).enumerate() {
        let found = thief.stolen(|| false, Some).expect("seven forks are public");
        let is_biggest = stolen >= 3 || found.address() == job.head().as_ptr().addr();
        assert!(is_biggest, "theft {stolen} took another fork");
        // SAFETY: the thief has it, and does not run it.
        (unsafe { job.take() })(false);
    }
}
