//! What holds for a whole process: the lazy global pool, panics of detached tasks, and how the
//! process ends.

mod common;

use std::cell::RefCell;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{
    Flag, Gate, alone, assert_success, eventually, own_process, tells, thread_count, watchdog,
};
use filch::{ThreadPoolBuilder, WaitPolicy, Yield};

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = filch::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

// ---- The global pool ----

#[test]
fn nothing_starts_before_the_first_use() {
    let _watchdog = watchdog();
    alone("nothing_starts_before_the_first_use", || {
        let base = thread_count();
        assert!(filch::max_num_threads() >= 256);
        assert_eq!(filch::current_thread_index(), None);
        assert_eq!(filch::yield_now(), None);
        assert_eq!(thread_count(), base);
    });
}

#[test]
fn the_global_pool_has_the_threads_that_the_process_may_use() {
    let _watchdog = watchdog();
    let name = "the_global_pool_has_the_threads_that_the_process_may_use";
    alone(name, || {
        assert_eq!(filch::current_num_threads(), num_cpus::get());
        assert_eq!(filch::broadcast(|_| ()).len(), num_cpus::get());
    });
}

#[cfg(target_os = "linux")]
#[test]
fn the_global_pool_honours_the_affinity_mask() {
    fn use_one_cpu() {
        // SAFETY: the set is plain data, and the call only reads it.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(libc::sched_getcpu() as usize, &mut set);
            assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &set), 0);
        }
    }

    let _watchdog = watchdog();
    alone("the_global_pool_honours_the_affinity_mask", || {
        use_one_cpu();
        assert_eq!(filch::current_num_threads(), 1);
        assert_eq!(fib(12), 144);
    });
}

fn set_env(command: &mut Command, value: &str) {
    command.env("FILCH_NUM_THREADS", value);
}

/// Counts the threads of the global pool if `FILCH_NUM_THREADS` is `value`.
#[track_caller]
fn env_gives(name: &str, value: &str, expected: usize) {
    let count = || {
        assert_eq!(filch::current_num_threads(), expected);
        assert_eq!(filch::broadcast(|_| ()).len(), expected);
    };
    own_process(name, |command| set_env(command, value), count, |output| assert_success(&output));
}

#[test]
fn the_environment_sets_the_threads() {
    let _watchdog = watchdog();
    env_gives("the_environment_sets_the_threads", "5", 5);
}

#[test]
fn one_thread_is_enough() {
    let _watchdog = watchdog();
    env_gives("one_thread_is_enough", "1", 1);
}

#[test]
fn zero_in_the_environment_means_the_default() {
    let _watchdog = watchdog();
    let name = "zero_in_the_environment_means_the_default";
    env_gives(name, "0", num_cpus::get());
}

#[test]
fn nothing_in_the_environment_means_the_default() {
    let _watchdog = watchdog();
    let name = "nothing_in_the_environment_means_the_default";
    env_gives(name, "", num_cpus::get());
}

#[test]
fn the_builder_overrides_the_environment() {
    let _watchdog = watchdog();
    own_process(
        "the_builder_overrides_the_environment",
        |command| set_env(command, "5"),
        || {
            let builder = ThreadPoolBuilder::new().num_threads(3);
            builder.thread_name(|i| format!("global-{i}")).build_global().unwrap();
            assert_eq!(filch::current_num_threads(), 3);
            let name = filch::spawn(|| thread::current().name().map(str::to_owned));
            assert!(name.join().unwrap().unwrap().starts_with("global-"));
        },
        |output| assert_success(&output),
    );
}

/// Runs `body` with these variables in the environment.
#[track_caller]
fn with_variables(name: &str, variables: &[(&str, &str)], body: impl FnOnce()) {
    own_process(
        name,
        |command| {
            command.envs(variables.iter().copied());
        },
        body,
        |output| assert_success(&output),
    );
}

/// Whether a worker of the global pool, which has two, runs a task while it waits for the other
/// side of a `join`.
fn runs_tasks_in_waits() -> bool {
    let (taken, over, ran) = (Gate::new(), Gate::new(), Arc::new(Flag::new()));
    thread::scope(|plain| {
        // On a worker: a thread from outside would wait for the other side itself.
        plain.spawn(|| {
            filch::broadcast(|context| {
                if context.index() == 0 {
                    let other = || {
                        taken.open();
                        over.wait();
                    };
                    filch::join(|| taken.wait(), other);
                }
            });
        });
        taken.wait();
        let task_ran = Arc::clone(&ran);
        drop(filch::spawn(move || task_ran.raise()));
        let deadline = Instant::now() + Duration::from_millis(300);
        while !ran.is_up() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        let ran_early = ran.is_up();
        over.open();
        eventually("the task runs", || ran.is_up());
        ran_early
    })
}

