//! Task sets: results in the order in which tasks end, limits, cancelling, and drops.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::common::{
    CALLERS, Gate, Ledger, any_wait_builder, boom, caught, eventually, failed_with,
    is_simulated_without, noting_pool, pool, rest, sized, watchdog,
};
use crate::handles::{Busy, SHORT, SIZES, Unpark, block_on, poll, waker_that};
use filch::{TaskSet, WaitPolicy};

/// All results that are left, sorted.
fn all<T: Ord + Send + 'static>(set: &mut TaskSet<T>) -> Vec<T> {
    let mut results: Vec<T> = std::iter::from_fn(|| set.join_next()).map(Result::unwrap).collect();
    assert!(set.is_empty() && set.try_join_next().is_none());
    results.sort();
    results
}

/// Spawns a task that calls `end` once the gate is open. Returns the gate when the task has begun.
fn gated<T: Send + 'static>(
    set: &mut TaskSet<T>,
    end: impl FnOnce() -> T + Send + 'static,
) -> Arc<Gate> {
    let (gate, begun) = (Arc::new(Gate::new()), Arc::new(Gate::new()));
    let (shut, begins) = (gate.clone(), begun.clone());
    set.spawn(move || {
        begins.open();
        shut.wait();
        end()
    });
    begun.wait();
    gate
}

#[test]
#[should_panic = "max_running: the limit is 0; accepted: 1 or more"]
fn a_limit_of_zero_panics() {
    TaskSet::<()>::new().max_running(0);
}

#[test]
fn all_results_come_once() {
    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        for limit in [1, 2, 3, usize::MAX] {
            let tasks = sized(200, 20);
            let made = || {
                let mut set = TaskSet::new_in(&pool).max_running(limit);
                (0..tasks).for_each(|i| set.spawn(move || i));
                assert_eq!(set.len(), tasks);
                set
            };
            let expected: Vec<_> = (0..tasks).collect();
            // From outside; on a worker of the pool, outside a task and inside one; on a worker of
            // another pool.
            assert_eq!(all(&mut made()), expected);
            assert_eq!(pool.install(|| all(&mut made())), expected);
            let mut set = made();
            assert_eq!(pool.spawn(move || all(&mut set)).join().unwrap(), expected);
            let other = crate::common::pool(1);
            assert_eq!(other.install(|| all(&mut made())), expected);
            let mut set = made();
            assert_eq!(other.spawn(move || all(&mut set)).join().unwrap(), expected);
            drop(other);
            let mut set = made();
            let mut polled = Vec::new();
            while polled.len() < tasks {
                match set.try_join_next() {
                    Some(result) => polled.push(result.unwrap()),
                    None => rest(SHORT / 100),
                }
            }
            polled.sort();
            assert_eq!(polled, expected);
        }
    }
}

#[test]
fn results_come_in_the_order_of_the_ends() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let pool = pool(3);
    let mut set = TaskSet::new_in(&pool);
    let gates: Vec<Arc<Gate>> = (0..3).map(|_| Arc::default()).collect();
    for (i, gate) in gates.iter().cloned().enumerate() {
        set.spawn(move || {
            gate.wait();
            i
        });
    }
    assert!(set.try_join_next().is_none());
    for i in [1, 2, 0] {
        gates[i].open();
        assert_eq!(set.join_next().unwrap().unwrap(), i);
    }
    assert!(set.join_next().is_none() && block_on(set.join_next_async()).is_none());
}

#[test]
fn tasks_keep_to_the_limit_and_begin_in_order() {
    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        for limit in [1, 2, 3] {
            let mut set = TaskSet::new_in(&pool).max_running(limit);
            let (running, begun) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            for i in 0..sized(100, 12) {
                let (running, begun) = (running.clone(), begun.clone());
                set.spawn(move || {
                    let beside = running.fetch_add(1, Ordering::SeqCst);
                    assert!(beside < limit, "{beside} tasks run beside this one");
                    let at = begun.fetch_add(1, Ordering::SeqCst);
                    // All earlier tasks have begun, and those that have not counted themselves run
                    // now. Any number of later tasks may have counted themselves before, if this
                    // one was preempted.
                    assert!(at + limit > i, "task {i} began as number {at}");
                    filch::join(|| (), || ());
                    running.fetch_sub(1, Ordering::SeqCst);
                });
            }
            while let Some(result) = set.join_next() {
                result.unwrap();
            }
        }
        // The limit may be lifted while tasks wait.
        let mut set = TaskSet::new_in(&pool).max_running(1);
        (0..10).for_each(|i| set.spawn(move || i));
        assert_eq!(all(&mut set.max_running(20)), (0..10).collect::<Vec<_>>());
    }
}

