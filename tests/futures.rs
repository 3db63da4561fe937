//! `spawn_future` and `block_on`: polls, wakes, cancels, drops and panics in every order.

#[path = "common/mod.rs"]
mod common;

use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use common::{
    CALLERS, Gate, Ledger, Meeting, any_wait_builder, boom, builder, caught, eventually,
    failed_with, is_simulated_without, lock, noting_pool, one_a_seed, pool, sized, step_aside,
    watchdog,
};
use filch::{JoinError, TaskSet, WaitPolicy, block_on};
use futures_util::future::{Either, join_all, select};
use futures_util::{pin_mut, select_biased};

const SIZES: [usize; 3] = [1, 2, 4];

/// A future that is pending `times` times, and wakes itself each time.
fn yields(mut times: usize) -> impl Future<Output = ()> + Send {
    poll_fn(move |context| {
        if times == 0 {
            return Poll::Ready(());
        }
        times -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

/// A future that is pending `times` times, and is woken by other threads or tasks.
async fn hops(pool: &filch::ThreadPool, times: usize) {
    for _ in 0..times {
        pool.spawn(|| ()).await.unwrap();
    }
}

#[test]
fn futures_give_their_outputs() {
    let _watchdog = watchdog();
    for threads in SIZES {
        let pool = Arc::new(pool(threads));
        let spawn = |i: usize| {
            let inner = pool.clone();
            pool.spawn_future(async move {
                yields(i % 5).await;
                hops(&inner, i % 7).await;
                let nested = filch::spawn_future(async move {
                    yields(1).await;
                    i
                });
                nested.await.unwrap() + filch::spawn(move || i).await.unwrap()
            })
        };
        let count = sized(200, 20);
        let handles: Vec<_> = (0..count).map(spawn).collect();
        for (i, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.join().unwrap(), 2 * i);
        }
        let handles: Vec<_> = (0..count).map(spawn).collect();
        let sum = block_on(async {
            let mut sum = 0;
            for handle in handles {
                sum += handle.await.unwrap();
            }
            sum
        });
        assert_eq!(sum, count * (count - 1));
    }
}

#[test]
fn other_executors_await_futures_and_are_awaited() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for threads in SIZES {
        let pool = pool(threads);
        runtime.block_on(async {
            // tokio -> pool -> tokio.
            let (asks, question) = tokio::sync::oneshot::channel::<u32>();
            let (answers, answer) = tokio::sync::oneshot::channel::<u32>();
            let relay = pool.spawn_future(async move { answers.send(question.await.unwrap() * 2) });
            asks.send(21).unwrap();
            assert_eq!(answer.await.unwrap(), 42);
            assert_eq!(relay.await.unwrap(), Ok(()));
            let handles = (0..50_u64).map(|i| pool.spawn_future(async move { i }));
            let all: Result<Vec<_>, JoinError> = join_all(handles).await.into_iter().collect();
            assert!(all.unwrap().into_iter().eq(0..50));
            let limit = Duration::from_millis(2);
            let waits = pool.spawn_future(pending::<()>());
            assert!(tokio::time::timeout(limit, waits).await.is_err());
        });
        let inside = pool.install(|| block_on(async { ready(3).await }));
        assert_eq!((inside, pollster::block_on(pool.spawn_future(ready(4))).unwrap()), (3, 4));
    }
}

#[test]
fn workers_and_threads_block_on_futures() {
    let _watchdog = watchdog();
    for threads in SIZES {
        for policy in one_a_seed([WaitPolicy::AnyWork, WaitPolicy::OwnDescendants]) {
            let pool = any_wait_builder().num_threads(threads).wait_policy(policy).build().unwrap();
            let pool = Arc::new(pool);
            for i in 0..sized(50, 5) {
                let borrowed = [i, i + 1];
                assert_eq!(block_on(async { borrowed.iter().sum::<usize>() }), 2 * i + 1);
                block_on(async {
                    hops(&pool, 3).await;
                    yields(3).await;
                });
                if policy == WaitPolicy::OwnDescendants && threads == 1 {
                    continue; // no worker is free to run the task that the future waits for
                }
                let theirs = pool.clone();
                let hop = move || block_on(async { hops(&theirs, 3).await });
                pool.install(hop.clone());
                pool.spawn(hop).join().unwrap();
            }
        }
    }
}

/// Nested calls, also in the polls of futures.
#[test]
fn block_on_works_inside_itself() {
    fn nest(pool: &Arc<filch::ThreadPool>, depth: u32) -> u32 {
        block_on(async {
            pool.spawn(|| ()).await.unwrap();
            if depth == 0 { 0 } else { 1 + nest(pool, depth - 1) }
        })
    }
    let _watchdog = watchdog();
    for threads in SIZES {
        let pool = Arc::new(any_wait_builder().num_threads(threads).build().unwrap());
        assert_eq!(nest(&pool, 10), 10);
        pool.install(|| assert_eq!(nest(&pool, 10), 10));
        let theirs = pool.clone();
        assert_eq!(pool.spawn(move || nest(&theirs, 10)).join().unwrap(), 10);
        let theirs = pool.clone();
        assert_eq!(pool.spawn_future(async move { nest(&theirs, 5) }).join().unwrap(), 5);
    }
}

#[test]
fn handles_are_parts_of_select() {
    let _watchdog = watchdog();
    let ledger = Ledger::new();
    for pool in SIZES.map(pool) {
        block_on(async {
            let token = ledger.token();
            let never = pool.spawn_future(async move {
                pending::<()>().await;
                drop(token);
            });
            let (completer, late) = filch::completer();
            let quick = pool.spawn(|| 5);
            let never = match select(never, quick).await {
                Either::Right((five, never)) => {
                    assert_eq!(five.unwrap(), 5);
                    never
                }
                Either::Left(_) => unreachable!("it is pending for ever"),
            };
            completer.complete(6);
            let (never, late) =
                (futures_util::FutureExt::fuse(never), futures_util::FutureExt::fuse(late));
            pin_mut!(never, late);
            let six = select_biased! {
                _ = never => unreachable!("it is pending for ever"),
                six = late => six.unwrap(),
            };
            assert_eq!(six, 6);
        });
        assert!(!ledger.is_balanced(), "the dropped handle did not detach the future");
        drop(pool);
        ledger.assert_balanced("the pool has ended");
    }
}

#[test]
fn a_future_is_cancelled_at_every_poll() {
    let _watchdog = watchdog();
    let ledger = Ledger::new();
    for threads in SIZES {
        let pool = Arc::new(pool(threads));
        for at in 0..sized(12, 5) {
            // The future cancels itself during a poll, or another thread cancels it between two
            // polls.
            for by_itself in [true, false] {
                let cancel: Arc<Mutex<Option<filch::FutureHandle<()>>>> = Arc::default();
                let (cancels, inner) = (cancel.clone(), pool.clone());
                let (token, polls) = (ledger.token(), Arc::new(AtomicUsize::new(0)));
                let polled = polls.clone();
                let mut steps = Box::pin(async move {
                    let _token = token;
                    for _ in 0..at {
                        inner.spawn(|| ()).await.unwrap();
                        yields(1).await;
                    }
                    pending::<()>().await;
                });
                let handle = pool.spawn_future(poll_fn(move |context| {
                    if polled.fetch_add(1, Ordering::Relaxed) == at && by_itself {
                        lock(&cancels).as_ref().inspect(|handle| handle.cancel());
                    }
                    steps.as_mut().poll(context)
                }));
                let mut kept = lock(&cancel);
                if !by_itself || polls.load(Ordering::Relaxed) > 0 {
                    handle.cancel();
                }
                *kept = Some(handle);
                drop(kept);
                // The future may have been too late to cancel itself.
                eventually("the future ends", || {
                    let kept = lock(&cancel);
                    let handle = kept.as_ref().unwrap();
                    if polls.load(Ordering::Relaxed) > at {
                        handle.cancel();
                    }
                    handle.is_finished()
                });
                let handle = lock(&cancel).take().unwrap();
                assert!(handle.join().unwrap_err().is_cancelled());
            }
        }
        drop(pool);
    }
    ledger.assert_balanced("all futures have ended");
}

#[test]
fn a_panic_is_the_result_and_a_panic_in_a_drop_goes_to_the_handler() {
    struct Bomb(u32);
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom(self.0);
        }
    }
    let _watchdog = watchdog();
    for threads in SIZES {
        let (pool, noted) = noting_pool(threads);
        for polls in 0..4 {
            let panics = pool.spawn_future(async move {
                yields(polls).await;
                boom(7)
            });
            assert_eq!(failed_with::<()>(panics.join()), 7);
        }
        let cancelled = pool.spawn_future(async {
            let _bomb = Bomb(8);
            pending::<()>().await;
        });
        cancelled.cancel();
        assert!(cancelled.join().unwrap_err().is_cancelled());
        drop(pool.spawn_future(async { drop(Bomb(9)) }));
        let (completer, goes_on) = filch::completer();
        drop(pool.spawn_future(async move {
            goes_on.await.unwrap();
            Bomb(10)
        }));
        completer.complete(());
        let here = catch_unwind(AssertUnwindSafe(|| block_on(async { boom(11) })));
        assert_eq!(failed_with::<()>(here), 11);
        drop(pool);
        // A future that was cancelled before its first poll has no bomb.
        let mut noted = noted.lock().unwrap().clone();
        noted.sort();
        assert!(noted == [9, 10] || noted == [8, 9, 10], "{noted:?}");
    }
}

