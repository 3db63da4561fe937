//! Priorities: which queued task begins first, and which tasks inherit a priority.

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::{
    CALLERS, Flag, Gate, Ledger, any_wait_builder, builder, is_simulated_without, pool, rest,
    sized, watchdog,
};
use filch::Priority::{self, High, Low, Normal};
use filch::prelude::*;
use filch::{TaskOrder, ThreadPool, WaitPolicy};

const ALL: [Priority; 3] = [High, Normal, Low];

/// The tasks in the order in which they began.
#[derive(Clone, Default)]
struct Order(Arc<Mutex<Vec<(Priority, usize)>>>);

impl Order {
    /// Spawns a task that records when it begins.
    fn spawn(&self, pool: &ThreadPool, priority: Priority, number: usize) {
        let order = self.clone();
        let note = move || order.0.lock().unwrap().push((priority, number));
        drop(pool.task().priority(priority).spawn(note));
    }

    fn take(&self) -> Vec<(Priority, usize)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn priorities(&self) -> Vec<Priority> {
        self.take().into_iter().map(|(priority, _)| priority).collect()
    }
}

/// Keeps the only worker of `pool` busy while `op` queues jobs from outside. Waits until all of
/// them have run.
fn queued_from_outside(pool: ThreadPool, op: impl FnOnce(&ThreadPool)) {
    let (begun, gate) = (Arc::new(Flag::new()), Arc::new(Gate::new()));
    let (its_begun, its_gate) = (begun.clone(), gate.clone());
    drop(pool.spawn(move || {
        its_begun.raise();
        its_gate.wait();
    }));
    begun.hold();
    op(&pool);
    gate.open();
    drop(pool);
}

fn in_order(threads: usize) -> ThreadPool {
    builder().num_threads(threads).task_order(TaskOrder::OldestFirst).build().unwrap()
}

// ---- Order ----------------------------------------------------------------------------------

#[test]
fn one_worker_begins_high_before_normal_before_low() {
    let _watchdog = watchdog();
    let expected: Vec<_> = ALL.iter().flat_map(|&priority| [priority; 10]).collect();
    let spawn = |order: &Order, pool: &ThreadPool| {
        for number in 0..10 {
            [Normal, Low, High].iter().for_each(|&it| order.spawn(pool, it, number));
        }
    };
    for new_pool in [pool as fn(usize) -> ThreadPool, in_order] {
        let order = Order::default();
        let one = new_pool(1);
        one.install(|| spawn(&order, &one));
        drop(one);
        assert_eq!(order.priorities(), expected, "from the worker");
        queued_from_outside(new_pool(1), |pool| spawn(&order, pool));
        assert_eq!(order.priorities(), expected, "from outside");
    }
}

#[test]
fn tasks_of_one_priority_from_outside_begin_in_order() {
    let _watchdog = watchdog();
    for priority in [High, Low] {
        let order = Order::default();
        queued_from_outside(pool(1), |pool| (0..50).for_each(|i| order.spawn(pool, priority, i)));
        let numbers: Vec<_> = order.take().into_iter().map(|(_, number)| number).collect();
        assert_eq!(numbers, (0..50).collect::<Vec<_>>());
    }
}

#[test]
fn each_64th_job_is_of_the_lowest_priority() {
    let _watchdog = watchdog();
    for lowest in [Low, Normal] {
        let order = Order::default();
        queued_from_outside(pool(1), |pool| {
            for number in 0..640 {
                order.spawn(pool, High, number);
                order.spawn(pool, lowest, number);
                order.spawn(pool, Normal, number);
            }
        });
        let begun = order.priorities();
        let is_lowest = |&at: &usize| begun[at] == lowest;
        let at: Vec<_> = (0..begun.len()).filter(is_lowest).take(10).collect();
        assert!(at[0] < 64, "the first at {}", at[0]);
        assert!(at.windows(2).all(|pair| pair[1] - pair[0] == 64), "{lowest:?} at {at:?}");
    }
}

#[test]
fn each_64th_job_in_a_wait_is_of_the_lowest_priority() {
    let _watchdog = watchdog();
    for busy in [High, Normal] {
        let pool = any_wait_builder().num_threads(1).build().unwrap();
        let begun = Arc::new(AtomicUsize::new(0));
        let counted = begun.clone();
        let before = pool.task().priority(busy).install(|| {
            let low = pool.task().priority(Low).spawn(move || counted.load(Ordering::Relaxed));
            filch::scope(|s| {
                for _ in 0..200 {
                    s.spawn(|| begun.fetch_add(1, Ordering::Relaxed));
                }
            });
            low.join().unwrap()
        });
        assert!(before < 64, "began after {before} others");
    }
}