#[test]
fn a_panic_of_a_task_is_its_result() {
    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        let mut set = TaskSet::new_in(&pool).max_running(2);
        for i in 0..20 {
            set.spawn(move || if i % 2 == 0 { boom(i) } else { i });
        }
        let (mut values, mut panics) = (Vec::new(), Vec::new());
        while let Some(result) = set.join_next() {
            match result {
                Ok(value) => values.push(value),
                panic => panics.push(failed_with(panic)),
            }
        }
        values.sort();
        panics.sort();
        assert!(values.into_iter().eq((1..20).step_by(2)));
        assert!(panics.into_iter().eq((0..20).step_by(2)));
    }
}

#[test]
fn tasks_that_have_not_begun_are_cancelled() {
    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        let ledger = Ledger::new();
        let busy = Busy::new(&pool);
        let spawn = |set: &mut TaskSet<_>, count| {
            for _ in 0..count {
                let token = ledger.token();
                set.spawn(move || token);
            }
        };
        let mut set = TaskSet::new_in(&pool);
        spawn(&mut set, 10);
        assert_eq!((set.cancel_all(), set.cancel_all()), (10, 0));
        assert!(ledger.is_balanced(), "a closure was not dropped at once");
        assert_eq!(set.len(), 10);
        spawn(&mut set, 3);
        for _ in 0..10 {
            assert!(set.try_join_next().unwrap().unwrap_err().is_cancelled());
        }
        let mut dropped = TaskSet::new_in(&pool);
        spawn(&mut dropped, 5);
        drop(dropped);
        let mut detached = TaskSet::new_in(&pool).max_running(1);
        spawn(&mut detached, 5);
        detached.detach_all();
        assert!(detached.is_empty() && detached.join_next().is_none());
        spawn(&mut detached, 2);
        drop(busy);
        (0..3).for_each(|_| drop(set.join_next().unwrap().unwrap()));
        (0..2).for_each(|_| drop(detached.join_next().unwrap().unwrap()));
        assert!(set.join_next().is_none());
        drop((pool, set, detached));
        ledger.assert_balanced("all tasks have ended");
    }
}

/// Each task either runs or is cancelled.
#[test]
fn sets_are_cancelled_and_dropped_beside_workers() {
    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        let ledger = Ledger::new();
        let runs = Arc::new(AtomicUsize::new(0));
        let mut cancelled = 0;
        let rounds = sized(300, 20);
        for round in 0..rounds {
            let mut set = TaskSet::new_in(&pool).max_running(1 + round % 5);
            for _ in 0..8 {
                let (token, runs) = (ledger.token(), runs.clone());
                set.spawn(move || {
                    runs.fetch_add(1, Ordering::Relaxed);
                    token
                });
            }
            (0..round % 4).for_each(|_| drop(set.join_next()));
            let was = set.cancel_all();
            cancelled += was;
            if round % 2 == 0 {
                let errors = std::iter::from_fn(|| set.join_next()).filter(Result::is_err);
                assert_eq!(errors.count(), was);
            }
        }
        drop(pool);
        assert_eq!(runs.load(Ordering::Relaxed) + cancelled, 8 * rounds);
        ledger.assert_balanced("all tasks have ended");
    }
}

#[test]
fn panics_of_a_set_that_is_dropped_go_to_the_handler() {
    let _watchdog = watchdog();
    for threads in SIZES {
        let (pool, noted) = noting_pool(threads);
        let mut set = TaskSet::new_in(&pool);
        (0..6).for_each(|i| set.spawn(move || boom(i)));
        assert!(failed_with(set.join_next().unwrap()) < 6);
        drop(set);
        drop(pool);
        assert!(noted.lock().unwrap().len() <= 5);
    }
    // The task ends before the drop of the set, or after it.
    for is_early in [true, false] {
        let (pool, noted) = noting_pool(1);
        let mut set = TaskSet::<()>::new_in(&pool);
        let gate = gated(&mut set, || boom(9));
        if is_early {
            gate.open();
            pool.spawn(|| ()).join().unwrap();
        }
        drop(set);
        gate.open();
        drop(pool);
        assert_eq!(*noted.lock().unwrap(), [9]);
    }
}

