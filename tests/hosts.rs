//! On whose threads a pool works: its own, its builder's, a spawn handler's or a scope's.

mod common;

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use common::{
    CALLERS, Gate, alone, boom, boom_id, builder, caught, eventually, is_simulated_without,
    own_process, stderr, thread_count, threads_return_to, watchdog,
};
use filch::{BuildErrorKind, ThreadBuilder, ThreadPool, ThreadPoolBuilder, Yield};

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = filch::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

/// Runs `body` on a thread that ends after it.
fn on_a_thread<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> R {
    thread::spawn(body).join().unwrap()
}

fn with_this_thread(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).use_current_thread().build().unwrap()
}

// ---- The builder's thread ----

#[test]
fn the_builders_thread_is_worker_0() {
    let _watchdog = watchdog();
    alone("the_builders_thread_is_worker_0", || {
        let base = thread_count();
        for threads in 1..=4 {
            on_a_thread(move || {
                let pool = with_this_thread(threads);
                let me = thread::current().id();
                assert_eq!(filch::current_thread_index(), Some(0));
                assert_eq!(pool.current_thread_index(), Some(0));
                assert_eq!(filch::current_num_threads(), threads);
                assert_eq!(pool.install(|| thread::current().id()), me);
                assert_eq!(fib(15), 610);
                assert_eq!(filch::scope(|s| s.spawn(|| 3).join().unwrap()), 3);
                assert_eq!(filch::spawn(|| 4).join().unwrap(), 4);
                let ids = filch::broadcast(|_| thread::current().id());
                assert_eq!((ids.len(), ids[0]), (threads, me));
                if let (Some(base), Some(now)) = (base, thread_count()) {
                    assert_eq!(now, base + threads, "this thread, and all but one of the pool");
                }
            });
            threads_return_to(base);
        }
    });
}

#[test]
fn a_thread_is_a_worker_of_one_pool_only() {
    let _watchdog = watchdog();
    on_a_thread(|| {
        let _pool = with_this_thread(2);
        let again = ThreadPoolBuilder::new().use_current_thread().build().unwrap_err();
        assert!(matches!(again.kind(), BuildErrorKind::CurrentThreadAlreadyInPool));
        assert!(again.to_string().starts_with("use_current_thread: "), "{again}");
    });
    let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let within = pool.install(|| ThreadPoolBuilder::new().use_current_thread().build().is_err());
    assert!(within);
    // The refusal has left the thread as it was.
    assert_eq!(filch::current_thread_index(), None);
}

/// The builder's closures run before the thread becomes a worker. They may make it a worker of
/// another pool.
#[test]
fn a_closure_of_the_builder_may_build_a_pool_of_the_same_thread() {
    let _watchdog = watchdog();
    for threads in 1..=3 {
        on_a_thread(move || {
            let mut inner = None;
            let builder = ThreadPoolBuilder::new().num_threads(threads).use_current_thread();
            let handler = |worker: ThreadBuilder| {
                inner.get_or_insert_with(|| with_this_thread(2));
                thread::Builder::new().spawn(|| worker.run()).map(drop)
            };
            let outer = builder.build_with(handler);
            match inner {
                None => assert_eq!(outer.unwrap().install(filch::current_num_threads), threads),
                Some(inner) => {
                    let refused = outer.unwrap_err();
                    let kind = refused.kind();
                    assert!(matches!(kind, BuildErrorKind::CurrentThreadAlreadyInPool), "{kind:?}");
                    assert_eq!(inner.install(|| fib(15)), 610);
                }
            }
            assert_eq!(fib(15), 610);
        });
    }
    on_a_thread(|| {
        let named =
            ThreadPoolBuilder::new().num_threads(1).use_current_thread().thread_name(|_| {
                drop(with_this_thread(1));
                String::new()
            });
        let refused = named.build().unwrap_err();
        assert!(matches!(refused.kind(), BuildErrorKind::CurrentThreadAlreadyInPool));
        assert_eq!((filch::current_thread_index(), fib(15)), (Some(0), 610));
    });
}

