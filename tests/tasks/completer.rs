//! Completers: handles whose results do not come from tasks.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use crate::common::{
    CALLERS, Flag, Gate, Ledger, any_wait_builder, boom, caught, eventually, is_simulated_without,
    pool, rest, sized, watchdog,
};
use crate::handles::{SHORT, SIZES, Unpark, block_on, poll, waker_that};
use filch::{Completer, JoinError, JoinHandle, ThreadPool, WaitPolicy};

/// How a handle may end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Complete,
    Drop,
    Panic,
}

const ENDS: [End; 3] = [End::Complete, End::Drop, End::Panic];

impl End {
    fn end<T>(self, completer: Completer<T>, value: T) {
        match self {
            End::Complete => completer.complete(value),
            End::Drop => drop((completer, value)),
            End::Panic => {
                let end = || {
                    let _both = (&completer, value);
                    boom(1);
                };
                assert_eq!(caught(end), 1);
            }
        }
    }

    #[track_caller]
    fn check<T>(self, result: Result<T, JoinError>) -> Option<T> {
        assert_eq!(result.is_ok(), self == End::Complete);
        assert!(result.as_ref().err().is_none_or(JoinError::is_cancelled));
        result.ok()
    }
}

/// Calls `ends` on another thread while `waits` runs.
fn beside<R>(ends: impl FnOnce() + Send + 'static, waits: impl FnOnce() -> R) -> R {
    let other = thread::spawn(ends);
    let result = waits();
    other.join().unwrap();
    result
}

#[test]
fn a_completer_and_its_handle_end_in_any_order() {
    let _watchdog = watchdog();
    let ledger = Ledger::new();
    for end in ENDS {
        // The completer first.
        let (completer, handle) = filch::completer();
        assert!(!handle.is_finished() && !handle.cancel());
        end.end(completer, ledger.token());
        assert!(handle.is_finished() && !handle.cancel());
        end.check(handle.join());
        let (completer, handle) = filch::completer();
        end.end(completer, ledger.token());
        drop(handle);
        // The handle first.
        let (completer, handle) = filch::completer();
        assert!(!completer.is_closed() && format!("{completer:?}").contains("false"));
        drop(handle);
        assert!(completer.is_closed());
        end.end(completer, ledger.token());
        let (completer, handle) = filch::completer();
        drop(handle.cancel_on_drop());
        end.end(completer, ledger.token());
        // The handle after it was polled.
        let (completer, mut handle) = filch::completer();
        let waker = Unpark::here();
        assert!(poll(Pin::new(&mut handle), &waker.clone().into()).is_pending());
        drop(handle);
        assert_eq!(Arc::strong_count(&waker), 1);
        end.end(completer, ledger.token());
    }
    ledger.assert_balanced("all ended");
}

#[test]
fn a_thread_waits_for_another_thread() {
    let _watchdog = watchdog();
    let ledger = Ledger::new();
    for round in 0..300 {
        let end = ENDS[round % 3];
        let waits: [fn(JoinHandle<_>) -> _; 3] = [
            |handle| handle.join(),
            |handle| block_on(handle),
            |mut handle| loop {
                match handle.join_timeout(Duration::from_micros(10)) {
                    Ok(result) => break result,
                    Err(back) => handle = back,
                }
            },
        ];
        let (completer, handle) = filch::completer();
        let token = ledger.token();
        let wait = waits[round / 3 % 3];
        end.check(beside(move || end.end(completer, token), || wait(handle)));
        let (completer, handle) = filch::completer();
        let token = ledger.token();
        beside(move || end.end(completer, token), || drop(handle));
    }
    ledger.assert_balanced("all ended");
}

