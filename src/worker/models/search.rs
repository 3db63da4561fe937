//! A job that is published finds a worker.

use super::*;
use crate::fork::join;
use crate::job::Priority;
use crate::sleep::Relay;

// ---- one worker, and one publisher ----------------------------------------------------------

/// Publishes a job beside a worker that looks for one, or sleeps.
fn check_publish(publish: fn(&Pool)) {
    check(move || {
        let pool = Pool::new(2);
        let worker = pool.start(run_one(1));
        publish(&pool);
        worker.join().unwrap();
        pool.nobody_is_counted();
    });
}

/// A worker that parks sees the fork, or its owner wakes it.
///
/// Weakened: `sleep/park.rs watch: look(Moment::Resigned) == Look::Work => false`
#[test]
fn a_fork_finds_a_worker() {
    check_publish(|pool| pool.fork(0));
}

/// Likewise a task.
///
/// Weakened: `sleep/wake.rs lacks_searchers: counts.searchers() == 0 &&
/// self.may_lack_workers(counts) => false`
#[test]
fn a_task_finds_a_worker() {
    check_publish(|pool| pool.push_task(0));
}

/// Likewise a job from a thread that is no worker.
///
/// Weakened: `sleep/wake.rs notify_from_outside: fence(Ordering::SeqCst); =>`
#[test]
fn a_job_from_outside_finds_a_worker() {
    check_publish(|pool| pool.inject());
}

/// Likewise a job that has a queue of its own by its priority.
///
/// Weakened: `worker/priorities.rs has_injected: self.uses_priorities() && has_class() => false`
#[test]
fn a_job_of_low_priority_finds_a_worker() {
    check_publish(|pool| pool.inject_at(Priority::Low));
}

/// Likewise such a task that a worker keeps.
///
/// Weakened: `worker/priorities.rs has_no_task: self.class_queues().all(TaskQueue::is_empty) =>
/// true`
#[test]
fn a_task_of_high_priority_finds_a_worker() {
    check(|| {
        let pool = Pool::new(2);
        // Before there are threads, since loom does not see what makes the queues.
        (0..2).for_each(|index| _ = pool.worker(index).tasks_of(Priority::High));
        let worker = pool.start(run_one(1));
        pool.spawn_at(Priority::High, 0);
        worker.join().unwrap();
        pool.nobody_is_counted();
    });
}

/// Likewise a job for this worker and no other.
///
/// Weakened: `sleep/wake.rs wake_for_pinned: fence(Ordering::SeqCst); =>`
#[test]
fn a_pinned_job_finds_its_worker() {
    check_publish(|pool| pool.send(1));
}

/// Likewise where worker 0, which runs its part of a broadcast, may wake worker 1 for its own.
///
/// Weakened: `sleep/relay.rs wake: sleep.wake_for_pinned(self.workers[next]); =>`
#[test]
fn a_pinned_job_finds_its_worker_by_another() {
    check(|| {
        let pool = Pool::new(2);
        let relay = Arc::new(Relay::new(vec![0, 1]));
        let passes = relay.clone();
        let helper = pool.start(move |pool| passes.pass_on(pool.sleep()));
        let worker = pool.start(run_one(1));
        pool.worker(1).pinned.push(pool.job());
        relay.start(pool.sleep(), 0);
        helper.join().unwrap();
        worker.join().unwrap();
        pool.nobody_is_counted();
    });
}

/// Likewise a job that was taken out and given back meanwhile.
///
/// Weakened: `worker/inject.rs push_and_notify: self.sleep.notify_from_outside(tag); =>`
#[test]
fn a_reinjected_job_finds_a_worker() {
    check(|| {
        let pool = Pool::new(2);
        pool.registry().injector.push(pool.job());
        let worker = pool.start(run_one(1));
        if let Some(job) = pool.worker(0).injected() {
            pool.registry().queue_injected(job);
        }
        worker.join().unwrap();
        pool.nobody_is_counted();
    });
}

// ---- the last searcher ----------------------------------------------------------------------

/// Worker 0 sleeps. Worker 1 searches, and has just found a job, which takes long. A publisher,
/// worker 2 if there is one, publishes another one.
fn check_last_searcher(workers: usize, publish: fn(&Pool)) {
    check(move || {
        let pool = Pool::new(workers);
        let sleeper = fall_asleep(&pool, 0);
        assert!(pool.sleep().start_searching(1));
        let sleeper = pool.start(sleep_on(sleeper));
        let searcher = pool.start(|pool| pool.worker(1).stop_searching());
        publish(&pool);
        searcher.join().unwrap();
        sleeper.join().unwrap();
        pool.nobody_is_counted();
    });
}

/// Worker 0 forks twice, and the second fork is private. Worker 1, which has not searched, takes the
/// first one. Both rely on worker 2, which searches, has seen nobody fork, and is about to park.
///
/// Weakened: `worker/find.rs look: self.sleep().lacks_searchers() => false`
#[test]
fn a_private_fork_finds_the_last_searcher_as_it_parks() {
    check_within(1, || {
        let pool = Pool::new(3);
        // From now on worker 0 keeps one fork public.
        pool.act_as(0, |_| _ = join(|| (), || ()));
        assert!(pool.sleep().start_searching(2));
        let searcher = pool.start(|pool| {
            let me = CoreThread::at_bottom(2, true);
            if pool.worker(2).park(&me, false) {
                pool.run_one(&me);
            }
        });
        pool.act_as(0, |_| (0..2).for_each(|_| pool.fork(0)));
        pool.act_as(1, |thief| {
            if let Some(fork) = thief.steal_fork(pool.worker(0), || false) {
                thief.run(fork, false);
            }
        });
        searcher.join().unwrap();
    });
}