/// Spawns a task that spawns its like, and so on until `stop`.
fn go_on(pool: &Arc<ThreadPool>, priority: Priority, stop: &Arc<AtomicBool>) {
    let (next, stop) = (pool.clone(), stop.clone());
    drop(pool.task().priority(priority).spawn(move || {
        if !stop.load(Ordering::Relaxed) {
            go_on(&next, priority, &stop);
        }
    }));
}

#[test]
fn a_broadcast_does_not_starve() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        for others in [High, Normal, Low] {
            let (stop, pool) = (Arc::new(AtomicBool::new(false)), Arc::new(pool(threads)));
            let go_on = |priority| (0..threads).for_each(|_| go_on(&pool, priority, &stop));
            pool.install(|| [High, others].map(go_on));
            assert_eq!(pool.broadcast(|_| ()).len(), threads);
            stop.store(true, Ordering::Relaxed);
            drop(pool);
        }
    }
}

#[test]
fn a_low_task_does_not_starve() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        for busy in [High, Normal] {
            let (stop, pool) = (Arc::new(AtomicBool::new(false)), Arc::new(pool(threads)));
            pool.install(|| (0..8).for_each(|_| go_on(&pool, busy, &stop)));
            let stops = stop.clone();
            let low = pool.task().priority(Low).spawn(move || stops.store(true, Ordering::Relaxed));
            low.join().unwrap();
            // The last task may drop the pool on the pool's own worker.
            drop(pool);
        }
    }
}

// ---- Inheritance ----------------------------------------------------------------------------

/// Runs `spawns` in a task of `priority`, on the only worker of a pool where a task of each other
/// priority is queued. Asserts that the tasks it has spawned begin before those of lower priority,
/// and after those of higher priority.
fn check_inherits(priority: Priority, spawns: impl FnOnce(Order, &ThreadPool) + Send + 'static) {
    let order = Order::default();
    let one = Arc::new(pool(1));
    let (its_order, its_pool) = (order.clone(), one.clone());
    let task = one.task().priority(priority).spawn(move || {
        let others = ALL.into_iter().filter(|&it| it != priority);
        others.for_each(|it| its_order.spawn(&its_pool, it, 0));
        spawns(its_order, &its_pool);
        drop(its_pool);
    });
    task.join().unwrap();
    drop(one);
    assert_eq!(order.priorities(), ALL, "inherited {priority:?}");
}

#[test]
fn a_spawned_task_inherits() {
    let _watchdog = watchdog();
    for priority in ALL {
        check_inherits(priority, move |order, pool| {
            drop(pool.spawn(move || order.0.lock().unwrap().push((priority, 1))));
        });
        check_inherits(priority, move |order, _| {
            filch::spawn_fifo(move || order.0.lock().unwrap().push((priority, 1)));
        });
        check_inherits(priority, move |order, _| {
            // In a task that has inherited the priority.
            filch::spawn(move || {
                drop(filch::task().spawn(move || order.0.lock().unwrap().push((priority, 1))));
            });
        });
    }
}

#[test]
fn a_task_set_inherits() {
    let _watchdog = watchdog();
    for priority in ALL {
        check_inherits(priority, move |order, _| {
            let mut set = filch::TaskSet::new();
            set.spawn(move || order.0.lock().unwrap().push((priority, 1)));
            set.detach_all();
        });
    }
}

#[test]
fn a_task_that_is_spawned_in_blocking_inherits() {
    let _watchdog = watchdog();
    for priority in ALL {
        let order = Order::default();
        queued_from_outside(pool(1), |other| {
            let note = || {
                let order = order.clone();
                move || order.0.lock().unwrap().push((priority, 1))
            };
            pool(1).task().priority(priority).install(|| {
                filch::blocking(|| {
                    drop(other.spawn(note()));
                    ALL.into_iter().for_each(|it| order.spawn(other, it, 0));
                    drop(other.task().spawn(note()));
                });
            });
        });
        let began = order.priorities();
        assert!(began.is_sorted_by(|a, b| a >= b), "inherited {priority:?}: {began:?}");
    }
}

