//! A pool ends when nothing is left to do.

use super::*;
use crate::sync::AtomicBool;

/// Whether the worker parks before or after the end begins, the pool ends.
///
/// Weakened: `worker/end.rs begin_end: self.end_if_idle(); =>`
#[test]
fn a_sleeping_worker_ends_with_its_pool() {
    check(|| {
        let pool = Pool::new(1);
        let worker = pool.start(|pool| pool.registry().run_worker(0));
        pool.registry().begin_end(false);
        worker.join().unwrap();
    });
}

/// The thread of worker `me`, which has just found no work, until the pool ends.
fn park_until_end(pool: &Pool, me: usize) {
    let me = CoreThread::at_bottom(me, true);
    pool.act_as(me.core, |worker| {
        let mut goes_on = worker.park(&me, true);
        while goes_on {
            goes_on = worker.step(&me);
        }
    });
}

/// Of two workers that park, one sees that both have.
///
/// Weakened: `worker/idle.rs park: self.registry().end_if_idle(); =>`
#[test]
fn the_last_worker_to_park_ends_the_pool() {
    check(|| {
        let pool = Pool::new(2);
        pool.registry().begin_end(false);
        let worker = pool.start(|pool| park_until_end(pool, 1));
        park_until_end(&pool, 0);
        worker.join().unwrap();
    });
}

/// A pool does not end before a job that only a worker which parks just now may run.
///
/// Weakened: `worker/end.rs ends: self.workers.iter().any(|worker| worker.has_own_work()) => false`
#[test]
fn a_pinned_job_is_run_though_the_pool_ends() {
    check(|| {
        let pool = Pool::new(2);
        pool.registry().begin_end(false);
        let worker = pool.start(|pool| park_until_end(pool, 1));
        pool.send(1);
        park_until_end(&pool, 0);
        worker.join().unwrap();
        assert_eq!(pool.ran(1), 1);
    });
}

/// A thread that does not own the pool injects a job while the pool ends, or finds that it has
/// ended.
///
/// Weakened: `worker/end.rs ends: self.keepers.load(Ordering::Relaxed) > 0 => false`
#[test]
fn a_job_under_a_keeper_is_run() {
    check(|| {
        let pool = Pool::new(1);
        let worker = pool.start(|pool| park_until_end(pool, 0));
        let kept = Arc::new(AtomicBool::new(false));
        let keeps = kept.clone();
        let submits = pool.start(move |pool| {
            if let Some(_keeper) = pool.registry().keep() {
                pool.inject();
                keeps.store(true, Ordering::Relaxed);
            }
        });
        pool.registry().begin_end(false);
        worker.join().unwrap();
        submits.join().unwrap();
        assert_eq!(pool.ran(0), usize::from(kept.load(Ordering::Relaxed)));
    });
}
