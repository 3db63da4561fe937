//! What a process may lack: threads, stack, or handlers that do not fail.

mod common;
#[path = "common/uses.rs"]
mod uses;

use std::sync::{Arc, Mutex};

use common::{Flag, alone, boom, tells, watchdog};
use filch::{ThreadPool, ThreadPoolBuilder};
use uses::{fib, use_free_functions, use_many_tasks, use_pool};

// ---- Few threads ----

#[cfg(target_os = "linux")]
mod limited {
    use std::io;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc;
    use std::thread;

    use super::common::{pool, say};
    use super::*;

    /// A user that only this file uses and that runs nothing else: the limit counts all threads of
    /// a user.
    const NOBODY: u32 = 64_322;

    /// Limits this process to `most` threads, until the next call.
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

    /// Runs `body` while no further thread can be started.
    fn without_threads(name: &str, body: impl FnOnce()) {
        alone(name, || match allow_threads(common::thread_count()) {
            Err(error) => say(&format!("SKIPPED: this process cannot be limited: {error}")),
            Ok(()) => {
                assert!(thread::Builder::new().spawn(|| ()).is_err(), "the limit does not hold");
                body();
            }
        });
    }

    #[test]
    fn the_global_pool_is_built_once_threads_can_start_again() {
        let _watchdog = watchdog();
        without_threads("limited::the_global_pool_is_built_once_threads_can_start_again", || {
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

    /// The only worker of a pool waits for another pool, in a task that a thread joins. The other
    /// pool requests a task. No further thread can start to run it, so it runs on top of the wait.
    #[test]
    fn a_worker_that_waits_for_a_pool_needs_no_further_thread() {
        let _watchdog = watchdog();
        let (here, there) = (Arc::new(pool(1)), Arc::new(pool(1)));
        let threads = common::thread_count();
        without_threads("limited::a_worker_that_waits_for_a_pool_needs_no_further_thread", || {
            let wait_elsewhere = || {
                let (asked, elsewhere, ran) = (here.clone(), there.clone(), Arc::new(Flag::new()));
                // Not joined: a joined task would be part of the task that waits.
                let ask = move || {
                    let runs = ran.clone();
                    drop(asked.spawn(move || runs.raise()));
                    ran.hold();
                };
                here.spawn(move || elsewhere.install(ask)).join().unwrap();
            };
            (0..50).for_each(|_| wait_elsewhere());
            assert_eq!(common::thread_count(), threads, "a thread was started");
            use_pool(&here);
            // Once threads can start again, the next wait gets one.
            allow_threads(None).unwrap();
            wait_elsewhere();
            assert_eq!(common::thread_count(), threads.map(|threads| threads + 1));
        });
    }

    /// The only worker of a pool is a thread of the user's, which ends while a task is queued.
    #[test]
    fn a_member_without_a_successor_runs_the_queued_tasks() {
        let _watchdog = watchdog();
        let (go, may_go) = mpsc::channel::<()>();
        let (hand, handed) = mpsc::channel();
        let member = thread::spawn(move || {
            if may_go.recv().is_err() {
                return; // not in the process whose threads are limited
            }
            let pool = common::builder().num_threads(1).use_current_thread().build().unwrap();
            let chain = || filch::spawn(|| filch::join(|| 1, || filch::spawn(|| 2)));
            hand.send((pool.spawn(chain), pool)).unwrap();
        });
        without_threads("limited::a_member_without_a_successor_runs_the_queued_tasks", || {
            go.send(()).unwrap();
            let (task, pool) = handed.recv().unwrap();
            let (one, two) = task.join().unwrap().join().unwrap();
            assert_eq!((one, two.join().unwrap()), (1, 2));
            member.join().unwrap();
            // The pool has no thread left.
            let uses: [&dyn Fn(); 4] = [
                &|| drop(pool.spawn(|| ())),
                &|| pool.install(|| ()),
                &|| pool.spawn_broadcast(|_| ()),
                &|| pool.scope(|_| ()),
            ];
            for using in uses {
                let payload = catch_unwind(AssertUnwindSafe(using)).unwrap_err();
                let message = payload.downcast_ref::<&str>().expect("a message");
                assert!(message.contains("this pool has no thread"), "{message}");
            }
            drop(pool);
        });
    }

    #[test]
    fn a_pool_that_is_built_needs_no_further_thread() {
        let _watchdog = watchdog();
        let pools = (pool(1), pool(3));
        without_threads("limited::a_pool_that_is_built_needs_no_further_thread", || {
            for _ in 0..50 {
                use_pool(&pools.0);
                use_pool(&pools.1);
            }
            drop(pools);
        });
    }
}

// ---- Small stacks ----

/// A stack that suffices for the runtime with small tasks, including other tasks that a worker runs
/// while it waits. On x86-64 Linux, the smallest stacks on which these tests pass have 16 KiB in a
/// release build, which is the least that a thread can have there, and 40 KiB in a debug build.
const SMALL_STACK: usize = if cfg!(debug_assertions) { 64 << 10 } else { 32 << 10 };

fn small(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).stack_size(SMALL_STACK).build().unwrap()
}

/// Runs each kind of fork, theft and wait, with tasks that need hardly any stack.
fn use_on_small_stack(pool: &ThreadPool) {
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
            use_on_small_stack(&small(threads));
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
fn a_start_handler_that_fails_on_every_worker_is_reported_for_each() {
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
    tells(
        "a_start_handler_that_fails_on_every_global_worker_costs_nothing",
        || {
            let builder = ThreadPoolBuilder::new().num_threads(3);
            builder.start_handler(|index| panic!("no start {index}")).build_global().unwrap();
            use_free_functions();
        },
        |told| {
            for index in 0..3 {
                assert!(told.contains(&format!("no start {index}")), "{told}");
            }
        },
    );
}