/// In a wait that may run nothing else, on a worker that cannot hand off its core. No other worker
/// is free for the polls, or for the second side of a fork.
#[test]
fn a_task_that_waits_for_a_future_runs_its_polls_and_their_forks() {
    let _watchdog = watchdog();
    let policies = [WaitPolicy::AnyWork, WaitPolicy::OwnDescendants];
    for (threads, policy) in [1, 2].into_iter().flat_map(|it| policies.map(|policy| (it, policy))) {
        let pool = builder().num_threads(threads).wait_policy(policy).max_spare_threads(0);
        let task = move || {
            let (meeting, polled) = (Meeting::new(threads), Arc::new(AtomicBool::new(false)));
            let is_polled = polled.clone();
            let future = filch::spawn_future(async move {
                polled.store(true, Ordering::Relaxed);
                yields(3).await;
                filch::join(|| meeting.wait(), || meeting.wait());
                yields(3).await;
            });
            // With two workers, the other one polls the future first.
            while threads == 2 && !is_polled.load(Ordering::Relaxed) {
                step_aside();
            }
            future.join().unwrap();
        };
        pool.build().unwrap().spawn(task).join().unwrap();
    }
}

/// The only worker of `here` waits for `there`, where a thread joins a future of `here`. The future
/// itself queues its polls after the first one, so no thread of `there` has requested them.
#[test]
fn a_future_of_a_pool_that_waits_for_the_joiner_is_polled_again() {
    let _watchdog = watchdog();
    let here = Arc::new(pool(1));
    let pool = here.clone();
    let there = builder().num_threads(1).exit_handler(move |_| {
        pool.spawn_future(yields(3)).join().unwrap();
    });
    let there = Arc::new(there.build().unwrap());
    for in_task in [false, true] {
        let (pool, other) = (here.clone(), there.clone());
        let join = move || {
            other.install(|| {
                pool.spawn_future(yields(3)).join().unwrap();
                let needs_a_task = async { filch::spawn(|| 7).await };
                assert_eq!(pool.spawn_future(needs_a_task).join().unwrap().unwrap(), 7);
            });
        };
        match in_task {
            true => here.spawn(join).join().unwrap(),
            false => here.install(join),
        }
    }
    here.install(|| drop(there));
}