/// The owner of the fork may have relied on the searcher, which then wakes another.
///
/// Weakened: `sleep/wake.rs stop_searching: Stopped::LookAgain => Stopped::Fine`
#[test]
fn the_last_searcher_wakes_another_for_a_fork() {
    check_last_searcher(3, |pool| pool.fork(2));
}

/// Likewise for a task.
///
/// Weakened: `worker/wake.rs look_again: self.jobs_for_others() => 0`
#[test]
fn the_last_searcher_wakes_another_for_a_task() {
    check_last_searcher(3, |pool| pool.push_task(2));
}

/// Likewise for a job from outside. (A worker that is awake would hide that: it is reason enough
/// to wake another.)
///
/// Weakened: `worker/wake.rs jobs_for_others: fence(Ordering::SeqCst); =>`
#[test]
fn the_last_searcher_wakes_another_for_a_job_from_outside() {
    check_last_searcher(2, |pool| pool.inject());
}

/// Likewise for one of another priority.
///
/// Weakened: `worker/priorities.rs injected_len: others.sum::<usize>() => 0`
#[test]
fn the_last_searcher_wakes_another_for_a_job_of_low_priority() {
    check_last_searcher(2, |pool| pool.inject_at(Priority::Low));
}

/// Worker 1 sleeps, and the sentry, a thread from outside, resigns beside worker 0, which
/// publishes.
fn check_watch_from_outside(publish: fn(&Pool)) {
    check(move || {
        let pool = Pool::new(2);
        let sleeper = fall_asleep(&pool, 1);
        assert!(pool.sleep().watch_from_outside(1));
        let sleeper = pool.start(sleep_on(sleeper));
        let watcher = pool.start(|pool| pool.registry().stop_watching());
        publish(&pool);
        watcher.join().unwrap();
        sleeper.join().unwrap();
        pool.nobody_is_counted();
    });
}

/// The owner of the fork may have relied on the sentry, which then wakes a worker.
///
/// Weakened: `sleep/wake.rs stop_watching: Stopped::LookAgain => Stopped::Fine`
#[test]
fn a_sentry_from_outside_wakes_a_worker_for_a_fork() {
    check_watch_from_outside(|pool| pool.fork(0));
}

/// Likewise for a task.
///
/// Weakened: `worker/wake.rs stop_watching: fence(Ordering::SeqCst); =>`
#[test]
fn a_sentry_from_outside_wakes_a_worker_for_a_task() {
    check_watch_from_outside(|pool| pool.push_task(0));
}

/// It has no core, and is not woken in a worker's place.
///
/// Weakened: `sleep/wake.rs notify_from_outside: counts.parked() > 0 && counts.searchers() == 0 =>
/// false`
#[test]
fn a_sentry_from_outside_is_not_woken() {
    check_watch_from_outside(|pool| pool.inject());
}

/// The thread of a pool that is being built counts as parked before it comes.
///
/// Weakened: `sleep/hand_off.rs park_new: self.park_core(&mut list, thread.core); =>`
#[test]
fn a_job_finds_a_thread_that_has_just_been_started() {
    check(|| {
        let pool = Pool::new(2);
        let me = CoreThread::at_bottom(1, false);
        let worker = pool.start(sleep_on(me.clone()));
        pool.sleep().park_new(&me);
        pool.push_task(0);
        worker.join().unwrap();
        pool.nobody_is_counted();
    });
}

// ---- cores that are parked, and passed by ---------------------------------------------------

/// Worker 0 is parked, and so was worker 2, which now publishes. Worker 1, which searched last, has
/// found something, looks once more, and may still take worker 2's core for parked.
fn check_unparked(rise: fn(&Pool), publish: fn(&Pool)) {
    check(move || {
        let pool = Pool::new(3);
        fall_asleep(&pool, 0);
        fall_asleep(&pool, 2);
        assert!(pool.sleep().start_searching(1));
        let searcher = pool.start(|pool| pool.worker(1).stop_searching());
        rise(&pool);
        publish(&pool);
        searcher.join().unwrap();
        assert!(!pool.sleep().is_parked(0), "nobody was woken");
    });
}

fn rise_woken(pool: &Pool) {
    // The latest to park.
    pool.sleep().wake_one();
    pool.sleep().unparked();
    pool.worker(2).stop_searching();
}

fn rise_lent(pool: &Pool) {
    assert!(matches!(pool.sleep().lend(), Some((2, Stopped::Fine))));
    pool.sleep().unparked();
}

/// A worker that was woken is not taken for parked by a searcher on which it relies.
///
/// Weakened: `sleep/state.rs rouse: self.set_state(core, BUSY); =>`
#[test]
fn a_task_of_a_worker_just_woken_finds_another() {
    check_unparked(rise_woken, |pool| pool.push_task(2));
}

/// Likewise for a fork.
///
/// Weakened: `sleep/state.rs rouse: self.set_state(core, BUSY); =>`
#[test]
fn a_fork_of_a_worker_just_woken_finds_another() {
    check_unparked(rise_woken, |pool| pool.fork(2));
}

/// Likewise a core that was lent.
///
/// Weakened: `sleep/lend.rs take_parked: self.set_state(core, BUSY); =>`
#[test]
fn a_task_of_a_borrower_finds_another() {
    check_unparked(rise_lent, |pool| pool.push_task(2));
}
