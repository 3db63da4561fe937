//! What a process does to its pools: it forks, runs short of threads or stack, ends early, unloads the code.

mod common;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;

use common::{Flag, Gate, alone, assert_success, boom, own_process, pool, say, watchdog};
use filch::{JoinHandle, ThreadPool, ThreadPoolBuilder};

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = filch::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

/// Every free function, with the right results, on a thread that may be a worker or not.
fn use_free_functions() {
    let size = filch::current_num_threads();
    assert_eq!(fib(12), 144);
    assert_eq!(filch::join_context(|_| 1, |_| 2), (1, 2));
    assert_eq!(filch::scope(|s| s.spawn(|| fib(9)).join().unwrap()), 34);
    assert_eq!(filch::in_place_scope(|s| s.spawn(|| fib(9)).join().unwrap()), 34);
    assert_eq!(filch::spawn(|| fib(10)).join().unwrap(), 55);
    assert_eq!(filch::broadcast(|ctx| ctx.index()), (0..size).collect::<Vec<_>>());
    let told = Arc::new(AtomicUsize::new(0));
    let tell = Arc::clone(&told);
    filch::spawn_broadcast(move |_| {
        tell.fetch_add(1, Ordering::SeqCst);
    });
    common::eventually("the broadcast", || {
        filch::yield_now();
        told.load(Ordering::SeqCst) == size
    });
    assert_eq!(filch::counters().workers.len(), size);
}

/// Every operation of a pool, with the right results.
fn use_pool(pool: &ThreadPool) {
    let size = pool.current_num_threads();
    assert_eq!(pool.install(|| fib(12)), 144);
    assert_eq!(pool.join(|| fib(10), || fib(11)), (55, 89));
    assert_eq!(pool.join_context(|_| 1, |_| 2), (1, 2));
    assert_eq!(pool.scope(|s| s.spawn(|| fib(9)).join().unwrap()), 34);
    assert_eq!(pool.in_place_scope(|s| s.spawn(|| fib(9)).join().unwrap()), 34);
    assert_eq!(pool.spawn(|| fib(10)).join().unwrap(), 55);
    assert_eq!(pool.broadcast(|ctx| ctx.index()), (0..size).collect::<Vec<_>>());
    pool.spawn_broadcast(|_| ());
    assert_eq!(pool.counters().workers.len(), size);
}

/// More tasks than the memory kept for them in one place, so that all of its places are used.
fn use_many_tasks() {
    let ran = AtomicUsize::new(0);
    filch::scope(|s| {
        for _ in 0..2_000 {
            drop(s.spawn(|| ran.fetch_add(1, Ordering::Relaxed)));
        }
    });
    assert_eq!(ran.load(Ordering::Relaxed), 2_000);
}

#[cfg(target_os = "linux")]
mod forked {
    use super::*;
    use std::any::Any;
    use std::io;
    use std::sync::atomic::{AtomicBool, AtomicI32};
    use std::time::{Duration, Instant};