#[test]
fn install_changes_the_priority_for_its_time() {
    let _watchdog = watchdog();
    for priority in ALL {
        let order = Order::default();
        let one = pool(1);
        one.install(|| {
            // The priority is restored afterwards, even by a panic.
            let own = Normal;
            one.task().priority(priority).install(|| {
                let order = order.clone();
                drop(filch::spawn(move || order.0.lock().unwrap().push((priority, 1))));
            });
            assert_eq!(common::caught(|| one.task().priority(Low).install(|| common::boom(7))), 7);
            let others = ALL.into_iter().filter(|&it| it != priority && it != own);
            others.for_each(|it| order.spawn(&one, it, 0));
            if priority != own {
                let order = order.clone();
                drop(filch::spawn(move || order.0.lock().unwrap().push((own, 1))));
            }
        });
        drop(one);
        assert_eq!(order.priorities(), ALL);
    }
}

#[test]
fn an_install_from_outside_goes_by_its_priority() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let (order, one) = (Order::default(), pool(1));
    let (begun, gate) = (Flag::new(), Gate::new());
    thread::scope(|s| {
        s.spawn(|| {
            one.install(|| {
                begun.raise();
                gate.wait();
            });
        });
        begun.hold();
        order.spawn(&one, Normal, 0);
        for priority in [Low, High] {
            let (order, one) = (&order, &one);
            let note = move || order.0.lock().unwrap().push((priority, 1));
            s.spawn(move || one.task().priority(priority).install(note));
        }
        // Whether both callers are queued by now makes no difference.
        thread::sleep(Duration::from_millis(50));
        gate.open();
    });
    drop(one);
    assert_eq!(order.priorities(), ALL);
}

#[test]
fn a_late_caller_of_high_priority_is_served_inside_a_long_loop() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let pool = any_wait_builder().num_threads(1).build().unwrap();
    let (begun, over) = (Flag::new(), Flag::new());
    thread::scope(|s| {
        s.spawn(|| {
            pool.install(|| {
                begun.raise();
                // Forks all the time.
                over.poll();
            });
        });
        begun.hold();
        pool.task().priority(High).install(|| over.raise());
    });
}

// ---- Waits ----------------------------------------------------------------------------------

#[test]
fn awaited_work_is_run_at_any_priority() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        for policy in [WaitPolicy::AnyWork, WaitPolicy::OwnDescendants] {
            let builder = any_wait_builder().num_threads(threads).wait_policy(policy);
            let pool = Arc::new(builder.build().unwrap());
            for (outer, inner) in ALL.iter().flat_map(|&a| ALL.map(|b| (a, b))) {
                let its = pool.clone();
                // Inside a task with a handle, so that the waits are restricted.
                let task = pool.task().priority(outer).spawn(move || {
                    let sum = AtomicUsize::new(0);
                    let handles: Vec<_> =
                        (0..10).map(|i| its.task().priority(inner).spawn(move || i)).collect();
                    filch::scope(|s| {
                        for i in 0..10 {
                            let sum = &sum;
                            s.spawn(move || sum.fetch_add(i, Ordering::Relaxed));
                        }
                    });
                    let joined: usize = handles.into_iter().map(|it| it.join().unwrap()).sum();
                    let looped: usize = (0..1_000_usize).into_par_iter().sum();
                    drop(its);
                    (sum.into_inner(), joined, looped)
                });
                assert_eq!(task.join().unwrap(), (45, 45, 499_500), "{outer:?} of {inner:?}");
            }
        }
    }
}

#[test]
fn a_wait_for_a_completer_of_a_low_task_ends() {
    let _watchdog = watchdog();
    let one = pool(1);
    for priority in ALL {
        let answer = one.task().priority(priority).install(|| {
            let (completer, handle) = filch::completer();
            drop(one.task().priority(Low).spawn(move || completer.complete(42)));
            handle.join().unwrap()
        });
        assert_eq!(answer, 42);
    }
}

