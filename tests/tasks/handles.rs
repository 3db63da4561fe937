//! Handles: errors, cancelling, joins with a time limit, and awaiting as futures.

use std::error::Error;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::common::{
    CALLERS, Gate, Ledger, Token, boom, caught, eventually, failed_with, is_simulated_without,
    noting_pool, pool, watchdog,
};
use crate::task_set::Bomb;
use filch::{JoinError, JoinHandle, ThreadPool};

pub const SIZES: [usize; 3] = [1, 2, 4];
pub const SHORT: Duration = Duration::from_millis(5);

/// Occupies all workers of a pool until this is dropped.
pub struct Busy(Arc<Gate>);

impl Busy {
    pub fn new(pool: &ThreadPool) -> Self {
        let busy = Busy(Arc::default());
        let begun = Arc::new(AtomicUsize::new(0));
        let threads = pool.current_num_threads();
        for _ in 0..threads {
            let (gate, begun) = (busy.0.clone(), begun.clone());
            drop(pool.spawn(move || {
                begun.fetch_add(1, Ordering::Relaxed);
                gate.wait();
            }));
        }
        eventually("all workers are busy", || begun.load(Ordering::Relaxed) == threads);
        busy
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Spawns a task that waits for the gate, and then returns `value`.
fn gated<T: Send + 'static>(pool: &ThreadPool, value: T) -> (Arc<Gate>, JoinHandle<T>) {
    let gate = Arc::new(Gate::new());
    let shut = gate.clone();
    let task = pool.spawn(move || {
        shut.wait();
        value
    });
    (gate, task)
}

// ---- Errors ----

#[test]
fn an_error_says_whether_the_task_panicked_or_was_cancelled() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let panicked = pool.spawn(|| boom(3)).join().unwrap_err();
    assert!(panicked.is_panic() && !panicked.is_cancelled());
    assert_eq!(panicked.to_string(), "the task panicked");
    assert_eq!(failed_with::<()>(Err(panicked)), 3);
    let what = String::from("paper");
    let said = pool.spawn(move || panic!("no {what}")).join().unwrap_err();
    assert_eq!(said.to_string(), "the task panicked: no paper");
    assert_eq!(format!("{said:?}"), "JoinError::Panic(\"no paper\")");
    let boxed: Box<dyn Error + Send + Sync> = said.into();
    let said = *boxed.downcast::<JoinError>().unwrap();
    assert_eq!(*said.try_into_panic().unwrap().downcast::<String>().unwrap(), "no paper");
    let named = pool.task().name("report").spawn(|| panic!("no paper")).join().unwrap_err();
    assert_eq!(named.to_string(), "the task panicked in `report`: no paper");
    assert_eq!(named.into_panic().downcast_ref(), Some(&"no paper"));
}

// ---- Cancelling ----

/// What a cancelled task would do if it ran.
fn runs(_: Token) {
    boom(1);
}

#[test]
fn a_task_that_has_not_begun_is_cancelled() {
    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        let ledger = Ledger::new();
        let busy = Busy::new(&pool);
        let captured = ledger.token();
        let task = pool.spawn(move || runs(captured));
        assert!(!task.is_finished());
        assert!(task.cancel());
        assert!(task.is_finished() && !task.cancel());
        assert!(ledger.is_balanced(), "the closure was not dropped at once");
        let error = task.join().unwrap_err();
        assert!(error.is_cancelled() && !error.is_panic());
        assert_eq!(error.to_string(), "the task was cancelled: it was requested");
        let error = error.try_into_panic().unwrap_err();
        assert!(catch_unwind(AssertUnwindSafe(|| error.into_panic())).is_err());

        let captured = ledger.token();
        let dropped = pool.spawn(move || runs(captured));
        assert!(dropped.cancel());
        drop(dropped);
        let captured = ledger.token();
        drop(pool.spawn(move || runs(captured)).cancel_on_drop());
        let kept = pool.spawn(|| 4).cancel_on_drop();
        let detached = pool.spawn(|| 5).cancel_on_drop().into_inner();
        assert!(ledger.is_balanced());
        drop(busy);
        assert_eq!((kept.join().unwrap(), detached.join().unwrap()), (4, 5));
    }
}

