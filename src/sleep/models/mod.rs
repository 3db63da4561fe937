//! Models of sleeping and waking, for the model checker, to which a lost wake-up is a deadlock.
//! Most say what they were seen to fail for. At the end of each nobody must be counted who is not
//! there.
#![allow(unsafe_code)]

mod pool;

use loom::sync::Arc;
use loom::sync::atomic::AtomicBool;
use loom::thread;

use self::pool::{Goes, Job, Pool, Thread};
use super::*;
use crate::latch::{Latch, Wait, Waiter};

/// Starts a thread beside the model's first one.
fn start(pool: &Arc<Pool>, act: impl FnOnce(&Pool) + 'static) -> thread::JoinHandle<()> {
    let pool = pool.clone();
    thread::spawn(move || act(&pool))
}

/// The thread of worker `me`, until it has run a job.
fn run_one(me: usize) -> impl FnOnce(&Pool) {
    move |pool| pool.main_loop(&OffCore::at_bottom(me, true), false, |_| Goes::Away)
}

/// Lets worker `me` sleep, and not as the sentry. Its thread then starts with `sleep_on`.
fn fall_asleep(pool: &Pool, me: usize) -> Thread {
    let thread = OffCore::at_bottom(me, true);
    let _ = pool.sleep.announce(me, Kind::Idle(&thread), false, true);
    assert!(pool.sleep.resign(me, Kind::Idle(&thread)));
    thread
}

/// The thread of a worker, which sleeps, until it has run a job.
fn sleep_on(me: Thread) -> impl FnOnce(&Pool) {
    move |pool| {
        pool.sleep_idle(&me);
        pool.main_loop(&me, true, |_| Goes::Away);
    }
}

fn wake(pool: &Pool, core: usize) {
    pool.sleep.unlist(&mut pool.sleep.list.lock(), core).unpark();
}

fn nobody_is_counted(pool: &Pool) {
    assert_eq!(pool.sleep.counts(), Counts(0));
}

// ---- one worker, and one who publishes ------------------------------------------------------

/// Lets somebody publish a job beside a worker that looks for one, or sleeps.
fn check_publish(publish: fn(&Pool)) {
    loom::model(move || {
        let pool = Pool::new(2);
        let worker = start(&pool, run_one(1));
        publish(&pool);
        worker.join().unwrap();
        nobody_is_counted(&pool);
    });
}

/// Fails when `sleep` does not call `announce_and_look` for a sentry that resigns.
#[test]
fn a_fork_finds_a_worker() {
    check_publish(|pool| {
        pool.fork(0, &'a');
    });
}

/// Fails when `notify_from_worker` takes any parked worker for one that looks.
#[test]
fn a_task_finds_a_worker() {
    check_publish(|pool| pool.push_task(0, 'a'));
}

/// Fails when the fence in `notify_from_outside` is left out.
#[test]
fn a_job_from_outside_finds_a_worker() {
    check_publish(|pool| pool.inject('a'));
}

/// Fails when the core's state is looked at before the list is locked.
#[test]
fn a_pinned_job_finds_its_worker() {
    check_publish(|pool| pool.send(1, 'a'));
}

/// Worker 0 runs its part of a broadcast, and may wake worker 1 for its own.
#[test]
fn a_pinned_job_finds_its_worker_by_another() {
    loom::model(|| {
        let pool = Pool::new(2);
        let relay = Arc::new(Relay::new(2));
        let passes = relay.clone();
        let helper = start(&pool, move |pool| passes.pass_on(&pool.sleep));
        let worker = start(&pool, run_one(1));
        pool.pin(1, 'a');
        relay.start(&pool.sleep);
        helper.join().unwrap();
        worker.join().unwrap();
        nobody_is_counted(&pool);
    });
}

