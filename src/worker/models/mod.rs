//! Models of the search for work, of sleeping and waking, of waits, hand-offs and the end of a
//! pool, for the model checker, to which a lost wake-up is a deadlock.
//!
//! They run what is shipped: a registry with its workers, as its builder makes it. Only the threads
//! are the models' own, and act as the workers, and so are the jobs. At the end of most models no
//! worker must be counted that is not there.

mod pool;

use loom::thread;

use self::pool::{Pool, Thread};
use super::*;
use crate::sleep::Kind;

/// The thread of worker `me`, until it has run a job.
fn run_one(me: usize) -> impl FnOnce(&Pool) {
    move |pool| pool.run_one(&OffCore::at_bottom(me, true), false)
}

/// Lets worker `me` sleep, and not as the sentry. Its thread then starts with `sleep_on`.
fn fall_asleep(pool: &Pool, me: usize) -> Thread {
    let thread = OffCore::at_bottom(me, true);
    let _ = pool.sleep().announce(me, Kind::Idle(&thread), false, false);
    thread
}

/// The thread of a worker, which sleeps, until it has run a job.
fn sleep_on(me: Thread) -> impl FnOnce(&Pool) {
    move |pool| {
        if pool.worker(me.core()).wait_for_core(&me) {
            pool.run_one(&me, true);
        }
    }
}

// ---- one worker, and one publisher ----------------------------------------------------------

/// Publishes a job beside a worker that looks for one, or sleeps.
fn check_publish(publish: fn(&Pool)) {
    pool::check(move || {
        let pool = Pool::new(2);
        let worker = pool.start(run_one(1));
        publish(&pool);
        worker.join().unwrap();
        pool.nobody_is_counted();
    });
}

/// Fails when `sleep` does not call `announce_and_look` for a sentry that resigns.
#[test]
fn a_fork_finds_a_worker() {
    check_publish(|pool| pool.fork(0));
}

/// Fails when `notify_from_worker` takes any parked worker for one that looks.
#[test]
fn a_task_finds_a_worker() {
    check_publish(|pool| pool.push_task(0));
}

/// Fails when the fence in `notify_from_outside` is left out.
#[test]
fn a_job_from_outside_finds_a_worker() {
    check_publish(|pool| pool.registry().inject(pool.job()));
}

/// Fails when the core's state is looked at before the list is locked.
#[test]
fn a_pinned_job_finds_its_worker() {
    check_publish(|pool| pool.worker(1).send(pool.job()));
}
