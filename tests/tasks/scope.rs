//! `scope` returns only when every task spawned in it has ended, and passes on values and panics.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::{
    CALLERS, Caller, Gate, Ledger, boom, boom_id, caught, failed_with, is_simulated_without, pool,
    rest, settings, step_aside, watchdog,
};
use filch::{Scope, ScopedJoinHandle, ThreadPool, join, scope};

/// Runs a small number of joins, but at least one if `n` is 2 or more.
fn tiny_section(n: usize) -> usize {
    if n < 2 {
        return 1;
    }
    let (a, b) = join(|| tiny_section(n / 2), || tiny_section(n - n / 2));
    a + b
}

/// Takes some time, so that a caller that does not wait is noticed.
fn dawdle() {
    rest(Duration::from_millis(5));
}

// ---- Ending ----

#[test]
fn the_closures_value_is_returned() {
    let _watchdog = watchdog();
    for (_, pool) in settings() {
        assert_eq!(pool.scope(|_| "value"), "value");
        assert_eq!(pool.install(|| scope(|_| "value")), "value");
        assert_eq!(pool.in_place_scope(|_| "value"), "value");
    }
}

#[test]
fn every_task_has_ended_when_scope_returns() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let ended = AtomicUsize::new(0);
        let spawn_all = || {
            scope(|s| {
                for i in 0..1000 {
                    s.spawn(|| ended.fetch_add(1, Ordering::SeqCst));
                    if i % 400 == 0 {
                        s.spawn(dawdle);
                    }
                }
            });
            ended.load(Ordering::SeqCst)
        };
        assert_eq!(caller.run(&pool, spawn_all), 1000, "{caller:?} {pool:?}");
    }
}

#[test]
fn a_scope_called_on_a_pool_from_outside_ends_its_tasks() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let (pool, ended) = (pool(threads), AtomicUsize::new(0));
        for round in 1..=200 {
            pool.scope(|s| {
                for _ in 0..10 {
                    s.spawn(|| ended.fetch_add(1, Ordering::SeqCst));
                }
            });
            assert_eq!(ended.load(Ordering::SeqCst), round * 10);
        }
    }
}

#[test]
fn a_flat_scope_of_a_hundred_thousand_tasks_ends() {
    let _watchdog = watchdog();
    for threads in [1, 2] {
        let (pool, ended) = (pool(threads), AtomicUsize::new(0));
        pool.scope(|s| {
            for _ in 0..100_000 {
                s.spawn(|| ended.fetch_add(1, Ordering::Relaxed));
            }
        });
        assert_eq!(ended.into_inner(), 100_000);
    }
}

#[test]
fn tasks_borrow_parts_of_the_callers_data() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let mut numbers = vec![1_u64; 1000];
        let double_all = || {
            scope(|s| {
                for part in numbers.chunks_mut(7) {
                    s.spawn(move || part.iter_mut().for_each(|n| *n *= 2));
                }
            });
        };
        caller.run(&pool, double_all);
        assert!(numbers.iter().all(|n| *n == 2), "{caller:?} {pool:?}");
    }
}

#[test]
fn tasks_spawn_tasks() {
    fn grow<'scope>(s: &'scope Scope<'scope, '_>, depth: u32, leaves: &'scope AtomicUsize) {
        if depth == 0 {
            leaves.fetch_add(1, Ordering::SeqCst);
            return;
        }
        for _ in 0..3 {
            s.spawn(move || grow(s, depth - 1, leaves));
        }
    }

    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let leaves = AtomicUsize::new(0);
        caller.run(&pool, || scope(|s| grow(s, 7, &leaves)));
        assert_eq!(leaves.into_inner(), 3_usize.pow(7), "{caller:?} {pool:?}");
    }
}

