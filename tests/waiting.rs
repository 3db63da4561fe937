//! Which jobs a worker runs while it waits: any job, or, if the pool is built so, only jobs that
//! the wait is for.

mod common;
#[path = "common/cpu.rs"]
mod cpu;
#[path = "common/uses.rs"]
mod uses;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{
    CALLERS, Flag, Gate, alone, any_wait_builder, eventually, is_simulated, is_simulated_without,
    pool, rest, say, sized, tells, watchdog,
};
use cpu::MILLISECOND;
use filch::{ThreadPool, ThreadPoolBuilder, WaitPolicy};
use uses::fib;

fn own_builder(threads: usize) -> ThreadPoolBuilder {
    any_wait_builder().num_threads(threads).wait_policy(WaitPolicy::OwnDescendants)
}

fn own_pool(threads: usize) -> ThreadPool {
    own_builder(threads).build().unwrap()
}

/// A pool whose threads' names begin with [`OWN`], so that their CPU time can be measured.
fn own_named_pool(threads: usize) -> ThreadPool {
    own_builder(threads).thread_name(|index| format!("{OWN}{index}")).build().unwrap()
}

const OWN: &str = "own-";

/// Opens the gate after a while, in which the workers of such a pool must sleep.
#[track_caller]
fn assert_sleeps_before(gate: &Gate) {
    if is_simulated() {
        rest(Duration::from_millis(100));
        return gate.open();
    }
    let used = cpu::cpu_use_of_a_second(OWN);
    gate.open();
    cpu::assert_below(5 * MILLISECOND, used);
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

// ---- Ways to wait ----

/// A closure that another worker may run, and a wait for it.
type Other = Box<dyn FnOnce() + Send>;
type Wait = fn(&(dyn Fn() + Sync), Other);

/// Each runs the first closure itself, then waits for the second.
const WAITS: [(&str, Wait); 4] = [
    ("join", |first, second| _ = filch::join(first, second)),
    ("the end of a scope", |first, second| {
        filch::scope(|s| {
            drop(s.spawn(second));
            first();
        });
    }),
    ("a handle of a scope's", |first, second| {
        filch::scope(|s| {
            let task = s.spawn(second);
            first();
            task.join().unwrap();
        });
    }),
    ("a handle", |first, second| {
        let task = filch::spawn(second);
        first();
        task.join().unwrap();
    }),
];

/// Returns how deep tasks from outside are stacked on each other if they wait in this way.
fn depth_of_foreign_work(pool: &ThreadPool, wait: Wait) -> usize {
    let begun: Vec<_> = (0..pool.current_num_threads()).map(|_| AtomicUsize::new(0)).collect();
    let most = AtomicUsize::new(0);
    let nap = || rest(Duration::from_micros(50));
    pool.in_place_scope(|s| {
        for _ in 0..sized(500, 30) {
            s.spawn(|| {
                let below = &begun[filch::current_thread_index().unwrap()];
                most.fetch_max(below.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
                wait(&nap, Box::new(nap));
                below.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    most.into_inner()
}

#[test]
fn no_other_job_runs_on_top_of_a_wait_for_own_work() {
    let _watchdog = watchdog();
    for (name, wait) in WAITS {
        assert_eq!(depth_of_foreign_work(&own_pool(3), wait), 0, "{name}");
    }
}

#[test]
fn other_jobs_run_on_top_of_a_wait_for_any_work_up_to_a_limit() {
    let _watchdog = watchdog();
    let depths = WAITS.map(|(name, wait)| {
        let pool = any_wait_builder().num_threads(3).build().unwrap();
        let depth = depth_of_foreign_work(&pool, wait);
        assert!(depth < 18, "{name}: {depth}");
        depth
    });
    // The joiner of a handle mostly runs that task itself.
    assert!(depths.iter().any(|&depth| depth > 0) || is_simulated(), "{depths:?}");
}

// ---- A lock held across a wait ----
//
// A worker of two holds a lock across a wait for a stolen closure, and has tasks in its queue that
// need the lock. If it runs one of them while it waits, it waits for itself.

#[derive(Default)]
struct Trap {
    lock: Mutex<i32>,
    stolen: Flag,
    spawned: Flag,
}

impl Trap {
    /// The stolen side: gives the waiting worker time to take a task.
    fn stolen_side(&self) {
        self.stolen.raise();
        self.spawned.hold();
        rest(Duration::from_millis(50));
    }
}

fn hold_a_lock_across(wait: Wait, pool: &ThreadPool) -> i32 {
    let trap = Arc::new(Trap::default());
    pool.install(|| {
        filch::scope(|s| {
            let guard = common::lock(&trap.lock);
            let spawning_side = || {
                trap.stolen.hold();
                (0..4).for_each(|_| drop(s.spawn(|| *common::lock(&trap.lock) += 1)));
                trap.spawned.raise();
            };
            let theirs = trap.clone();
            wait(&spawning_side, Box::new(move || theirs.stolen_side()));
            drop(guard);
        });
    });
    *common::lock(&trap.lock)
}

fn hold_a_lock_across_a_join_of_rayon() {
    let trap = Trap::default();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    pool.install(|| {
        rayon::scope(|s| {
            let guard = trap.lock.lock().unwrap();
            let spawning_side = || {
                trap.stolen.hold();
                (0..4).for_each(|_| s.spawn(|_| *trap.lock.lock().unwrap() += 1));
                trap.spawned.raise();
            };
            rayon::join(spawning_side, || trap.stolen_side());
            drop(guard);
        });
    });
}

#[test]
fn a_lock_may_be_held_across_a_wait_for_own_work() {
    let _watchdog = watchdog();
    for (name, wait) in WAITS {
        for _ in 0..5 {
            assert_eq!(hold_a_lock_across(wait, &own_pool(2)), 4, "{name}");
        }
    }
}

/// Runs `body` in a separate process. It must never end, and all threads must go to sleep, which
/// those of a slow body do not.
#[track_caller]
fn deadlocks(name: &str, body: impl FnOnce() + Send + 'static) {
    const DEADLOCK: &str = "[it waits for itself]";
    let body = || {
        let (ended, end) = mpsc::channel();
        std::thread::spawn(move || {
            body();
            ended.send(()).unwrap();
        });
        // `Disconnected` would mean that the body has panicked.
        assert_eq!(end.recv_timeout(Duration::from_secs(1)), Err(RecvTimeoutError::Timeout));
        cpu::assert_below(5 * MILLISECOND, cpu::cpu_use_of_a_second(""));
        say(DEADLOCK);
        std::process::exit(0);
    };
    tells(name, body, |told| assert!(told.contains(DEADLOCK), "{told}"));
}

/// Shows that the trap above is a deadlock for a worker that runs any job.
#[test]
fn a_lock_held_across_a_join_that_waits_with_any_work_is_a_deadlock() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    deadlocks("a_lock_held_across_a_join_that_waits_with_any_work_is_a_deadlock", || {
        let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        hold_a_lock_across(WAITS[0].1, &pool);
    });
}

#[test]
fn a_lock_held_across_a_join_of_rayon_is_a_deadlock() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    deadlocks("a_lock_held_across_a_join_of_rayon_is_a_deadlock", || {
        hold_a_lock_across_a_join_of_rayon();
    });
}

#[test]
fn a_wait_for_its_own_work_sleeps_beside_other_work() {
    let _watchdog = watchdog();
    alone("a_wait_for_its_own_work_sleeps_beside_other_work", || {
        let pool = own_named_pool(2);
        let (started, go_on) = (Flag::new(), Gate::new());
        let ran = AtomicUsize::new(0);
        pool.in_place_scope(|s| {
            s.spawn(|| {
                filch::join(
                    || started.hold(),
                    || {
                        started.raise();
                        go_on.wait();
                        // The waiting worker has run none of these tasks.
                        assert_eq!(ran.load(Ordering::Relaxed), 0);
                    },
                );
            });
            started.hold();
            (0..10).for_each(|_| drop(s.spawn(|| ran.fetch_add(1, Ordering::Relaxed))));
            assert_sleeps_before(&go_on);
        });
        assert_eq!(ran.into_inner(), 10);
    });
}

#[test]
fn a_wait_for_its_own_work_sleeps_beside_a_fork_of_the_same_task() {
    let _watchdog = watchdog();
    alone("a_wait_for_its_own_work_sleeps_beside_a_fork_of_the_same_task", || {
        let pool = own_named_pool(2);
        let (started, go_on) = (Flag::new(), Gate::new());
        pool.in_place_scope(|s| {
            s.spawn(|| {
                filch::scope(|inner| {
                    let task = inner.spawn(|| {
                        started.raise();
                        go_on.wait();
                    });
                    started.hold();
                    // The fork is not part of the task that the first closure waits for.
                    filch::join(|| task.join().unwrap(), || ());
                });
            });
            started.hold();
            assert_sleeps_before(&go_on);
        });
    });
}

/// A worker waits for a task. A thread that is no worker spawns into a scope of that task, which
/// must wake the waiter.
#[test]
fn a_task_from_outside_that_is_part_of_the_awaited_task_wakes_the_waiter() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let pool = own_pool(2);
    let answer = pool.install(|| {
        let started = Arc::new(Flag::new());
        let raised = started.clone();
        let task = filch::spawn(move || {
            filch::scope(|s| {
                raised.raise();
                // Until the other worker has gone to sleep.
                rest(Duration::from_millis(100));
                // This worker is held, so that the other one has to run the task.
                std::thread::scope(|plain| {
                    plain.spawn(|| s.spawn(|| 7).join().unwrap()).join().unwrap()
                })
            })
        });
        started.hold();
        task.join().unwrap()
    });
    assert_eq!(answer, 7);
}

/// Runs `leaf` while the fork `hidden` is private, because another fork is public: an owner that
/// has taken back a fork keeps one public.
fn hide(leaf: impl FnOnce() + Send, hidden: impl FnOnce() + Send) {
    filch::join(|| (), || ());
    filch::join(|| filch::join(leaf, hidden), || ());
}

/// The task that is waited for hides a fork, and its owner never comes back to it. The waiter must
/// run it. The waiter also sees other work, and in a pool of three, another owner hides some. The
/// waiter may run neither.
#[test]
#[cfg(target_os = "linux")]
fn a_private_fork_is_run_by_its_waiter_beside_other_work() {
    let _watchdog = watchdog();
    let policies = [WaitPolicy::AnyWork, WaitPolicy::OwnDescendants];
    for (threads, policy) in [2, 3].into_iter().flat_map(|n| policies.map(|policy| (n, policy))) {
        let pool = any_wait_builder().num_threads(threads).wait_policy(policy).build().unwrap();
        let hold = Arc::new(<[Flag; 2]>::default());
        let ([held, free], theirs) = (&*hold, hold.clone());
        if threads == 3 {
            // Thieves look at worker 0 first. So it is held until it can take the other work.
            pool.spawn_broadcast(move |context| {
                if context.index() == 0 {
                    let [held, free] = &*theirs;
                    held.raise();
                    free.hold();
                }
            });
            held.hold();
        }
        let flags = Arc::new(<[Flag; 4]>::default());
        let ([stolen, go_on, ..], theirs) = (&*flags, flags.clone());
        let task = pool.spawn(move || {
            let [stolen, go_on, in_leaf, hidden_ran] = &*theirs;
            let leaf = || {
                in_leaf.raise();
                hidden_ran.hold();
            };
            let theirs = || {
                stolen.raise();
                go_on.hold();
                hide(leaf, || hidden_ran.raise());
            };
            filch::join(|| in_leaf.hold(), theirs);
        });
        stolen.hold();
        free.raise();
        let others = Arc::new(<[Flag; 2]>::default());
        let ([other_in_leaf, over], theirs) = (&*others, others.clone());
        let other = pool.spawn(move || {
            let [in_leaf, over] = &*theirs;
            let leaf = || {
                in_leaf.raise();
                over.hold();
            };
            hide(leaf, || ());
        });
        if threads == 3 {
            other_in_leaf.hold();
        }
        go_on.raise();
        task.join().unwrap();
        over.raise();
        other.join().unwrap();
    }
}

/// The task that is waited for has one fork, and another worker has several, which the waiter may
/// not run.
#[test]
fn a_fork_is_found_by_its_waiter_beside_other_forks() {
    let _watchdog = watchdog();
    // Chance decides which worker is looked at first.
    for policy in [WaitPolicy::AnyWork, WaitPolicy::OwnDescendants].repeat(20) {
        let pool = any_wait_builder().num_threads(3).wait_policy(policy).build().unwrap();
        let flags = Arc::new(<[Flag; 3]>::default());
        let ([begun, go_on, _], theirs) = (&*flags, flags.clone());
        let task = pool.spawn(move || {
            let [begun, go_on, ran] = &*theirs;
            filch::scope(|s| {
                // Without a handle. With one, it could begin as a task of its own.
                s.spawn_fifo(|| {
                    begun.raise();
                    go_on.hold();
                    filch::join(|| ran.hold(), || ran.raise());
                });
                begun.hold();
            });
        });
        begun.hold();
        let others = Arc::new(<[Flag; 4]>::default());
        let ([other_begun, fork, forked, over], theirs) = (&*others, others.clone());
        let other = pool.spawn(move || {
            let [begun, fork, forked, over] = &*theirs;
            begun.raise();
            fork.hold();
            // A worker that waits publishes its forks.
            let wait = || {
                filch::scope(|s| {
                    s.spawn(|| {
                        forked.raise();
                        over.hold();
                    });
                });
            };
            filch::join(|| filch::join(|| filch::join(wait, || ()), || ()), || ());
        });
        other_begun.hold();
        eventually("the wait is restricted", || pool.dump().to_string().contains(": restricted"));
        fork.raise();
        forked.hold();
        go_on.raise();
        task.join().unwrap();
        over.raise();
        other.join().unwrap();
    }
}