/// Under `OwnDescendants`, a task that the handler spawns looks at the set's tag.
#[test]
fn a_handler_of_a_panic_in_a_drop_may_spawn() {
    let _watchdog = watchdog();
    for threads in SIZES {
        let handled = Arc::new(AtomicUsize::new(0));
        let counts = handled.clone();
        let builder =
            any_wait_builder().num_threads(threads).wait_policy(WaitPolicy::OwnDescendants);
        let handler = move |_| {
            filch::scope(|s| drop(s.spawn(|| ())));
            counts.fetch_add(1, Ordering::Relaxed);
        };
        let pool = builder.panic_handler(handler).build().unwrap();
        let mut set = TaskSet::new_in(&pool);
        let gate = gated(&mut set, || Bomb(8));
        drop(set);
        gate.open();
        drop(pool);
        assert_eq!(handled.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn a_future_of_a_set_is_woken_when_all_tasks_are_cancelled_or_detached() {
    let _watchdog = watchdog();
    let pool = pool(1);
    for cancels in [true, false] {
        let busy = Busy::new(&pool);
        let woken = Arc::new(AtomicUsize::new(0));
        let counts = woken.clone();
        let waker = waker_that(move || _ = counts.fetch_add(1, Ordering::Relaxed));
        let mut context = Context::from_waker(&waker);
        let mut set = TaskSet::new_in(&pool);
        set.spawn(|| ());
        assert!(set.poll_join_next(&mut context).is_pending());
        match cancels {
            true => assert_eq!(set.cancel_all(), 1),
            false => set.detach_all(),
        }
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        let Poll::Ready(next) = set.poll_join_next(&mut context) else {
            panic!("the future is still pending")
        };
        assert_eq!(next.is_some(), cancels);
        drop(busy);
    }
}

pub struct Bomb(pub u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        boom(self.0);
    }
}

#[test]
fn drops_may_panic() {
    let _watchdog = watchdog();
    let (pool, noted) = noting_pool(1);
    let busy = Busy::new(&pool);
    let with_bombs = || {
        let mut set = TaskSet::new_in(&pool);
        for i in 1..4 {
            let bomb = Bomb(i);
            set.spawn(move || std::mem::forget(bomb));
        }
        set
    };
    let mut set = with_bombs();
    assert_eq!(caught(|| set.cancel_all()), 1);
    assert_eq!(set.len(), 3);
    assert_eq!(caught(|| drop(with_bombs())), 1);
    let amid = || {
        let _set = with_bombs();
        boom(7);
    };
    assert_eq!(caught(amid), 7);
    drop(busy);
    // Drops of values: of one that is in the set, and of one whose task ends after the set is
    // dropped.
    let mut set = TaskSet::new_in(&pool);
    set.spawn(|| Bomb(5));
    // The only worker takes jobs from outside in order, so the first task has ended.
    pool.spawn(|| ()).join().unwrap();
    assert_eq!(caught(|| drop(set)), 5);
    let mut set = TaskSet::new_in(&pool);
    let gate = gated(&mut set, || Bomb(6));
    drop(set);
    gate.open();
    drop(pool);
    assert_eq!(*noted.lock().unwrap(), [6]);
}

/// A worker must drop the waker of an earlier poll before it waits: a panic during the wait would
/// abort the process.
#[test]
fn a_waker_that_is_left_from_a_poll_may_panic_in_its_drop() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let polls_and_joins = || {
        let mut set = TaskSet::new();
        let gate = gated(&mut set, || 3);
        let bomb = Bomb(4);
        let waker = waker_that(move || drop(bomb));
        assert!(set.poll_join_next(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        let panicked = caught(|| set.join_next());
        gate.open();
        (panicked, set.join_next().unwrap().unwrap())
    };
    assert_eq!(pool.install(polls_and_joins), (4, 3));
}

#[test]
fn futures_of_a_set_are_woken_dropped_and_polled_again() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for pool in SIZES.map(pool) {
        let (first, second) = (Unpark::here(), Unpark::here());
        let gate = Arc::new(Gate::new());
        let mut set = TaskSet::new_in(&pool);
        let shut = gate.clone();
        set.spawn(move || shut.wait());
        let mut next = set.join_next_async();
        for waker in [&first, &first, &second] {
            assert!(poll(Pin::new(&mut next), &waker.clone().into()).is_pending());
        }
        assert_eq!(Arc::strong_count(&first), 1);
        drop(next);
        assert_eq!(Arc::strong_count(&second), 1, "the waker outlived the future");
        let waker = first.clone().into();
        assert!(set.poll_join_next(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        gate.open();
        eventually("the future is woken", || first.wakes.load(Ordering::Relaxed) == 1);
        assert!(matches!(
            poll(Pin::new(&mut set.join_next_async()), Waker::noop()),
            Poll::Ready(Some(Ok(())))
        ));
        for i in 0..200 {
            set.spawn(|| ());
            match i % 3 {
                0 => assert!(block_on(set.join_next_async()).unwrap().is_ok()),
                1 => assert!(pollster::block_on(set.join_next_async()).unwrap().is_ok()),
                _ => assert!(set.join_next().unwrap().is_ok()),
            }
        }
        // A waker that panics, or uses the pool.
        let gate = Arc::new(Gate::new());
        let shut = gate.clone();
        set.spawn(move || shut.wait());
        let waker = waker_that(|| {
            assert_eq!(filch::join(|| 1, || 2), (1, 2));
            boom(4);
        });
        assert!(set.poll_join_next(&mut Context::from_waker(&waker)).is_pending());
        gate.open();
        eventually("it ends", || set.try_join_next().is_some());
        let indexes = pool.broadcast(|worker| worker.index());
        assert!(indexes.into_iter().eq(0..pool.current_num_threads()), "a worker was lost");
    }
}

/// Tasks of a set may wait, and may spawn into sets and wait for these.
#[test]
fn sets_nest() {
    fn sum(depth: u32) -> u64 {
        if depth == 0 {
            return 1;
        }
        let mut set = TaskSet::new().max_running(2);
        (0..3).for_each(|_| set.spawn(move || sum(depth - 1)));
        std::iter::from_fn(|| set.join_next()).map(Result::unwrap).sum()
    }
    let _watchdog = watchdog();
    for policy in [WaitPolicy::AnyWork, WaitPolicy::OwnDescendants] {
        for threads in SIZES {
            let pool = any_wait_builder().num_threads(threads).wait_policy(policy).build().unwrap();
            let depth = sized(5, 3) as u32;
            assert_eq!(pool.install(move || sum(depth)), 3_u64.pow(depth));
            assert_eq!(pool.spawn(move || sum(depth)).join().unwrap(), 3_u64.pow(depth));
        }
    }
}

/// A pool waits for a set whose tasks wait for that pool.
#[test]
fn pools_wait_for_each_others_sets() {
    let _watchdog = watchdog();
    for round in 0..sized(30, 4) {
        let (here, there) = (Arc::new(pool(1)), Arc::new(pool(1)));
        let mut set = TaskSet::new_in(&there);
        for i in 0..5 {
            let here = here.clone();
            set.spawn(move || here.install(move || i));
        }
        let waits = move || all(&mut set);
        let all = match round % 2 {
            0 => here.install(waits),
            _ => here.spawn(waits).join().unwrap(),
        };
        assert_eq!(all, [0, 1, 2, 3, 4]);
        drop((here, there));
    }
}

#[test]
fn a_set_may_outlive_its_pool() {
    let _watchdog = watchdog();
    let ledger = Ledger::new();
    for limit in [1, usize::MAX] {
        let pool = pool(2);
        let mut set = TaskSet::new_in(&pool).max_running(limit);
        for _ in 0..10 {
            let token = ledger.token();
            set.spawn(move || token);
        }
        drop(pool);
        assert_eq!(set.len(), 10);
        for _ in 0..10 {
            drop(set.try_join_next().unwrap().unwrap());
        }
        let token = ledger.token();
        set.spawn(move || token);
        assert!(set.join_next().unwrap().unwrap_err().is_cancelled());
        assert!(set.join_next().is_none());
    }
    ledger.assert_balanced("all tasks have ended");
}

/// A thread spawns into a set while the pool ends.
#[test]
fn a_task_that_is_spawned_beside_the_end_of_the_pool_runs_or_is_cancelled() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for _ in 0..300 {
        let pool = pool(2);
        let mut set = TaskSet::new_in(&pool);
        let spawns = thread::spawn(move || {
            (0..20).for_each(|i| set.spawn(move || i));
            let (mut runs, mut cancelled) = (0, 0);
            while let Some(result) = set.join_next() {
                match result {
                    Ok(_) => runs += 1,
                    Err(error) => cancelled += usize::from(error.is_cancelled()),
                }
            }
            (runs, cancelled)
        });
        drop(pool);
        let (runs, cancelled) = spawns.join().unwrap();
        assert_eq!(runs + cancelled, 20);
    }
}

/// A future that holds a set is dropped at every poll.
#[test]
fn a_set_is_dropped_between_polls() {
    let _watchdog = watchdog();
    let ledger = Ledger::new();
    for pool in SIZES.map(pool) {
        for polls in 0..sized(30, 8) {
            let mut set = TaskSet::new_in(&pool);
            let mut future = Box::pin(async move {
                for _ in 0..10 {
                    let token = ledger.token();
                    set.spawn(move || token);
                }
                while let Some(result) = set.join_next_async().await {
                    drop(result.unwrap());
                }
            });
            for _ in 0..polls {
                if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                    break;
                }
                rest(SHORT / 1000);
            }
        }
    }
    ledger.assert_balanced("all tasks have ended");
}