#[test]
fn scopes_nest_in_tasks_and_in_joins() {
    fn count(depth: u32) -> usize {
        if depth == 0 {
            return 1;
        }
        let total = AtomicUsize::new(0);
        let add = |n| total.fetch_add(n, Ordering::SeqCst);
        scope(|s| {
            s.spawn(|| add(count(depth - 1)));
            s.spawn(|| {
                let (a, b) = join(|| count(depth - 1), || count(depth - 1));
                add(a + b)
            });
        });
        total.into_inner()
    }

    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let leaves = caller.run(&pool, || count(6));
        assert_eq!(leaves, 3_usize.pow(6), "{caller:?} {pool:?}");
    }
}

// ---- In place ----

#[test]
fn in_place_the_closure_stays_on_the_calling_thread() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let (pool, ended) = (pool(threads), AtomicUsize::new(0));
        let local = Rc::new(Cell::new(0));
        let caller = thread::current().id();
        pool.in_place_scope(|s| {
            assert_eq!(thread::current().id(), caller);
            for _ in 0..100 {
                local.set(local.get() + 1);
                s.spawn(|| ended.fetch_add(1, Ordering::SeqCst));
            }
        });
        assert_eq!((local.get(), ended.into_inner()), (100, 100));
    }
}

#[test]
fn in_place_on_a_worker_waits_for_its_tasks() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let ended = AtomicBool::new(false);
        caller.run(&pool, || {
            filch::in_place_scope(|s| {
                s.spawn(|| {
                    dawdle();
                    ended.store(true, Ordering::SeqCst);
                });
            });
        });
        assert!(ended.into_inner(), "{caller:?} {pool:?}");
    }
}

#[test]
fn a_plain_thread_may_spawn_into_a_scope() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let (pool, ended) = (pool(2), AtomicUsize::new(0));
    pool.in_place_scope(|s| {
        thread::scope(|plain| {
            for _ in 0..4 {
                plain.spawn(|| {
                    for _ in 0..100 {
                        s.spawn(|| ended.fetch_add(1, Ordering::SeqCst));
                    }
                });
            }
        });
    });
    assert_eq!(ended.into_inner(), 400);
}

#[test]
fn tasks_run_in_the_scopes_pool_whichever_thread_spawns_them() {
    let _watchdog = watchdog();
    let (three, two) = (pool(3), pool(2));
    let sizes = Mutex::new(Vec::new());
    three.in_place_scope(|s| {
        two.install(|| {
            for _ in 0..10 {
                s.spawn(|| sizes.lock().unwrap().push(filch::current_num_threads()));
            }
        });
    });
    assert_eq!(sizes.into_inner().unwrap(), [3; 10]);
}

// ---- Handles ----

#[test]
fn handles_give_the_tasks_values() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let squares = || {
            scope(|s| {
                let handles: Vec<_> = (0..100_u64).map(|i| s.spawn(move || i * i)).collect();
                handles.into_iter().map(|h| h.join().unwrap()).sum::<u64>()
            })
        };
        assert_eq!(caller.run(&pool, squares), 328_350, "{caller:?} {pool:?}");
    }
}

#[test]
fn values_may_borrow_from_outside_the_scope() {
    let _watchdog = watchdog();
    let text = String::from("left right");
    let halves = pool(2).scope(|s| {
        let left = s.spawn(|| &text[..4]);
        let right = s.spawn(|| &text[5..]);
        (left.join().unwrap(), right.join().unwrap())
    });
    assert_eq!(halves, ("left", "right"));
}

#[test]
fn dropping_a_handle_does_not_drop_the_task() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let ended = AtomicUsize::new(0);
        caller.run(&pool, || {
            scope(|s| {
                for _ in 0..10 {
                    drop(s.spawn(|| {
                        dawdle();
                        ended.fetch_add(1, Ordering::SeqCst)
                    }));
                }
            });
        });
        assert_eq!(ended.into_inner(), 10, "{caller:?} {pool:?}");
    }
}

