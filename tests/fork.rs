//! What the child of a `fork()` may do: it gets new pools or a clear error, and never hangs.
#![cfg(target_os = "linux")]

mod common;
#[path = "common/uses.rs"]
mod uses;

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Flag, Gate, alone, assert_success, boom, own_process, pool, watchdog};
use filch::ThreadPool;
use uses::{fib, use_free_functions, use_many_tasks, use_pool};

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Well,
    Panicked,
    Killed(i32),
}

/// Forks. The child runs `body` on its only thread, and ends. If it hangs, `SIGALRM` kills it.
fn child(body: impl FnOnce()) -> Ended {
    run_in_child(body, end_of)
}

fn run_in_child<R>(body: impl FnOnce(), in_parent: impl FnOnce(libc::pid_t) -> R) -> R {
    match fork_on() {
        0 => {
            let result = catch_unwind(AssertUnwindSafe(body));
            // SAFETY: ends the process here, so what the frames below own does not matter.
            unsafe { libc::_exit(i32::from(result.is_err())) }
        }
        pid => in_parent(pid),
    }
}

/// `fork(2)`, with an alarm for the child. The child must not return to the test harness.
fn fork_on() -> libc::pid_t {
    // SAFETY: has no premise about memory. What the child may rely on is what the tests are about.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "no fork: {}", io::Error::last_os_error());
    if pid == 0 {
        let seconds = common::time_limit().as_secs() / 2;
        // SAFETY: takes a number.
        unsafe { libc::alarm(u32::try_from(seconds).unwrap()) };
    }
    pid
}

fn end_of(pid: libc::pid_t) -> Ended {
    let mut status = 0;
    // SAFETY: the status belongs to this frame.
    while unsafe { libc::waitpid(pid, &mut status, 0) } != pid {
        assert_eq!(io::Error::last_os_error().kind(), io::ErrorKind::Interrupted);
    }
    if libc::WIFSIGNALED(status) {
        return Ended::Killed(libc::WTERMSIG(status));
    }
    if libc::WEXITSTATUS(status) == 0 { Ended::Well } else { Ended::Panicked }
}

/// Runs `body`, which must panic and name the fork as the cause.
#[track_caller]
fn blames_the_fork<R>(what: &str, body: impl FnOnce() -> R) {
    let result = catch_unwind(AssertUnwindSafe(body));
    let payload = result.err().unwrap_or_else(|| panic!("{what}: no panic"));
    let message = text(payload.as_ref());
    assert!(message.contains("fork"), "{what}: {message:?}");
}