/// The thread becomes a member last, when no closure of the builder can panic any more.
#[test]
fn a_build_that_panics_makes_no_member() {
    let _watchdog = watchdog();
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            boom(1);
        }
    }
    let bomb = Bomb;
    let named =
        ThreadPoolBuilder::new().num_threads(2).use_current_thread().thread_name(move |_| {
            let _ = &bomb;
            String::new()
        });
    assert_eq!(caught(|| named.build()), 1);
    assert_eq!(filch::current_thread_index(), None);
}

/// Calls at the thread's end, when its membership has ended or is about to end.
#[test]
fn thread_locals_of_the_builders_thread_may_call_and_build_as_it_ends() {
    struct AtEnd(mpsc::Sender<(Option<usize>, bool, u64)>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            let index = filch::current_thread_index();
            let built = ThreadPoolBuilder::new().num_threads(2).use_current_thread().build();
            _ = self.0.send((index, built.is_ok(), fib(10)));
        }
    }
    thread_local! {
        static EARLY: Cell<Option<AtEnd>> = const { Cell::new(None) };
        static LATE: Cell<Option<AtEnd>> = const { Cell::new(None) };
    }
    let _watchdog = watchdog();
    for _ in 0..20 {
        let (sender, receiver) = mpsc::channel();
        on_a_thread(move || {
            EARLY.set(Some(AtEnd(sender.clone())));
            let pool = with_this_thread(2);
            LATE.set(Some(AtEnd(sender)));
            assert_eq!(pool.install(|| fib(10)), 55);
        });
        let told: Vec<_> = receiver.into_iter().collect();
        assert_eq!(told.len(), 2);
        assert!(told.iter().all(|told| told.2 == 55), "{told:?}");
    }
}

#[test]
fn other_workers_work_for_the_builders_thread_and_it_for_them() {
    let _watchdog = watchdog();
    on_a_thread(|| {
        let pool = with_this_thread(2);
        // Stolen from this thread, which is blocked.
        let (sender, receiver) = mpsc::channel();
        filch::spawn(move || sender.send(filch::current_thread_index()).unwrap());
        assert_eq!(receiver.recv().unwrap(), Some(1));
        // From outside. Worker 1 is held, so this thread has to run it.
        let (held, gate) = (Arc::new(Gate::new()), Arc::new(Gate::new()));
        let (theirs, started) = (gate.clone(), held.clone());
        filch::spawn(move || {
            started.open();
            theirs.wait();
        });
        held.wait();
        let result = thread::scope(|s| {
            let outside = s.spawn(|| pool.install(filch::current_thread_index));
            eventually("this thread works while it yields", || {
                filch::yield_now();
                outside.is_finished()
            });
            outside.join().unwrap()
        });
        gate.open();
        assert_eq!(result, Some(0));
    });
}

#[test]
fn a_pool_of_the_builders_thread_alone_runs_pending_tasks_when_it_is_dropped() {
    let _watchdog = watchdog();
    on_a_thread(|| {
        let pool = with_this_thread(1);
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let ran = ran.clone();
            filch::spawn(move || _ = ran.fetch_add(1, Ordering::Relaxed));
        }
        let broadcast = ran.clone();
        pool.spawn_broadcast(move |_| _ = broadcast.fetch_add(1, Ordering::Relaxed));
        assert_eq!(ran.load(Ordering::Relaxed), 0);
        drop(pool);
        assert_eq!(ran.load(Ordering::Relaxed), 101);
        // The thread is still a worker.
        assert_eq!((filch::current_thread_index(), fib(10)), (Some(0), 55));
        assert_eq!(filch::yield_now(), Some(Yield::Idle));
    });
}