#[test]
fn is_finished_tells_when_the_task_has_ended() {
    let _watchdog = watchdog();
    let (pool, gate) = (pool(2), Gate::new());
    pool.in_place_scope(|s| {
        let handle = s.spawn(|| gate.wait());
        assert!(!handle.is_finished(), "the gate is shut");
        gate.open();
        crate::common::eventually("the task ends", || handle.is_finished());
        handle.join().unwrap();
    });
}

#[test]
fn a_task_joins_the_handle_it_was_given() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let relayed = || {
            scope(|s| {
                let first = s.spawn(|| 20);
                let second = s.spawn(move || first.join().unwrap() + 1);
                s.spawn(move || second.join().unwrap() * 2).join().unwrap()
            })
        };
        assert_eq!(caller.run(&pool, relayed), 42, "{caller:?} {pool:?}");
    }
}

#[test]
fn a_plain_thread_joins_a_handle() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let sum = pool(2).in_place_scope(|s| {
        let handles: Vec<_> = (0..50).map(|i| s.spawn(move || i)).collect();
        thread::scope(|plain| {
            let join_all = || handles.into_iter().map(|h| h.join().unwrap()).sum::<u32>();
            plain.spawn(join_all).join().unwrap()
        })
    });
    assert_eq!(sum, 1225);
}

/// Spawns `length` tasks, each of which runs joins and then waits for the task before it.
fn chain<'scope>(s: &'scope Scope<'scope, '_>, length: usize) -> ScopedJoinHandle<'scope, usize> {
    let mut last = s.spawn(|| 0);
    for _ in 0..length {
        let before = last;
        last = s.spawn(move || {
            let forks = tiny_section(8);
            let sum = before.join().unwrap() + forks;
            assert_eq!(tiny_section(8), 8);
            sum
        });
    }
    last
}

#[test]
fn a_chain_of_tasks_that_join_the_one_before_ends() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        for length in [1, 2, 3, 10, 100] {
            let sum = caller.run(&pool, || scope(|s| chain(s, length).join().unwrap()));
            assert_eq!(sum, length * 8, "{caller:?} {pool:?}");
        }
    }
}

#[test]
fn short_chains_end_every_time() {
    let _watchdog = watchdog();
    for threads in [1, 2, 3, 4] {
        let pool = pool(threads);
        for _ in 0..500 {
            let sum = pool.in_place_scope(|s| chain(s, 4).join().unwrap());
            assert_eq!(sum, 32);
        }
    }
}

#[test]
fn several_chains_at_once_end() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let pool = pool(threads);
        let sums = pool.scope(|s| {
            let chains: Vec<_> = (0..8).map(|_| chain(s, 40)).collect();
            chains.into_iter().map(|c| c.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(sums, [320; 8]);
    }
}

#[test]
fn a_chain_in_which_each_task_spawns_the_next_ends() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let forks = caller.run(&pool, || scope(|s| descend(s, 20)));
        assert_eq!(forks, 160, "{caller:?} {pool:?}");
    }
}

/// Each task spawns the next and waits for it, forking in between.
fn descend<'scope>(s: &'scope Scope<'scope, '_>, length: usize) -> usize {
    if length == 0 {
        return 0;
    }
    let next = s.spawn(move || descend(s, length - 1));
    let forks = tiny_section(8);
    next.join().unwrap() + forks
}

// ---- Panics ----

#[test]
fn the_panic_of_an_unjoined_task_leaves_the_scope() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let fail = || scope(|s| drop(s.spawn(|| boom(3))));
        assert_eq!(caught(|| caller.run(&pool, fail)), 3, "{caller:?} {pool:?}");
        assert_eq!(caught(|| pool.scope(|s| drop(s.spawn(|| boom(4))))), 4);
        let in_place = || pool.in_place_scope(|s| drop(s.spawn(|| boom(5))));
        assert_eq!(caught(in_place), 5);
    }
}