fn text(payload: &(dyn Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no text")
}

// ---- The global pool ----

#[test]
fn a_child_has_a_global_pool_of_its_own() {
    let _watchdog = watchdog();
    alone("a_child_has_a_global_pool_of_its_own", || {
        use_free_functions();
        let ended = child(|| {
            assert_eq!(common::thread_count(), Some(1));
            use_free_functions();
            use_many_tasks();
            assert_eq!(common::thread_count(), Some(1 + filch::current_num_threads()));
        });
        assert_eq!(ended, Ended::Well);
        use_free_functions();
    });
}

#[test]
fn a_child_may_be_the_first_to_use_the_global_pool() {
    let _watchdog = watchdog();
    alone("a_child_may_be_the_first_to_use_the_global_pool", || {
        assert_eq!(child(use_free_functions), Ended::Well);
        use_free_functions();
        assert_eq!(child(use_free_functions), Ended::Well);
    });
}

#[test]
fn children_of_children_have_global_pools_of_their_own() {
    let _watchdog = watchdog();
    alone("children_of_children_have_global_pools_of_their_own", || {
        use_free_functions();
        let ended = child(|| {
            use_free_functions();
            assert_eq!(child(use_free_functions), Ended::Well);
            use_free_functions();
        });
        assert_eq!(ended, Ended::Well);
    });
}

#[test]
fn a_child_uses_the_global_pool_from_many_threads() {
    let _watchdog = watchdog();
    alone("a_child_uses_the_global_pool_from_many_threads", || {
        use_free_functions();
        let ended = child(|| {
            thread::scope(|plain| {
                (0..8).for_each(|_| drop(plain.spawn(use_free_functions)));
            });
            assert_eq!(filch::broadcast(|_| ()).len(), filch::current_num_threads());
        });
        assert_eq!(ended, Ended::Well);
    });
}

// ---- Pools from before the fork ----

#[test]
fn a_pool_from_before_the_fork_refuses_every_operation() {
    let _watchdog = watchdog();
    alone("a_pool_from_before_the_fork_refuses_every_operation", || {
        for threads in [1, 3] {
            let pool = pool(threads);
            use_pool(&pool);
            let ended = child(|| {
                blames_the_fork("install", || pool.install(|| ()));
                blames_the_fork("join", || pool.join(|| (), || ()));
                blames_the_fork("join_context", || pool.join_context(|_| (), |_| ()));
                blames_the_fork("scope", || pool.scope(|_| ()));
                blames_the_fork("scope", || pool.scope(|s| drop(s.spawn(|| ()))));
                blames_the_fork("in_place_scope", || {
                    pool.in_place_scope(|s| drop(s.spawn(|| ())));
                });
                blames_the_fork("spawn", || pool.spawn(|| ()));
                blames_the_fork("broadcast", || pool.broadcast(|_| ()));
                blames_the_fork("spawn_broadcast", || pool.spawn_broadcast(|_| ()));
            });
            assert_eq!(ended, Ended::Well);
            use_pool(&pool);
        }
    });
}

#[test]
fn a_refused_operation_drops_its_closure_once() {
    let _watchdog = watchdog();
    alone("a_refused_operation_drops_its_closure_once", || {
        let pool = pool(2);
        pool.install(|| ());
        let ended = child(|| {
            let ledger = common::Ledger::new();
            let (a, b, c) = (ledger.token(), ledger.token(), ledger.token());
            blames_the_fork("spawn", || pool.spawn(move || drop(a)));
            blames_the_fork("join", || pool.join(move || drop(b), || ()));
            blames_the_fork("install", || pool.install(move || drop(c)));
            ledger.assert_balanced("refused");
        });
        assert_eq!(ended, Ended::Well);
    });
}

#[test]
fn a_pool_from_before_the_fork_is_dropped_at_once() {
    let _watchdog = watchdog();
    alone("a_pool_from_before_the_fork_is_dropped_at_once", || {
        let hold = Arc::new(Gate::new());
        let (idle, busy) = (pool(2), pool(2));
        idle.install(|| ());
        for _ in 0..4 {
            let hold = Arc::clone(&hold);
            drop(busy.spawn(move || hold.wait()));
        }
        let mut pools = Some((idle, busy));
        let ended = child(|| drop(pools.take()));
        hold.open();
        assert_eq!(ended, Ended::Well);
        let (idle, busy) = pools.unwrap();
        use_pool(&idle);
        use_pool(&busy);
    });
}

#[test]
fn a_child_builds_and_drops_pools_of_its_own() {
    let _watchdog = watchdog();
    alone("a_child_builds_and_drops_pools_of_its_own", || {
        let inherited = pool(2);
        use_pool(&inherited);
        let ended = child(|| {
            for threads in [1, 2, 4] {
                use_pool(&pool(threads));
            }
            common::threads_return_to(Some(1));
        });
        assert_eq!(ended, Ended::Well);
        use_pool(&inherited);
    });
}

// ---- Tasks from before the fork ----

#[test]
fn a_task_that_ended_before_the_fork_gives_its_value() {
    let _watchdog = watchdog();
    alone("a_task_that_ended_before_the_fork_gives_its_value", || {
        let pool = pool(2);
        let (ended, failed) = (pool.spawn(|| fib(10)), pool.spawn(|| boom(7)));
        common::eventually("both end", || ended.is_finished() && failed.is_finished());
        let mut handles = Some((ended, failed));
        let child_ended = child(|| {
            let (ended, failed) = handles.take().unwrap();
            assert_eq!(ended.join().unwrap(), 55);
            assert_eq!(common::failed_with::<()>(failed.join()), 7);
        });
        assert_eq!(child_ended, Ended::Well);
        let (ended, failed) = handles.unwrap();
        assert_eq!(ended.join().unwrap(), 55);
        assert_eq!(common::failed_with::<()>(failed.join()), 7);
    });
}

#[test]
fn a_task_that_had_not_ended_before_the_fork_is_not_waited_for() {
    let _watchdog = watchdog();
    let name = "a_task_that_had_not_ended_before_the_fork_is_not_waited_for";
    alone(name, || {
        let (hold, started) = (Arc::new(Gate::new()), Arc::new(Gate::new()));
        let pool = pool(1);
        let running = pool.spawn({
            let (hold, started) = (Arc::clone(&hold), Arc::clone(&started));
            move || {
                started.open();
                hold.wait();
            }
        });
        started.wait();
        // One task is running, and two have not begun.
        let mut handles = Some([running, pool.spawn(|| ()), pool.spawn(|| ())]);
        let ended = child(|| {
            let [running, waiting, dropped] = handles.take().unwrap();
            assert!(!running.is_finished());
            assert!(!waiting.is_finished());
            blames_the_fork("a running task", || running.join());
            blames_the_fork("a task that waits", || common::pool(1).install(|| waiting.join()));
            drop(dropped);
        });
        hold.open();
        assert_eq!(ended, Ended::Well);
        for handle in handles.unwrap() {
            handle.join().unwrap();
        }
    });
}

#[test]
fn a_scope_whose_tasks_are_lost_does_not_hang() {
    let _watchdog = watchdog();
    own_process(
        "a_scope_whose_tasks_are_lost_does_not_hang",
        |_| (),
        || {
            let (pool, hold, started) = (pool(1), Gate::new(), Gate::new());
            let mut pid = 0;
            let scoped = catch_unwind(AssertUnwindSafe(|| {
                pool.in_place_scope(|s| {
                    drop(s.spawn(|| {
                        started.open();
                        hold.wait();
                    }));
                    started.wait();
                    pid = fork_on();
                    hold.open();
                });
            }));
            if pid == 0 {
                // SAFETY: ends the process here, so what the frames below own does not matter.
                unsafe { libc::_exit(i32::from(scoped.is_err())) }
            }
            let ended = end_of(pid);
            assert!(matches!(ended, Ended::Killed(libc::SIGABRT) | Ended::Panicked), "{ended:?}");
        },
        says_fork,
    );
}

// ---- While the parent works ----

/// Tells the threads and tasks that keep a process busy when to pause and when to stop.
#[derive(Default)]
struct Orders {
    pause: AtomicBool,
    stop: AtomicBool,
}

impl Orders {
    /// Whether to go on. Blocks during a pause, so that a child gets its share of the machine.
    fn go_on(&self) -> bool {
        while self.pause.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(1));
        }
        !self.stop.load(Ordering::Relaxed)
    }
}