#[test]
fn a_task_is_cancelled_though_the_drop_of_a_waker_panics() {
    let _watchdog = watchdog();
    let (pool, ledger) = (pool(1), Ledger::new());
    let busy = Busy::new(&pool);
    let captured = ledger.token();
    let mut task = pool.spawn(move || runs(captured)).cancel_on_drop();
    let bomb = Bomb(4);
    let waker = waker_that(move || drop(bomb));
    assert!(poll(Pin::new(&mut task), &waker).is_pending());
    drop(waker);
    assert_eq!(caught(|| drop(task)), 4);
    assert!(ledger.is_balanced(), "the closure was not dropped at once");
    drop(busy);
}

#[test]
fn a_task_that_has_begun_goes_on() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for pool in SIZES.map(pool) {
        let (gate, begun) = (Arc::new(Gate::new()), Arc::new(Gate::new()));
        let (open, begins) = (gate.clone(), begun.clone());
        let task = pool.spawn(move || {
            begins.open();
            open.wait();
            7
        });
        begun.wait();
        assert!(!task.cancel());
        gate.open();
        assert_eq!(task.join().unwrap(), 7);
        let task = pool.spawn(|| 8);
        eventually("it ends", || task.is_finished());
        assert!(!task.cancel());
        assert_eq!(task.join().unwrap(), 8);
    }
}

/// Each task is either run or cancelled, and its captures are dropped once.
#[test]
fn tasks_are_cancelled_beside_workers_that_begin_them() {
    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        let ledger = Ledger::new();
        let runs = Arc::new(AtomicUsize::new(0));
        let mut cancelled = 0;
        for round in 0..200 {
            let spawn = |_| {
                let (token, runs) = (ledger.token(), runs.clone());
                let task = move || {
                    runs.fetch_add(1, Ordering::Relaxed);
                    token
                };
                pool.spawn(task)
            };
            let tasks: Vec<_> = (0..8).map(spawn).collect();
            let cancel = |task: &JoinHandle<_>| usize::from(task.cancel());
            if round % 2 == 0 {
                cancelled += tasks.iter().map(cancel).sum::<usize>();
                tasks.into_iter().for_each(drop);
            } else {
                for task in tasks.into_iter().rev() {
                    let was = cancel(&task);
                    cancelled += was;
                    assert_eq!(task.join().is_err(), was == 1);
                }
            }
        }
        drop(pool);
        assert_eq!(runs.load(Ordering::Relaxed) + cancelled, 1600);
        ledger.assert_balanced("all tasks have ended");
    }
}

#[test]
fn a_scope_ends_after_tasks_that_were_cancelled() {
    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        let ledger = Ledger::new();
        for _ in 0..100 {
            let mut kept = (0, 0);
            let captures: Vec<_> = (0..8).map(|_| (ledger.token(), 3)).collect();
            pool.scope(|s| {
                let tasks = captures.iter().map(|(_, number)| s.spawn(move || number + 1));
                let tasks: Vec<_> = tasks.collect();
                for (i, task) in tasks.into_iter().enumerate() {
                    let was = task.cancel();
                    if i % 2 == 0 {
                        assert_eq!(task.join().is_err(), was);
                        kept.0 += 1;
                    } else {
                        kept.1 += 1;
                    }
                }
            });
            assert_eq!(kept, (4, 4));
        }
        ledger.assert_balanced("the captures outlived the tasks");
    }
}

#[test]
fn a_panic_in_the_drop_of_the_closure_leaves_cancel() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom(5);
        }
    }
    let _watchdog = watchdog();
    let pool = pool(1);
    let busy = Busy::new(&pool);
    let bomb = Bomb;
    let task = pool.spawn(move || std::mem::forget(bomb));
    assert_eq!(caught(|| task.cancel()), 5);
    assert!(task.join().unwrap_err().is_cancelled());
    drop(busy);
    assert_eq!(pool.spawn(|| 1).join().unwrap(), 1);
}

