//! A worker that waits is woken by what it waits for, and by what it may run meanwhile.

use super::*;

/// A wait for another pool.
struct OtherPool(Arc<Latch>);

impl Wait for OtherPool {
    fn done(&self) -> bool {
        self.0.done()
    }

    fn register_waker(&self) -> bool {
        self.0.register_waker()
    }

    fn other_pool(&self) -> Option<usize> {
        Some(1)
    }

    fn address(&self) -> usize {
        self.0.address()
    }

    fn what(&self) -> Awaited {
        Awaited::OtherPool
    }
}

/// Worker 1 waits for a latch, which worker 0 sets.
fn check_latch(wait: fn(&Pool, &Latch)) {
    check(move || {
        let pool = Pool::new(2);
        let latch = Arc::new(Latch::new());
        let waiters = latch.clone();
        let waiter = pool.start(move |pool| wait(pool, &waiters));
        set(&pool, 1, &latch);
        waiter.join().unwrap();
        pool.nobody_is_counted();
    });
}

/// A waiter that sleeps is woken by the setter.
///
/// Weakened: `sleep/wake.rs wake_blocked: matches!(self.state(core), BLOCKED | RESTRICTED) =>
/// false`
#[test]
fn a_worker_that_is_blocked_is_woken() {
    check_latch(|pool, latch| pool.worker(1).wait_until(latch));
}
/// Likewise in a restricted wait, which looks once more after it has announced itself.
///
/// Weakened: `worker/restricted.rs look_restricted: self.must_leave(wait) => false`
#[test]
fn a_worker_in_a_restricted_wait_is_woken() {
    check_latch(|pool, latch| pool.within_tag(1, |worker| worker.wait_until(latch)));
}

/// Worker 1 is in a wait that is restricted to one tag. The publisher of such a job waits for it.
fn check_restricted(publish: fn(&Pool, JobRef)) {
    check(move || {
        let pool = Pool::new(2);
        let latch = Arc::new(Latch::new());
        let job = setter(&pool, pool.tag(), 1, &latch);
        let wait = move |pool: &Pool| pool.within_tag(1, |worker| worker.wait_until(&*latch));
        let worker = pool.start(wait);
        publish(&pool, job);
        worker.join().unwrap();
        pool.nobody_is_counted();
    });
}
/// A task wakes the waiter that may run it.
///
/// Weakened: `sleep/wake.rs notify_from_worker: self.notify_restricted(tag); =>`
#[test]
fn a_task_finds_a_restricted_wait() {
    check_restricted(|pool, job| pool.worker(0).push_task(job));
}
/// The last look of such a waiter finds a task although the task's owner takes another one.
///
/// Weakened: `worker/find.rs steal_task_from: !self.sleep().is_restricted(self.index) => true`
#[test]
fn a_task_is_not_left_to_an_owner_that_takes_another() {
    check_restricted(|pool, job| {
        let owner = pool.worker(0);
        owner.push_task(job);
        owner.push_task(pool.job());
        pool.act_as(0, |_| owner.newest_task().into_iter().for_each(|job| owner.execute(job)));
    });
}
/// Likewise a job from outside.
///
/// Weakened: `sleep/wake.rs notify_from_outside: self.notify_restricted(tag); =>`
#[test]
fn a_job_from_outside_finds_a_restricted_wait() {
    check_restricted(|pool, job| pool.registry().inject(job));
}

/// A publisher relies on a worker that leaves a restricted wait, until that stops searching.
///
/// Weakened: `worker/wake.rs stop_search: self.look_again(stopped); =>`
#[test]
fn a_worker_that_leaves_a_restricted_wait_wakes_another() {
    check(|| {
        let pool = Pool::new(2);
        let sleeper = fall_asleep(&pool, 0);
        let sleeper = pool.start(sleep_on(sleeper));
        let leaver = pool.start(|pool| {
            let kind = Kind::Restricted { tags: [None, None], takes_cross_jobs: false };
            pool.sleep().announce(1, kind, false);
            assert!(pool.sleep().leave(1, kind));
            pool.worker(1).stop_searching();
        });
        pool.inject();
        leaver.join().unwrap();
        sleeper.join().unwrap();
        pool.nobody_is_counted();
    });
}

/// A cross-pool job wakes a worker that waits for another pool.
///
/// Weakened: `sleep/wake.rs notify_of_cross_job: self.wake_one_restricted(); =>`
#[test]
fn a_cross_job_finds_a_worker_that_waits_for_another_pool() {
    check(|| {
        let pool = Pool::new(2);
        let latch = Arc::new(Latch::new());
        let cross_job = setter(&pool, NO_TAG, 1, &latch);
        let worker = pool.start(move |pool| pool.worker(1).wait_until(&OtherPool(latch)));
        pool.registry().inject_cross_job(cross_job);
        worker.join().unwrap();
        pool.nobody_is_counted();
    });
}

/// A worker waits for another pool, which needs a job of this one: a spare thread runs the job.
///
/// Weakened: `sleep/wake.rs begin_to_need_any: self.notify_all_restricted(); =>`
#[test]
fn a_job_that_another_pool_needs_finds_a_worker() {
    check(|| {
        let pool = Pool::new(1);
        let latch = Arc::new(Latch::new());
        pool.registry().queue_injected(setter(&pool, NO_TAG, 0, &latch));
        let joiner = pool.start(|pool| pool.sleep().begin_to_need_any());
        pool.act_as(0, |worker| worker.wait_until(&OtherPool(latch)));
        pool.worker(0).give_back();
        joiner.join().unwrap();
        pool.end();
    });
}

/// The thread of core 0 waits for another pool, within a task that must not end up beneath a
/// cross-pool job: it hands its core to a spare thread, which runs the cross-pool job, by which
/// that wait is over, and passes the core on.
///
/// Weakened: `sleep/hand_off.rs give_to_any: self.give_to_last_waiting(list, core) => None`
#[test]
fn a_core_that_was_handed_off_for_a_cross_job_is_passed_on() {
    check(|| {
        let pool = Pool::new(1);
        let latch = Arc::new(Latch::new());
        let cross_job = setter(&pool, NO_TAG, 0, &latch);
        let publisher = pool.start(|pool| pool.registry().inject_cross_job(cross_job));
        pool.within_tag(0, |worker| worker.wait_until(&OtherPool(latch)));
        pool.worker(0).give_back();
        publisher.join().unwrap();
        pool.end();
    });
}