/// Forks during the work, which pauses until the child has ended; see `child`.
fn child_of_busy(orders: &Orders, body: impl FnOnce()) -> Ended {
    run_in_child(body, |pid| {
        orders.pause.store(true, Ordering::Relaxed);
        let ended = end_of(pid);
        orders.pause.store(false, Ordering::Relaxed);
        ended
    })
}

/// Keeps every part of some pools busy, the global pool included.
struct Busy {
    orders: Arc<Orders>,
    pools: [Arc<ThreadPool>; 2],
    callers: Vec<thread::JoinHandle<()>>,
}

impl Busy {
    fn start() -> Self {
        let orders = Arc::new(Orders::default());
        let pools = [2, 4].map(|threads| Arc::new(pool(threads)));
        let mut callers = vec![call(&orders, || assert_eq!(fib(10), 55))];
        for pool in &pools {
            (0..4).for_each(|_| pool.install(|| perpetuate(&orders)));
            let pool = Arc::clone(pool);
            callers.push(call(&orders, move || {
                assert_eq!(pool.join(|| fib(8), || fib(8)), (21, 21));
                pool.scope(|s| (0..50).for_each(|i| drop(s.spawn(move || vec![i; i]))));
            }));
        }
        Busy { orders, pools, callers }
    }

    fn stop(self) {
        self.orders.stop.store(true, Ordering::Relaxed);
        self.callers.into_iter().for_each(|caller| caller.join().unwrap());
        self.pools.iter().for_each(|pool| use_pool(pool));
    }
}

