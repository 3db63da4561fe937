//! Bounds on queued tasks, and pools that are shut down: each closure is called or dropped once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::common::{
    CALLERS, Flag, Gate, Ledger, Token, any_wait_builder, boom, boom_id, builder, eventually,
    failed_with, is_simulated_without, pool, rest, sized, step_aside, watchdog,
};
use filch::{Priority, ThreadPool, TrySpawnError};

fn bounded(threads: usize, most: usize) -> ThreadPool {
    builder().num_threads(threads).max_queued(most).build().unwrap()
}

/// Occupies all workers until the gate is opened.
fn occupy(pool: &ThreadPool) -> Arc<Gate> {
    let (gate, begun) = (Arc::new(Gate::new()), Arc::new(AtomicUsize::new(0)));
    let threads = pool.current_num_threads();
    for n in 0..threads {
        let (gate, begins) = (gate.clone(), begun.clone());
        drop(pool.spawn(move || {
            begins.fetch_add(1, Ordering::SeqCst);
            gate.wait();
        }));
        eventually("the task begins", || begun.load(Ordering::SeqCst) > n);
    }
    gate
}

// ---- The bound ----

#[test]
fn the_closure_comes_back_if_the_pool_is_full() {
    let _watchdog = watchdog();
    for (threads, most) in [(1, 1), (1, 3), (2, 5)] {
        let (pool, ledger) = (bounded(threads, most), Ledger::new());
        let gate = occupy(&pool);
        let tasks: Vec<_> = (0..most)
            .map(|n| {
                let token = ledger.token();
                pool.try_spawn(move || (token, n).1).unwrap()
            })
            .collect();
        let token = ledger.token();
        let refused = pool.try_spawn(move || drop(token)).unwrap_err();
        assert!(matches!(refused, TrySpawnError::Full(_)), "{refused:?}");
        assert!(refused.to_string().contains("queued"), "{refused}");
        refused.into_inner()();
        gate.open();
        assert!(tasks.into_iter().map(|task| task.join().unwrap()).eq(0..most));
        // There is room again.
        eventually("there is room", || pool.try_spawn(|| ()).is_ok());
        ledger.assert_balanced(threads);
    }
}

#[test]
fn a_task_that_is_cancelled_leaves_its_place() {
    let _watchdog = watchdog();
    let pool = bounded(1, 1);
    let gate = occupy(&pool);
    for _ in 0..3 {
        let task = pool.try_spawn(|| ()).unwrap();
        assert!(pool.try_spawn(|| ()).is_err());
        assert!(task.cancel());
    }
    gate.open();
}

#[test]
fn a_pool_that_waits_for_a_spawner_in_another_pool_makes_room() {
    let _watchdog = watchdog();
    for blocks in [false, true] {
        let (one, other) = (bounded(1, 1), builder().num_threads(1).build().unwrap());
        let spawns = || {
            one.spawn_fifo(|| ());
            let urgent = one.task().priority(Priority::High).spawn(|| 2);
            let last = one.spawn(|| 3);
            urgent.join().unwrap() + last.join().unwrap()
        };
        let sum = one.install(|| {
            drop(one.spawn(|| ()));
            // The only worker waits here, and begins none of its own tasks.
            other.install(|| if blocks { filch::blocking(spawns) } else { spawns() })
        });
        assert_eq!(sum, 5);
    }
}

#[test]
fn a_thread_that_waits_for_room_is_not_forgotten_if_there_is_a_task_too_many() {
    let _watchdog = watchdog();
    let pool = bounded(1, 1);
    if is_simulated_without(CALLERS) {
        return;
    }
    let (gate, waits) = (Arc::new(Gate::new()), Arc::new(Flag::new()));
    let begins = Arc::new(Flag::new());
    let opens = (gate.clone(), begins.clone());
    drop(pool.spawn(move || {
        drop(filch::spawn(|| ()));
        opens.1.raise();
        opens.0.wait();
        // There is no room for this task, so it runs at once.
        filch::spawn_fifo(|| ());
    }));
    eventually("the task begins", || begins.is_up());
    thread::scope(|s| {
        let outside = s.spawn(|| {
            waits.raise();
            pool.spawn(|| 3).join().unwrap()
        });
        eventually("the caller waits", || waits.is_up());
        thread::sleep(Duration::from_millis(30));
        gate.open();
        assert_eq!(outside.join().unwrap(), 3);
    });
}