/// Fails when the one who must not run the job puts it back without a word.
#[test]
fn a_reinjected_job_finds_a_worker() {
    loom::model(|| {
        let pool = Pool::new(2);
        pool.injector.push('a');
        let worker = start(&pool, run_one(1));
        let reinjected = pool.injected().map(|job| pool.accept(job));
        assert!(reinjected.is_none() || reinjected == Some(None));
        worker.join().unwrap();
        nobody_is_counted(&pool);
    });
}

// ---- the last searcher ----------------------------------------------------------------------

/// Worker 0 sleeps. Worker 1 searches, and has just found a job, which takes long. Somebody, worker
/// 2 if there is one, publishes another one.
fn check_last_searcher(workers: usize, publish: fn(&Pool)) {
    loom::model(move || {
        let pool = Pool::new(workers);
        let sleeper = fall_asleep(&pool, 0);
        assert!(pool.sleep.start_searching());
        let sleeper = start(&pool, sleep_on(sleeper));
        let searcher = start(&pool, |pool| pool.stop_searching(1));
        publish(&pool);
        searcher.join().unwrap();
        sleeper.join().unwrap();
        nobody_is_counted(&pool);
    });
}

/// Fails when `stop_searching` does not say `LookAgain`.
#[test]
fn the_last_searcher_wakes_another_for_a_fork() {
    check_last_searcher(3, |pool| {
        pool.fork(2, &'a');
    });
}

/// Fails when the last searcher looks without having rung.
#[test]
fn the_last_searcher_wakes_another_for_a_task() {
    check_last_searcher(3, |pool| pool.push_task(2, 'a'));
}

/// Fails when the fence in `announce_and_look` is left out. (A worker that is awake would hide
/// that: it is reason enough to wake another.)
#[test]
fn the_last_searcher_wakes_another_for_a_job_from_outside() {
    check_last_searcher(2, |pool| pool.inject('a'));
}

/// Worker 1 sleeps, and a thread from outside, the sentry, resigns beside worker 0, which publishes.
fn check_watch_from_outside(publish: fn(&Pool)) {
    loom::model(move || {
        let pool = Pool::new(2);
        let sleeper = fall_asleep(&pool, 1);
        assert!(pool.sleep.watch_from_outside());
        let sleeper = start(&pool, sleep_on(sleeper));
        let watcher = start(&pool, Pool::stop_watching);
        publish(&pool);
        watcher.join().unwrap();
        sleeper.join().unwrap();
        nobody_is_counted(&pool);
    });
}

/// Fails when `stop_watching` does not say `LookAgain`, and when its caller does not look.
#[test]
fn a_sentry_from_outside_wakes_a_worker_for_a_fork() {
    check_watch_from_outside(|pool| {
        pool.fork(0, &'a');
    });
}

/// Fails likewise, and when the caller of `stop_watching` issues no fence.
#[test]
fn a_sentry_from_outside_wakes_a_worker_for_a_task() {
    check_watch_from_outside(|pool| pool.push_task(0, 'a'));
}

/// Fails when `wake_one` takes the sentry's place for a core.
#[test]
fn a_sentry_from_outside_is_not_woken() {
    check_watch_from_outside(|pool| pool.inject('a'));
}

/// The thread of a pool that is being built comes, or does not come yet.
///
/// Fails when `park_new` does not count the core as parked.
#[test]
fn a_job_finds_a_thread_that_has_just_been_started() {
    loom::model(|| {
        let pool = Pool::new(2);
        let me = OffCore::at_bottom(1, false);
        let theirs = me.clone();
        let worker = start(&pool, move |pool| {
            assert!(pool.wait_for_core(&theirs));
            pool.main_loop(&theirs, true, |_| Goes::Away);
        });
        pool.sleep.park_new(&me);
        pool.push_task(0, 'a');
        worker.join().unwrap();
        nobody_is_counted(&pool);
    });
}

// ---- cores that are parked, and passed by ---------------------------------------------------