/// Starts a thread that calls `body` again and again.
fn call(orders: &Arc<Orders>, body: impl Fn() + Send + 'static) -> thread::JoinHandle<()> {
    let orders = Arc::clone(orders);
    thread::spawn(move || {
        while orders.go_on() {
            body();
        }
    })
}

/// Spawns a task that forks, allocates, and spawns its successor.
fn perpetuate(orders: &Arc<Orders>) {
    let orders = Arc::clone(orders);
    drop(filch::spawn(move || {
        if orders.go_on() {
            let kept: Vec<_> = (0..200).map(|i| filch::spawn(move || vec![i; 10])).collect();
            assert_eq!(fib(12), 144);
            kept.into_iter().for_each(|task| drop(task.join().unwrap()));
            perpetuate(&orders);
        }
    }));
}

fn forks_while_the_parent_works(body: fn()) {
    let busy = Busy::start();
    // If the parent was just starting a thread, std may be unable to start any in the child.
    thread::sleep(Duration::from_millis(20));
    for round in 0..60 {
        // At another point of the work in each round.
        thread::sleep(Duration::from_micros(100 * (round % 23)));
        assert_eq!(child_of_busy(&busy.orders, body), Ended::Well, "child {round}");
    }
    busy.stop();
}

#[test]
fn children_of_a_busy_process_build_pools() {
    let _watchdog = watchdog();
    alone("children_of_a_busy_process_build_pools", || {
        forks_while_the_parent_works(|| use_pool(&pool(2)));
    });
}

#[test]
fn children_of_a_busy_process_use_the_global_pool() {
    let _watchdog = watchdog();
    alone("children_of_a_busy_process_use_the_global_pool", || {
        forks_while_the_parent_works(|| {
            use_free_functions();
            use_many_tasks();
            use_pool(&pool(2));
        });
    });
}

/// std holds a lock while it prints a panic.
#[test]
fn a_pool_from_before_the_fork_refuses_while_the_parent_panics() {
    let _watchdog = watchdog();
    own_process(
        "a_pool_from_before_the_fork_refuses_while_the_parent_panics",
        |command| {
            command.env("RUST_BACKTRACE", "1");
        },
        || {
            let (pool, orders) = (pool(1), Arc::new(Orders::default()));
            pool.install(|| ());
            let panicking = call(&orders, || assert!(catch_unwind(|| panic!("no")).is_err()));
            for _ in 0..20 {
                thread::sleep(Duration::from_millis(1));
                let ended = child_of_busy(&orders, || {
                    blames_the_fork("install", || pool.install(|| ()));
                });
                assert_eq!(ended, Ended::Well);
            }
            orders.stop.store(true, Ordering::Relaxed);
            panicking.join().unwrap();
        },
        |output| assert_success(&output),
    );
}

// ---- In a task ----

/// For the child of a task. It must not use the pool of its parent.
fn work_elsewhere(pool: &ThreadPool) {
    assert_eq!(filch::current_thread_index(), None);
    blames_the_fork("install", || pool.install(|| ()));
    blames_the_fork("spawn", || pool.spawn(|| ()));
    blames_the_fork("broadcast", || pool.broadcast(|_| ()));
    use_free_functions();
    assert!(catch_unwind(|| filch::join(|| boom(1), || boom(2))).is_err());
    use_many_tasks();
}

#[test]
fn a_task_that_forks_has_a_global_pool_in_the_child() {
    let _watchdog = watchdog();
    alone("a_task_that_forks_has_a_global_pool_in_the_child", || {
        for threads in [1, 2, 4] {
            let pool = Arc::new(pool(threads));
            for _ in 0..10 {
                let in_child = || child(|| work_elsewhere(&pool));
                assert_eq!(pool.install(in_child), Ended::Well);
                assert_eq!(pool.join(in_child, || ()).0, Ended::Well);
                let here = pool.clone();
                let task = pool.spawn(move || child(|| work_elsewhere(&here)));
                assert_eq!(task.join().unwrap(), Ended::Well);
            }
            use_pool(&pool);
        }
    });
}

