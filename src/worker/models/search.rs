//! A job that is published finds a worker.

use super::*;

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
    check_publish(|pool| pool.inject());
}

/// Fails when the core's state is looked at before the list is locked.
#[test]
fn a_pinned_job_finds_its_worker() {
    check_publish(|pool| pool.worker(1).send(pool.job()));
}

/// Fails when the one who must not run the job puts it back without a word.
#[test]
fn a_reinjected_job_finds_a_worker() {
    check(|| {
        let pool = Pool::new(2);
        pool.registry().injector().push(pool.job());
        let worker = pool.start(run_one(1));
        if let Some(job) = pool.worker(0).injected() {
            pool.registry().reinject(job);
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
        assert!(pool.sleep().start_searching());
        let sleeper = pool.start(sleep_on(sleeper));
        let searcher = pool.start(|pool| pool.worker(1).stop_searching());
        publish(&pool);
        searcher.join().unwrap();
        sleeper.join().unwrap();
        pool.nobody_is_counted();
    });
}

/// Fails when `stop_searching` does not say `LookAgain`.
#[test]
fn the_last_searcher_wakes_another_for_a_fork() {
    check_last_searcher(3, |pool| pool.fork(2));
}

/// Fails when the last searcher looks without having rung.
#[test]
fn the_last_searcher_wakes_another_for_a_task() {
    check_last_searcher(3, |pool| pool.push_task(2));
}

/// Fails when the fence in `jobs_for_others` is left out. (A worker that is awake would hide
/// that: it is reason enough to wake another.)
#[test]
fn the_last_searcher_wakes_another_for_a_job_from_outside() {
    check_last_searcher(2, |pool| pool.inject());
}

// ---- cores that are parked, and passed by ---------------------------------------------------

/// Worker 0 is parked, and so was worker 2, which now publishes. Worker 1, which searched last, has
/// found something, looks once more, and may still take worker 2's core for parked.
fn check_unparked(rise: fn(&Pool), publish: fn(&Pool)) {
    check(move || {
        let pool = Pool::new(3);
        fall_asleep(&pool, 0);
        fall_asleep(&pool, 2);
        assert!(pool.sleep().start_searching());
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
    pool.worker(2).unparked();
    pool.worker(2).stop_searching();
}

fn rise_lent(pool: &Pool) {
    assert!(matches!(pool.sleep().lend(), Some((2, Stopped::Fine))));
    pool.worker(2).unparked();
}

/// Fails when the fence in `unparked` is left out.
#[test]
fn a_task_of_a_worker_just_woken_finds_another() {
    check_unparked(rise_woken, |pool| pool.push_task(2));
}

/// Fails when the fence in `unparked` is left out.
#[test]
fn a_fork_of_a_worker_just_woken_finds_another() {
    check_unparked(rise_woken, |pool| pool.fork(2));
}

/// Fails when the fence in `unparked` is no more than AcqRel.
#[test]
fn a_task_of_a_borrower_finds_another() {
    check_unparked(rise_lent, |pool| pool.push_task(2));
}