/// Worker 0 is parked, and so was worker 2, which now publishes. Worker 1, which searched last, has
/// found something, looks once more, and may still take worker 2's core for parked.
fn check_unparked(rise: fn(&Pool), publish: fn(&Pool)) {
    loom::model(move || {
        let pool = Pool::new(3);
        fall_asleep(&pool, 0);
        fall_asleep(&pool, 2);
        assert!(pool.sleep.start_searching());
        let searcher = start(&pool, |pool| pool.stop_searching(1));
        rise(&pool);
        publish(&pool);
        searcher.join().unwrap();
        assert!(!pool.sleep.is_parked(0), "nobody was woken");
    });
}

fn rise_woken(pool: &Pool) {
    wake(pool, 2);
    pool.unparked(2);
    pool.stop_searching(2);
}

fn rise_lent(pool: &Pool) {
    assert!(matches!(pool.sleep.lend(), Some((2, Stopped::Fine))));
    pool.unparked(2);
}

/// Fails when the fence in `unparked` is left out.
#[test]
fn a_task_of_a_worker_just_woken_finds_another() {
    check_unparked(rise_woken, |pool| pool.push_task(2, 'a'));
}

/// Fails when the fence in `unparked` is left out.
#[test]
fn a_fork_of_a_worker_just_woken_finds_another() {
    check_unparked(rise_woken, |pool| {
        pool.fork(2, &'a');
    });
}

/// Fails when the fence in `unparked` is no more than AcqRel.
#[test]
fn a_task_of_a_borrower_finds_another() {
    check_unparked(rise_lent, |pool| pool.push_task(2, 'a'));
}

// ---- waits ----------------------------------------------------------------------------------

/// Worker 1 waits for a latch, which worker 0 sets.
fn check_latch(wait: fn(&Pool, &Latch)) {
    loom::model(move || {
        let pool = Pool::new(2);
        let latch = Arc::new(Latch::new());
        let waiters = latch.clone();
        let waiter = start(&pool, move |pool| wait(pool, &waiters));
        // SAFETY: it is set once, and lives as long as this.
        if unsafe { Latch::set(&*latch) } == Waiter::Asleep {
            pool.sleep.wake_blocked(1, latch.address());
        }
        waiter.join().unwrap();
        nobody_is_counted(&pool);
    });
}

/// Fails when the latch is not probed after `announce`.
#[test]
fn a_worker_that_is_blocked_is_woken() {
    check_latch(|pool, latch| pool.wait_until(1, latch));
}

#[test]
fn a_worker_in_a_restricted_wait_is_woken() {
    check_latch(|pool, latch| pool.wait_restricted(1, latch, drop));
}

/// Worker 1 is in a wait that is restricted to one tag. The publisher of such a job waits for it.
fn check_restricted(publish: fn(&Pool)) {
    loom::model(move || {
        let pool = Pool::new(2);
        let worker = start(&pool, |pool| {
            let latch = Latch::new();
            pool.wait_restricted(1, &latch, |_| {
                // SAFETY: set once, and alive.
                let _ = unsafe { Latch::set(&latch) };
            });
        });
        publish(&pool);
        worker.join().unwrap();
        nobody_is_counted(&pool);
    });
}

#[test]
fn a_task_finds_a_restricted_wait() {
    check_restricted(|pool| pool.push_task(0, 'A'));
}

#[test]
fn a_job_from_outside_finds_a_restricted_wait() {
    check_restricted(|pool| pool.inject('A'));
}

/// Fails when `notify_of_guest` relies on searchers, or is left out.
#[test]
fn a_guest_finds_a_worker_that_waits_elsewhere() {
    loom::model(|| {
        let pool = Pool::new(2);
        let worker = start(&pool, |pool| {
            let latch = Latch::new();
            pool.wait_elsewhere(1, &latch, |_| {
                // SAFETY: set once, and alive.
                let _ = unsafe { Latch::set(&latch) };
            });
        });
        pool.invite('a');
        worker.join().unwrap();
        nobody_is_counted(&pool);
    });
}

// ---- lending --------------------------------------------------------------------------------