#[test]
fn a_worker_runs_a_task_that_has_no_room_at_once() {
    let _watchdog = watchdog();
    for threads in [1, 2] {
        let (pool, ran) = (bounded(threads, 2), Arc::new(AtomicUsize::new(0)));
        let count = || {
            let ran = ran.clone();
            move || ran.fetch_add(1, Ordering::SeqCst)
        };
        let others = (1..threads).map(|_| {
            let (gate, begun) = (Arc::new(Gate::new()), Arc::new(Flag::new()));
            let (until, begins) = (gate.clone(), begun.clone());
            drop(pool.spawn(move || {
                begins.raise();
                until.wait();
            }));
            begun.hold();
            gate
        });
        let gates: Vec<_> = others.collect();
        pool.install(|| {
            let me = filch::current_thread_index();
            (0..2).for_each(|_| drop(filch::spawn(count())));
            assert_eq!(ran.load(Ordering::SeqCst), 0);
            let at_once = filch::spawn(move || assert_eq!(filch::current_thread_index(), me));
            assert!(at_once.is_finished());
            at_once.join().unwrap();
            let failed = filch::spawn(|| boom(4));
            assert_eq!(failed_with(failed.join()), 4);
            drop(filch::spawn(count()));
            assert_eq!(ran.load(Ordering::SeqCst), 1);
        });
        gates.iter().for_each(|gate| gate.open());
        drop(pool);
        assert_eq!(ran.load(Ordering::SeqCst), 3);
    }
}

#[test]
fn tasks_begin_in_order_though_there_is_no_room() {
    let _watchdog = watchdog();
    let (pool, order) = (bounded(1, 2), Arc::new(Mutex::new(Vec::new())));
    pool.install(|| {
        for n in 0..10 {
            let order = order.clone();
            filch::spawn_fifo(move || order.lock().unwrap().push(n));
        }
        assert_eq!(order.lock().unwrap().len(), 8);
    });
    drop(pool);
    assert!(order.lock().unwrap().iter().copied().eq(0..10));
}

/// Each task spawns the next one, for which there is no room. The chain must need neither a deep
/// stack nor a second one.
#[test]
fn a_chain_of_tasks_without_room_ends() {
    let _watchdog = watchdog();
    fn chain(left: usize, in_order: bool, ends: Arc<Flag>) {
        match left {
            0 => ends.raise(),
            _ if in_order => filch::spawn_fifo(move || chain(left - 1, in_order, ends)),
            _ => drop(filch::spawn(move || chain(left - 1, in_order, ends))),
        }
    }
    let links = sized(20_000, 200);
    for in_order in [false, true] {
        let one_stack = builder().num_threads(1).max_queued(1).max_spare_threads(0);
        let (pool, ended) = (one_stack.build().unwrap(), Arc::new(Flag::new()));
        let ends = ended.clone();
        pool.install(|| {
            drop(filch::spawn(|| ()));
            chain(links, in_order, ends);
        });
        drop(pool);
        assert!(ended.is_up());
    }
}

#[test]
fn callers_from_outside_wait_for_room() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for (threads, most) in [(1, 1), (2, 3)] {
        let (pool, ledger) = (bounded(threads, most), Ledger::new());
        let ran = Arc::new(AtomicUsize::new(0));
        thread::scope(|s| {
            for caller in 0..4 {
                let (pool, ran) = (&pool, &ran);
                s.spawn(move || {
                    for n in 0..300 {
                        let (ran, token) = (ran.clone(), ledger.token());
                        let task = move || {
                            drop(token);
                            ran.fetch_add(1, Ordering::SeqCst)
                        };
                        match (n + caller) % 5 {
                            0 => pool.spawn_fifo(move || _ = task()),
                            1 => _ = pool.spawn(task).join().unwrap(),
                            _ => drop(pool.spawn(task)),
                        }
                    }
                });
            }
        });
        drop(pool);
        assert_eq!(ran.load(Ordering::SeqCst), 1200);
        ledger.assert_balanced(threads);
    }
}

#[test]
fn a_caller_that_waits_for_room_goes_on_when_there_is_room() {
    let _watchdog = watchdog();
    let (pool, other) = (Arc::new(bounded(1, 1)), pool(2));
    // The callers are the thread that builds the pools, and a worker of another pool.
    let spawns_from_elsewhere = pool.clone();
    let elsewhere = move || {
        (0..20).for_each(|_| drop(spawns_from_elsewhere.spawn(|| rest(Duration::from_micros(50)))));
    };
    let there = other.spawn(elsewhere);
    (0..20).for_each(|_| drop(pool.spawn(step_aside)));
    there.join().unwrap();
}

// ---- The end ----

#[test]
fn tasks_that_have_not_begun_are_dropped_and_counted() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for threads in [1, 2, 4] {
        let (pool, ledger) = (pool(threads), Ledger::new());
        let gate = occupy(&pool);
        let never = |_| {
            let token = ledger.token();
            move || -> u32 {
                drop(token);
                panic!("a task ran that should have been dropped")
            }
        };
        let handles: Vec<_> = (0..50).map(never).map(|task| pool.spawn(task)).collect();
        (0..40).map(never).for_each(|task| drop(pool.spawn(task)));
        (0..10).map(never).for_each(|task| pool.spawn_fifo(|| _ = task()));
        thread::scope(|s| {
            let shutdown = s.spawn(|| pool.shutdown_now());
            thread::sleep(Duration::from_millis(20));
            gate.open();
            assert_eq!(shutdown.join().unwrap(), 100);
        });
        for handle in handles {
            let error = handle.join().unwrap_err();
            assert!(
                error.is_cancelled()
                    && error.reason() == Some(filch::CancelReason::Shutdown)
                    && !error.is_panic()
            );
            assert_eq!(error.to_string(), "the task was cancelled: the pool or the program ends");
        }
        ledger.assert_balanced(threads);
    }
}