#[test]
fn the_environment_sets_the_wait_policy() {
    let _watchdog = watchdog();
    let own = [("FILCH_WAIT", "own"), ("FILCH_NUM_THREADS", "2")];
    with_variables("the_environment_sets_the_wait_policy", &own, || {
        assert!(!runs_tasks_in_waits());
    });
}

#[test]
fn any_work_is_the_default_in_the_environment() {
    let _watchdog = watchdog();
    let any = [("FILCH_WAIT", "any"), ("FILCH_NUM_THREADS", "2")];
    with_variables("any_work_is_the_default_in_the_environment", &any, || {
        assert!(runs_tasks_in_waits());
    });
}

#[test]
fn the_builder_overrides_the_environment_on_waits_and_cores() {
    let _watchdog = watchdog();
    let name = "the_builder_overrides_the_environment_on_waits_and_cores";
    with_variables(name, &[("FILCH_WAIT", "own"), ("FILCH_LEND", "0")], || {
        let builder = ThreadPoolBuilder::new().wait_policy(WaitPolicy::AnyWork).lend_seats(true);
        let told = format!("{:?}", builder.with_env().unwrap());
        assert!(told.contains("wait_policy: AnyWork"), "{told}");
        assert!(told.contains("lend_seats: true"), "{told}");
    });
}

#[test]
fn the_environment_says_whether_cores_are_lent() {
    let _watchdog = watchdog();
    let name = "the_environment_says_whether_cores_are_lent";
    with_variables(name, &[("FILCH_LEND", "0"), ("FILCH_WAIT", "")], || {
        let me = thread::current().id();
        let on_me = |_| filch::join(|| thread::current().id() == me, || ()).0;
        assert!(!(0..10_000).any(on_me));
        // Cores of other pools are still lent.
        let told = format!("{:?}", ThreadPoolBuilder::new());
        assert!(told.contains("lend_seats: true"), "{told}");
    });
}

#[test]
fn the_environment_starts_a_watchdog() {
    let _watchdog = watchdog();
    let name = "the_environment_starts_a_watchdog";
    with_variables(name, &[("FILCH_WATCHDOG", "7")], || {
        let told = format!("{:?}", ThreadPoolBuilder::new().with_env().unwrap());
        assert!(told.contains("watchdog: Some(7s)"), "{told}");
        let builder = ThreadPoolBuilder::new().watchdog(Duration::from_secs(1));
        let told = format!("{:?}", builder.with_env().unwrap());
        assert!(told.contains("watchdog: Some(1s)"), "{told}");
    });
}

#[test]
fn free_functions_use_the_global_pool() {
    let _watchdog = watchdog();
    alone("free_functions_use_the_global_pool", || {
        ThreadPoolBuilder::new().num_threads(3).build_global().unwrap();
        let size = filch::current_num_threads;
        assert_eq!(size(), 3);
        assert_eq!(filch::join(size, size), (3, 3));
        assert_eq!(filch::join_context(|_| size(), |_| size()), (3, 3));
        assert_eq!(filch::scope(|s| s.spawn(size).join().unwrap()), 3);
        assert_eq!(filch::in_place_scope(|s| s.spawn(size).join().unwrap()), 3);
        assert_eq!(filch::spawn(size).join().unwrap(), 3);
        assert_eq!(filch::broadcast(|_| size()), [3; 3]);
        assert_eq!(filch::counters().workers.len(), 3);
        let index = filch::spawn(filch::current_thread_index).join().unwrap();
        assert!(index.unwrap() < 3);
        let yielded = filch::spawn(filch::yield_now).join().unwrap();
        assert!(matches!(yielded, Some(Yield::Idle | Yield::Executed)));
        let ran = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&ran);
        filch::spawn_broadcast(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        eventually("the broadcast", || ran.load(Ordering::SeqCst) == 3);
    });
}

#[test]
fn free_functions_on_a_worker_leave_the_global_pool_alone() {
    let _watchdog = watchdog();
    let name = "free_functions_on_a_worker_leave_the_global_pool_alone";
    alone(name, || {
        let base = thread_count();
        let pool = common::pool(3);
        let sum = pool.install(|| {
            let spawned = filch::spawn(|| fib(5)).join().unwrap();
            spawned + filch::scope(|s| s.spawn(|| fib(6)).join().unwrap()) + fib(7)
        });
        assert_eq!(sum, 26);
        assert_eq!(pool.install(filch::current_num_threads), 3);
        assert_eq!(thread_count(), base.map(|base| base + 3));
    });
}

#[test]
fn many_threads_may_use_the_global_pool_first() {
    let _watchdog = watchdog();
    own_process(
        "many_threads_may_use_the_global_pool_first",
        |command| set_env(command, "3"),
        || {
            let base = thread_count();
            thread::scope(|plain| {
                for _ in 0..16 {
                    plain.spawn(|| assert_eq!(fib(10), 55));
                }
            });
            let expected = base.map(|base| base + 3);
            eventually("there is only one pool", || thread_count() == expected);
        },
        |output| assert_success(&output),
    );
}