/// The first panic, in the drop of the closure, leaves `cancel`. The second, in the waker, goes to
/// the panic handler. In pools without a handler, dropping its payload panics again.
#[test]
fn of_two_panics_one_leaves_cancel_and_one_goes_to_the_pool() {
    struct Bomb(u32);
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom(self.0);
        }
    }
    let _watchdog = watchdog();
    for is_handled in [true, false] {
        let (noting, noted) = noting_pool(1);
        let pool = if is_handled { noting } else { pool(1) };
        let busy = Busy::new(&pool);
        let bomb = Bomb(5);
        let mut task = pool.spawn(move || std::mem::forget(bomb));
        let waker = waker_that(move || match is_handled {
            true => boom(6),
            false => std::panic::resume_unwind(Box::new(Bomb(7))),
        });
        assert!(poll(Pin::new(&mut task), &waker).is_pending());
        assert_eq!(caught(|| task.cancel()), 5);
        assert_eq!(*noted.lock().unwrap(), if is_handled { vec![6] } else { vec![] });
        assert!(task.join().unwrap_err().is_cancelled());
        drop(busy);
        assert_eq!(pool.spawn(|| 1).join().unwrap(), 1);
    }
}

// ---- Joins with a time limit ----

#[test]
fn a_handle_comes_back_when_the_time_limit_is_over() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for pool in SIZES.map(pool) {
        let (gate, task) = gated(&pool, 9);
        let begun = Instant::now();
        let task = task.join_timeout(SHORT).unwrap_err();
        assert!(begun.elapsed() >= SHORT);
        let task = task.join_timeout(Duration::ZERO).unwrap_err();
        gate.open();
        assert_eq!(task.join_timeout(Duration::MAX).unwrap().unwrap(), 9);
        let failed = pool.spawn(|| boom(2)).join_timeout(Duration::MAX);
        assert_eq!(failed_with(failed.unwrap()), 2);
        let task = pool.spawn(|| 1);
        eventually("it ends", || task.is_finished());
        assert_eq!(task.join_timeout(Duration::ZERO).unwrap().unwrap(), 1);
    }
}

#[test]
fn a_worker_whose_time_limit_is_over_has_its_handle_back() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for threads in [1, 2, 4] {
        let (here, there) = (pool(threads), pool(1));
        let (gate, task) = gated(&there, 9);
        let join = move || {
            let begun = Instant::now();
            let task = task.join_timeout(SHORT).unwrap_err();
            assert!(begun.elapsed() >= SHORT);
            // The worker works meanwhile, and can be woken for work.
            assert_eq!(filch::join(|| 1, || 2), (1, 2));
            task
        };
        let task = here.spawn(join).join().unwrap();
        let task = here.install(move || task.join_timeout(SHORT).unwrap_err());
        gate.open();
        let ended = here.install(move || task.join_timeout(Duration::from_secs(3600)));
        assert_eq!(ended.unwrap().unwrap(), 9);
    }
}

#[test]
fn a_worker_runs_the_task_that_it_joins_with_a_time_limit() {
    let _watchdog = watchdog();
    let pool = pool(1);
    pool.install(|| {
        let other = filch::spawn(|| 5);
        let task = filch::spawn(|| 6);
        let other = other.join_timeout(Duration::ZERO).unwrap_err();
        assert_eq!(task.join_timeout(Duration::from_secs(3600)).unwrap().unwrap(), 6);
        assert_eq!(other.join().unwrap(), 5);
        filch::scope(|s| {
            let task = s.spawn(|| 7).join_timeout(Duration::ZERO).unwrap_err();
            assert_eq!(task.join_timeout(Duration::MAX).unwrap().unwrap(), 7);
        });
    });
}

/// In a restricted wait, the worker must not run other tasks of the pool.
#[test]
fn a_worker_inside_a_task_waits_with_a_time_limit() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let pool = Arc::new(pool(2));
    let (gate, begun) = (Arc::new(Gate::new()), Arc::new(Gate::new()));
    let (shut, begins) = (gate.clone(), begun.clone());
    let slow = pool.spawn(move || {
        begins.open();
        shut.wait();
        3
    });
    begun.wait();
    let waits = pool.spawn(move || slow.join_timeout(SHORT).unwrap_err());
    let slow = waits.join().unwrap();
    let others: Vec<_> = (0..10).map(|i| pool.spawn(move || i)).collect();
    let waits = pool.spawn(move || slow.join_timeout(Duration::from_secs(3600)).unwrap().unwrap());
    gate.open();
    assert_eq!(others.into_iter().map(|task| task.join().unwrap()).sum::<i32>(), 45);
    assert_eq!(waits.join().unwrap(), 3);
}