#[test]
fn a_thread_of_the_pools_takes_over_when_the_builders_thread_ends() {
    let _watchdog = watchdog();
    alone("a_thread_of_the_pools_takes_over_when_the_builders_thread_ends", || {
        let base = thread_count();
        for threads in [1, 2] {
            let ran = Arc::new(AtomicUsize::new(0));
            let started = Arc::new(Mutex::new(Vec::new()));
            let (handed, notes) = (ran.clone(), started.clone());
            let pool = on_a_thread(move || {
                let builder = ThreadPoolBuilder::new().num_threads(threads).use_current_thread();
                let name_of = |index| format!("heir-{index}");
                let note = move |index| notes.lock().unwrap().push(index);
                let pool = builder.thread_name(name_of).start_handler(note).build().unwrap();
                let task = handed.clone();
                filch::spawn(move || _ = task.fetch_add(1, Ordering::Relaxed));
                filch::spawn_broadcast(move |_| _ = handed.fetch_add(1, Ordering::Relaxed));
                pool
            });
            let name = |_| thread::current().name().map(str::to_owned);
            let names = pool.broadcast(name).into_iter().map(Option::unwrap);
            assert!(names.eq((0..threads).map(|index| format!("heir-{index}"))));
            assert_eq!(pool.install(|| fib(12)), 144);
            drop(pool);
            assert_eq!(ran.load(Ordering::Relaxed), 1 + threads);
            let mut started = started.lock().unwrap().clone();
            started.sort();
            assert!(started.into_iter().eq(0..threads));
            threads_return_to(base);
        }
    });
}

#[test]
fn dropping_the_pool_on_another_thread_does_not_wait_for_the_member() {
    let _watchdog = watchdog();
    alone("dropping_the_pool_on_another_thread_does_not_wait_for_the_member", || {
        let base = thread_count();
        on_a_thread(|| {
            let pool = with_this_thread(3);
            on_a_thread(move || drop(pool));
            // The pool's threads live as long as this one does.
            assert_eq!(filch::broadcast(|context| context.index()), [0, 1, 2]);
            assert_eq!(fib(15), 610);
        });
        threads_return_to(base);
    });
}

#[test]
fn threads_that_end_in_the_background_leave_the_builders_thread() {
    let _watchdog = watchdog();
    for busy in [false, true] {
        on_a_thread(move || {
            let mut threads = Vec::new();
            let builder = ThreadPoolBuilder::new().num_threads(3).use_current_thread();
            let pool = builder.build_with(|worker| {
                threads.push(thread::spawn(|| worker.run()));
                Ok(())
            });
            let (gate, ran) = (Arc::new(Gate::new()), Arc::new(AtomicUsize::new(0)));
            for _ in 0..if busy { 100 } else { 0 } {
                let (gate, ran) = (gate.clone(), ran.clone());
                filch::spawn(move || {
                    gate.wait();
                    ran.fetch_add(1, Ordering::Relaxed);
                });
            }
            thread::scope(|s| {
                // This thread would run the pending tasks itself.
                s.spawn(|| pool.unwrap().shutdown_background());
            });
            gate.open();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            // The pool's threads have run what this thread has spawned.
            assert_eq!(ran.load(Ordering::Relaxed), if busy { 100 } else { 0 });
            // This thread is still a worker, and now the only one.
            assert_eq!((filch::current_thread_index(), fib(15)), (Some(0), 610));
            assert_eq!(filch::scope(|s| s.spawn(|| 3).join().unwrap()), 3);
            assert_eq!(filch::spawn(|| 4).join().unwrap(), 4);
        });
    }
}

/// This includes parts that are pinned to workers whose threads have ended.
#[test]
fn the_builders_thread_runs_all_parts_of_its_broadcasts_alone() {
    let _watchdog = watchdog();
    alone("the_builders_thread_runs_all_parts_of_its_broadcasts_alone", || {
        for is_awaited in [false, true] {
            let (base, held) = (thread_count(), Arc::new(()));
            let part = held.clone();
            on_a_thread(move || {
                let with_one = thread_count();
                with_this_thread(3).shutdown_background();
                threads_return_to(with_one);
                if is_awaited {
                    assert_eq!(filch::broadcast(|context| context.index()), [0, 1, 2]);
                }
                filch::spawn_broadcast(move |_| _ = &part);
            });
            threads_return_to(base);
            assert_eq!(Arc::strong_count(&held), 1, "all parts have run");
        }
    });
}