#[test]
fn a_task_that_has_begun_goes_on() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for threads in [1, 2] {
        let (pool, gate) = (any_wait_builder().num_threads(threads).build().unwrap(), Gate::new());
        let (gate, begun) = (Arc::new(gate), Arc::new(Flag::new()));
        let (until, begins) = (gate.clone(), begun.clone());
        let running = pool.spawn(move || {
            let queued = filch::spawn(|| 1);
            begins.raise();
            until.wait();
            // Forks, scopes and broadcasts are part of this task. Tasks that it spawns are not.
            let mut value = 0;
            filch::scope(|s| drop(s.spawn(|| value = filch::join(|| 2, || 3).1)));
            assert_eq!(filch::broadcast(|_| 4).len(), threads);
            let spawned = filch::spawn(|| 5).join();
            let refused = filch::try_spawn(|| 6).unwrap_err();
            assert!(matches!(refused, TrySpawnError::Closed(_)), "{refused:?}");
            let mut set = filch::TaskSet::new();
            set.spawn(|| 7);
            let in_a_set = set.join_next().unwrap().unwrap();
            let was_run = threads > 1 && queued.join().is_ok();
            (
                value,
                in_a_set,
                spawned.unwrap_err().reason() == Some(filch::CancelReason::Shutdown),
                was_run,
            )
        });
        begun.hold();
        thread::scope(|s| {
            let shutdown = s.spawn(|| pool.shutdown_now());
            thread::sleep(Duration::from_millis(20));
            gate.open();
            let (value, in_a_set, is_shutdown, was_run) = running.join().unwrap();
            assert_eq!((value, in_a_set, is_shutdown), (3, 7, true));
            assert_eq!(shutdown.join().unwrap(), 2 - usize::from(was_run));
        });
    }
}

/// A capture whose drop spawns, counts, and panics.
struct Spawns(u32, &'static Ledger, #[expect(dead_code, reason = "its drop counts")] Token);

impl Spawns {
    fn new(left: u32, ledger: &'static Ledger) -> Self {
        Spawns(left, ledger, ledger.token())
    }
}

impl Drop for Spawns {
    fn drop(&mut self) {
        if let Some(left) = self.0.checked_sub(1) {
            let inner = Spawns::new(left, self.1);
            drop(filch::spawn(move || drop(inner)));
        }
        if self.0 % 2 == 1 {
            boom(self.0);
        }
    }
}

#[test]
fn drops_of_tasks_that_have_not_begun_may_spawn_and_panic() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for threads in [1, 2] {
        let (noted, ledger) = (Arc::new(Mutex::new(Vec::new())), Ledger::new());
        let notes = noted.clone();
        let note = move |payload| notes.lock().unwrap().push(boom_id(payload));
        let builder = builder().num_threads(threads).max_queued(100).panic_handler(note);
        let pool = builder.build().unwrap();
        let gate = occupy(&pool);
        let detached = Spawns::new(3, ledger);
        drop(pool.spawn(move || drop(detached)));
        let kept = Spawns::new(1, ledger);
        let kept = pool.spawn(move || drop(kept));
        thread::scope(|s| {
            let shutdown = s.spawn(|| pool.shutdown_now());
            thread::sleep(Duration::from_millis(20));
            gate.open();
            // Four tasks of the first chain, and two of the second one.
            assert_eq!(shutdown.join().unwrap(), 6);
        });
        assert_eq!(failed_with(kept.join()), 1);
        let mut noted = noted.lock().unwrap().clone();
        noted.sort_unstable();
        assert_eq!(noted, [1, 3]);
        ledger.assert_balanced(threads);
    }
}

#[test]
fn a_worker_may_shut_its_pool_down() {
    let _watchdog = watchdog();
    for threads in [1, 2] {
        let (pool, ledger) = (Arc::new(pool(threads)), Ledger::new());
        let theirs = pool.clone();
        let task = pool.spawn(move || {
            while Arc::strong_count(&theirs) > 1 {
                step_aside();
            }
            let pool = Arc::into_inner(theirs).unwrap();
            let token = ledger.token();
            drop(pool.spawn(move || drop(token)));
            // The call does not wait for this task, which makes it.
            assert!(pool.shutdown_now() <= 1);
            filch::spawn(|| 1).join().unwrap_err().reason() == Some(filch::CancelReason::Shutdown)
        });
        drop(pool);
        assert!(task.join().unwrap());
        eventually("everything is dropped", || ledger.is_balanced());
    }
}

#[test]
fn an_idle_pool_has_nothing_to_drop() {
    let _watchdog = watchdog();
    let pool = pool(2);
    assert_eq!(pool.install(|| filch::spawn(|| 3).join().unwrap()), 3);
    assert_eq!(pool.shutdown_now(), 0);
}