#[test]
fn a_future_that_wakes_itself_lets_others_run() {
    let _watchdog = watchdog();
    let pool = pool(1);
    let over = Arc::new(AtomicBool::new(false));
    let spins = over.clone();
    let spinner = pool.spawn_future(poll_fn(move |context| {
        if spins.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }));
    for i in 0..20 {
        let inner = pool.spawn_future(async move {
            yields(3).await;
            i
        });
        assert_eq!(inner.join().unwrap(), i);
    }
    over.store(true, Ordering::Relaxed);
    spinner.join().unwrap();
}

#[test]
fn futures_that_wake_themselves_do_not_keep_work_from_outside_waiting() {
    let _watchdog = watchdog();
    for threads in SIZES {
        let pool = pool(threads);
        let done = Arc::new(AtomicBool::new(false));
        // More futures than workers, so that each worker always has one in its queue.
        let spin = |done: Arc<AtomicBool>| async move {
            while !done.load(Ordering::Relaxed) {
                yields(1).await;
            }
        };
        let futures: Vec<_> =
            (0..2 * threads).map(|_| pool.spawn_future(spin(done.clone()))).collect();
        pool.spawn(move || done.store(true, Ordering::Relaxed)).join().unwrap();
        futures.into_iter().for_each(|future| future.join().unwrap());
    }
}