/// There is no spare thread to run the task that completes the handle.
#[test]
fn the_builders_thread_alone_runs_what_its_tasks_wait_for() {
    let _watchdog = watchdog();
    for (threads, waits_itself) in [(1, true), (3, true), (1, false)] {
        let task = on_a_thread(move || {
            with_this_thread(threads).shutdown_background();
            let task = filch::spawn(|| {
                let (completer, handle) = filch::completer();
                drop(filch::spawn(move || completer.complete(3)));
                handle.join().unwrap()
            });
            if waits_itself {
                filch::yield_now();
            }
            task
        });
        assert_eq!(task.join().unwrap(), 3);
    }
    on_a_thread(|| {
        with_this_thread(1).shutdown_background();
        let (completer, handle) = filch::completer();
        let waits = || {
            let task = filch::spawn(|| handle.join().unwrap());
            filch::yield_now();
            task.join().unwrap()
        };
        assert_eq!(filch::join(waits, || completer.complete(3)).0, 3);
    });
}

/// The job that completes the handle comes from another thread while the waiter sleeps.
#[test]
fn the_builders_thread_alone_is_woken_for_what_its_tasks_wait_for() {
    let _watchdog = watchdog();
    on_a_thread(|| {
        with_this_thread(1).shutdown_background();
        let (completers, comes) = mpsc::channel();
        let waits = move || {
            let (completer, handle) = filch::completer();
            completers.send(completer).unwrap();
            handle.join().unwrap()
        };
        filch::scope(|s| {
            thread::scope(|threads| {
                threads.spawn(move || {
                    let completer: filch::Completer<_> = comes.recv().unwrap();
                    thread::sleep(Duration::from_millis(50));
                    drop(s.spawn(move || completer.complete(3)));
                });
                let task = filch::spawn(waits);
                filch::yield_now();
                assert_eq!(task.join().unwrap(), 3);
            });
        });
    });
}

#[test]
fn a_thread_that_takes_over_in_a_pool_that_has_ended_ends() {
    let _watchdog = watchdog();
    alone("a_thread_that_takes_over_in_a_pool_that_has_ended_ends", || {
        let base = thread_count();
        let ran = Arc::new(AtomicUsize::new(0));
        let task = ran.clone();
        on_a_thread(move || {
            let with_one = thread_count();
            with_this_thread(3).shutdown_background();
            threads_return_to(with_one);
            filch::spawn(move || _ = task.fetch_add(1, Ordering::Relaxed));
        });
        eventually("the pending task runs", || ran.load(Ordering::Relaxed) == 1);
        threads_return_to(base);
    });
}

/// The pool's other threads may end first. Then only the thread that takes over runs the tasks.
#[test]
fn no_task_of_a_park_handler_is_lost_when_a_thread_takes_over() {
    let _watchdog = watchdog();
    let (spawned, ran) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut ended = Vec::new();
    for round in 0..200 {
        let alive = Arc::new(());
        ended.push(Arc::downgrade(&alive));
        let (spawned, ran) = (spawned.clone(), ran.clone());
        let pool = on_a_thread(move || {
            let calls = AtomicUsize::new(0);
            let handler = move |index| {
                let _ = &alive;
                if index == 0 && calls.fetch_add(1, Ordering::SeqCst) < 3 {
                    spawned.fetch_add(1, Ordering::SeqCst);
                    let ran = ran.clone();
                    let count = move || _ = ran.fetch_add(1, Ordering::SeqCst);
                    let priority = [filch::Priority::High, filch::Priority::Low][round % 2];
                    drop(filch::task().priority(priority).spawn(count));
                }
            };
            let builder = ThreadPoolBuilder::new().num_threads(2).use_current_thread();
            let pool = builder.park_handler(handler).build().unwrap();
            if round % 4 < 2 {
                pool.shutdown_background();
                return None;
            }
            Some(pool)
        });
        drop(pool);
    }
    eventually("all pools end", || ended.iter().all(|alive| alive.strong_count() == 0));
    assert_eq!(ran.load(Ordering::SeqCst), spawned.load(Ordering::SeqCst));
}

