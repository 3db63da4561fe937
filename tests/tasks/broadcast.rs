//! `broadcast` and `spawn_broadcast` run once on every worker; `yield_now` runs a job that waits.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::common::{
    CALLERS, Flag, Gate, boom, boom_id, builder, caught, eventually, is_simulated_without, pool,
    rest, task_that_waits, watchdog,
};
use filch::Yield;

const SIZES: [usize; 4] = [1, 2, 3, 16];

// ---- broadcast ----

#[test]
fn every_worker_answers_once_in_order_of_index() {
    let _watchdog = watchdog();
    for threads in SIZES {
        let pool = pool(threads);
        let from_outside = pool.broadcast(|worker| worker.index());
        let from_a_worker = pool.install(|| filch::broadcast(|worker| worker.index()));
        assert!(from_outside.into_iter().eq(0..threads));
        assert!(from_a_worker.into_iter().eq(0..threads));
    }
}

#[test]
fn the_context_agrees_with_the_worker() {
    let _watchdog = watchdog();
    for threads in SIZES {
        let pool = pool(threads);
        pool.broadcast(|worker| {
            assert_eq!(worker.num_threads(), threads);
            assert_eq!(filch::current_num_threads(), threads);
            assert_eq!(filch::current_thread_index(), Some(worker.index()));
            assert_eq!(pool.current_thread_index(), Some(worker.index()));
        });
    }
}

#[test]
fn each_answer_comes_from_another_thread() {
    let _watchdog = watchdog();
    let pool = pool(5);
    let threads: HashSet<_> = pool.broadcast(|_| thread::current().id()).into_iter().collect();
    assert_eq!(threads.len(), 5);
}

#[test]
fn answers_may_borrow() {
    let _watchdog = watchdog();
    let words = ["zero", "one", "two"];
    let answers = pool(3).broadcast(|worker| &words[worker.index()]);
    assert!(answers.into_iter().eq(&words));
}

#[test]
fn a_broadcast_reaches_workers_that_are_busy() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let pool = pool(threads);
        for _ in 0..200 {
            drop(pool.spawn(|| rest(std::time::Duration::from_micros(50))));
        }
        assert!(pool.broadcast(|worker| worker.index()).into_iter().eq(0..threads));
    }
}

#[test]
fn a_broadcast_comes_after_the_tasks_of_its_worker() {
    let _watchdog = watchdog();
    // Otherwise, the broadcast would come first every so often.
    let pool = builder().num_threads(1).injector_interval(u32::MAX).build().unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let log = |event| {
        let order = order.clone();
        move || order.lock().unwrap().push(event)
    };
    let (spawned, sent) = (log("spawned"), log("sent"));
    let jobs = pool.spawn(move || {
        filch::spawn_broadcast(move |_| sent());
        drop(filch::spawn(spawned));
    });
    jobs.join().unwrap();
    pool.broadcast(|_| ());
    assert_eq!(*order.lock().unwrap(), ["spawned", "sent"]);
}

#[test]
fn a_broadcast_does_not_wait_for_tasks_without_end() {
    let _watchdog = watchdog();
    let pool = pool(1);
    let stop = Arc::new(AtomicBool::new(false));
    fn go_on(stop: Arc<AtomicBool>) {
        if !stop.load(Ordering::Relaxed) {
            drop(filch::spawn(|| go_on(stop)));
        }
    }
    let stopped = stop.clone();
    drop(pool.spawn(|| go_on(stopped)));
    assert_eq!(pool.broadcast(|worker| worker.index()), [0]);
    stop.store(true, Ordering::Relaxed);
}

#[test]
fn a_broadcast_does_not_wait_for_a_scope_without_end_inside_a_task() {
    let _watchdog = watchdog();
    let pool = pool(1);
    let (begun, stop) = (Arc::new(Flag::new()), Arc::new(AtomicBool::new(false)));
    fn go_on<'s>(scope: &'s filch::Scope<'s, '_>, stop: &'s AtomicBool) {
        if !stop.load(Ordering::Relaxed) {
            drop(scope.spawn(move || go_on(scope, stop)));
        }
    }
    let (begins, stopped) = (begun.clone(), stop.clone());
    let task = pool.spawn(move || {
        begins.raise();
        filch::scope(|scope| go_on(scope, &stopped));
    });
    eventually("the task begins", || begun.is_up());
    assert_eq!(pool.broadcast(|worker| worker.index()), [0]);
    stop.store(true, Ordering::Relaxed);
    task.join().unwrap();
}