#[test]
fn a_caller_that_uses_the_pool_while_its_thread_ends_is_served() {
    /// Calls into the pool when the thread's locals are destroyed.
    struct LateCall;

    impl Drop for LateCall {
        fn drop(&mut self) {
            assert_eq!(filch::join(|| 1, || 2), (1, 2));
            assert_eq!(filch::spawn(|| 3).join().unwrap(), 3);
        }
    }

    thread_local!(static LATE: RefCell<Option<LateCall>> = const { RefCell::new(None) });

    let _watchdog = watchdog();
    alone("a_caller_that_uses_the_pool_while_its_thread_ends_is_served", || {
        let local_first = || {
            LATE.set(Some(LateCall));
            fib(5)
        };
        let pool_first = || {
            let value = fib(5);
            LATE.set(Some(LateCall));
            value
        };
        assert_eq!(thread::spawn(local_first).join().unwrap(), 5);
        assert_eq!(thread::spawn(pool_first).join().unwrap(), 5);
    });
}

#[test]
fn a_worker_that_uses_the_global_pool_while_it_ends_is_served() {
    struct LateCall;

    impl Drop for LateCall {
        fn drop(&mut self) {
            assert_eq!(filch::join(|| 1, || 2), (1, 2));
        }
    }

    thread_local!(static LATE: RefCell<Option<LateCall>> = const { RefCell::new(None) });

    let _watchdog = watchdog();
    alone("a_worker_that_uses_the_global_pool_while_it_ends_is_served", || {
        let pool = common::pool(2);
        pool.broadcast(|_| LATE.set(Some(LateCall)));
        drop(pool);
    });
}

// ---- Panics of detached tasks ----

#[test]
fn a_detached_panic_without_a_handler_is_reported_and_the_process_goes_on() {
    let _watchdog = watchdog();
    tells(
        "a_detached_panic_without_a_handler_is_reported_and_the_process_goes_on",
        || {
            let pool = common::pool(2);
            drop(pool.spawn(|| panic!("loose in a pool")));
            drop(filch::spawn(|| panic!("loose in the global pool")));
            filch::spawn_broadcast(|_| panic!("loose in a broadcast"));
            drop(pool);
            filch::broadcast(|_| ());
            assert_eq!(fib(10), 55);
        },
        |told| {
            for place in ["a pool", "the global pool", "a broadcast"] {
                assert!(told.contains(&format!("loose in {place}")), "{told}");
            }
        },
    );
}

#[test]
fn a_joined_panic_leaves_the_process_alone() {
    let _watchdog = watchdog();
    alone("a_joined_panic_leaves_the_process_alone", || {
        assert!(filch::spawn(|| panic!("joined")).join().is_err());
        assert_eq!(fib(10), 55);
    });
}

// ---- The end of the process ----

#[test]
fn the_process_ends_while_global_tasks_run() {
    let _watchdog = watchdog();
    alone("the_process_ends_while_global_tasks_run", || {
        let started = Arc::new(Gate::new());
        let start = Arc::clone(&started);
        drop(filch::spawn(move || {
            start.open();
            loop {
                thread::sleep(Duration::from_millis(1));
            }
        }));
        started.wait();
    });
}

#[test]
fn the_process_ends_while_global_tasks_spawn_tasks() {
    fn perpetuate() {
        drop(filch::spawn(perpetuate));
    }

    let _watchdog = watchdog();
    alone("the_process_ends_while_global_tasks_spawn_tasks", || {
        (0..8).for_each(|_| perpetuate());
        thread::sleep(Duration::from_millis(20));
    });
}

#[test]
fn the_process_ends_when_the_global_pool_sleeps() {
    let _watchdog = watchdog();
    alone("the_process_ends_when_the_global_pool_sleeps", || {
        assert_eq!(fib(10), 55);
        thread::sleep(Duration::from_millis(100));
    });
}

#[test]
fn a_task_may_end_the_process() {
    let _watchdog = watchdog();
    own_process(
        "a_task_may_end_the_process",
        |_| (),
        || {
            let ending = filch::spawn(|| std::process::exit(3));
            drop(ending.join());
        },
        |output: Output| assert_eq!(output.status.code(), Some(3)),
    );
}

#[test]
fn a_pool_in_a_static_does_not_stop_the_process_from_ending() {
    static POOL: std::sync::OnceLock<filch::ThreadPool> = std::sync::OnceLock::new();

    let _watchdog = watchdog();
    let name = "a_pool_in_a_static_does_not_stop_the_process_from_ending";
    alone(name, || {
        let pool = POOL.get_or_init(|| common::pool(2));
        assert_eq!(pool.install(|| fib(10)), 55);
    });
}