#[test]
fn the_closures_own_panic_wins() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let fail = || {
            scope(|s| -> () {
                let task = s.spawn(|| boom(1));
                while !task.is_finished() {
                    filch::yield_now();
                }
                boom(2)
            })
        };
        assert_eq!(caught(|| caller.run(&pool, fail)), 2, "{caller:?} {pool:?}");
    }
}

#[test]
fn a_panicking_closure_still_waits_for_its_tasks() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let ended = AtomicUsize::new(0);
        let fail = || {
            scope(|s| -> () {
                for _ in 0..5 {
                    s.spawn(|| {
                        dawdle();
                        ended.fetch_add(1, Ordering::SeqCst)
                    });
                }
                boom(1)
            })
        };
        assert_eq!(caught(|| caller.run(&pool, fail)), 1);
        assert_eq!(ended.into_inner(), 5, "{caller:?} {pool:?}");
    }
}

#[test]
fn the_other_tasks_end_before_a_tasks_panic_leaves() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let ended = AtomicUsize::new(0);
        let fail = || {
            scope(|s| {
                for i in 0..20 {
                    s.spawn(|| {
                        dawdle();
                        ended.fetch_add(1, Ordering::SeqCst)
                    });
                    if i % 7 == 0 {
                        s.spawn(|| boom(9));
                    }
                }
            });
        };
        assert_eq!(caught(|| caller.run(&pool, fail)), 9);
        assert_eq!(ended.into_inner(), 20, "{caller:?} {pool:?}");
    }
}

#[test]
fn a_joined_panic_is_not_thrown_again() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let handled = || scope(|s| failed_with(s.spawn(|| boom(6)).join()));
        assert_eq!(caller.run(&pool, handled), 6, "{caller:?} {pool:?}");
    }
}

#[test]
fn a_panic_joined_by_another_task_is_not_thrown_again() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let handled = || {
            scope(|s| {
                let failing = s.spawn(|| boom(6));
                s.spawn(move || failed_with(failing.join())).join().unwrap()
            })
        };
        assert_eq!(caller.run(&pool, handled), 6, "{caller:?} {pool:?}");
    }
}

#[test]
fn the_first_unjoined_panic_wins() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let fail = || {
            scope(|s| {
                let joined = s.spawn(|| boom(1));
                let first = s.spawn(|| boom(2));
                s.spawn(move || {
                    while !first.is_finished() {
                        filch::yield_now();
                        step_aside();
                    }
                    boom(3)
                });
                assert_eq!(failed_with(joined.join()), 1);
            });
        };
        assert_eq!(caught(|| caller.run(&pool, fail)), 2, "{caller:?} {pool:?}");
    }
}

#[test]
fn a_panic_counts_even_if_its_handle_is_dropped_afterwards() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let fail = || {
            scope(|s| {
                let task = s.spawn(|| boom(8));
                while !task.is_finished() {
                    filch::yield_now();
                }
                drop(task);
            });
        };
        assert_eq!(caught(|| caller.run(&pool, fail)), 8, "{caller:?} {pool:?}");
    }
}

#[test]
fn a_panic_passes_through_nested_scopes() {
    fn nest(depth: u32) {
        if depth == 0 {
            boom(11);
        }
        scope(|s| drop(s.spawn(|| nest(depth - 1))));
    }

    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        assert_eq!(caught(|| caller.run(&pool, || nest(20))), 11);
    }
}

#[test]
fn a_panic_stops_at_the_task_that_joins_it() {
    let _watchdog = watchdog();
    let outcome = pool(2).scope(|s| {
        let inner = s.spawn(|| scope(|s| drop(s.spawn(|| boom(1)))));
        failed_with(inner.join())
    });
    assert_eq!(outcome, 1);
}