#[cfg(feature = "deterministic")]
#[test]
fn a_task_of_a_deterministic_pool_that_forks_has_a_global_pool_in_the_child() {
    let _watchdog = watchdog();
    let name = "a_task_of_a_deterministic_pool_that_forks_has_a_global_pool_in_the_child";
    alone(name, || {
        let pool = common::builder().num_threads(2).deterministic(7).build().unwrap();
        assert_eq!(pool.install(|| child(|| work_elsewhere(&pool))), Ended::Well);
        let ended = child(|| {
            let own = common::builder().num_threads(2).deterministic(7).build().unwrap();
            assert_eq!(own.join(|| fib(5), || fib(6)), (5, 8));
        });
        assert_eq!(ended, Ended::Well);
        assert_eq!(pool.join(|| fib(5), || fib(6)), (5, 8));
    });
}

#[test]
fn a_thread_that_was_a_member_is_one_of_the_childs_pool() {
    let _watchdog = watchdog();
    alone("a_thread_that_was_a_member_is_one_of_the_childs_pool", || {
        let pool = common::builder().num_threads(2).use_current_thread().build().unwrap();
        assert_eq!(filch::current_thread_index(), Some(0));
        let ended = child(|| {
            assert_eq!(filch::current_thread_index(), None);
            let own = common::builder().num_threads(1).use_current_thread().build().unwrap();
            assert_eq!(filch::current_thread_index(), Some(0));
            assert_eq!(own.install(|| 1), 1);
        });
        assert_eq!(ended, Ended::Well);
        assert_eq!(pool.install(|| 2), 2);
    });
}

#[test]
fn a_child_that_returns_from_its_task_ends() {
    let _watchdog = watchdog();
    own_process(
        "a_child_that_returns_from_its_task_ends",
        |_| (),
        || {
            for threads in [1, 2, 4] {
                let pool = pool(threads);
                for _ in 0..10 {
                    let pid = pool.spawn(fork_on).join().unwrap();
                    assert_eq!(end_of(pid), Ended::Killed(libc::SIGABRT));
                }
                use_pool(&pool);
            }
        },
        says_fork,
    );
}

#[test]
fn a_task_whose_core_is_wanted_back_forks() {
    let _watchdog = watchdog();
    alone("a_task_whose_core_is_wanted_back_forks", || {
        let (here, there) = (Arc::new(pool(1)), pool(1));
        let (pool, begun) = (here.clone(), Arc::new(Flag::new()));
        // The job that the other pool requests still runs when the wait for that pool is over.
        let waiter = here.spawn(move || {
            there.install(move || {
                let begins = begun.clone();
                let task = pool.spawn(move || {
                    begins.raise();
                    thread::sleep(Duration::from_millis(50));
                    child(use_free_functions)
                });
                begun.hold();
                task
            })
        });
        let task = waiter.join().unwrap();
        assert_eq!(task.join().unwrap(), Ended::Well);
    });
}

/// The child reaches the end of its job, where its thread would become spare.
#[test]
fn a_task_that_was_off_its_core_forks_and_its_child_ends() {
    let _watchdog = watchdog();
    alone("a_task_that_was_off_its_core_forks_and_its_child_ends", || {
        let (here, there) = (pool(1), pool(1));
        let task = here.spawn(move || {
            there.install(|| thread::sleep(Duration::from_millis(5)));
            fork_on()
        });
        let pid = task.join().unwrap();
        assert_eq!(end_of(pid), Ended::Killed(libc::SIGABRT));
    });
}