#[test]
fn futures_that_wait_when_their_pool_ends_are_dropped() {
    let _watchdog = watchdog();
    let ledger = Ledger::new();
    for threads in SIZES {
        let pool = pool(threads);
        let (completer, handle) = filch::completer::<u32>();
        let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
        let wait = |id: usize| {
            let (token, wakers) = (ledger.token(), wakers.clone());
            pool.spawn_future(async move {
                let _token = token;
                poll_fn(|context| {
                    wakers.lock().unwrap().push(context.waker().clone());
                    if id < 5 { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                id
            })
        };
        let handles: Vec<_> = (0..10).map(wait).collect();
        let token = ledger.token();
        let waits = pool.spawn_future(async move { (handle.await.unwrap(), token) });
        drop(pool);
        ledger.assert_balanced("the pool has ended");
        for (id, handle) in handles.into_iter().enumerate() {
            assert!(handle.is_finished());
            assert_eq!(handle.join().ok(), (id < 5).then_some(id));
        }
        wakers.lock().unwrap().drain(..).for_each(Waker::wake);
        completer.complete(3);
        waits.cancel();
        assert!(block_on(waits).unwrap_err().is_cancelled());
    }
}

/// The drop of each future wakes the next one, which is dropped as well.
#[test]
fn a_long_chain_of_futures_is_dropped_when_its_pool_ends() {
    let _watchdog = watchdog();
    for threads in SIZES {
        let pool = pool(threads);
        let (_completer, first) = filch::completer::<()>();
        let mut last = pool.spawn_future(async { first.await.is_ok() });
        for _ in 0..sized(30_000, 100) {
            last = pool.spawn_future(async { last.await.is_ok() });
        }
        drop(pool);
        assert!(last.join().unwrap_err().is_cancelled());
    }
}

/// The drop of each future cancels the next one, and waits for its end: by the handle, by the
/// handle in another pool, or by a channel.
#[test]
fn each_of_a_chain_of_futures_waits_for_the_drop_of_the_next() {
    #[derive(Clone, Copy)]
    enum By {
        Handle,
        OtherPool,
        Channel,
    }
    type Next = Arc<Mutex<Option<(filch::FutureHandle<()>, mpsc::Receiver<()>)>>>;
    struct Ends(By, Next, #[allow(dead_code)] mpsc::Sender<()>);
    impl Drop for Ends {
        fn drop(&mut self) {
            let Some((next, dropped)) = lock(&self.1).take() else { return };
            next.cancel();
            let ended = match self.0 {
                By::Handle => next.join(),
                By::OtherPool => pool(1).install(|| next.join()),
                By::Channel => return assert!(dropped.recv().is_err()),
            };
            assert!(ended.unwrap_err().is_cancelled());
        }
    }

    let _watchdog = watchdog();
    let ways = [By::Handle, By::OtherPool, By::Channel];
    for (threads, way) in SIZES.into_iter().zip(ways).chain([(1, By::OtherPool)]) {
        let pool = pool(threads);
        let (mut first, mut last) = (None, Next::default());
        for _ in 0..100 {
            let (next, (drops, dropped)) = (Next::default(), mpsc::channel());
            let ends = Ends(way, next.clone(), drops);
            let future = pool.spawn_future(async move {
                let _ends = ends;
                pending().await
            });
            if first.is_none() {
                first = Some(future);
            } else {
                *lock(&last) = Some((future, dropped));
            }
            last = next;
        }
        drop(pool);
        assert!(first.unwrap().join().unwrap_err().is_cancelled());
    }
}

/// Wakes, cancels and drops race with the end of the pool.
#[test]
fn futures_are_woken_beside_the_end_of_their_pool() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let ledger = Ledger::new();
    for round in 0..300 {
        let pool = pool(1 + round % 2);
        let (completers, handles): (Vec<_>, Vec<_>) = (0..8).map(|_| filch::completer()).unzip();
        let spawn = |handle: filch::JoinHandle<usize>| {
            let token = ledger.token();
            pool.spawn_future(async move {
                let value = handle.await.unwrap();
                yields(1).await;
                drop(token);
                value
            })
        };
        let futures: Vec<_> = handles.into_iter().map(spawn).collect();
        let completes = thread::spawn(move || {
            for (i, completer) in completers.into_iter().enumerate() {
                completer.complete(i);
            }
        });
        drop(pool);
        for (i, future) in futures.into_iter().enumerate() {
            match i % 3 {
                0 => drop(future),
                1 => future.cancel(),
                _ => assert!(future.join().map_or_else(|it| it.is_cancelled(), |it| it == i)),
            }
        }
        completes.join().unwrap();
    }
    ledger.assert_balanced("all futures have ended");
}

/// The pool is dropped by its own worker, or ends in the background.
#[test]
fn a_pool_for_whose_end_no_thread_waits_drops_its_futures() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let ledger = Ledger::new();
    let waits = |pool: &filch::ThreadPool| {
        let token = ledger.token();
        pool.spawn_future(async move {
            pending::<()>().await;
            drop(token);
        })
    };
    let here = pool(2);
    let handle = waits(&here);
    // The set refers to the pool longer than the threads do.
    let set = TaskSet::<()>::new_in(&here);
    here.shutdown_background();
    assert!(handle.join().unwrap_err().is_cancelled());
    drop(set);
    let there = Arc::new(pool(1));
    let handle = waits(&there);
    let inner = there.clone();
    let drops = there.spawn(move || drop(inner));
    drop(there);
    drops.join().unwrap();
    assert!(handle.join().unwrap_err().is_cancelled());
    eventually("all futures are dropped", || ledger.is_balanced());
}

/// A thread takes over from a thread of the user's that was a worker, and polls futures. Another
/// thread of the pool has ended meanwhile, and drops the futures that wait.
#[test]
fn a_future_that_is_polled_after_the_end_of_its_pool_is_dropped() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let [ended, goes_on] = [(); 2].map(|()| Arc::new(Gate::new()));
    let ledger = Ledger::new();
    let member = thread::spawn(move || {
        let gates = [ended.clone(), goes_on.clone()];
        let at_exit = move |index| {
            if index == 1 {
                gates[0].open();
                gates[1].wait();
            }
        };
        let pool = builder().num_threads(2).use_current_thread().exit_handler(at_exit);
        pool.build().unwrap().shutdown_background();
        ended.wait();
        let token = ledger.token();
        filch::spawn_future(async move {
            yields(1).await;
            let other = filch::spawn_future(async move {
                let _token = token;
                goes_on.open();
                pending::<()>().await;
            });
            while !other.is_finished() {
                yields(1).await;
            }
            pending::<()>().await;
        })
    });
    let future = member.join().unwrap();
    assert!(future.join().unwrap_err().is_cancelled());
    eventually("both futures are dropped", || ledger.is_balanced());
}

#[test]
fn block_on_takes_sets_completers_and_futures_at_once() {
    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        let mut set = TaskSet::new_in(&pool);
        (0..10).for_each(|i| set.spawn(move || i));
        let (completer, handle) = filch::completer();
        let gives = pool.spawn_future(async move {
            yields(2).await;
            completer.complete(100);
        });
        let sum = block_on(async {
            let mut sum = handle.await.unwrap();
            while let Some(result) = set.join_next_async().await {
                sum += result.unwrap();
            }
            gives.await.unwrap();
            sum
        });
        assert_eq!(sum, 145);
    }
}