#[test]
fn a_worker_waits_for_another_thread() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for pool in SIZES.map(pool) {
        for round in 0..60 {
            let end = ENDS[round % 3];
            let (completer, handle) = filch::completer();
            let wait = move || match round % 2 {
                0 => handle.join(),
                _ => handle.join_timeout(Duration::MAX).unwrap(),
            };
            let ends = move || end.end(completer, 5);
            let result = match round % 4 {
                0 | 1 => beside(ends, || pool.install(wait)),
                _ => beside(ends, || pool.spawn(wait).join().unwrap()),
            };
            assert_eq!(end.check(result).is_none(), end != End::Complete);
        }
        let (completer, handle) = filch::completer::<u32>();
        let handle = pool.install(|| handle.join_timeout(SHORT).unwrap_err());
        let task = pool.spawn(move || handle.join_timeout(SHORT).unwrap_err());
        let handle = task.join().unwrap();
        completer.complete(6);
        assert_eq!(handle.join().unwrap(), 6);
    }
}

/// On a pool of any size, even if the waiter must not run the task that completes the handle.
#[test]
fn a_worker_waits_for_a_task_of_its_pool() {
    let _watchdog = watchdog();
    for threads in SIZES {
        let pool = Arc::new(any_wait_builder().num_threads(threads).build().unwrap());
        for _ in 0..sized(100, 5) {
            // In a task without a handle: the waiter may run the other task on top.
            let waits = {
                let pool = pool.clone();
                move || {
                    let (completer, handle) = filch::completer();
                    drop(pool.spawn(move || completer.complete(1)));
                    handle.join().unwrap()
                }
            };
            assert_eq!(pool.install(waits.clone()), 1);
            // In tasks with handles, and in many of them at a time.
            let many: Vec<_> = (0..sized(8, 3)).map(|_| pool.spawn(waits.clone())).collect();
            assert!(many.into_iter().all(|task| task.join().unwrap() == 1));
        }
        // A chain of tasks: each one completes the handle that the next one waits for.
        let (first, mut handle) = filch::completer();
        let mut tasks = Vec::new();
        let links = sized(20, 4);
        for _ in 0..links {
            let (completer, next) = filch::completer();
            let before = std::mem::replace(&mut handle, next);
            tasks.push(pool.spawn(move || completer.complete(before.join().unwrap() + 1)));
        }
        drop(pool.spawn(move || first.complete(0)));
        assert_eq!(handle.join().unwrap(), links);
        tasks.into_iter().for_each(|task| task.join().unwrap());
    }
}

#[test]
fn a_worker_that_waits_runs_other_work() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for in_a_task in [false, true] {
        let pool = any_wait_builder().num_threads(1).build().unwrap();
        let (completer, handle) = filch::completer();
        let (kept, over) = begun_wait(&pool, handle, in_a_task);
        for i in 0..100 {
            assert_eq!(pool.spawn(move || i).join().unwrap(), i);
        }
        assert!(!over.is_up());
        let counters = pool.counters();
        assert_eq!(
            (counters.spare_threads, counters.threads_off_core),
            (in_a_task.into(), in_a_task.into())
        );
        completer.complete(());
        drop(kept);
        eventually("the wait is over", || over.is_up());
    }
}

/// Spawns a task that joins `handle`, and waits until it has begun. Returns a flag that tells
/// whether the wait is over. If `in_a_task`, also returns the task's handle: a task that can still
/// be joined waits in a restricted way.
fn begun_wait(
    pool: &ThreadPool,
    handle: JoinHandle<()>,
    in_a_task: bool,
) -> (Option<JoinHandle<()>>, Arc<Flag>) {
    let (begun, over) = (Arc::new(Gate::new()), Arc::new(Flag::new()));
    let (begins, ends) = (begun.clone(), over.clone());
    let wait = move || {
        begins.open();
        handle.join().unwrap();
        ends.raise();
    };
    let kept = match in_a_task {
        true => Some(pool.spawn(wait)),
        false => {
            pool.spawn_fifo(wait);
            None
        }
    };
    begun.wait();
    (kept, over)
}

