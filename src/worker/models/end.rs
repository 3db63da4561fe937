//! A pool ends when nothing is left to do.

use super::*;

/// Fails when `begin_end` does not look whether the pool is idle already.
#[test]
fn a_sleeping_worker_ends_with_its_pool() {
    check(|| {
        let pool = Pool::new(1);
        let worker = pool.start(|pool| pool.registry().run_worker(0));
        pool.registry().begin_end(false);
        worker.join().unwrap();
    });
}

/// Fails when `end_if_idle` comes before `announce`.
#[test]
fn the_last_worker_to_park_ends_the_pool() {
    check(|| {
        let pool = Pool::new(2);
        pool.registry().begin_end(false);
        let worker = pool.start(|pool| pool.registry().run_worker(1));
        pool.registry().run_worker(0);
        worker.join().unwrap();
    });
}

/// Fails when `ends` does not ask whether there is anything left, or not under the lock.
#[test]
fn a_pinned_job_is_run_though_the_pool_ends() {
    check(|| {
        let pool = Pool::new(2);
        pool.registry().begin_end(false);
        let worker = pool.start(|pool| pool.registry().run_worker(1));
        pool.worker(1).send(pool.job());
        pool.registry().run_worker(0);
        worker.join().unwrap();
        assert_eq!(pool.ran(1), 1);
    });
}