    /// How a child ended.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Ended {
        Well,
        Panicked,
        Killed(i32),
    }

    /// Forks; the child runs `body` on its only thread, and ends. One that hangs is killed by
    /// `SIGALRM`.
    fn child(body: impl FnOnce()) -> Ended {
        run_in_child(body, end_of)
    }

    fn run_in_child<R>(body: impl FnOnce(), in_parent: impl FnOnce(libc::pid_t) -> R) -> R {
        match fork_on() {
            0 => {
                let result = catch_unwind(AssertUnwindSafe(body));
                // SAFETY: ends the process here, whatever the frames below own.
                unsafe { libc::_exit(i32::from(result.is_err())) }
            }
            pid => in_parent(pid),
        }
    }

    /// `fork(2)`, with an alarm for the child. The child must not return to the test harness.
    fn fork_on() -> libc::pid_t {
        // SAFETY: no premise in memory; what the child may rely on is what the tests are about.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "no fork: {}", io::Error::last_os_error());
        if pid == 0 {
            let seconds = common::time_limit().as_secs() / 3;
            // SAFETY: takes a number.
            unsafe { libc::alarm(u32::try_from(seconds).unwrap()) };
        }
        pid
    }

    fn end_of(pid: libc::pid_t) -> Ended {
        let mut status = 0;
        // SAFETY: the status is this frame's.
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
        alone("forked::a_child_has_a_global_pool_of_its_own", || {
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
        alone("forked::a_child_may_be_the_first_to_use_the_global_pool", || {
            assert_eq!(child(use_free_functions), Ended::Well);
            use_free_functions();
            assert_eq!(child(use_free_functions), Ended::Well);
        });
    }

    #[test]
    fn children_of_children_have_global_pools_of_their_own() {
        let _watchdog = watchdog();
        alone("forked::children_of_children_have_global_pools_of_their_own", || {
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
        alone("forked::a_child_uses_the_global_pool_from_many_threads", || {
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
        alone("forked::a_pool_from_before_the_fork_refuses_every_operation", || {
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
        alone("forked::a_refused_operation_drops_its_closure_once", || {
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
        alone("forked::a_pool_from_before_the_fork_is_dropped_at_once", || {
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
        alone("forked::a_child_builds_and_drops_pools_of_its_own", || {
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
        alone("forked::a_task_that_ended_before_the_fork_gives_its_value", || {
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
        let name = "forked::a_task_that_had_not_ended_before_the_fork_is_not_waited_for";
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
            // One is running at the time, and two have not begun.
            let mut handles = Some([running, pool.spawn(|| ()), pool.spawn(|| ())]);
            let ended = child(|| {
                let [running, waiting, dropped] = handles.take().unwrap();
                assert!(!running.is_finished());
                assert!(!waiting.is_finished());
                blames_the_fork("a running task", || running.join());
                blames_the_fork("a task that waits", || waiting.join());
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
            "forked::a_scope_whose_tasks_are_lost_does_not_hang",
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
                    // SAFETY: ends the process here, whatever the frames below own.
                    unsafe { libc::_exit(i32::from(scoped.is_err())) }
                }
                let ended = end_of(pid);
                assert!(
                    matches!(ended, Ended::Killed(libc::SIGABRT) | Ended::Panicked),
                    "{ended:?}"
                );
            },
            says_fork,
        );
    }

    // ---- While the parent works ----

    /// What those who keep a process busy have to heed.
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

    /// Forks amid the work, which pauses until the child has ended; see `child`.
    fn child_of_busy(orders: &Orders, body: impl FnOnce()) -> Ended {
        run_in_child(body, |pid| {
            orders.pause.store(true, Ordering::Relaxed);
            let ended = end_of(pid);
            orders.pause.store(false, Ordering::Relaxed);
            ended
        })
    }

    /// Keeps every part of some pools busy, the global one among them.
    struct Busy {
        orders: Arc<Orders>,
        pools: [Arc<ThreadPool>; 2],
        callers: Vec<thread::JoinHandle<()>>,
    }

    impl Busy {
        fn start() -> Self {
            let orders = Arc::new(Orders::default());
            let pools = [2, 4].map(|threads| Arc::new(pool(threads)));
            let mut callers = vec![call(&orders, || {
                assert_eq!(fib(10), 55);
                drop(pool(1));
            })];
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

    /// A thread that goes through `body` again and again.
    fn call(orders: &Arc<Orders>, body: impl Fn() + Send + 'static) -> thread::JoinHandle<()> {
        let orders = Arc::clone(orders);
        thread::spawn(move || {
            while orders.go_on() {
                body();
            }
        })
    }

    /// A task that forks, allocates, and spawns its like.
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
        for round in 0..60 {
            // At another point of the work each time.
            thread::sleep(Duration::from_micros(100 * (round % 23)));
            assert_eq!(child_of_busy(&busy.orders, body), Ended::Well, "child {round}");
        }
        busy.stop();
    }

    #[test]
    fn children_of_a_busy_process_build_pools() {
        let _watchdog = watchdog();
        alone("forked::children_of_a_busy_process_build_pools", || {
            forks_while_the_parent_works(|| use_pool(&pool(2)));
        });
    }

    #[test]
    fn children_of_a_busy_process_use_the_global_pool() {
        let _watchdog = watchdog();
        alone("forked::children_of_a_busy_process_use_the_global_pool", || {
            forks_while_the_parent_works(|| {
                use_free_functions();
                use_many_tasks();
                use_pool(&pool(2));
            });
        });
    }

    /// std has a lock at which each of its threads is for a moment as it starts and ends.
    #[test]
    fn children_of_a_process_that_starts_threads_build_pools() {
        let _watchdog = watchdog();
        alone("forked::children_of_a_process_that_starts_threads_build_pools", || {
            use_pool(&pool(1));
            let orders = Arc::new(Orders::default());
            let starters: Vec<_> =
                (0..4).map(|_| call(&orders, || thread::spawn(|| ()).join().unwrap())).collect();
            for round in 0..100 {
                let ended = child_of_busy(&orders, || use_pool(&pool(2)));
                assert_eq!(ended, Ended::Well, "child {round}");
            }
            orders.stop.store(true, Ordering::Relaxed);
            starters.into_iter().for_each(|starter| starter.join().unwrap());
        });
    }

    /// std holds a lock while it writes of a panic.
    #[test]
    fn a_pool_from_before_the_fork_refuses_while_the_parent_panics() {
        let _watchdog = watchdog();
        own_process(
            "forked::a_pool_from_before_the_fork_refuses_while_the_parent_panics",
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

    #[test]
    fn a_pool_that_stands_still_is_told_of_while_the_parent_writes() {
        let _watchdog = watchdog();
        own_process(
            "forked::a_pool_that_stands_still_is_told_of_while_the_parent_writes",
            |_| (),
            || {
                use_pool(&pool(1));
                let (locked, hold) = (Gate::new(), Gate::new());
                let watched = || {
                    let period = Duration::from_millis(20);
                    let watched = common::builder().num_threads(1).watchdog(period).build();
                    let watched = watched.unwrap();
                    drop(watched.spawn(|| thread::sleep(Duration::from_millis(200))));
                    watched.spawn(|| ()).join().unwrap();
                };
                let ended = thread::scope(|plain| {
                    plain.spawn(|| {
                        let _stderr = io::stderr().lock();
                        locked.open();
                        hold.wait();
                    });
                    locked.wait();
                    let ended = child(watched);
                    hold.open();
                    ended
                });
                assert_eq!(ended, Ended::Well);
            },
            |output| {
                assert_success(&output);
                assert!(common::stderr(&output).contains("nothing has moved"));
            },
        );
    }

    // ---- In a task ----

    /// On a worker whose pool lost all the others: what it can do by itself.
    fn work_alone() {
        assert_eq!(fib(12), 144);
        assert_eq!(filch::scope(|s| s.spawn(|| fib(9)).join().unwrap()), 34);
        assert_eq!(filch::in_place_scope(|s| s.spawn(|| fib(9)).join().unwrap()), 34);
        assert_eq!(filch::spawn(|| fib(10)).join().unwrap(), 55);
        assert!(catch_unwind(|| filch::join(|| boom(1), || boom(2))).is_err());
        use_many_tasks();
    }

    #[test]
    fn a_task_that_forks_goes_on_alone_in_the_child() {
        let _watchdog = watchdog();
        alone("forked::a_task_that_forks_goes_on_alone_in_the_child", || {
            for threads in [1, 2, 4] {
                let pool = pool(threads);
                for _ in 0..10 {
                    assert_eq!(pool.install(|| child(work_alone)), Ended::Well);
                    assert_eq!(pool.join(|| child(work_alone), || ()).0, Ended::Well);
                    let task = pool.spawn(|| child(work_alone));
                    assert_eq!(task.join().unwrap(), Ended::Well);
                }
                use_pool(&pool);
            }
        });
    }

    /// What others of the parent had begun for the lost pool is nobody's: no wait is for ever.
    #[test]
    fn a_task_of_a_busy_pool_forks() {
        let _watchdog = watchdog();
        alone("forked::a_task_of_a_busy_pool_forks", || {
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
                let ended = pool.install(|| child_of_busy(&orders, work_alone));
                let may_be = matches!(ended, Ended::Well | Ended::Killed(libc::SIGABRT));
                assert!(may_be, "child {round}: {ended:?}");
            }
            orders.stop.store(true, Ordering::Relaxed);
            callers.into_iter().for_each(|caller| caller.join().unwrap());
            use_pool(&pool);
        });
    }

    /// `bottom`, with `depth` forks pending meanwhile.
    fn below_forks(depth: usize, bottom: &(impl Fn() + Sync)) {
        match depth {
            0 => bottom(),
            _ => drop(filch::join(|| below_forks(depth - 1, bottom), || ())),
        }
    }

    #[test]
    fn a_task_forks_while_others_take_its_forks_by_force() {
        let _watchdog = watchdog();
        alone("forked::a_task_forks_while_others_take_its_forks_by_force", || {
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
                        // SAFETY: ends the process here, whatever the frames below own.
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
        alone("forked::a_task_that_forks_may_build_a_pool_in_the_child", || {
            let outer = pool(2);
            // Its threads have begun, and none is at a lock of std's.
            use_pool(&outer);
            assert_eq!(outer.install(|| child(|| use_pool(&pool(2)))), Ended::Well);
            let elsewhere = || thread::spawn(use_free_functions).join().unwrap();
            assert_eq!(outer.install(|| child(elsewhere)), Ended::Well);
        });
    }

    #[test]
    fn a_join_that_nobody_took_part_in_ends_in_the_child() {
        let _watchdog = watchdog();
        alone("forked::a_join_that_nobody_took_part_in_ends_in_the_child", || {
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

    /// The child ended by itself, after it had said why.
    #[track_caller]
    fn says_fork(output: Output) {
        assert_success(&output);
        // The name of this module does not count.
        let told = common::stderr(&output).replace("forked", "");
        assert!(told.contains("fork"), "{told}");
    }

    /// A worker's child that asks the lost workers for something.
    #[track_caller]
    fn is_told_in_a_task(name: &str, body: fn(&ThreadPool)) {
        let in_a_task = || {
            let pool = pool(3);
            let ended = pool.install(|| child(|| body(&pool)));
            assert!(matches!(ended, Ended::Killed(libc::SIGABRT) | Ended::Panicked), "{ended:?}");
            use_pool(&pool);
        };
        own_process(name, |_| (), in_a_task, says_fork);
    }

    #[test]
    fn a_broadcast_to_lost_workers_ends_the_child() {
        let _watchdog = watchdog();
        is_told_in_a_task("forked::a_broadcast_to_lost_workers_ends_the_child", |pool| {
            pool.broadcast(|_| ());
        });
    }

    #[test]
    fn a_wait_for_a_lost_thief_ends_the_child() {
        let _watchdog = watchdog();
        let name = "forked::a_wait_for_a_lost_thief_ends_the_child";
        own_process(
            name,
            |_| (),
            || {
                let (pool, stolen, hold) = (pool(2), Flag::new(), Gate::new());
                let wait = || {
                    stolen.poll();
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
}

// ---- Few threads ----

#[cfg(target_os = "linux")]
mod limited {
    use super::*;
    use std::io;

    /// A user of this file's own, who runs nothing else: the limit counts all that a user runs.
    const NOBODY: u32 = 64_322;

    /// Lets this process have `most` threads, until told otherwise.
    fn allow_threads(most: Option<usize>) -> io::Result<()> {
        // SAFETY: these calls change only this process, which the test owns.
        let changed = unsafe {
            if libc::geteuid() == 0 && libc::setresuid(NOBODY, NOBODY, NOBODY) != 0 {
                return Err(io::Error::last_os_error());
            }
            let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::getrlimit(libc::RLIMIT_NPROC, &mut limit);
            limit.rlim_cur = most.map_or(limit.rlim_max, |most| most as libc::rlim_t);
            libc::setrlimit(libc::RLIMIT_NPROC, &limit)
        };
        if changed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Runs `body` where no further thread can be started.
    fn without_threads(name: &str, body: impl FnOnce()) {
        alone(name, || match allow_threads(common::thread_count()) {
            Err(error) => say(&format!("SKIPPED: this process cannot be limited: {error}")),
            Ok(()) => {
                assert!(thread::Builder::new().spawn(|| ()).is_err(), "the limit holds");
                body();
            }
        });
    }

    #[test]
    fn the_global_pool_comes_when_threads_can_be_had_again() {
        let _watchdog = watchdog();
        without_threads("limited::the_global_pool_comes_when_threads_can_be_had_again", || {
            let uses: [fn(); 3] = [
                || assert_eq!(filch::join(|| 1, || 2), (1, 2)),
                || drop(filch::spawn(|| ())),
                || filch::scope(|s| drop(s.spawn(|| ()))),
            ];
            for using in uses {
                let payload = catch_unwind(using).unwrap_err();
                let message = payload.downcast_ref::<String>().expect("a message");
                assert!(message.contains("the global pool cannot be built"), "{message}");
                assert!(message.contains("thread of worker 0"), "{message}");
            }
            allow_threads(None).unwrap();
            use_free_functions();
        });
    }

    #[test]
    fn a_pool_that_stands_needs_no_further_thread() {
        let _watchdog = watchdog();
        let pools = (pool(1), pool(3));
        without_threads("limited::a_pool_that_stands_needs_no_further_thread", || {
            for _ in 0..50 {
                use_pool(&pools.0);
                use_pool(&pools.1);
            }
            drop(pools);
        });
    }
}

// ---- Little stack ----

/// A stack on which the runtime fits, with small tasks and with what a worker runs of others' while
/// it waits. The smallest on which these tests pass on x86-64 Linux are 16 KiB with optimization,
/// the least that a thread can have there, and 40 KiB without.
const SMALL_STACK: usize = if cfg!(debug_assertions) { 64 << 10 } else { 32 << 10 };

fn small(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).stack_size(SMALL_STACK).build().unwrap()
}

/// Each kind of fork, theft and wait, with tasks that need no stack to speak of.
fn use_on_little_stack(pool: &ThreadPool) {
    use_pool(pool);
    for _ in 0..20 {
        let stolen = Flag::new();
        pool.install(|| filch::join(|| stolen.poll(), || stolen.raise()));
        pool.install(use_many_tasks);
        use_pool(pool);
        let tasks: Vec<_> = (0..100).map(|_| pool.spawn(|| fib(5))).collect();
        assert_eq!(tasks.into_iter().map(|task| task.join().unwrap()).sum::<u64>(), 500);
    }
}

#[test]
fn the_runtime_fits_a_small_stack() {
    let _watchdog = watchdog();
    alone("the_runtime_fits_a_small_stack", || {
        for threads in [2, 4, 16] {
            use_on_little_stack(&small(threads));
        }
    });
}

#[test]
fn panics_fit_a_small_stack() {
    let _watchdog = watchdog();
    alone("panics_fit_a_small_stack", || {
        let pool = small(2);
        for _ in 0..20 {
            assert_eq!(common::failed_with::<()>(pool.spawn(|| boom(1)).join()), 1);
            assert_eq!(common::caught(|| pool.install(|| filch::join(|| boom(2), || ()))), 2);
            assert_eq!(common::caught(|| pool.scope(|s| drop(s.spawn(|| boom(3))))), 3);
        }
        use_pool(&pool);
    });
}

// ---- Handlers that fail on every worker ----

#[test]
fn a_start_handler_that_fails_on_every_worker_is_told_of_each() {
    let _watchdog = watchdog();
    for threads in [1, 2, 8] {
        let failed = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&failed);
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .start_handler(|index| boom(u32::try_from(index).unwrap()))
            .panic_handler(move |payload| told.lock().unwrap().push(common::boom_id(payload)))
            .build()
            .unwrap();
        use_pool(&pool);
        drop(pool);
        let mut failed = std::mem::take(&mut *failed.lock().unwrap());
        failed.sort_unstable();
        assert_eq!(failed, (0..u32::try_from(threads).unwrap()).collect::<Vec<_>>());
    }
}

#[test]
fn a_start_handler_that_fails_on_every_global_worker_costs_nothing() {
    let _watchdog = watchdog();
    own_process(
        "a_start_handler_that_fails_on_every_global_worker_costs_nothing",
        |_| (),
        || {
            let builder = ThreadPoolBuilder::new().num_threads(3);
            builder.start_handler(|index| panic!("no start {index}")).build_global().unwrap();
            use_free_functions();
        },
        |output| {
            assert_success(&output);
            let told = common::stderr(&output);
            for index in 0..3 {
                assert!(told.contains(&format!("no start {index}")), "{told}");
            }
        },
    );
}

// ---- The end of the process ----

/// A process that is to end with 3 while its pools are at work.
#[track_caller]
fn ends_with_3(name: &str, body: impl FnOnce()) {
    own_process(
        name,
        |_| (),
        body,
        |output: Output| {
            assert_eq!(output.status.code(), Some(3), "{}", common::stderr(&output));
        },
    );
}

/// Keeps a pool, or the global one, at work for ever.
fn perpetuate() {
    drop(filch::spawn(|| {
        assert_eq!(fib(8), 21);
        perpetuate();
    }));
}

#[test]
fn a_process_ends_while_its_pools_work() {
    let _watchdog = watchdog();
    ends_with_3("a_process_ends_while_its_pools_work", || {
        let own = pool(3);
        for _ in 0..8 {
            own.install(perpetuate);
            perpetuate();
        }
        std::process::exit(3);
    });
}

#[test]
fn a_process_ends_while_callers_wait() {
    let _watchdog = watchdog();
    ends_with_3("a_process_ends_while_callers_wait", || {
        let (own, hold) = (Arc::new(pool(1)), Arc::new(Gate::new()));
        let entered = Arc::new(AtomicUsize::new(0));
        let wait = move |entered: &AtomicUsize| {
            entered.fetch_add(1, Ordering::SeqCst);
            hold.wait();
        };
        for operation in 0..4 {
            let (own, wait, entered) = (Arc::clone(&own), wait.clone(), Arc::clone(&entered));
            thread::spawn(move || match operation {
                0 => own.install(|| wait(&entered)),
                1 => drop(own.join(|| wait(&entered), || wait(&entered))),
                2 => own.in_place_scope(|s| {
                    drop(s.spawn(|| ()));
                    wait(&entered);
                }),
                _ => drop(pool(2).spawn(move || wait(&entered))),
            });
        }
        common::eventually("some wait", || entered.load(Ordering::SeqCst) >= 3);
        std::process::exit(3);
    });
}

#[test]
fn a_task_ends_the_process_while_others_work() {
    let _watchdog = watchdog();
    ends_with_3("a_task_ends_the_process_while_others_work", || {
        let pool = pool(3);
        pool.install(|| (0..8).for_each(|_| perpetuate()));
        pool.scope(|s| {
            drop(s.spawn(|| filch::join(|| std::process::exit(3), || fib(20))));
            fib(25)
        });
    });
}

#[test]
fn a_task_ends_the_process_while_its_pool_is_dropped() {
    let _watchdog = watchdog();
    ends_with_3("a_task_ends_the_process_while_its_pool_is_dropped", || {
        let pool = pool(2);
        drop(pool.spawn(|| {
            thread::yield_now();
            std::process::exit(3)
        }));
        drop(pool);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_pool_in_a_static_serves_to_the_end() {
    static POOL: LazyLock<ThreadPool> = LazyLock::new(|| pool(2));

    /// Called by the C library when everything of Rust's has ended.
    extern "C" fn at_exit() {
        use_pool(&POOL);
        use_free_functions();
        say("served at exit");
    }

    let _watchdog = watchdog();
    own_process(
        "a_pool_in_a_static_serves_to_the_end",
        |_| (),
        || {
            // SAFETY: a function of the program's.
            assert_eq!(unsafe { libc::atexit(at_exit) }, 0);
            use_pool(&POOL);
            POOL.install(|| (0..4).for_each(|_| perpetuate()));
        },
        |output| {
            assert_success(&output);
            assert!(common::stderr(&output).contains("served at exit"));
        },
    );
}

// ---- Destructors of thread-locals ----

/// Calls what it holds when its thread's locals are destroyed.
struct AtEnd(Box<dyn Fn()>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        (self.0)();
        LATE.fetch_add(1, Ordering::SeqCst);
    }
}

/// How many of these calls have returned.
static LATE: AtomicUsize = AtomicUsize::new(0);

/// Has `body` called when this thread ends.
fn when_this_thread_ends(body: impl Fn() + 'static) {
    thread_local!(static AT_END: RefCell<Vec<AtEnd>> = const { RefCell::new(Vec::new()) });
    AT_END.with_borrow_mut(|calls| calls.push(AtEnd(Box::new(body))));
}

fn late_calls() -> usize {
    LATE.load(Ordering::SeqCst)
}

/// Everything that a program may do with pools.
fn use_everything(shared: &ThreadPool) {
    use_free_functions();
    use_pool(shared);
    use_pool(&pool(2));
}

#[test]
fn a_plain_threads_destructors_may_use_everything() {
    let _watchdog = watchdog();
    alone("a_plain_threads_destructors_may_use_everything", || {
        let shared = Arc::new(pool(2));
        for used_before in [false, true] {
            let shared = Arc::clone(&shared);
            let ending = thread::spawn(move || {
                if used_before {
                    use_everything(&shared);
                }
                when_this_thread_ends(move || use_everything(&shared));
            });
            ending.join().unwrap();
        }
        assert_eq!(late_calls(), 2);
    });
}

#[test]
fn a_workers_destructors_may_use_everything_else() {
    let _watchdog = watchdog();
    alone("a_workers_destructors_may_use_everything_else", || {
        let (shared, ending) = (Arc::new(pool(2)), pool(3));
        ending.broadcast(|_| {
            let shared = Arc::clone(&shared);
            when_this_thread_ends(move || use_everything(&shared));
        });
        drop(ending);
        assert_eq!(late_calls(), 3, "the drop waited for them");
    });
}

#[test]
fn the_destructors_of_the_thread_that_ends_the_process_may_use_everything() {
    let _watchdog = watchdog();
    let name = "the_destructors_of_the_thread_that_ends_the_process_may_use_everything";
    own_process(
        name,
        |_| (),
        || {
            let shared = pool(2);
            when_this_thread_ends(move || {
                use_everything(&shared);
                say("served late");
            });
            // Destroys this thread's locals, as `main` does those of its thread when it returns.
            std::process::exit(0);
        },
        |output| {
            assert_success(&output);
            assert!(common::stderr(&output).contains("served late"));
        },
    );
}

#[test]
fn pools_and_handles_in_thread_locals_end_with_their_threads() {
    let _watchdog = watchdog();
    alone("pools_and_handles_in_thread_locals_end_with_their_threads", || {
        thread_local! {
            static OWN: RefCell<Option<(ThreadPool, JoinHandle<u64>)>> = const { RefCell::new(None) };
        }
        let own = || {
            let pool = pool(2);
            let task = pool.spawn(|| fib(10));
            OWN.set(Some((pool, task)));
        };
        let base = common::thread_count();
        thread::spawn(own).join().unwrap();
        common::threads_return_to(base);
        let outer = pool(2);
        outer.broadcast(|_| own());
        drop(outer);
        common::threads_return_to(base);
    });
}

// ---- Unwinding ----

#[test]
fn a_pool_dropped_while_unwinding_keeps_the_panics_of_its_tasks_apart() {
    let _watchdog = watchdog();
    for threads in [1, 3] {
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&told);
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let pool = ThreadPoolBuilder::new()
                .num_threads(threads)
                .panic_handler(move |payload| tell.lock().unwrap().push(common::boom_id(payload)))
                .build()
                .unwrap();
            for id in 10..20 {
                drop(pool.spawn(move || boom(id)));
            }
            boom(1)
        }));
        assert_eq!(common::failed_with::<()>(unwound), 1);
        let mut told = told.lock().unwrap().clone();
        told.sort_unstable();
        assert_eq!(told, (10..20).collect::<Vec<_>>());
    }
}

#[test]
fn a_task_that_unwinds_may_own_its_pool() {
    let _watchdog = watchdog();
    alone("a_task_that_unwinds_may_own_its_pool", || {
        let base = common::thread_count();
        for threads in [1, 3] {
            let pool = Arc::new(pool(threads));
            let last = Arc::clone(&pool);
            let (ran, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Gate::new()));
            let (count, wait) = (Arc::clone(&ran), Arc::clone(&gate));
            let task = pool.spawn(move || {
                wait.wait();
                for _ in 0..10 {
                    let count = Arc::clone(&count);
                    drop(last.spawn(move || count.fetch_add(1, Ordering::SeqCst)));
                }
                boom(threads as u32)
            });
            drop(pool);
            gate.open();
            assert_eq!(common::failed_with::<()>(task.join()), threads as u32);
            common::threads_return_to(base);
            assert_eq!(ran.load(Ordering::SeqCst), 10);
        }
    });
}

// ---- Code that is unloaded ----

#[cfg(target_os = "linux")]
mod plugin {
    use super::*;
    use std::ffi::{CStr, CString, c_void};
    use std::os::unix::ffi::OsStringExt;

    const OWN_POOL: &CStr = c"fib_in_own_pool";
    const GLOBAL_POOL: &CStr = c"fib_in_global_pool";
    const GLOBAL_POOL_LATER: &CStr = c"spawn_in_global_pool";

    /// The example `plugin`, loaded.
    struct Library(*mut c_void);

    // SAFETY: a handle of the loader's, which all threads may use.
    unsafe impl Send for Library {}

    impl Library {
        fn load() -> Self {
            Self::find(libc::RTLD_NOW).expect("build it first: cargo build --example plugin")
        }

        fn is_loaded() -> bool {
            Self::find(libc::RTLD_NOW | libc::RTLD_NOLOAD).is_some()
        }

        fn find(mode: libc::c_int) -> Option<Self> {
            let mut path = std::env::current_exe().unwrap();
            path.pop();
            path.pop();
            path.push("examples/libplugin.so");
            let path = CString::new(path.into_os_string().into_vec()).unwrap();
            // SAFETY: the path ends with a NUL; loading this library runs nothing of its own.
            let handle = unsafe { libc::dlopen(path.as_ptr(), mode) };
            (!handle.is_null()).then(|| Library(handle))
        }

        fn call(&self, name: &CStr, n: u64) -> u64 {
            // SAFETY: the library is loaded, and the name ends with a NUL.
            let function = unsafe { libc::dlsym(self.0, name.as_ptr()) };
            assert!(!function.is_null(), "no {name:?}");
            // SAFETY: what the example exports under these names has this type.
            let function: extern "C" fn(u64) -> u64 = unsafe { std::mem::transmute(function) };
            function(n)
        }
    }

    impl Drop for Library {
        fn drop(&mut self) {
            // SAFETY: the handle is this one's to give back.
            assert_eq!(unsafe { libc::dlclose(self.0) }, 0);
        }
    }

    #[test]
    fn a_library_with_a_pool_of_its_own_is_unloaded() {
        let _watchdog = watchdog();
        alone("plugin::a_library_with_a_pool_of_its_own_is_unloaded", || {
            let base = common::thread_count();
            for _ in 0..20 {
                // A thread that has thread-locals of the library's keeps it loaded.
                let library = thread::spawn(|| {
                    let library = Library::load();
                    assert_eq!(library.call(OWN_POOL, 15), 610);
                    library
                });
                let library = library.join().unwrap();
                common::threads_return_to(base);
                drop(library);
                assert!(!Library::is_loaded());
            }
            forks_well();
        });
    }

    #[test]
    fn a_library_is_unloaded_by_the_thread_that_used_it() {
        let _watchdog = watchdog();
        alone("plugin::a_library_is_unloaded_by_the_thread_that_used_it", || {
            for _ in 0..20 {
                let library = Library::load();
                assert_eq!(library.call(OWN_POOL, 15), 610);
                drop(library);
            }
            forks_well();
        });
    }

    #[test]
    fn a_library_that_used_the_global_pool_stays() {
        let _watchdog = watchdog();
        alone("plugin::a_library_that_used_the_global_pool_stays", || {
            let with_pool = common::thread_count().map(|base| base + num_cpus::get());
            for _ in 0..20 {
                let library = thread::spawn(|| {
                    let library = Library::load();
                    assert_eq!(library.call(GLOBAL_POOL, 15), 610);
                    library
                });
                drop(library.join().unwrap());
                assert!(Library::is_loaded());
                common::threads_return_to(with_pool);
            }
            forks_well();
        });
    }

    /// Only a thread that has begun keeps a library loaded by itself. That of the global pool may
    /// have been started and not have begun; so one process is not enough to see this.
    #[test]
    fn a_library_stays_for_global_threads_that_have_not_begun() {
        let _watchdog = watchdog();
        for _ in 0..40 {
            own_process(
                "plugin::a_library_stays_for_global_threads_that_have_not_begun",
                |command| {
                    command.env("FILCH_NUM_THREADS", "1");
                },
                || {
                    let library = thread::spawn(|| {
                        let library = Library::load();
                        assert_eq!(library.call(GLOBAL_POOL_LATER, 5), 5);
                        library
                    });
                    drop(library.join().unwrap());
                    assert!(Library::is_loaded(), "unloaded under its threads");
                    std::process::exit(0);
                },
                |output| assert_success(&output),
            );
        }
    }

    /// Nothing that is called at a fork is gone.
    fn forks_well() {
        // SAFETY: the child ends at once.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: takes a number.
            unsafe { libc::_exit(0) };
        }
        let mut status = 1;
        // SAFETY: the status is this frame's.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        assert_eq!(status, 0);
    }
}