/// While the only worker of such a pool waits, it runs broadcasts, but no other job.
#[test]
fn a_worker_that_runs_only_its_own_work_runs_nothing() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for in_a_task in [false, true] {
        let builder = any_wait_builder().wait_policy(WaitPolicy::OwnDescendants);
        let pool = builder.num_threads(1).build().unwrap();
        let (completer, handle) = filch::completer();
        let (kept, over) = begun_wait(&pool, handle, in_a_task);
        let others = AtomicUsize::new(0);
        thread::scope(|scope| {
            let installs = scope.spawn(|| {
                pool.install(|| others.fetch_add(usize::from(over.is_up()), Ordering::Relaxed))
            });
            rest(SHORT);
            assert!(!installs.is_finished());
            // A broadcast runs in any wait.
            assert_eq!(pool.broadcast(|_| over.is_up()), [false]);
            completer.complete(());
        });
        assert_eq!(others.into_inner(), 1, "the job did not run after the wait");
        drop(kept);
    }
}

/// At the limit of spare threads, a restricted wait keeps its core.
#[test]
fn a_worker_without_a_spare_thread_waits_with_its_core() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let pool = any_wait_builder().num_threads(1).max_spare_threads(0).build().unwrap();
    let (completer, handle) = filch::completer();
    let task = pool.spawn(move || handle.join().unwrap());
    let refused = || pool.dump().to_string().contains("for want of a spare thread");
    eventually("the dump says so", refused);
    completer.complete(4);
    assert_eq!(task.join().unwrap(), 4);
    assert!(!refused());
}

#[test]
fn a_waker_that_panics_leaves_the_handle_completed() {
    let _watchdog = watchdog();
    let polled = || {
        let (completer, mut handle) = filch::completer();
        let waker = waker_that(|| boom(3));
        assert!(poll(Pin::new(&mut handle), &waker).is_pending());
        (completer, handle)
    };
    let (completer, handle) = polled();
    assert_eq!(caught(|| completer.complete(8)), 3);
    assert_eq!(handle.join().unwrap(), 8);
    let (completer, handle) = polled();
    drop(completer);
    assert!(handle.join().unwrap_err().is_cancelled());
    // In a drop, while another panic unwinds.
    let (completer, handle) = polled();
    let end = move || {
        let _completer = completer;
        boom(4);
    };
    assert_eq!(caught(end), 4);
    assert!(handle.join().unwrap_err().is_cancelled());
}

#[test]
fn the_drop_of_an_unwanted_value_may_panic() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom(5);
        }
    }
    let (completer, handle) = filch::completer();
    drop(handle);
    assert_eq!(caught(|| completer.complete(Bomb)), 5);
    let (completer, handle) = filch::completer();
    completer.complete(Bomb);
    assert_eq!(caught(|| drop(handle)), 5);
}

/// Values that must not leave their thread, or that borrow.
#[test]
fn a_value_need_not_be_sent() {
    let (completer, handle) = filch::completer();
    completer.complete(std::rc::Rc::new(6));
    assert_eq!(*handle.join().unwrap(), 6);
    let text = String::from("borrowed");
    let (completer, mut handle) = filch::completer();
    completer.complete(text.as_str());
    let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Ok("borrowed"))));
    let again = catch_unwind(AssertUnwindSafe(|| handle.join()));
    assert!(again.is_err());
}

/// Two pools' tasks wait for each other, and one of them waits for a completer.
#[test]
fn pools_wait_for_each_other_beside_a_completer() {
    let _watchdog = watchdog();
    for _ in 0..sized(50, 3) {
        let (here, there) = (Arc::new(pool_of_any(1)), Arc::new(pool_of_any(1)));
        let (completer, handle) = filch::completer();
        let (first, second) = (here.clone(), there.clone());
        let waits = here.spawn(move || {
            let asks = second.spawn(move || first.install(|| completer.complete(3)));
            let value = handle.join().unwrap();
            asks.join().unwrap();
            value
        });
        assert_eq!(waits.join().unwrap(), 3);
        drop((here, there));
    }
}

fn pool_of_any(threads: usize) -> ThreadPool {
    any_wait_builder().num_threads(threads).build().unwrap()
}