#[test]
fn a_worker_that_waits_for_another_pool_begins_what_that_pool_spawns_at_any_priority() {
    let _watchdog = watchdog();
    for policy in [WaitPolicy::AnyWork, WaitPolicy::OwnDescendants] {
        let one = || any_wait_builder().num_threads(1).wait_policy(policy).build().unwrap();
        let pools = Arc::new((one(), one()));
        for (priority, blocks, restricted) in
            ALL.iter().flat_map(|&it| [(it, false, false), (it, true, false), (it, false, true)])
        {
            let its = pools.clone();
            // On a worker of the second pool, for which the only worker of the first one waits.
            let spawns_and_waits = move || {
                let (completer, handle) = filch::completer();
                let set = move || completer.complete(7);
                drop(its.0.task().priority(priority).spawn(set));
                let (completer, inherits) = filch::completer();
                let spawn = || drop(its.0.spawn(move || completer.complete(8)));
                its.1.task().priority(priority).install(spawn);
                (inherits.join().unwrap(), handle.join().unwrap())
            };
            let its = pools.clone();
            let waits = move || match blocks {
                true => its.1.install(|| filch::blocking(spawns_and_waits)),
                false => its.1.install(spawns_and_waits),
            };
            // A wait inside a task with a handle is restricted.
            let answers = match restricted {
                true => pools.0.spawn(waits).join().unwrap(),
                false => pools.0.install(waits),
            };
            assert_eq!(answers, (8, 7), "{policy:?}, {priority:?}, {blocks}, {restricted}");
        }
    }
}

#[test]
fn a_restricted_wait_runs_no_queued_task_of_high_priority() {
    let _watchdog = watchdog();
    for policy in [WaitPolicy::AnyWork, WaitPolicy::OwnDescendants] {
        let one = Arc::new(any_wait_builder().num_threads(1).wait_policy(policy).build().unwrap());
        let (its, waits) = (one.clone(), Arc::new(AtomicBool::new(false)));
        let task = one.spawn(move || {
            let seen = waits.clone();
            let high = its.task().priority(High).spawn(move || seen.load(Ordering::Relaxed));
            waits.store(true, Ordering::Relaxed);
            filch::scope(|s| (0..100).for_each(|_| drop(s.spawn(|| ()))));
            waits.store(false, Ordering::Relaxed);
            drop(its);
            high
        });
        assert!(!task.join().unwrap().join().unwrap(), "the task ran on top of the wait");
    }
}

/// A tree of nested scopes with this many levels. Each scope has two tasks.
fn tree(levels: u32) -> usize {
    if levels == 0 {
        return 1;
    }
    let leaves = AtomicUsize::new(0);
    filch::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| leaves.fetch_add(tree(levels - 1), Ordering::Relaxed));
        }
    });
    leaves.into_inner()
}

#[test]
fn a_recursion_of_scopes_needs_no_deep_stack_at_any_priority() {
    let _watchdog = watchdog();
    let levels = sized(14, 6) as u32;
    for threads in [1, 2, 4] {
        let pool = pool(threads);
        for priority in ALL {
            let leaves = pool.task().priority(priority).install(|| tree(levels));
            assert_eq!(leaves, 1 << levels);
        }
        assert_eq!(pool.counters().spare_threads, 0, "{threads} threads");
    }
}

#[test]
fn joined_tasks_leave_nothing_in_the_queues_of_their_priority() {
    let _watchdog = watchdog();
    let one = pool(1);
    for priority in ALL {
        one.task().priority(priority).install(|| {
            for _ in 0..100 {
                filch::spawn(|| ()).join().unwrap();
            }
            assert_eq!(filch::current_thread_has_pending_tasks(), Some(false), "{priority:?}");
        });
    }
}

#[test]
fn yields_run_tasks_of_all_priorities() {
    let _watchdog = watchdog();
    let one = pool(1);
    for yields in [filch::yield_now, filch::yield_local] {
        for priority in ALL {
            one.task().priority(priority).install(|| {
                let task = filch::spawn(|| ());
                assert_eq!(yields(), Some(filch::Yield::Executed));
                assert!(task.is_finished());
            });
        }
    }
}

// ---- Sleep, and the end ---------------------------------------------------------------------

#[test]
fn a_sleeping_pool_wakes_for_each_priority() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let pool = pool(threads);
        for round in 0..sized(3_000, 30) {
            let priority = ALL[round % 3];
            let task = pool.task().priority(priority).spawn(move || round);
            if round % 100 == 0 {
                rest(Duration::from_millis(1));
            }
            assert_eq!(task.join().unwrap(), round);
            pool.task().priority(priority).install(|| filch::join(|| (), || ()));
        }
    }
}

