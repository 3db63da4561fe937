//! A thread that blocks hands its core to another, and takes it back.

use super::*;
use crate::fork::completer;
use crate::worker::hand_off::HandOffFor;

/// Worker 0's thread waits without its core until a job has been run, which a spare one does; then
/// it has nothing more to do.
fn check_spare(publish: fn(&Pool, JobRef)) {
    check(move || {
        let pool = Pool::new(1);
        let latch = Arc::new(Latch::new());
        publish(&pool, setter(&pool, NO_TAG, 0, &latch));
        assert!(pool.worker(0).wait_off_core(&SetBy(&latch, None), HandOffFor::AnyJob));
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
        assert!(pool.worker(0).wait_off_core(&SetBy(&latches.0, None), HandOffFor::AnyJob));
        set(&pool, 0, &latches.1);
        pool.worker(0).give_back();
        pool.end();
    });
}

/// A worker in a restricted wait hands off its core for a cross-pool job, which then waits in turn.
/// Meanwhile a job of `tag` is published that only the first thread may run, or only the second.
fn check_two_waits(preemptions: usize, tags: fn(&Pool, &Tag) -> [usize; 2], is_for_second: bool) {
    check_within(preemptions, move || {
        let pool = Pool::new(1);
        let latches = [Latch::new(), Latch::new()].map(Arc::new);
        let ([first, second], theirs) = (latches.clone(), pool.clone());
        let own_tag = Tag::new(NO_TAG);
        let [tag, cross_tag] = tags(&pool, &own_tag);
        let awaited = if is_for_second { pool.tag() } else { own_tag.address() };
        let job = setter(&pool, pool.tag(), 0, &latches[usize::from(is_for_second)]);
        pool.registry().inject_cross_job(pool.job_of(cross_tag, move |worker| {
            let publisher = theirs.start(|pool| pool.registry().inject_from_anywhere(job));
            worker.wait_until(&SetBy(&second, Some(awaited)));
            if is_for_second {
                set(&theirs, 0, &first);
            }
            publisher.join().unwrap();
        }));
        pool.act_as(0, |worker| worker.within(tag, || worker.wait_until(&*latches[0])));
        if !is_for_second {
            set(&pool, 0, &latches[1]);
        }
        pool.worker(0).give_back();
        pool.end();
    });
}

/// The first thread gets its core when the second has nothing to do.
///
/// Weakened: `worker/restricted.rs sleep_restricted: self.swap(wait, tags) => false`
#[test]
fn a_waiter_that_handed_off_its_core_looks_for_its_jobs() {
    check_two_waits(1, |pool, _| [pool.tag(), NO_TAG], false);
}

/// The second thread, which has given the core to the first one, takes it back.
///
/// Weakened: `sleep/wake.rs wake_restricted:
/// called.iter().for_each(|it| it.0.set_called(true)); =>`
///
/// Weakened: `sleep/hand_off.rs swap: list.off_core.push((thread.clone(), tags)); =>
/// drop(tags);`
#[test]
fn a_waiter_without_its_core_is_called_for_its_jobs() {
    check_two_waits(0, |pool, own| [own.address(), pool.tag()], true);
}

/// A thread calls a closure that blocks until a task of the only worker has done `act`, which a
/// spare thread runs. Then it is given its core.
fn check_blocking(pool: &Pool, act: impl FnOnce(&Worker) + 'static) {
    let ran = Arc::new((loom::sync::Mutex::new(false), loom::sync::Condvar::new()));
    let theirs = ran.clone();
    pool.act_as(0, |worker| {
        worker.push_task(pool.job_of(NO_TAG, move |worker| {
            act(worker);
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
}

/// Weakened: `worker/hand_off.rs begin_blocking: CoreThread::in_blocking(self.index, false) =>
/// CoreThread::in_wait(self.index, 0, false, false)`
#[test]
fn a_task_runs_while_the_only_worker_is_in_blocking() {
    check(|| check_blocking(&Pool::new(1), |_| ()));
}

/// A thread calls a closure that blocks until a task of the only worker has run. A spare thread
/// runs it, and waits for a job that it must not run on top: it hands the core on for that.
///
/// Weakened: `worker/inject.rs inject_from_anywhere: self.sleep.notify_all_restricted(); =>`
#[test]
fn a_job_from_outside_finds_a_worker_where_all_waits_are_restricted() {
    check_within(1, || {
        let pool = Pool::with_spare_threads(1, 2);
        let latch = Arc::new(Latch::new());
        let job = setter(&pool, NO_TAG, 0, &latch);
        let theirs = pool.clone();
        check_blocking(&pool, move |worker| {
            let publisher = theirs.start(|pool| pool.registry().inject(job));
            worker.within(theirs.tag(), || worker.wait_until(&*latch));
            publisher.join().unwrap();
        });
    });
}

/// A worker waits for a completer inside a task, and must not run on top what completes it: a
/// spare thread does.
///
/// Weakened: `worker/restricted.rs look_restricted: wait.is_external() || self.is_missed() =>
/// self.is_missed()`
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
