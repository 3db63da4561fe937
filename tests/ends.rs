//! Ends while pools exist: of the process, of a thread, of a frame that unwinds, and of the code
//! itself.

mod common;
#[path = "common/uses.rs"]
mod uses;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use common::{
    CALLERS, Gate, alone, assert_success, boom, is_simulated_without, own_process, pool, say,
    step_aside, tells, watchdog,
};
use filch::{JoinHandle, ThreadPool, ThreadPoolBuilder};
use uses::{fib, use_free_functions, use_pool};

// ---- The end of pools that own each other ----

/// A ring of pools, each of which is dropped last by a task of the one before.
#[test]
fn pools_that_drop_each_other_end() {
    let _watchdog = watchdog();
    for pools in [2, 3, 5] {
        for threads in [1, 2] {
            let ring: Vec<_> = (0..pools).map(|_| Arc::new(pool(threads))).collect();
            let begun = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> = (0..pools)
                .map(|at| {
                    let (begun, next) = (begun.clone(), ring[(at + 1) % pools].clone());
                    ring[at].spawn(move || {
                        begun.fetch_add(1, Ordering::SeqCst);
                        while begun.load(Ordering::SeqCst) <= pools {
                            step_aside();
                        }
                        drop(next);
                    })
                })
                .collect();
            drop(ring);
            begun.fetch_add(1, Ordering::SeqCst);
            tasks.into_iter().for_each(|task| task.join().unwrap());
        }
    }
}

// ---- The end of the process ----

/// Runs `body` in a process that must end with status 3 while its pools are at work.
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
    if is_simulated_without(CALLERS) {
        return;
    }
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

    /// Called by the C library after everything of Rust has ended.
    extern "C" fn at_exit() {
        use_pool(&POOL);
        use_free_functions();
        say("served at exit");
    }

    if is_simulated_without(CALLERS) {
        return;
    }
    let _watchdog = watchdog();
    tells(
        "a_pool_in_a_static_serves_to_the_end",
        || {
            // SAFETY: the function is part of the program.
            assert_eq!(unsafe { libc::atexit(at_exit) }, 0);
            use_pool(&POOL);
            POOL.install(|| (0..4).for_each(|_| perpetuate()));
        },
        |told| assert!(told.contains("served at exit")),
    );
}

// ---- Destructors of thread-locals ----

/// Calls its closure when its thread's locals are destroyed.
struct AtEnd(Box<dyn Fn()>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        (self.0)();
        LATE.fetch_add(1, Ordering::SeqCst);
    }
}

/// How many of these calls have returned.
static LATE: AtomicUsize = AtomicUsize::new(0);

/// Makes this thread call `body` when it ends.
fn when_this_thread_ends(body: impl Fn() + 'static) {
    thread_local!(static AT_END: RefCell<Vec<AtEnd>> = const { RefCell::new(Vec::new()) });
    AT_END.with_borrow_mut(|calls| calls.push(AtEnd(Box::new(body))));
}

fn late_calls() -> usize {
    LATE.load(Ordering::SeqCst)
}

/// Does everything that a program may do with pools.
fn use_everything(shared: &ThreadPool) {
    use_free_functions();
    use_pool(shared);
    use_pool(&pool(2));
}

#[test]
fn a_plain_threads_destructors_may_use_everything() {
    if is_simulated_without(CALLERS) {
        return;
    }
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
        let before = late_calls();
        let (shared, ending) = (Arc::new(pool(2)), pool(3));
        ending.broadcast(|_| {
            let shared = Arc::clone(&shared);
            when_this_thread_ends(move || use_everything(&shared));
        });
        drop(ending);
        assert_eq!(late_calls(), before + 3, "the drop did not wait for the destructors");
    });
}

/// The builder's thread is the only worker that can end while its pool can still be called.
#[test]
fn a_members_destructors_may_use_its_own_pool() {
    let _watchdog = watchdog();
    alone("a_members_destructors_may_use_its_own_pool", || {
        let before = late_calls();
        for (threads, pool_first) in [(1, false), (1, true), (2, false), (2, true)] {
            let own = Arc::new(OnceLock::new());
            let pools = Arc::clone(&own);
            let member = thread::spawn(move || {
                let late = Arc::clone(&pools);
                let call_late =
                    || when_this_thread_ends(move || use_everything(late.get().unwrap()));
                let build = || {
                    let builder = ThreadPoolBuilder::new().num_threads(threads);
                    pools.set(builder.use_current_thread().build().unwrap()).unwrap();
                };
                if pool_first {
                    build();
                    call_late();
                } else {
                    call_late();
                    build();
                }
            });
            member.join().unwrap();
            use_pool(own.get().unwrap());
        }
        assert_eq!(late_calls(), before + 4);
    });
}

/// No thread can call a pool whose workers are ending, but there are handles of its tasks.
#[test]
fn a_workers_destructors_may_join_its_own_tasks() {
    let _watchdog = watchdog();
    alone("a_workers_destructors_may_join_its_own_tasks", || {
        for background in [false, true] {
            let (base, before) = (common::thread_count(), late_calls());
            let pool = pool(2);
            pool.broadcast(|_| {
                let task = RefCell::new(Some(filch::spawn(|| fib(10))));
                when_this_thread_ends(move || {
                    assert_eq!(filch::current_thread_index(), None);
                    assert_eq!(task.take().unwrap().join().unwrap(), 55);
                });
            });
            if background {
                pool.shutdown_background()
            } else {
                drop(pool)
            }
            common::threads_return_to(base);
            assert_eq!(late_calls(), before + 2);
        }
    });
}

