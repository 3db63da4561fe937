//! A thread that blocks hands its core to another, and takes it back.

use super::*;
use crate::fork::completer;

/// Worker 0's thread waits without its core until a job has been run, which a spare one does; then
/// it has nothing more to do.
fn check_spare(publish: fn(&Pool, JobRef)) {
    check(move || {
        let pool = Pool::new(1);
        let latch = Arc::new(Latch::new());
        publish(&pool, setter(&pool, NO_TAG, 0, &latch));
        assert!(pool.worker(0).wait_off_core(&*latch, true));
        pool.worker(0).give_back();
        pool.end();
    });
}

/// The spare thread is counted as a searcher before it can stop searching.
///
/// Weakened: `sleep/state.rs rouse: self.count(SEARCHER, sub); =>`
#[test]
fn a_spare_thread_runs_a_task_that_is_left() {
    check_spare(|pool, job| pool.worker(0).push_task(job));
}

/// A core that a thread wants back is not parked.
///
/// Weakened: `sleep/park.rs announce: self.give_to_returning(&mut list, core) =>
/// None::<super::state::Woken<'_>>`
#[test]
fn a_spare_thread_runs_a_job_from_outside() {
    check_spare(|pool, job| pool.registry().inject(job));
}

/// Two threads take turns on core 0: the first waits without it until the second, which has it,
/// says so, and waits there for the first in turn.
///
/// Weakened: `sleep/hand_off.rs take_back: matches!(self.state(core), BLOCKED | RESTRICTED)
/// => false`
#[test]
fn a_thread_that_wants_its_core_back_gets_it() {
    check(|| {
        let pool = Pool::new(1);
        let latches = Arc::new((Latch::new(), Latch::new()));
        let (theirs, theirs_too) = (latches.clone(), pool.clone());
        pool.worker(0).push_task(pool.job_of(NO_TAG, move |worker| {
            set(&theirs_too, 0, &theirs.0);
            worker.wait_until(&theirs.1);
        }));
        assert!(pool.worker(0).wait_off_core(&latches.0, true));
        set(&pool, 0, &latches.1);
        pool.worker(0).give_back();
        pool.end();
    });
}

/// A thread calls a closure that blocks until a task of the only worker has run, which a spare
/// thread runs. Then it is given its core.
///
/// Weakened: `worker/hand_off.rs begin_blocking: CoreThread::in_blocking(self.index, false) =>
/// CoreThread::in_wait(self.index, 0, false)`
#[test]
fn a_task_runs_while_the_only_worker_is_in_blocking() {
    check(|| {
        let pool = Pool::new(1);
        let ran = Arc::new((loom::sync::Mutex::new(false), loom::sync::Condvar::new()));
        let theirs = ran.clone();
        pool.act_as(0, |worker| {
            worker.push_task(pool.job_of(NO_TAG, move |_| {
                *theirs.0.lock().unwrap() = true;
                theirs.1.notify_one();
            }));
            let blocking = worker.begin_blocking();
            let mut is_over = ran.0.lock().unwrap();
            while !*is_over {
                is_over = ran.1.wait(is_over).unwrap();
            }
            drop(is_over);
            drop(blocking);
        });
        pool.worker(0).give_back();
        pool.end();
    });
}

/// A thread waits without the only core for a job, the spare thread that has the core for the end
/// of another one, in a wait in which it must not run that: it hands the core on for it.
///
/// Weakened: `worker/inject.rs inject_from_anywhere: self.sleep.notify_all_restricted(); =>`
#[test]
fn a_job_from_outside_finds_a_worker_where_all_waits_are_restricted() {
    check_within(1, || {
        let pool = Pool::with_spare_threads(1, 2);
        let latches = [Latch::new(), Latch::new()].map(Arc::new);
        let [first, second] = latches.clone();
        let theirs = pool.clone();
        pool.worker(0).push_task(pool.job_of(NO_TAG, move |worker| {
            worker.within(theirs.tag(), || worker.wait_until(&*second));
            set(&theirs, 0, &first);
        }));
        let job = setter(&pool, NO_TAG, 0, &latches[1]);
        let publisher = pool.start(|pool| pool.registry().inject(job));
        assert!(pool.worker(0).wait_off_core(&*latches[0], true));
        pool.worker(0).give_back();
        publisher.join().unwrap();
        pool.end();
    });
}

/// A worker waits for a completer inside a task, and must not run on top what completes it: a
/// spare thread does.
///
/// Weakened: `worker/restricted.rs look_restricted: wait.is_external() => false`
#[test]
fn a_job_that_completes_finds_a_worker() {
    check_within(1, || {
        let pool = Pool::new(1);
        let (completer, handle) = completer();
        let job = pool.job_of(NO_TAG, move |_| completer.complete(7));
        let publisher = pool.start(|pool| pool.registry().inject(job));
        pool.within_tag(0, |_| assert_eq!(handle.join().unwrap(), 7));
        pool.worker(0).give_back();
        publisher.join().unwrap();
        pool.end();
    });
}