#[test]
fn payloads_that_are_not_thrown_are_dropped() {
    let _watchdog = watchdog();
    let ledger = Ledger::new();
    for (caller, pool) in settings() {
        let fail = || -> () { std::panic::resume_unwind(Box::new(ledger.token())) };
        let all_fail = || {
            scope(|s| {
                for _ in 0..10 {
                    s.spawn(fail);
                }
            })
        };
        drop(catch_unwind(AssertUnwindSafe(|| caller.run(&pool, all_fail))));
        ledger.assert_balanced((caller, &pool));
    }
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        boom(100);
    }
}

#[test]
fn a_losing_payload_whose_drop_panics_loses_no_task() {
    let _watchdog = watchdog();
    for (_, pool) in settings() {
        let ended = AtomicUsize::new(0);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|s| -> () {
                for _ in 0..10 {
                    s.spawn(|| -> () { std::panic::resume_unwind(Box::new(Bomb)) });
                    s.spawn(|| ended.fetch_add(1, Ordering::SeqCst));
                }
                boom(1)
            });
        }));
        assert_eq!(boom_id(outcome.unwrap_err()), 1);
        assert_eq!(ended.into_inner(), 10);
        assert_eq!(pool.install(|| tiny_section(8)), 8);
    }
}

#[test]
fn a_detached_value_whose_drop_panics_loses_no_task() {
    let _watchdog = watchdog();
    for (_, pool) in settings() {
        let (ended, all_detached) = (AtomicUsize::new(0), Gate::new());
        let _may_panic = catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|s| {
                for _ in 0..10 {
                    s.spawn(|| {
                        all_detached.wait();
                        Bomb
                    });
                    s.spawn(|| ended.fetch_add(1, Ordering::SeqCst));
                }
                all_detached.open();
            });
        }));
        assert_eq!(ended.into_inner(), 10);
        assert_eq!(pool.install(|| tiny_section(8)), 8);
    }
}

// ---- Drops ----

/// What happens to a handle.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Joined,
    DroppedAtOnce,
    DroppedAfterTheEnd,
    KeptToTheEnd,
}

fn meet<T>(fate: Fate, handle: ScopedJoinHandle<'_, T>) {
    match fate {
        Fate::Joined => drop(handle.join()),
        Fate::DroppedAtOnce => drop(handle),
        Fate::DroppedAfterTheEnd | Fate::KeptToTheEnd => {
            while !handle.is_finished() {
                filch::yield_now();
                step_aside();
            }
        }
    }
}

fn drop_round(pool: &ThreadPool, ledger: &'static Ledger, fate: Fate, fails: bool) {
    let task = || {
        let captured = ledger.token();
        move || {
            let _captured = captured;
            if fails {
                boom(1);
            }
            ledger.token()
        }
    };
    pool.scope(|s| {
        let mut kept = Vec::new();
        for _ in 0..20 {
            match fate {
                Fate::KeptToTheEnd => kept.push(s.spawn(task())),
                _ => meet(fate, s.spawn(task())),
            }
        }
        kept.into_iter().for_each(|handle| meet(fate, handle));
    });
}

#[test]
fn captures_and_values_are_dropped_once_whatever_happens_to_the_handle() {
    let _watchdog = watchdog();
    let ledger = Ledger::new();
    for (_, pool) in settings() {
        for fate in
            [Fate::Joined, Fate::DroppedAtOnce, Fate::DroppedAfterTheEnd, Fate::KeptToTheEnd]
        {
            for fails in [false, true] {
                let round = AssertUnwindSafe(|| drop_round(&pool, ledger, fate, fails));
                drop(catch_unwind(round));
                ledger.assert_balanced((fate, fails, &pool));
            }
        }
    }
}

#[test]
fn callers_outside_and_inside_share_a_scope() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let total = AtomicUsize::new(0);
    pool.in_place_scope(|s| {
        let pool = &pool;
        let total = &total;
        for caller in [Caller::Worker, Caller::Outside] {
            s.spawn(move || {
                let n = caller.run(pool, || tiny_section(64));
                total.fetch_add(n, Ordering::SeqCst)
            });
        }
    });
    assert_eq!(total.into_inner(), 128);
}
