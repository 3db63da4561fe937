//! Tasks begin in the order that the caller has chosen.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::common::{
    CALLERS, Gate, Ledger, any_wait_builder, boom, builder, caught, eventually,
    is_simulated_without, pool, sized, watchdog,
};
use filch::{TaskOrder, ThreadPool, WaitPolicy, Yield};

/// Records the order of events.
#[derive(Default)]
struct Order(Mutex<Vec<usize>>);

impl Order {
    fn note(&self, what: usize) {
        self.0.lock().unwrap().push(what);
    }

    fn take(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn upwards(count: usize) -> Vec<usize> {
    (0..count).collect()
}

fn oldest_first(threads: usize) -> ThreadPool {
    let builder = builder().num_threads(threads).task_order(TaskOrder::OldestFirst);
    builder.build().unwrap()
}

// ---- `spawn_fifo` ----

#[test]
fn one_worker_runs_fifo_tasks_oldest_first_and_others_newest_first() {
    let _watchdog = watchdog();
    let (pool, order) = (pool(1), &Order::default());
    pool.scope(|s| (0..100).for_each(|i| s.spawn_fifo(move || order.note(i))));
    assert_eq!(order.take(), upwards(100));
    pool.scope(|s| (0..100).for_each(|i| drop(s.spawn(move || order.note(i)))));
    assert_eq!(order.take(), upwards(100).into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn fifo_tasks_that_spawn_fifo_tasks_keep_the_order() {
    let _watchdog = watchdog();
    let (pool, order) = (pool(1), &Order::default());
    pool.scope(|s| {
        for i in 0..10 {
            s.spawn_fifo(move || {
                order.note(i);
                (0..10).for_each(|j| s.spawn_fifo(move || order.note(10 + 10 * i + j)));
            });
        }
    });
    assert_eq!(order.take(), upwards(110));
}

#[test]
fn both_kinds_of_tasks_meet_in_one_scope() {
    let _watchdog = watchdog();
    let (pool, order) = (pool(1), &Order::default());
    pool.scope(|s| {
        s.spawn_fifo(|| order.note(2));
        s.spawn(|| order.note(1));
        s.spawn_fifo(|| order.note(0));
    });
    // A task in order holds a place in the stack of newest tasks. When the place is reached, the
    // oldest task in order runs.
    assert_eq!(order.take(), [2, 1, 0]);
}

#[test]
fn each_scope_has_its_own_order() {
    let _watchdog = watchdog();
    let (pool, order) = (pool(1), &Order::default());
    pool.scope(|outer| {
        outer.spawn_fifo(|| order.note(10));
        filch::scope(|inner| (0..5).for_each(|i| inner.spawn_fifo(move || order.note(i))));
        assert_eq!(order.take(), upwards(5), "the inner scope waits for its own tasks");
        outer.spawn_fifo(|| order.note(11));
    });
    assert_eq!(order.take(), [10, 11]);
}

#[test]
fn detached_fifo_tasks_run_oldest_first() {
    let _watchdog = watchdog();
    let (pool, order) = (pool(1), Arc::new(Order::default()));
    pool.install(|| {
        for i in 0..100 {
            let order = order.clone();
            filch::spawn_fifo(move || order.note(i));
        }
    });
    drop(pool);
    assert_eq!(order.take(), upwards(100));
}

#[test]
fn thieves_take_fifo_tasks_oldest_first() {
    let _watchdog = watchdog();
    let (pool, order) = (pool(2), Order::default());
    let tasks = sized(1_000, 50);
    pool.scope(|s| {
        let spawner = filch::current_thread_index();
        // The spawner does not wait before the end, so until then it runs no task.
        (0..tasks).for_each(|i| {
            let order = &order;
            s.spawn_fifo(move || {
                if filch::current_thread_index() != spawner {
                    order.note(i);
                }
            })
        });
        eventually("a thief runs a task", || !order.0.lock().unwrap().is_empty());
    });
    // There is one thief, so what it ran is in order.
    assert!(order.take().is_sorted());
}

#[test]
fn every_fifo_task_runs_once_on_many_workers() {
    let _watchdog = watchdog();
    let pool = pool(4);
    for _ in 0..sized(50, 3) {
        let runs: Vec<_> = (0..200).map(|_| AtomicUsize::new(0)).collect();
        let run = |i: usize| _ = runs[i].fetch_add(1, Ordering::Relaxed);
        let run = &run;
        pool.in_place_scope(|s| {
            for i in 0..100 {
                s.spawn_fifo(move || {
                    run(i);
                    s.spawn_fifo(move || run(100 + i));
                });
            }
        });
        assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1));
    }
}

#[test]
fn a_panic_of_a_fifo_task_leaves_the_scope_and_drops_everything() {
    let _watchdog = watchdog();
    let (pool, ledger) = (pool(2), Ledger::new());
    for at in 0..10 {
        let id = caught(|| {
            pool.scope(|s| {
                for i in 0..10 {
                    let token = ledger.token();
                    s.spawn_fifo(move || {
                        let _token = token;
                        if i == at {
                            boom(7);
                        }
                    });
                }
            })
        });
        assert_eq!(id, 7);
        ledger.assert_balanced(at);
    }
}

// ---- Pools that run all tasks in order ----

#[test]
fn a_pool_may_run_all_tasks_oldest_first() {
    let _watchdog = watchdog();
    let (pool, order) = (oldest_first(1), &Order::default());
    pool.scope(|s| {
        for i in 0..100 {
            drop(s.spawn(move || {
                order.note(i);
                drop(s.spawn(move || order.note(100 + i)));
            }));
        }
    });
    assert_eq!(order.take(), upwards(200));
}

#[test]
fn a_joined_task_waits_for_its_turn_except_under_own_descendants() {
    let _watchdog = watchdog();
    for (policy, before) in [(WaitPolicy::AnyWork, &[0, 1][..]), (WaitPolicy::OwnDescendants, &[1])]
    {
        let builder = any_wait_builder().num_threads(1).wait_policy(policy);
        let pool = builder.task_order(TaskOrder::OldestFirst).build().unwrap();
        let order = Order::default();
        pool.scope(|s| {
            s.spawn(|| order.note(0));
            let last = s.spawn(|| order.note(1));
            last.join().unwrap();
            assert_eq!(order.take(), before);
        });
    }
}

#[test]
fn joins_within_tasks_end_in_a_pool_with_order() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let pool = oldest_first(threads);
        let outer = pool.spawn(|| {
            let inner = filch::spawn(|| filch::spawn(|| 1).join().unwrap() + 1);
            let others: Vec<_> = (0..10).map(|i| filch::spawn(move || i)).collect();
            let others: usize = others.into_iter().map(|other| other.join().unwrap()).sum();
            filch::join(|| inner.join().unwrap(), || others)
        });
        assert_eq!(outer.join().unwrap(), (2, 45));
    }
}