/// A waker may be woken on any thread, before the wait, twice, or after the end.
#[test]
fn block_on_is_woken_from_anywhere() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let wake = |waker: Waker, how: usize| match how {
        0 => waker.wake(),
        1 => drop(thread::spawn(move || waker.wake())),
        2 => thread::spawn(move || waker.wake_by_ref()).join().unwrap(),
        _ => drop(filch::spawn(move || waker.wake())),
    };
    let future = |how: usize| {
        let mut polls = 0;
        poll_fn(move |context: &mut Context<'_>| {
            polls += 1;
            wake(context.waker().clone(), how);
            wake(context.waker().clone(), (how + 1) % 4);
            if polls < 10 { Poll::Pending } else { Poll::Ready(polls) }
        })
    };
    let pool = pool(2);
    for how in 0..4 {
        for _ in 0..20 {
            assert_eq!(block_on(future(how)), 10);
            assert_eq!(pool.install(|| block_on(pin!(future(how)))), 10);
            let boxed: Pin<Box<dyn Future<Output = i32> + Send>> = Box::pin(future(how));
            assert_eq!(pool.spawn_future(boxed).join().unwrap(), 10);
        }
    }
    assert_eq!(caught(|| block_on(poll_fn(|_| -> Poll<()> { boom(3) }))), 3);
}