#[test]
fn broadcasts_nest() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let counts = pool(threads).broadcast(|_| filch::broadcast(|_| 1).len());
        assert_eq!(counts, vec![threads; threads]);
    }
}

#[test]
fn broadcasts_from_many_places_at_once_end() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let (pool, ran) = (pool(3), AtomicUsize::new(0));
    let count = || {
        for _ in 0..50 {
            pool.broadcast(|_| ran.fetch_add(1, Ordering::SeqCst));
        }
    };
    thread::scope(|plain| {
        for _ in 0..2 {
            plain.spawn(count);
            plain.spawn(|| pool.install(count));
        }
    });
    assert_eq!(ran.into_inner(), 4 * 50 * 3);
}

#[test]
fn a_broadcast_from_both_sides_of_an_outside_join_ends() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let pool = pool(threads);
        let count = || filch::broadcast(|worker| worker.index()).len();
        for _ in 0..50 {
            assert_eq!(pool.join(count, count), (threads, threads));
        }
    }
}

#[test]
fn a_worker_of_another_pool_may_broadcast() {
    let _watchdog = watchdog();
    let (one, three) = (pool(1), pool(3));
    let indexes = one.install(|| three.broadcast(|worker| worker.index()));
    assert_eq!(indexes, [0, 1, 2]);
}

#[test]
fn a_broadcast_reaches_a_worker_that_waits_for_it_through_another_pool() {
    let _watchdog = watchdog();
    for (left, right) in [(1, 1), (2, 2)] {
        let (left, right) = (Arc::new(pool(left)), pool(right));
        let back = Arc::clone(&left);
        let there = move || right.spawn(move || back.broadcast(|_| ()).len()).join();
        let count = left.spawn(move || there().unwrap()).join().unwrap();
        assert_eq!(count, left.current_num_threads());
    }
}

#[test]
fn a_panic_in_a_broadcast_arrives_when_all_have_ended() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let (pool, ended) = (pool(threads), AtomicUsize::new(0));
        let last_fails = || {
            pool.broadcast(|worker| {
                if worker.index() + 1 == threads {
                    boom(6);
                }
                rest(std::time::Duration::from_millis(5));
                ended.fetch_add(1, Ordering::SeqCst);
            })
        };
        assert_eq!(caught(last_fails), 6);
        assert_eq!(ended.into_inner(), threads - 1);
        assert_eq!(pool.broadcast(|_| ()).len(), threads);
    }
}

#[test]
fn answers_are_dropped_when_one_panics() {
    let _watchdog = watchdog();
    let (pool, ledger) = (pool(4), crate::common::Ledger::new());
    for failing in 0..4 {
        let answer = AssertUnwindSafe(|| {
            pool.broadcast(|worker| {
                if worker.index() == failing {
                    boom(1);
                }
                ledger.token()
            })
        });
        drop(catch_unwind(answer));
        ledger.assert_balanced(failing);
    }
}

// ---- spawn_broadcast ----

#[test]
fn a_spawned_broadcast_runs_once_on_every_worker() {
    let _watchdog = watchdog();
    for threads in SIZES {
        let pool = pool(threads);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = Arc::clone(&seen);
        pool.spawn_broadcast(move |worker| {
            assert_eq!(filch::current_thread_index(), Some(worker.index()));
            note.lock().unwrap().push(worker.index());
        });
        drop(pool);
        let mut seen = std::mem::take(&mut *seen.lock().unwrap());
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..threads));
    }
}

#[test]
fn a_broadcast_spawned_on_a_worker_runs_on_all() {
    let _watchdog = watchdog();
    for threads in SIZES {
        let (pool, ran) = (pool(threads), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&ran);
        pool.install(|| {
            filch::spawn_broadcast(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
            });
        });
        eventually("all ran", || ran.load(Ordering::SeqCst) == threads);
    }
}

#[test]
fn panics_of_a_spawned_broadcast_reach_the_handler() {
    let _watchdog = watchdog();
    let noted = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&noted);
    let pool = builder()
        .num_threads(3)
        .panic_handler(move |payload| note.lock().unwrap().push(boom_id(payload)))
        .build()
        .unwrap();
    pool.spawn_broadcast(|worker| {
        if worker.index() != 1 {
            boom(worker.index() as u32);
        }
    });
    drop(pool);
    noted.lock().unwrap().sort_unstable();
    assert_eq!(*noted.lock().unwrap(), [0, 2]);
}