// ---- The end of a process whose first thread was a worker ----

/// Runs `exit` in a separate process, on the thread that has built a pool with itself. The process
/// must end there with success.
#[track_caller]
fn ends_in(name: &str, exit: fn() -> !) {
    let _watchdog = watchdog();
    alone(name, || {
        drop(with_this_thread(2));
        exit();
    });
}

#[test]
fn a_process_may_end_in_a_fork_of_its_first_thread() {
    ends_in("a_process_may_end_in_a_fork_of_its_first_thread", || {
        filch::join(|| std::process::exit(0), thread::yield_now).0
    });
}

#[test]
fn a_process_may_end_in_a_task_that_its_first_thread_waits_for() {
    ends_in("a_process_may_end_in_a_task_that_its_first_thread_waits_for", || {
        filch::scope(|s| drop(s.spawn(|| filch::spawn(|| std::process::exit(0)).join())));
        never()
    });
}

#[test]
fn a_process_may_end_on_its_first_thread() {
    ends_in("a_process_may_end_on_its_first_thread", || std::process::exit(0));
}

#[test]
fn a_process_may_end_after_the_work_of_its_first_thread() {
    let _watchdog = watchdog();
    alone("a_process_may_end_after_the_work_of_its_first_thread", || drop(with_this_thread(2)));
}

// ---- A spawn handler's threads ----

