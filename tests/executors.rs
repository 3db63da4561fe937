//! Handles, completers and sets on other executors: tokio, smol and futures. No wake-up is lost
//! between a worker and such an executor.

#[path = "common/mod.rs"]
mod common;

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use async_executor::{Executor, LocalExecutor};
use futures_executor::{LocalPool, ThreadPool};
use futures_util::future::{Either, FutureExt, join_all, select};
use futures_util::stream::{FuturesUnordered, StreamExt};

use common::{Gate, Ledger, boom, failed_with, pool, watchdog};
use filch::{JoinError, TaskSet};

/// A future for an executor to run.
type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs jobs concurrently until they have ended.
fn on_tokio(jobs: Vec<Job>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = jobs.into_iter().map(tokio::spawn).collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

fn on_smol(jobs: Vec<Job>) {
    let executor = Executor::new();
    let tasks: Vec<_> = jobs.into_iter().map(|job| executor.spawn(job)).collect();
    // A second thread also runs tasks.
    thread::scope(|scope| {
        let (stop, stopped) = filch::completer::<()>();
        let executor = &executor;
        scope.spawn(move || pollster::block_on(executor.run(stopped)));
        pollster::block_on(executor.run(join_all(tasks)));
        drop(stop);
    });
}

fn on_smols_local(jobs: Vec<Job>) {
    let executor = LocalExecutor::new();
    let tasks: Vec<_> = jobs.into_iter().map(|job| executor.spawn(job)).collect();
    pollster::block_on(executor.run(join_all(tasks)));
}

fn on_futures(jobs: Vec<Job>) {
    let threads = ThreadPool::builder().pool_size(2).create().unwrap();
    let ended: Vec<_> = jobs
        .into_iter()
        .map(|job| {
            let (completer, ended) = filch::completer();
            threads.spawn_ok(job.map(|()| completer.complete(())));
            ended
        })
        .collect();
    ended.into_iter().for_each(|ended| ended.join().unwrap());
}

fn on_futures_local(jobs: Vec<Job>) {
    LocalPool::new().run_until(join_all(jobs));
}

fn on_pollster(jobs: Vec<Job>) {
    jobs.into_iter().for_each(pollster::block_on);
}

/// All executors.
const EXECUTORS: [fn(Vec<Job>); 6] =
    [on_tokio, on_smol, on_smols_local, on_futures, on_futures_local, on_pollster];

/// Runs `jobs` many times on each executor, with a pool of 1, 2 and 4 workers.
fn everywhere(rounds: usize, jobs: impl Fn(&Arc<filch::ThreadPool>) -> Vec<Job>) {
    let _watchdog = watchdog();
    for executor in EXECUTORS {
        for threads in [1, 2, 4] {
            let pool = Arc::new(pool(threads));
            (0..rounds).for_each(|_| executor(jobs(&pool)));
        }
    }
}

fn job(future: impl Future<Output = ()> + Send + 'static) -> Job {
    Box::pin(future)
}

#[test]
fn handles_wake_executors() {
    let ended = Arc::new(AtomicUsize::new(0));
    everywhere(20, |pool| {
        let make = |i: usize| {
            let (pool, ended) = (pool.clone(), ended.clone());
            job(async move {
                for j in 0..10 {
                    assert_eq!(pool.spawn(move || i * j).await.unwrap(), i * j);
                }
                let failed = pool.spawn(move || if i < 100 { boom(1) } else { i });
                assert_eq!(failed_with(failed.await), 1);
                assert_eq!(pool.spawn(move || i).cancel_on_drop().await.unwrap(), i);
                ended.fetch_add(1, Ordering::Relaxed);
            })
        };
        (0..8).map(make).collect()
    });
    assert_eq!(ended.load(Ordering::Relaxed), 8 * 20 * 3 * EXECUTORS.len());
}

#[test]
fn completers_wake_executors_and_workers() {
    everywhere(20, |pool| {
        let make = |i: usize| {
            let pool = pool.clone();
            job(async move {
                // From a worker, which waits for this executor in turn.
                let (asks, question) = filch::completer();
                let (answers, answer) = filch::completer::<()>();
                drop(pool.spawn(move || {
                    asks.complete(i);
                    drop(answers);
                }));
                assert_eq!(question.await.unwrap(), i);
                assert!(answer.await.unwrap_err().is_cancelled());
                let (gives, given) = filch::completer();
                let doubles = pool.spawn(move || given.join().unwrap() * 2);
                gives.complete(i);
                assert_eq!(doubles.await.unwrap(), i * 2);
                let (drops, dropped) = filch::completer::<u8>();
                drop(pool.spawn(move || drop(drops)));
                assert!(dropped.await.unwrap_err().is_cancelled());
            })
        };
        (0..8).map(make).collect()
    });
}

#[test]
fn sets_wake_executors() {
    everywhere(10, |pool| {
        let make = |i: usize| {
            let pool = pool.clone();
            job(async move {
                let mut set = TaskSet::new_in(&pool).max_running(1 + i);
                (0..20).for_each(|n| set.spawn(move || n * i));
                let mut sum = 0;
                while let Some(result) = set.join_next_async().await {
                    sum += result.unwrap();
                }
                assert_eq!(sum, 190 * i);
            })
        };
        (0..6).map(make).collect()
    });
}

/// Handles in combinators of other crates: `select`, `join_all`, streams, time limits.
#[test]
fn handles_are_parts_of_other_futures() {
    everywhere(10, |pool| {
        let pool = pool.clone();
        let gate = Arc::new(Gate::new());
        vec![job(async move {
            let shut = gate.clone();
            let slow = pool.spawn(move || shut.wait());
            // In a pool of one worker, only the completer can be first.
            let (completer, quick) = filch::completer();
            thread::spawn(move || completer.complete(5));
            let slow = match select(slow, quick).await {
                Either::Right((quick, slow)) => {
                    assert_eq!(quick.unwrap(), 5);
                    slow
                }
                Either::Left(_) => unreachable!("the task waits for the gate"),
            };
            gate.open();
            slow.await.unwrap();
            let all = (0..20).map(|i| pool.spawn(move || i));
            let all: Result<Vec<_>, JoinError> = join_all(all).await.into_iter().collect();
            assert!(all.unwrap().into_iter().eq(0..20));
            let unordered: FuturesUnordered<_> = (0..20).map(|i| pool.spawn(move || i)).collect();
            assert_eq!(unordered.fold(0, async |sum, i| sum + i.unwrap()).await, 190);
        })]
    });
}

#[test]
fn a_time_limit_of_tokio_drops_a_handle() {
    let _watchdog = watchdog();
    let pool = pool(1);
    let ledger = Ledger::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let gate = Arc::new(Gate::new());
        let shut = gate.clone();
        let busy = pool.spawn(move || shut.wait());
        let token = ledger.token();
        let late = pool.spawn(move || drop(token)).cancel_on_drop();
        let limit = Duration::from_millis(5);
        assert!(tokio::time::timeout(limit, late).await.is_err());
        ledger.assert_balanced("the future was dropped, which cancels the task");
        gate.open();
        tokio::time::timeout(Duration::from_secs(60), busy).await.unwrap().unwrap();
    });
}