/// A thread borrows worker 1's core, if it can, beside one that publishes a job.
fn check_lending(publish: fn(&Pool)) {
    loom::model(move || {
        let pool = Pool::new(2);
        let worker = start(&pool, run_one(1));
        let borrower = start(&pool, Pool::borrow);
        publish(&pool);
        worker.join().unwrap();
        borrower.join().unwrap();
        nobody_is_counted(&pool);
    });
}

/// Fails when the borrower does not look before it goes.
#[test]
fn a_task_is_run_though_the_core_was_lent() {
    check_lending(|pool| pool.push_task(0, 'a'));
}

/// Fails when the fence in `give_back` is left out.
#[test]
fn a_job_from_outside_is_run_though_the_core_was_lent() {
    check_lending(|pool| pool.inject('a'));
}

/// Fails when `announce` does not look whether the core is `FREE` still, or when `lend` or
/// `take_core` do not compare when they take it to `BUSY`.
#[test]
fn no_two_threads_hold_a_core() {
    loom::model(|| {
        let pool = Pool::new(2);
        let worker = start(&pool, run_one(1));
        let borrower = start(&pool, Pool::borrow);
        pool.borrow();
        pool.inject('a');
        worker.join().unwrap();
        borrower.join().unwrap();
        nobody_is_counted(&pool);
    });
}

/// Worker 1's core is lent, and its borrower goes; worker 2 is the sentry.
fn check_pinned(go: fn(&Pool)) {
    loom::model(move || {
        let pool = Pool::new(3);
        let worker = fall_asleep(&pool, 1);
        assert!(matches!(pool.sleep.lend(), Some((1, Stopped::Fine))));
        let sentry = OffCore::at_bottom(2, true);
        let _ = pool.sleep.announce(2, Kind::Idle(&sentry), false, true);
        let worker = start(&pool, sleep_on(worker));
        let borrower = start(&pool, go);
        pool.send(1, 'a');
        worker.join().unwrap();
        borrower.join().unwrap();
    });
}

/// Fails when `give_back` is told of work left instead of looking for it under the lock, and when
/// its fence is left out.
#[test]
fn a_pinned_job_is_run_though_the_core_was_lent() {
    check_pinned(|pool| pool.give_back(1));
}

/// Fails when the fence in `hand_off` is left out.
#[test]
fn a_pinned_job_is_run_though_the_holder_hands_off_the_core() {
    check_pinned(|pool| drop(pool.hand_off(1, 0, true, pool.has_own_work(1))));
}

/// Worker 1 is the sentry; worker 2 sleeps inside a wait.
fn check_lent_sentry(publish: fn(&Pool)) {
    loom::model(move || {
        let pool = Pool::new(3);
        let sentry = OffCore::at_bottom(1, true);
        let _ = pool.sleep.announce(1, Kind::Idle(&sentry), false, true);
        let _ = pool.sleep.announce(2, Kind::Blocked, false, true);
        let blocked = start(&pool, |pool| {
            let look_hard = || pool.announce_and_look_hard(2);
            pool.sleep.sleep(2, Kind::Blocked, || pool.watch(2), look_hard);
            pool.unparked(2);
            pool.main_loop(&OffCore::at_bottom(2, true), true, |_| Goes::Away);
        });
        let borrower = start(&pool, |pool| {
            let (me, stopped) = pool.sleep.lend().unwrap();
            pool.unparked(me);
            pool.look_again(me, stopped);
        });
        publish(&pool);
        blocked.join().unwrap();
        borrower.join().unwrap();
        nobody_is_counted(&pool);
    });
}

/// Fails when `lend` does not say `LookAgain`.
#[test]
fn the_borrower_of_the_sentrys_core_wakes_another_for_a_task() {
    check_lent_sentry(|pool| pool.push_task(0, 'a'));
}

// ---- hand-off -------------------------------------------------------------------------------