#[test]
fn workers_that_sleep_in_waits_wake_for_each_priority() {
    let _watchdog = watchdog();
    for threads in [2, 4] {
        let pool = any_wait_builder().num_threads(threads).build().unwrap();
        for round in 0..300 {
            let (priority, other) = (ALL[round % 3], ALL[round / 3 % 3]);
            // The second side ends only after a task that it has spawned has run. The worker in the
            // second side cannot run that task.
            pool.task().priority(other).install(|| {
                let done = &Flag::new();
                let wakes = || {
                    if round % 10 == 0 {
                        rest(Duration::from_millis(1));
                    }
                    let it = Arc::new(Flag::new());
                    let its = it.clone();
                    drop(pool.task().priority(priority).spawn(move || its.raise()));
                    it.hold();
                    done.raise();
                };
                filch::join(|| done.is_up(), wakes);
            });
        }
    }
}

#[test]
fn a_pool_that_ends_runs_tasks_of_all_priorities() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        for from_worker in [true, false] {
            let (pool, ran) = (pool(threads), Arc::new(AtomicUsize::new(0)));
            let ledger = Ledger::new();
            let spawn = || {
                for round in 0..300 {
                    let (ran, token) = (ran.clone(), ledger.token());
                    let task = pool.task().priority(ALL[round % 3]);
                    drop(task.spawn(move || {
                        drop(token);
                        // Inherits the priority, and is spawned while the pool ends.
                        drop(filch::spawn(move || ran.fetch_add(1, Ordering::Relaxed)));
                    }));
                }
            };
            if from_worker {
                pool.install(spawn)
            } else {
                spawn()
            }
            drop(pool);
            assert_eq!(ran.load(Ordering::Relaxed), 300, "{threads} threads");
            ledger.assert_balanced(threads);
        }
    }
}

#[test]
fn pools_that_wait_for_each_other_run_awaited_work_at_any_priority() {
    let _watchdog = watchdog();
    let (a, b) = (Arc::new(pool(1)), Arc::new(pool(1)));
    for (mine, yours) in ALL.iter().flat_map(|&mine| ALL.map(|yours| (mine, yours))) {
        let sum = a.task().priority(mine).install(|| {
            let there = b.task().priority(yours).spawn({
                let a = a.clone();
                move || a.task().priority(Low).install(|| 1) + a.install(|| 2)
            });
            // The worker of `a` waits for `b`, whose task waits for `a`.
            b.task().priority(yours).install(|| 4) + there.join().unwrap()
        });
        assert_eq!(sum, 7, "{mine:?}, {yours:?}");
    }
}

// ---- Seeds ----------------------------------------------------------------------------------

#[cfg(feature = "deterministic")]
#[test]
fn the_order_is_the_same_for_the_same_seed() {
    let _watchdog = watchdog();
    let run = |seed| {
        let builder = filch::ThreadPoolBuilder::new().num_threads(3).deterministic(seed);
        let (pool, order) = (builder.build().unwrap(), Order::default());
        pool.install(|| {
            for number in 0..30 {
                order.spawn(&pool, ALL[number % 3], number);
                filch::schedule_point();
            }
        });
        drop(pool);
        order.take()
    };
    if common::is_simulated() {
        return;
    }
    let orders: Vec<_> = (0..10).map(run).collect();
    assert_eq!(orders, (0..10).map(run).collect::<Vec<_>>());
    assert!(orders.iter().any(|order| *order != orders[0]), "all seeds lead to the same order");
}

/// The only worker of `b` waits for `a`, whose worker spawns tasks in `b`.
#[cfg(feature = "deterministic")]
#[test]
fn tasks_in_order_from_another_pool_begin_in_order() {
    let _watchdog = watchdog();
    if common::is_simulated() {
        return;
    }
    for seed in 0..20 {
        let new_pool = |seed| {
            let builder = filch::ThreadPoolBuilder::new().num_threads(1).deterministic(seed);
            Arc::new(builder.build().unwrap())
        };
        let (a, b) = (new_pool(seed), new_pool(seed + 1));
        let orders = [Order::default(), Order::default()];
        let (its_b, its_orders) = (b.clone(), orders.clone());
        let waits = b.spawn(move || {
            let note = |order: &Order, number| {
                let order = order.clone();
                move || order.0.lock().unwrap().push((Normal, number))
            };
            let [free, scoped] = &its_orders;
            a.install(|| {
                (0..4).for_each(|number| its_b.spawn_fifo(note(free, number)));
                its_b.in_place_scope(|s| (0..4).for_each(|it| s.spawn_fifo(note(scoped, it))));
            });
            drop(its_b);
        });
        waits.join().unwrap();
        drop(b);
        let expected: Vec<_> = (0..4).map(|number| (Normal, number)).collect();
        assert_eq!(orders.map(|order| order.take()), [(); 2].map(|()| expected.clone()), "{seed}");
    }
}