// ---- Futures ----

/// Wakes a thread, and counts the wakes.
pub struct Unpark {
    thread: Thread,
    pub wakes: AtomicUsize,
}

impl Unpark {
    pub fn here() -> Arc<Self> {
        Arc::new(Unpark { thread: thread::current(), wakes: AtomicUsize::new(0) })
    }
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        self.thread.unpark();
    }
}

/// An executor of one thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Unpark::here().into();
    let mut future = pin!(future);
    loop {
        match poll(future.as_mut(), &waker) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

pub fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

#[test]
fn a_handle_can_be_awaited() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for pool in SIZES.map(pool) {
        for i in 0..500 {
            assert_eq!(block_on(pool.spawn(move || i)).unwrap(), i);
            assert_eq!(pollster::block_on(async { pool.spawn(move || i).await }).unwrap(), i);
            assert_eq!(block_on(pool.spawn(move || i).cancel_on_drop()).unwrap(), i);
        }
        assert_eq!(failed_with(block_on(pool.spawn(|| boom(4)))), 4);
        let many = (0..100).map(|i| pool.spawn(move || i)).collect::<Vec<_>>();
        let sum = async {
            let mut sum = 0;
            for one in many {
                sum += one.await.unwrap();
            }
            sum
        };
        assert_eq!(pollster::block_on(sum), 4950);
    }
}

#[test]
fn a_future_wakes_the_waker_of_its_last_poll_once() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for pool in SIZES.map(pool) {
        let (gate, mut task) = gated(&pool, 2);
        let wakers = [Unpark::here(), Unpark::here()];
        for i in [0, 0, 1, 0, 1, 1] {
            assert!(poll(Pin::new(&mut task), &wakers[i].clone().into()).is_pending());
        }
        assert_eq!(Arc::strong_count(&wakers[0]), 1, "an old waker was kept");
        gate.open();
        eventually("the last waker is woken", || wakers[1].wakes.load(Ordering::Relaxed) == 1);
        assert!(task.is_finished());
        let ready = poll(Pin::new(&mut task), Waker::noop());
        assert!(matches!(ready, Poll::Ready(Ok(2))), "{ready:?}");
        assert_eq!(wakers.map(|it| it.wakes.load(Ordering::Relaxed)), [0, 1]);
        assert!(task.is_finished() && !task.cancel() && format!("{task:?}").contains("true"));
        let again = catch_unwind(AssertUnwindSafe(|| poll(Pin::new(&mut task), Waker::noop())));
        let message = *again.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("polled to completion"), "{message}");
    }
}

#[test]
fn a_future_that_was_polled_can_be_dropped_joined_or_cancelled() {
    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        let ledger = Ledger::new();
        let waker = Unpark::here();
        let busy = Busy::new(&pool);
        let polled = |id| {
            let token = ledger.token();
            let mut task = pool.spawn(move || (id, token));
            assert!(poll(Pin::new(&mut task), &waker.clone().into()).is_pending());
            task
        };
        drop(polled(1));
        assert_eq!(Arc::strong_count(&waker), 1, "the waker outlived the future");
        let cancelled = polled(2);
        assert!(cancelled.cancel());
        assert_eq!(waker.wakes.load(Ordering::Relaxed), 1);
        assert!(block_on(cancelled).unwrap_err().is_cancelled());
        let task = polled(3).join_timeout(SHORT).unwrap_err();
        let joined = polled(4);
        drop(busy);
        assert_eq!((task.join().unwrap().0, joined.join().unwrap().0), (3, 4));
        let joined = polled_or_done(&pool, &waker);
        assert_eq!(pool.install(|| joined.join().unwrap()), 5);
        drop(pool);
        // The last task but one may have ended before it was joined.
        assert!(waker.wakes.load(Ordering::Relaxed) <= 2);
        ledger.assert_balanced("all tasks have ended");
        assert_eq!(Arc::strong_count(&waker), 1);
    }
}