#[test]
fn a_spawn_handler_may_borrow() {
    let _watchdog = watchdog();
    let mut threads = Vec::new();
    let builder = ThreadPoolBuilder::new().num_threads(3).thread_name(|i| format!("borrowed-{i}"));
    let pool = builder.build_with(|worker| {
        assert_eq!(worker.name(), Some(format!("borrowed-{}", worker.index()).as_str()));
        threads.push(thread::Builder::new().spawn(|| worker.run())?);
        Ok(())
    });
    let pool = pool.unwrap();
    assert_eq!(pool.install(|| fib(12)), 144);
    drop(pool);
    assert_eq!(threads.len(), 3);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_build_that_fails_does_not_wait_for_builders_that_were_kept() {
    let _watchdog = watchdog();
    let mut kept: Vec<ThreadBuilder> = Vec::new();
    let failed = ThreadPoolBuilder::new().num_threads(3).build_with(|worker| {
        if worker.index() == 2 {
            return Err(io::Error::other("no more"));
        }
        kept.push(worker);
        Ok(())
    });
    assert!(matches!(failed.unwrap_err().kind(), BuildErrorKind::Spawn { index: 2, .. }));
    kept.pop().unwrap().run(); // returns at once: there is no pool
    drop(kept);

    let mut kept: Vec<ThreadBuilder> = Vec::new();
    let id = caught(|| {
        ThreadPoolBuilder::new().num_threads(3).build_with(|worker| {
            if worker.index() == 2 {
                boom(5);
            }
            kept.push(worker);
            Ok(())
        })
    });
    assert_eq!(id, 5);
    kept.into_iter().for_each(ThreadBuilder::run);
}

#[test]
fn a_pool_whose_builders_are_all_dropped_refuses_work() {
    let _watchdog = watchdog();
    let mut kept: Vec<ThreadBuilder> = Vec::new();
    let built = ThreadPoolBuilder::new().num_threads(2).build_with(|worker| {
        kept.push(worker);
        Ok(())
    });
    let pool = built.unwrap();
    drop(kept);
    let uses: [&dyn Fn(); 3] =
        [&|| drop(pool.spawn(|| ())), &|| pool.install(|| ()), &|| _ = pool.broadcast(|_| ())];
    for using in uses {
        let payload = catch_unwind(AssertUnwindSafe(using)).unwrap_err();
        let message = payload.downcast_ref::<&str>().expect("a message");
        assert!(message.contains("this pool has no thread"), "{message}");
    }
    drop(pool);
}

// ---- A scope's threads ----

#[test]
fn a_pool_of_scoped_threads_lends_them_what_lives_outside() {
    thread_local!(static LENT: Cell<usize> = const { Cell::new(0) });
    let _watchdog = watchdog();
    let numbers = [10, 20, 30];
    let ended = AtomicUsize::new(0);
    let built = ThreadPoolBuilder::new().num_threads(3).build_scoped(
        |worker| {
            LENT.set(numbers[worker.index()]);
            worker.run();
            ended.fetch_add(1, Ordering::Relaxed);
        },
        |pool| pool.broadcast(|_| LENT.get()),
    );
    assert_eq!(built.unwrap(), numbers);
    assert_eq!(ended.into_inner(), 3);
}

/// The calling thread is a worker of the pool until the pool ends.
#[test]
fn a_pool_of_scoped_threads_and_the_calling_one_ends() {
    let _watchdog = watchdog();
    for threads in 1..=4 {
        on_a_thread(move || {
            let ran = AtomicUsize::new(0);
            let scoped = || {
                ThreadPoolBuilder::new().num_threads(threads).use_current_thread().build_scoped(
                    |worker| worker.run(),
                    |pool| {
                        assert_eq!(filch::current_thread_index(), Some(0));
                        assert_eq!(pool.join(|| fib(12), || fib(13)), (144, 233));
                        // Left for the end of the pool, as are the tasks that these spawn.
                        for _ in 0..10 {
                            filch::spawn(|| drop(filch::spawn(|| fib(10))));
                        }
                        pool.scope(|s| {
                            (0..10).for_each(|_| {
                                s.spawn(|| ran.fetch_add(1, Ordering::Relaxed));
                            })
                        });
                        let ran = Arc::new(AtomicUsize::new(0));
                        let theirs = ran.clone();
                        pool.spawn_broadcast(move |_| _ = theirs.fetch_add(1, Ordering::Relaxed));
                        ran
                    },
                )
            };
            let broadcasts = scoped().unwrap();
            assert_eq!(broadcasts.load(Ordering::Relaxed), threads);
            assert_eq!(filch::current_thread_index(), None);
            // The thread can do it again, and a panic comes out of it.
            assert_eq!(scoped().unwrap().load(Ordering::Relaxed), threads);
            assert_eq!(ran.load(Ordering::Relaxed), 20);
            let builder = ThreadPoolBuilder::new().num_threads(threads).use_current_thread();
            let panics = || _ = builder.build_scoped(ThreadBuilder::run, |_| boom(1));
            assert_eq!(caught(panics), 1);
            assert_eq!(filch::current_thread_index(), None);
        });
    }
}

#[test]
fn panics_around_scoped_threads_come_out_when_all_have_ended() {
    let _watchdog = watchdog();
    let ended = AtomicUsize::new(0);
    let run = |worker: ThreadBuilder| {
        worker.run();
        ended.fetch_add(1, Ordering::Relaxed);
    };
    let build = || ThreadPoolBuilder::new().num_threads(2);
    assert_eq!(caught(|| build().build_scoped(run, |_| boom(1))), 1);
    assert_eq!(ended.load(Ordering::Relaxed), 2);
    // std does not hand out the payload of a scoped thread's panic.
    let panics = |worker: ThreadBuilder| {
        worker.run();
        boom(2)
    };
    let result = catch_unwind(AssertUnwindSafe(|| {
        build().build_scoped(panics, |pool| {
            assert_eq!(pool.install(|| 4), 4);
        })
    }));
    assert!(result.is_err());
    let failed = build().num_threads(filch::max_num_threads() + 1).build_scoped(run, |_| ());
    assert!(matches!(failed.unwrap_err().kind(), BuildErrorKind::TooManyThreads { .. }));
}

// ---- The pool's own threads only ----

#[test]
fn without_lent_cores_all_work_is_done_by_the_pools_threads() {
    let _watchdog = watchdog();
    for threads in [1, 3] {
        let pool = builder().num_threads(threads).lend_seats(false).build().unwrap();
        let own = pool.broadcast(|_| thread::current().id());
        let is_own = || assert!(own.contains(&thread::current().id()));
        for _ in 0..100 {
            pool.join(is_own, is_own);
            pool.scope(|s| {
                is_own();
                s.spawn(is_own);
            });
            // Neither side runs on the caller's thread.
            let moved = pool.join_context(|a| a.migrated(), |b| b.migrated());
            assert_eq!(moved, (true, true));
        }
    }
}

/// All work runs on threads with the pool's settings, unless the builder lends cores to callers.
#[test]
fn callers_do_not_work_where_threads_have_a_stack_size_or_a_start_handler() {
    thread_local!(static STARTED: Cell<bool> = const { Cell::new(false) });
    let _watchdog = watchdog();
    let builder = || ThreadPoolBuilder::new().num_threads(3);
    let works = |pool: &ThreadPool| {
        let me = thread::current().id();
        let here = || (thread::current().id() == me, STARTED.get());
        (0..20).flat_map(|_| <[_; 2]>::from(pool.join(here, here))).collect::<Vec<_>>()
    };
    let started = builder().start_handler(|_| STARTED.set(true)).build().unwrap();
    assert!(works(&started).into_iter().all(|work| work == (false, true)));
    let sized = builder().stack_size(1 << 20).build().unwrap();
    assert!(works(&sized).into_iter().all(|work| work == (false, false)));
    let asked = builder().stack_size(1 << 20).start_handler(|_| ()).lend_seats(true);
    let asked = asked.build().unwrap();
    eventually("a core is free to be lent", || works(&asked).contains(&(true, false)));
}

// ---- Ends in the background ----

#[test]
fn a_pool_may_end_in_the_background() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    alone("a_pool_may_end_in_the_background", || {
        let base = thread_count();
        let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let (gate, ran) = (Arc::new(Gate::new()), Arc::new(AtomicUsize::new(0)));
        for _ in 0..100 {
            let (gate, ran) = (gate.clone(), ran.clone());
            pool.spawn(move || {
                gate.wait();
                ran.fetch_add(1, Ordering::SeqCst);
            });
        }
        pool.shutdown_background();
        assert_eq!(ran.load(Ordering::SeqCst), 0);
        gate.open();
        eventually("all tasks run", || ran.load(Ordering::SeqCst) == 100);
        threads_return_to(base);
    });
}