/// Sets a latch that the holder of core 0 waits for, or a thread without it.
fn set(pool: &Pool, latch: &Latch) {
    // SAFETY: each latch of these models is set once, and lives as long as its model.
    if unsafe { Latch::set(latch) } == Waiter::Asleep {
        pool.sleep.wake_blocked(0, latch.address());
    }
}

/// A spare thread for core 0, which does as `act` says.
fn start_spare(
    pool: &Arc<Pool>,
    act: impl FnOnce(&Pool, &Thread) + 'static,
) -> thread::JoinHandle<()> {
    let me = OffCore::at_bottom(0, false);
    pool.sleep.add_spare(&me);
    start(pool, move |pool| act(pool, &me))
}

/// It sets a latch when it has run a job.
fn sets_when_run(latch: Arc<Latch>) -> impl FnOnce(&Pool, &Thread) {
    move |pool, me| {
        if pool.wait_for_core(me) {
            pool.stop_searching(0);
            let run = |_| {
                set(pool, &latch);
                Goes::On
            };
            pool.main_loop(me, false, run);
        }
    }
}

/// Worker 0's thread waits without its core until a job has been run, which a spare one does; then
/// it has nothing more to do.
fn check_spare(publish: fn(&Pool)) {
    loom::model(move || {
        let pool = Pool::new(1);
        let latch = Arc::new(Latch::new());
        let spare = start_spare(&pool, sets_when_run(latch.clone()));
        publish(&pool);
        pool.wait_off_core(0, &*latch, true);
        pool.give_back(0);
        pool.begin_end();
        spare.join().unwrap();
    });
}

/// Fails when `give_to_spare` counts the searcher after it has given the core, and when `give`
/// stores with Relaxed.
#[test]
fn a_spare_thread_runs_a_task_that_is_left() {
    check_spare(|pool| pool.push_task(0, 'a'));
}

/// Fails when `announce` parks a core that a thread wants back.
#[test]
fn a_spare_thread_runs_a_job_from_outside() {
    check_spare(|pool| pool.inject('a'));
}

/// Two threads take turns on core 0: the first waits without it until the second, which has it,
/// says so, and waits there for the first in turn.
///
/// Fails when `take_back` does not wake a holder that is blocked, when such a holder does not look
/// for threads that want the core after its announcement, when `hand_off` does not note the thread
/// as one that waits, when `wake_blocked` wakes the holder only, and when `give_to_spare` parks a
/// core that has no spare thread.
#[test]
fn a_thread_that_wants_its_core_back_gets_it() {
    loom::model(|| {
        let pool = Pool::new(1);
        let latches = Arc::new((Latch::new(), Latch::new()));
        let theirs = latches.clone();
        let spare = start_spare(&pool, move |pool, me| {
            let has_core = pool.wait_for_core(me);
            if has_core {
                pool.stop_searching(0);
            }
            set(pool, &theirs.0);
            if has_core {
                pool.wait_until(0, &theirs.1);
                pool.main_loop(me, false, |_| Goes::On);
            }
        });
        pool.wait_off_core(0, &latches.0, false);
        set(&pool, &latches.1);
        pool.give_back(0);
        pool.begin_end();
        spare.join().unwrap();
    });
}

/// The thread of core 0 waits for another pool, and hands off its core for a guest, by which that
/// wait is over; the guest's thread passes the core on.
///
/// Fails when `pass_on` gives the core only to threads that want it back, and when `take_back` does
/// not look whether the caller has it already.
#[test]
fn a_core_that_was_handed_off_for_a_guest_is_passed_on() {
    loom::model(|| {
        let pool = Pool::new(1);
        let latch = Arc::new(Latch::new());
        let sets = latch.clone();
        let serve = move |pool: &Pool, me: &Thread| pool.serve_guests(me, |_| set(pool, &sets));
        let spare = start_spare(&pool, serve);
        let asks = start(&pool, |pool| pool.invite('a'));
        pool.hand_off_for_guests(0, &*latch);
        pool.give_back(0);
        pool.begin_end();
        asks.join().unwrap();
        spare.join().unwrap();
    });
}

