//! A thread from outside borrows the core of a worker that has nothing to do.

use super::*;
use crate::fork::install::Borrowed;
use crate::worker::hand_off::HandOffFor;

/// A thread that acts as a worker for a moment, if a core is to be had.
fn borrow(pool: &Pool) {
    if let Some(borrowed) = Borrowed::core(pool.registry()) {
        // What only the core's holder may touch.
        let _ = borrowed.worker.looks_aside();
    }
}

/// A thread borrows worker 1's core, if it can, beside one that publishes a job.
fn check_lending(publish: fn(&Pool)) {
    check(move || {
        let pool = Pool::new(2);
        let worker = pool.start(run_one(1));
        let borrower = pool.start(borrow);
        publish(&pool);
        worker.join().unwrap();
        borrower.join().unwrap();
        pool.nobody_is_counted();
    });
}

/// A borrower looks before it goes, for its publisher may have relied on the core's worker.
///
/// Weakened: `worker/hand_off.rs look_after: self.sleep().wake_one(); =>`
#[test]
fn a_task_is_run_though_the_core_was_lent() {
    check_lending(|pool| pool.push_task(0));
}

/// Likewise for a job from outside.
///
/// Weakened: `sleep/park.rs announce: fence(Ordering::SeqCst); =>`
#[test]
fn a_job_from_outside_is_run_though_the_core_was_lent() {
    check_lending(|pool| pool.inject());
}

/// Of a worker and two borrowers, one has the core at a time.
///
/// Weakened: `sleep/lend.rs take_parked: self.set_state(core, BUSY); =>`
#[test]
fn no_two_threads_hold_a_core() {
    check(|| {
        let pool = Pool::new(2);
        let worker = pool.start(run_one(1));
        let borrower = pool.start(borrow);
        borrow(&pool);
        pool.inject();
        worker.join().unwrap();
        borrower.join().unwrap();
        pool.nobody_is_counted();
    });
}

/// Worker 1's core is lent, and its borrower goes; worker 2 is the sentry.
fn check_pinned(go: fn(&Pool)) {
    check(move || {
        let pool = Pool::new(3);
        let worker = fall_asleep(&pool, 1);
        assert!(matches!(pool.sleep().lend(), Some((1, Stopped::Fine))));
        let sentry = CoreThread::at_bottom(2, true);
        pool.sleep().announce(2, Kind::Idle(&sentry), true);
        let worker = pool.start(sleep_on(worker));
        let borrower = pool.start(go);
        pool.send(1);
        worker.join().unwrap();
        borrower.join().unwrap();
    });
}

/// A pinned job that comes while the core is given back is seen.
///
/// Weakened: `sleep/hand_off.rs to: fence(Ordering::SeqCst); =>`
#[test]
fn a_pinned_job_is_run_though_the_core_was_lent() {
    check_pinned(|pool| pool.worker(1).give_back());
}

/// Likewise while it is handed off.
///
/// Weakened: `sleep/hand_off.rs to: fence(Ordering::SeqCst); =>`
#[test]
fn a_pinned_job_is_run_though_the_holder_hands_off_the_core() {
    check_pinned(|pool| drop(pool.worker(1).hand_off(&Latch::new(), HandOffFor::Returning)));
}

/// Worker 1 is the sentry; worker 2 sleeps inside a wait.
fn check_lent_sentry(publish: fn(&Pool)) {
    check(move || {
        let pool = Pool::new(3);
        let sentry = CoreThread::at_bottom(1, true);
        pool.sleep().announce(1, Kind::Idle(&sentry), true);
        pool.sleep().announce(2, Kind::Blocked, true);
        let blocked = pool.start(|pool| {
            let worker = pool.worker(2);
            pool.sleep().sleep(2, Kind::Blocked);
            worker.sleep().unparked();
            pool.run_one(&CoreThread::at_bottom(2, true));
        });
        let borrower = pool.start(|pool| {
            let (index, stopped) = pool.sleep().lend().unwrap();
            pool.sleep().unparked();
            pool.worker(index).look_again(stopped);
        });
        publish(&pool);
        blocked.join().unwrap();
        borrower.join().unwrap();
        pool.nobody_is_counted();
    });
}

/// The borrower of the sentry's core looks in the place of the sentry.
///
/// Weakened: `sleep/lend.rs take_parked: Stopped::LookAgain => Stopped::Fine`
#[test]
fn the_borrower_of_the_sentrys_core_wakes_another_for_a_task() {
    check_lent_sentry(|pool| pool.push_task(0));
}

/// A thread borrows core 0, hands it off, and has it back.
///
/// Weakened: `worker/idle.rs park: self.registry().end_if_idle(); =>`
#[test]
fn a_core_that_was_lent_is_handed_off() {
    check(|| {
        let pool = Pool::new(1);
        let latch = Arc::new(Latch::new());
        let sets = latch.clone();
        let worker = pool.start(|pool| pool.registry().run_worker(0));
        let setter = pool.start(move |pool| set(pool, 0, &sets));
        if let Some(borrowed) = Borrowed::core(pool.registry()) {
            assert!(borrowed.worker.wait_off_core(&*latch, HandOffFor::AnyJob));
        }
        pool.registry().begin_end(false);
        setter.join().unwrap();
        worker.join().unwrap();
    });
}