#[test]
fn the_closure_of_a_spawned_broadcast_is_dropped_once() {
    let _watchdog = watchdog();
    let (pool, ledger) = (pool(3), crate::common::Ledger::new());
    let captured = ledger.token();
    pool.spawn_broadcast(move |_| {
        let _captured = &captured;
    });
    drop(pool);
    ledger.assert_balanced("the pool has ended");
}

// ---- yield_now ----

#[test]
fn outside_there_is_nothing_to_yield_to() {
    let _watchdog = watchdog();
    assert_eq!(filch::yield_now(), None);
    assert_eq!(pool(1).yield_now(), None);
}

#[test]
fn a_worker_of_another_pool_yields_to_nothing_here() {
    let _watchdog = watchdog();
    let (one, other) = (pool(1), pool(1));
    assert_eq!(one.install(|| other.yield_now()), None);
}

#[test]
fn yielding_runs_the_waiting_task() {
    let _watchdog = watchdog();
    let pool = pool(1);
    let (yielded, ran) = pool.install(|| {
        let task = filch::spawn(|| ());
        (filch::yield_now(), task.is_finished())
    });
    assert_eq!((yielded, ran), (Some(Yield::Executed), true));
}

#[test]
fn yielding_inside_a_task_runs_the_waiting_task() {
    let _watchdog = watchdog();
    let yielding = pool(1).spawn(|| {
        let task = filch::spawn(|| ());
        (filch::yield_now(), task.is_finished())
    });
    assert_eq!(yielding.join().unwrap(), (Some(Yield::Executed), true));
}

#[test]
fn yielding_with_nothing_to_do_is_idle() {
    let _watchdog = watchdog();
    let pool = pool(1);
    assert_eq!(pool.install(filch::yield_now), Some(Yield::Idle));
    assert_eq!(pool.install(|| pool.yield_now()), Some(Yield::Idle));
}

#[test]
fn a_panic_in_the_task_yielded_to_stays_there() {
    let _watchdog = watchdog();
    let failed = pool(1).install(|| {
        let task = filch::spawn(|| boom(1));
        while !task.is_finished() {
            filch::yield_now();
        }
        crate::common::failed_with(task.join())
    });
    assert_eq!(failed, 1);
}

// ---- a broadcast on top of a wait ----

#[test]
fn a_broadcast_on_top_of_a_task_does_not_run_a_joiner_of_that_task() {
    let _watchdog = watchdog();
    let pool = pool(3);
    let (begun, stolen, joining) = <(Arc<Flag>, Arc<Flag>, Arc<Flag>)>::default();
    let (inner, other) = <(Arc<Gate>, Arc<Gate>)>::default();
    let place = Arc::new(AtomicUsize::new(usize::MAX));

    // One worker waits for a task that another worker runs.
    let waits = {
        let (begun, inner, place) = (begun.clone(), inner.clone(), place.clone());
        pool.spawn(move || {
            let flag = begun.clone();
            let held = filch::spawn(move || {
                flag.raise();
                inner.wait();
            });
            begun.hold();
            place.store(filch::current_thread_index().unwrap(), Ordering::SeqCst);
            held.join().unwrap();
        })
    };
    eventually("the task waits", || place.load(Ordering::SeqCst) != usize::MAX);
    // On top of that wait, the worker runs the broadcast. It waits there for a fork that the third
    // worker has stolen.
    {
        let (stolen, other) = (stolen.clone(), other.clone());
        pool.spawn_broadcast(move |context| {
            if context.index() == place.load(Ordering::SeqCst) {
                let taken = || {
                    stolen.raise();
                    other.wait();
                };
                filch::join(|| stolen.hold(), taken);
            }
        });
    }
    eventually("the fork is stolen", || stolen.is_up());
    let joins = {
        let joining = joining.clone();
        pool.spawn(move || {
            joining.raise();
            waits.join().unwrap();
        })
    };
    // The waiting worker must not run this task on top of the task that it joins.
    for _ in 0..300 {
        if !joining.is_up() {
            rest(Duration::from_millis(1));
        }
    }
    other.open();
    inner.open();
    joins.join().unwrap();
}

#[test]
fn a_broadcast_joins_a_task_that_waits_on_the_same_worker() {
    let _watchdog = watchdog();
    let (pool, join) = task_that_waits();
    pool.broadcast(|context| join(context.index()));
}