/// A thread borrows core 0 while its worker looks around, hands it off, and has it back.
///
/// Fails when `give_to_spare` parks such a core, when `looker_sees_loan` does not look whether it
/// was given back, and when a looker does not look for threads that want the core.
#[test]
fn a_core_that_was_lent_is_handed_off() {
    loom::model(|| {
        let pool = Pool::new(1);
        let latch = Arc::new(Latch::new());
        let sets = latch.clone();
        let me = OffCore::at_bottom(0, true);
        let theirs = me.clone();
        assert!(pool.sleep.start_searching());
        pool.sleep.free_core(0);
        let (core, stopped) = pool.sleep.lend().unwrap();
        pool.unparked(core);
        pool.look_again(core, stopped);
        let looker = start(&pool, move |pool| {
            if pool.look_on(&theirs) {
                pool.main_loop(&theirs, true, |_| Goes::On);
            }
        });
        let setter = start(&pool, move |pool| set(pool, &sets));
        pool.wait_off_core(core, &*latch, true);
        pool.give_back(core);
        pool.begin_end();
        setter.join().unwrap();
        looker.join().unwrap();
    });
}

/// The only worker is in a restricted wait when a job is published that it must not run.
///
/// Fails when `inject` does not look for restricted waits, or a worker in one does not look for
/// work that it may not run.
#[test]
fn a_job_from_outside_finds_a_worker_where_all_waits_are_restricted() {
    loom::model(|| {
        let pool = Pool::new(1);
        // As if a thread of another core were without it.
        pool.sleep.local_off.store(1, Ordering::Relaxed);
        let latch = Arc::new(Latch::new());
        let spare = start_spare(&pool, sets_when_run(latch.clone()));
        let waiter = start(&pool, move |pool| {
            pool.wait_restricted(0, &*latch, drop);
            pool.give_back(0);
            pool.begin_end();
        });
        pool.inject('a');
        waiter.join().unwrap();
        spare.join().unwrap();
    });
}

// ---- the end --------------------------------------------------------------------------------

/// Fails when `begin_end` does not look whether the pool is idle already.
#[test]
fn a_sleeping_worker_ends_with_its_pool() {
    loom::model(|| {
        let pool = Pool::new(1);
        let me = OffCore::at_bottom(0, true);
        let worker = start(&pool, move |pool| pool.main_loop(&me, false, |_| Goes::On));
        pool.begin_end();
        worker.join().unwrap();
    });
}

/// The thread of worker `me`, which has just found no work, until the pool ends.
fn park_until_end(pool: &Pool, me: usize, run: impl Fn(Job)) {
    let me = OffCore::at_bottom(me, true);
    if pool.park(&me, false) {
        pool.main_loop(&me, true, |job| {
            run(job);
            Goes::On
        });
    }
}

/// Fails when `end_if_idle` comes before `announce`.
#[test]
fn the_last_worker_to_park_ends_the_pool() {
    loom::model(|| {
        let pool = Pool::new(2);
        pool.begin_end();
        let worker = start(&pool, |pool| park_until_end(pool, 1, drop));
        park_until_end(&pool, 0, drop);
        worker.join().unwrap();
    });
}

/// Fails when `all_parked` does not ask whether there is anything left, or not under the lock.
#[test]
fn a_pinned_job_is_run_though_the_pool_ends() {
    loom::model(|| {
        let pool = Pool::new(2);
        pool.begin_end();
        let read = Arc::new(AtomicBool::new(false));
        let reads = read.clone();
        let read_pinned = move |_| reads.store(true, Ordering::Relaxed);
        let worker = start(&pool, |pool| park_until_end(pool, 1, read_pinned));
        pool.send(1, 'a');
        park_until_end(&pool, 0, drop);
        worker.join().unwrap();
        assert!(read.load(Ordering::Relaxed));
    });
}