#[test]
fn the_destructors_of_the_thread_that_ends_the_process_may_use_everything() {
    let _watchdog = watchdog();
    let name = "the_destructors_of_the_thread_that_ends_the_process_may_use_everything";
    tells(
        name,
        || {
            let shared = pool(2);
            when_this_thread_ends(move || {
                use_everything(&shared);
                say("served late");
            });
            // Destroys this thread's locals, as the end of `main` destroys those of its thread.
            std::process::exit(0);
        },
        |told| assert!(told.contains("served late")),
    );
}

#[test]
fn pools_and_handles_in_thread_locals_end_with_their_threads() {
    let _watchdog = watchdog();
    alone("pools_and_handles_in_thread_locals_end_with_their_threads", || {
        thread_local! {
            static OWN: RefCell<Option<(ThreadPool, JoinHandle<u64>)>> =
                const { RefCell::new(None) };
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

    /// A handle of the library in `tests/plugin`.
    struct Library(*mut c_void);

    // SAFETY: a handle of the loader, which all threads may use.
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
            // SAFETY: the path ends with a NUL. Loading this library runs no code of its own.
            let handle = unsafe { libc::dlopen(path.as_ptr(), mode) };
            (!handle.is_null()).then(|| Library(handle))
        }

        fn call(&self, name: &CStr, n: u64) -> u64 {
            // SAFETY: the library is loaded, and the name ends with a NUL.
            let function = unsafe { libc::dlsym(self.0, name.as_ptr()) };
            assert!(!function.is_null(), "no {name:?}");
            // SAFETY: the functions that the example exports under these names have this type.
            let function: extern "C" fn(u64) -> u64 = unsafe { std::mem::transmute(function) };
            function(n)
        }
    }

    impl Drop for Library {
        fn drop(&mut self) {
            // SAFETY: this value owns the handle.
            assert_eq!(unsafe { libc::dlclose(self.0) }, 0);
        }
    }

    #[test]
    fn a_library_with_a_pool_of_its_own_is_unloaded() {
        let _watchdog = watchdog();
        alone("plugin::a_library_with_a_pool_of_its_own_is_unloaded", || {
            let base = common::thread_count();
            for _ in 0..20 {
                // A thread whose thread-locals belong to the library keeps it loaded.
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

    /// A library is kept loaded by its threads, but only once they have begun. The thread of the
    /// global pool may have been started without having begun. This needs many processes to be
    /// seen.
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
                    assert!(
                        Library::is_loaded(),
                        "the library was unloaded while its threads needed it"
                    );
                    std::process::exit(0);
                },
                |output| assert_success(&output),
            );
        }
    }

    /// Asserts that functions which are called at a fork are still loaded.
    fn forks_well() {
        // SAFETY: the child ends at once.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: takes a number.
            unsafe { libc::_exit(0) };
        }
        let mut status = 1;
        // SAFETY: the status belongs to this frame.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        assert_eq!(status, 0);
    }
}

// ---- Threads that never start, and threads that end late ----

/// Other workers run the jobs of a worker that gets no thread.
#[test]
fn a_failed_build_ends_though_there_is_work_for_a_worker_without_a_thread() {
    let _watchdog = watchdog();
    for waits in [false, true] {
        for member in [false, true] {
            let builder = ThreadPoolBuilder::new().num_threads(3).start_handler(move |_| {
                filch::spawn_broadcast(|_| ());
                if waits {
                    filch::broadcast(|_| ());
                }
            });
            let builder = if member { builder.use_current_thread() } else { builder };
            let refused = builder.thread_name(|index| {
                thread::sleep(Duration::from_millis(20));
                if index == 2 { "\0".into() } else { "fine".into() }
            });
            let life = || refused.build().map(drop).unwrap_err().to_string();
            assert!(life().contains("NUL"));
        }
    }
}

#[test]
fn a_broadcast_in_a_pool_with_a_dropped_thread_builder_ends() {
    let _watchdog = watchdog();
    let mut kept = Vec::new();
    let pool = ThreadPoolBuilder::new().num_threads(3).build_with(|worker| {
        if worker.index() == 1 {
            kept.push(worker);
            return Ok(());
        }
        thread::Builder::new().spawn(|| worker.run()).map(drop)
    });
    let pool = pool.unwrap();
    drop(kept);
    assert_eq!(pool.broadcast(|worker| worker.index()), [0, 1, 2]);
    pool.spawn_broadcast(|_| ());
    drop(pool);
}

/// A worker drops a pool and waits for its thread. A thread-local of that thread needs the worker.
#[test]
fn a_worker_that_drops_another_pool_works_until_its_threads_have_ended() {
    static OUTER: OnceLock<ThreadPool> = OnceLock::new();
    struct AtEnd(std::sync::mpsc::Sender<u32>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            thread::sleep(Duration::from_millis(20));
            self.0.send(OUTER.get().unwrap().install(|| 7)).unwrap();
        }
    }
    thread_local! {
        static LOCAL: std::cell::Cell<Option<AtEnd>> = const { std::cell::Cell::new(None) };
    }

    let _watchdog = watchdog();
    let outer = OUTER.get_or_init(|| ThreadPoolBuilder::new().num_threads(1).build().unwrap());
    let told = outer.install(|| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let inner = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        inner.install(|| LOCAL.set(Some(AtEnd(sender))));
        drop(inner);
        receiver.try_recv()
    });
    assert_eq!(told, Ok(7), "the destructor had not run when the pool had ended");
}
