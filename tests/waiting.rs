//! What a worker runs while it waits: anything, or, if the pool was built so, only what the wait
//! is for.

mod common;
#[path = "common/uses.rs"]
mod uses;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{
    CALLERS, Flag, alone, any_wait_builder, is_simulated_without, own_process, pool, rest, say,
    stderr, watchdog,
};
use filch::{ThreadPool, ThreadPoolBuilder, WaitPolicy};
use uses::fib;

fn own_pool(threads: usize) -> ThreadPool {
    let builder = any_wait_builder().num_threads(threads);
    builder.wait_policy(WaitPolicy::OwnDescendants).build().unwrap()
}

#[test]
fn forks_scopes_and_tasks_come_out_right() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let pool = own_pool(threads);
        assert_eq!(pool.install(|| fib(20)), 6765);
        assert_eq!(pool.join(|| fib(15), || fib(16)), (610, 987));
        let sum = AtomicUsize::new(0);
        pool.scope(|s| {
            for _ in 0..100 {
                s.spawn(|| {
                    filch::scope(|inner| {
                        inner.spawn(|| sum.fetch_add(fib(8) as usize, Ordering::Relaxed));
                        filch::join(|| inner.spawn(|| fib(5)), || fib(5));
                    });
                });
            }
        });
        assert_eq!(sum.into_inner(), 2100);
        let tasks: Vec<_> = (0..50).map(|_| pool.spawn(|| filch::spawn(|| fib(6)))).collect();
        let sum: u64 = pool
            .install(|| tasks.into_iter().map(|task| task.join().unwrap().join().unwrap()).sum());
        assert_eq!(sum, 400);
        let answers = pool.install(|| filch::broadcast(|context| fib(7) + context.index() as u64));
        assert_eq!(answers, (0..threads as u64).map(|index| 13 + index).collect::<Vec<_>>());
    }
}

#[test]
fn broadcasts_inside_forks_and_tasks_end() {
    let _watchdog = watchdog();
    let pool = own_pool(3);
    for _ in 0..50 {
        let nested = || filch::broadcast(|_| filch::join(|| fib(4), || fib(4)).0).len();
        let (a, b) = pool.join(nested, || pool.scope(|s| s.spawn(nested).join().unwrap()));
        assert_eq!((a, b), (3, 3));
    }
}

#[test]
fn pools_that_install_into_each_other_end() {
    let _watchdog = watchdog();
    for (a, b) in [(own_pool(2), own_pool(2)), (own_pool(1), own_pool(1)), (own_pool(2), pool(2))] {
        let back_and_forth = || {
            b.install(|| {
                a.install(|| b.scope(|s| s.spawn(|| a.install(|| fib(8))).join().unwrap()))
            })
        };
        for _ in 0..100 {
            assert_eq!(a.join(back_and_forth, back_and_forth), (21, 21));
        }
    }
}

// ---- A lock held across a join ----
//
// One worker of two holds a lock across a join whose other side is stolen, and has tasks at hand
// that want the lock. If it runs one of those while it waits, it waits for itself.

/// The stolen side: gives the one that waits time to take a task.
fn stolen_side(stolen: &Flag, spawned: &Flag) {
    stolen.raise();
    spawned.hold();
    rest(Duration::from_millis(50));
}

fn hold_a_lock_across_a_join(pool: &ThreadPool) -> i32 {
    let lock = Mutex::new(0);
    let (stolen, spawned) = (Flag::new(), Flag::new());
    pool.install(|| {
        filch::scope(|s| {
            let guard = common::lock(&lock);
            let spawning_side = || {
                stolen.hold();
                (0..4).for_each(|_| drop(s.spawn(|| *common::lock(&lock) += 1)));
                spawned.raise();
            };
            filch::join(spawning_side, || stolen_side(&stolen, &spawned));
            drop(guard);
        });
    });
    lock.into_inner().unwrap()
}

fn hold_a_lock_across_a_join_of_rayon() -> i32 {
    let lock = Mutex::new(0);
    let (stolen, spawned) = (Flag::new(), Flag::new());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    pool.install(|| {
        rayon::scope(|s| {
            let guard = lock.lock().unwrap();
            let spawning_side = || {
                stolen.hold();
                (0..4).for_each(|_| s.spawn(|_| *lock.lock().unwrap() += 1));
                spawned.raise();
            };
            rayon::join(spawning_side, || stolen_side(&stolen, &spawned));
            drop(guard);
        });
    });
    lock.into_inner().unwrap()
}

#[test]
fn a_lock_may_be_held_across_a_join_that_waits_for_its_own_work() {
    let _watchdog = watchdog();
    for _ in 0..5 {
        assert_eq!(hold_a_lock_across_a_join(&own_pool(2)), 4);
    }
}

/// Runs `body` in a process of its own, in which it must not come to its end.
#[track_caller]
fn deadlocks(name: &str, body: impl FnOnce() + Send + 'static) {
    const DEADLOCK: &str = "[it waits for itself]";
    let body = || {
        let (ended, end) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            body();
            ended.send(()).unwrap();
        });
        if end.recv_timeout(Duration::from_secs(3)).is_err() {
            say(DEADLOCK);
        }
        std::process::exit(0);
    };
    own_process(name, |_| (), body, |output| assert!(stderr(&output).contains(DEADLOCK)));
}

/// That the trap above is one.
#[test]
fn a_lock_held_across_a_join_that_waits_with_any_work_is_a_deadlock() {
    if is_simulated_without(CALLERS) {
        return;
    }
    deadlocks("a_lock_held_across_a_join_that_waits_with_any_work_is_a_deadlock", || {
        let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        hold_a_lock_across_a_join(&pool);
    });
}

#[test]
fn a_lock_held_across_a_join_of_rayon_is_a_deadlock() {
    if is_simulated_without(CALLERS) {
        return;
    }
    deadlocks("a_lock_held_across_a_join_of_rayon_is_a_deadlock", || {
        hold_a_lock_across_a_join_of_rayon();
    });
}

#[test]
fn a_wait_for_its_own_work_sleeps_beside_other_work() {
    alone("a_wait_for_its_own_work_sleeps_beside_other_work", || {
        let pool = own_pool(2);
        let (started, go_on) = (Flag::new(), Flag::new());
        let ran = AtomicUsize::new(0);
        pool.in_place_scope(|s| {
            s.spawn(|| {
                filch::join(
                    || started.hold(),
                    || {
                        started.raise();
                        go_on.hold();
                        // The one that waits has run none of these.
                        assert_eq!(ran.load(Ordering::Relaxed), 0);
                    },
                );
            });
            started.hold();
            (0..10).for_each(|_| drop(s.spawn(|| ran.fetch_add(1, Ordering::Relaxed))));
            rest(Duration::from_millis(100));
            go_on.raise();
        });
        assert_eq!(ran.into_inner(), 10);
    });
}