/// Counts the polls of a future, and drops or cancels it after a number of them.
#[test]
fn futures_are_dropped_and_cancelled_at_every_poll() {
    let _watchdog = watchdog();
    let ledger = Ledger::new();
    for threads in [1, 2] {
        let pool = pool(threads);
        for end in 0..60 {
            let polls = Cell::new(0);
            let spawn = |_| {
                let token = ledger.token();
                pool.spawn(move || drop(token)).cancel_on_drop()
            };
            let mut tasks: Vec<_> = (0..6).map(spawn).collect();
            let mut set = TaskSet::new_in(&pool);
            for _ in 0..6 {
                let token = ledger.token();
                set.spawn(move || drop(token));
            }
            let (completer, mut completed) = filch::completer();
            let giver = {
                let token = ledger.token();
                pool.spawn(move || completer.complete(token))
            };
            let mut steps = pin!(async {
                for task in &mut tasks {
                    polled(&polls, task).await.unwrap();
                }
                while let Some(result) = polled(&polls, set.join_next_async()).await {
                    result.unwrap();
                }
                drop(polled(&polls, &mut completed).await.unwrap());
            });
            let over =
                futures_util::future::poll_fn(|context| match steps.as_mut().poll(context) {
                    Poll::Pending if polls.get() < end => Poll::Pending,
                    _ => Poll::Ready(()),
                });
            pollster::block_on(over);
            giver.join().unwrap();
        }
    }
    ledger.assert_balanced("all tasks have ended");
}

/// Counts the polls of a future.
fn polled<'a, F: Future + Unpin + 'a>(
    polls: &'a Cell<u32>,
    mut future: F,
) -> impl Future<Output = F::Output> + 'a {
    futures_util::future::poll_fn(move |context: &mut Context<'_>| {
        polls.set(polls.get() + 1);
        Pin::new(&mut future).poll(context)
    })
}