#[test]
fn a_task_of_a_busy_pool_forks() {
    let _watchdog = watchdog();
    alone("a_task_of_a_busy_pool_forks", || {
        let (orders, pool) = (Arc::new(Orders::default()), Arc::new(pool(2)));
        let callers: Vec<_> = (0..3)
            .map(|caller| {
                let pool = Arc::clone(&pool);
                call(&orders, move || match caller {
                    0 => {
                        let tasks: Vec<_> = (0..100).map(|_| pool.spawn(|| ())).collect();
                        tasks.into_iter().for_each(|task| task.join().unwrap());
                    }
                    1 => assert_eq!(pool.broadcast(|_| ()).len(), 2),
                    _ => assert_eq!(pool.install(|| fib(10)), 55),
                })
            })
            .collect();
        for round in 0..60 {
            thread::sleep(Duration::from_micros(100 * (round % 23)));
            let ended = pool.install(|| child_of_busy(&orders, || work_elsewhere(&pool)));
            assert_eq!(ended, Ended::Well, "child {round}");
        }
        orders.stop.store(true, Ordering::Relaxed);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        use_pool(&pool);
    });
}

/// Runs `bottom` below `depth` pending forks.
fn below_forks(depth: usize, bottom: &(impl Fn() + Sync)) {
    match depth {
        0 => bottom(),
        _ => drop(filch::join(|| below_forks(depth - 1, bottom), || ())),
    }
}

#[test]
fn a_task_forks_while_others_take_its_forks_by_force() {
    let _watchdog = watchdog();
    alone("a_task_forks_while_others_take_its_forks_by_force", || {
        let pool = pool(2);
        for round in 0..200 {
            let pid = pool.install(|| {
                let forked = AtomicI32::new(0);
                below_forks(100, &|| {
                    let begin = Instant::now();
                    while begin.elapsed() < Duration::from_micros(500 + 11 * round) {}
                    forked.store(fork_on(), Ordering::Relaxed);
                });
                match forked.into_inner() {
                    // SAFETY: ends the process here, so what the frames below own does not matter.
                    0 => unsafe { libc::_exit(0) },
                    pid => pid,
                }
            });
            let ended = end_of(pid);
            let may_be = matches!(ended, Ended::Well | Ended::Killed(libc::SIGABRT));
            assert!(may_be, "child {round}: {ended:?}");
        }
    });
}

#[test]
fn a_task_that_forks_may_build_a_pool_in_the_child() {
    let _watchdog = watchdog();
    alone("a_task_that_forks_may_build_a_pool_in_the_child", || {
        let outer = pool(2);
        // The pool's threads have started, and none is at a lock of std.
        use_pool(&outer);
        assert_eq!(outer.install(|| child(|| use_pool(&pool(2)))), Ended::Well);
        let elsewhere = || thread::spawn(use_free_functions).join().unwrap();
        assert_eq!(outer.install(|| child(elsewhere)), Ended::Well);
    });
}

#[test]
fn a_join_without_a_thief_ends_in_the_child() {
    let _watchdog = watchdog();
    alone("a_join_without_a_thief_ends_in_the_child", || {
        let pool = pool(1);
        let mut ended = None;
        let fork_within = || {
            ended = Some(child(|| {
                assert_eq!(filch::join(|| fib(5), || fib(6)), (5, 8));
            }));
            1
        };
        assert_eq!(pool.join(fork_within, || 2), (1, 2));
        assert_eq!(ended, Some(Ended::Well));
    });
}

/// Asserts that the child has reported the fork before it ended itself.
#[track_caller]
fn says_fork(output: Output) {
    assert_success(&output);
    let told = common::stderr(&output);
    assert!(told.contains("fork()"), "{told}");
}

#[test]
fn a_wait_for_a_lost_thief_ends_the_child() {
    let _watchdog = watchdog();
    let name = "a_wait_for_a_lost_thief_ends_the_child";
    own_process(
        name,
        |_| (),
        || {
            let (pool, stolen, hold) = (pool(2), Flag::new(), Gate::new());
            let wait = || {
                stolen.hold();
                let pid = fork_on();
                hold.open();
                (pid != 0).then(|| end_of(pid))
            };
            let take = || {
                stolen.raise();
                hold.wait();
            };
            let (ended, ()) = pool.install(|| filch::join(wait, take));
            assert_eq!(ended, Some(Ended::Killed(libc::SIGABRT)));
        },
        says_fork,
    );
}