#[test]
fn a_task_from_outside_gets_through_a_chain_of_ordered_tasks() {
    fn go_on(until: Arc<Gate>, over: Arc<AtomicBool>) {
        if !over.load(Ordering::Relaxed) {
            drop(filch::spawn(move || go_on(until, over)));
        } else {
            until.open();
        }
    }
    let _watchdog = watchdog();
    let pool = oldest_first(1);
    let (gate, over) = (Arc::new(Gate::default()), Arc::new(AtomicBool::new(false)));
    let (theirs, told) = (gate.clone(), over.clone());
    drop(pool.spawn(move || go_on(theirs, told)));
    assert_eq!(pool.spawn(|| 5).join().unwrap(), 5);
    over.store(true, Ordering::Relaxed);
    gate.wait();
}

// ---- `yield_local` ----

#[test]
fn yield_local_runs_what_is_queued_here_and_nothing_else() {
    let _watchdog = watchdog();
    assert_eq!(filch::yield_local(), None);
    assert_eq!(filch::current_thread_has_pending_tasks(), None);
    let pool = any_wait_builder().num_threads(1).build().unwrap();
    assert_eq!((pool.yield_local(), pool.current_thread_has_pending_tasks()), (None, None));
    let order = Arc::new(Order::default());
    let note = |what| {
        let order = order.clone();
        move || order.note(what)
    };
    pool.install(|| {
        assert_eq!(filch::current_thread_has_pending_tasks(), Some(false));
        assert_eq!(filch::yield_local(), Some(Yield::Idle));
        drop(filch::spawn(note(1)));
        assert_eq!(filch::current_thread_has_pending_tasks(), Some(true));
        assert_eq!(filch::yield_local(), Some(Yield::Executed));
        assert_eq!(order.take(), [1]);
        // The other side of a join is also pending here.
        let ran = AtomicUsize::new(0);
        filch::join(
            || {
                assert_eq!(pool.current_thread_has_pending_tasks(), Some(true));
                assert_eq!(pool.yield_local(), Some(Yield::Executed));
                assert_eq!(ran.load(Ordering::Relaxed), 1);
                assert_eq!(pool.yield_local(), Some(Yield::Idle));
            },
            || _ = ran.fetch_add(1, Ordering::Relaxed),
        );
        assert_eq!(ran.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn yield_local_leaves_the_injector_alone() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let pool = any_wait_builder().num_threads(1).build().unwrap();
    let order = Arc::new(Order::default());
    pool.install(|| {
        // From a thread that is no worker, so that the task goes to the injector.
        thread::scope(|s| {
            let order = order.clone();
            s.spawn(|| drop(pool.spawn(move || order.note(1))));
        });
        assert_eq!(pool.yield_local(), Some(Yield::Idle));
        assert_eq!(pool.yield_now(), Some(Yield::Executed));
        assert_eq!(order.take(), [1]);
    });
}