// ---- Panics that end the process ----

fn ends_the_process(name: &str, body: fn() -> !) {
    let aborted = |output: Output| {
        assert!(!output.status.success(), "{output:?}");
        assert!(
            stderr(&output).contains("a panic that no caller waits for; aborting"),
            "{output:?}"
        );
    };
    own_process(name, |_| (), || body(), aborted);
}

fn aborting() -> ThreadPoolBuilder {
    ThreadPoolBuilder::new().num_threads(2).abort_on_panic(true)
}

/// Waits for the end of the process.
fn never() -> ! {
    loop {
        thread::park();
    }
}

#[test]
fn a_panic_that_no_caller_waits_for_may_end_the_process() {
    ends_the_process("a_panic_that_no_caller_waits_for_may_end_the_process", || {
        aborting().build().unwrap().spawn(|| boom(1));
        never()
    });
}

#[test]
fn a_panic_in_the_panic_handler_may_end_the_process() {
    ends_the_process("a_panic_in_the_panic_handler_may_end_the_process", || {
        aborting().panic_handler(|_| boom(2)).build().unwrap().spawn(|| boom(1));
        never()
    });
}

#[test]
fn a_panic_that_a_handler_takes_does_not_end_the_process() {
    let _watchdog = watchdog();
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let handler = move |payload| sender.lock().unwrap().send(boom_id(payload)).unwrap();
    let pool = aborting().panic_handler(handler).build().unwrap();
    assert_eq!(caught(|| pool.join(|| (), || boom(1))), 1);
    assert_eq!(caught(|| pool.scope(|s| drop(s.spawn(|| boom(2))))), 2);
    assert_eq!(common::failed_with(pool.spawn(|| boom(3)).join()), 3);
    drop(pool.spawn(|| boom(4)));
    assert_eq!(receiver.recv().unwrap(), 4);
}