/// Spawns a task and polls it while it cannot begin.
fn polled_or_done(pool: &ThreadPool, waker: &Arc<Unpark>) -> JoinHandle<i32> {
    let _busy = Busy::new(pool);
    let mut task = pool.spawn(|| 5);
    assert!(poll(Pin::new(&mut task), &waker.clone().into()).is_pending());
    // Withdraws the waker, so that the end of the task wakes no thread.
    task.join_timeout(Duration::ZERO).unwrap_err()
}

#[test]
fn futures_are_dropped_beside_the_ends_of_their_tasks() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for pool in SIZES.map(pool) {
        let ledger = Ledger::new();
        let waker = Unpark::here();
        for round in 0..2000 {
            let token = ledger.token();
            let mut task = pool.spawn(move || token);
            let polls = round % 3;
            let done =
                (0..=polls).any(|_| poll(Pin::new(&mut task), &waker.clone().into()).is_ready());
            if round % 2 == 0 && !done {
                task.cancel();
            }
        }
        drop(pool);
        ledger.assert_balanced("all tasks have ended");
        assert_eq!(Arc::strong_count(&waker), 1);
    }
}

/// A waker that calls this on the worker which wakes it.
struct Calls(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        let call = self.0.lock().unwrap().take();
        call.into_iter().for_each(|call| call());
    }
}

pub fn waker_that(calls: impl FnOnce() + Send + 'static) -> Waker {
    Arc::new(Calls(Mutex::new(Some(Box::new(calls))))).into()
}

#[test]
fn a_waker_may_panic_or_use_the_pool() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for threads in SIZES {
        let (pool, noted) = noting_pool(threads);
        let pool = Arc::new(pool);
        let with_waker = |waker: Waker| {
            let (gate, mut task) = gated(&pool, ());
            assert!(poll(Pin::new(&mut task), &waker).is_pending());
            gate.open();
            task
        };
        with_waker(waker_that(|| boom(6))).join().unwrap();
        let called = Arc::new(Gate::new());
        let calls = called.clone();
        let uses = move || {
            assert_eq!(filch::join(|| 1, || filch::spawn(|| 2).join().unwrap()), (1, 2));
            filch::scope(|s| s.spawn(|| ()).join().unwrap());
            calls.open();
        };
        let task = with_waker(waker_that(uses));
        called.wait();
        assert!(task.is_finished());
        let task = with_waker(waker_that(|| boom(7)));
        eventually("the panic is noted", || noted.lock().unwrap().contains(&7));
        drop(task);
        let indexes = pool.broadcast(|worker| worker.index());
        assert!(indexes.into_iter().eq(0..threads), "a worker was lost");
        // The first task may have been joined before its waker was called.
        let noted = noted.lock().unwrap().clone();
        assert!(noted == [7] || noted == [6, 7], "{noted:?}");
    }
}

// ---- joins that could never end ----

#[test]
fn a_join_of_a_task_by_its_own_part_panics() {
    let _watchdog = watchdog();
    let pool = Arc::new(pool(2));
    let joins: [fn(JoinHandle<()>); 5] = [
        |task| drop(task.join()),
        |task| drop(filch::join(|| (), || task.join())),
        |task| filch::scope(|scope| drop(scope.spawn(move || task.join()))),
        |task| drop(filch::blocking(|| task.join())),
        |task| drop(crate::common::pool(1).install(|| task.join())),
    ];
    for join in joins {
        let given = Arc::new(Mutex::new(None));
        let panicked = Arc::new(Mutex::new(None));
        let (taken, outcome) = (given.clone(), panicked.clone());
        let task = pool.spawn(move || {
            eventually("the handle is there", || taken.lock().unwrap().is_some());
            let own: JoinHandle<()> = taken.lock().unwrap().take().unwrap();
            *outcome.lock().unwrap() = Some(catch_unwind(AssertUnwindSafe(|| join(own))));
        });
        *given.lock().unwrap() = Some(task);
        eventually("the task ends", || panicked.lock().unwrap().is_some());
        let payload = panicked.lock().unwrap().take().unwrap().unwrap_err();
        let text = payload.downcast_ref::<&str>().copied().unwrap_or_default();
        assert!(text.starts_with("a task must not join itself"), "{text:?}");
    }
}
