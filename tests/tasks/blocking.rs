//! `blocking`: other jobs of the pool run beside a closure that blocks, and afterwards the caller
//! is the same worker as before.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{
    CALLERS, Caller, Cores, Flag, Gate, Ledger, OWN_THREADS, TIME, alone, any_wait_builder, boom,
    builder, caught, eventually, is_simulated, is_simulated_without, lock, pool, rest, sized,
    step_aside, watchdog,
};
use filch::prelude::*;
use filch::{BuildErrorKind, JoinHandle, ThreadPool, WaitPolicy, blocking};

/// A pool whose waits run any work, whatever the environment says: with the other policy, the
/// caller keeps the core.
fn any_wait_pool(threads: usize) -> ThreadPool {
    any_wait_builder().num_threads(threads).build().unwrap()
}

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = filch::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

// ---- Jobs that run meanwhile ----

/// A worker keeps a fork private behind one that a thief takes. The thief hands off its core, on
/// which the private fork has to run.
#[test]
fn a_private_fork_runs_while_the_thief_of_the_one_before_blocks() {
    let _watchdog = watchdog();
    let pool = any_wait_pool(2);
    for _ in 0..20 {
        let [is_held, has_forked, has_run] = [(); 3].map(|()| Flag::new());
        pool.scope(|s| {
            // Then the worker keeps one fork public.
            (0..10).for_each(|_| _ = filch::join(|| (), || ()));
            s.spawn(|| {
                is_held.raise();
                has_forked.hold();
            });
            is_held.hold();
            let owner = || {
                has_forked.raise();
                has_run.hold();
            };
            filch::join(|| filch::join(owner, || has_run.raise()), || blocking(|| has_run.hold()));
        });
    }
}

#[test]
fn other_tasks_run_while_every_worker_blocks() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let (pool, gate) = (any_wait_pool(threads), Arc::new(Gate::new()));
        let waiters: Vec<_> = (0..2 * threads)
            .map(|n| {
                let gate = gate.clone();
                pool.spawn(move || {
                    blocking(|| gate.wait());
                    n
                })
            })
            .collect();
        let opener = pool.spawn(move || gate.open());
        opener.join().unwrap();
        assert!(waiters.into_iter().map(|it| it.join().unwrap()).eq(0..2 * threads));
        assert_eq!(pool.counters().threads_blocking, 0);
    }
}

#[test]
fn forks_below_the_call_run() {
    let _watchdog = watchdog();
    for (caller, threads) in [(Caller::Worker, 1), (Caller::Outside, 1), (Caller::Worker, 3)] {
        let (pool, ran) = (any_wait_pool(threads), AtomicUsize::new(0));
        let all = Flag::new();
        let count = || {
            if ran.fetch_add(1, Ordering::SeqCst) == 2 {
                all.raise();
            }
        };
        caller.run(&pool, || {
            let innermost = || filch::join(|| blocking(|| all.hold()), count);
            filch::join(|| filch::join(innermost, count), count);
        });
        assert_eq!(ran.into_inner(), 3);
    }
}

#[test]
fn tasks_of_an_open_scope_run() {
    let _watchdog = watchdog();
    for threads in [1, 2] {
        let (pool, sum) = (any_wait_pool(threads), AtomicUsize::new(0));
        pool.install(|| {
            filch::scope(|s| {
                let (done, sum) = (&Flag::new(), &sum);
                // Run by the opener, and by the thread that has its core meanwhile.
                (0..10).for_each(|n| drop(s.spawn(move || sum.fetch_add(n, Ordering::SeqCst))));
                let raise = || {
                    while sum.load(Ordering::SeqCst) < 45 {
                        filch::yield_now();
                    }
                };
                blocking(|| s.spawn(raise).join().unwrap());
                done.raise();
                s.spawn(move || sum.fetch_add(100, Ordering::SeqCst));
            });
        });
        assert_eq!(sum.into_inner(), 145);
    }
}

// ---- The caller's identity ----

#[test]
fn the_caller_is_no_worker_inside_and_the_same_one_after() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let (pool, cores) = (any_wait_pool(threads), Cores::new(threads));
        let task = || {
            let before = (filch::current_thread_index(), thread::current().id());
            cores.hold(step_aside);
            assert_eq!(fib(5), 5);
            let inside = blocking(|| {
                step_aside();
                (filch::current_thread_index(), thread::current().id())
            });
            assert_eq!((inside.0, inside.1), (None, before.1));
            cores.hold(step_aside);
            assert_eq!((filch::current_thread_index(), thread::current().id()), before);
        };
        pool.scope(|s| (0..sized(60, 10)).for_each(|_| drop(s.spawn(task))));
    }
}

#[test]
fn a_thread_that_is_no_worker_just_calls_the_closure() {
    let me = thread::current().id();
    assert_eq!(blocking(|| blocking(|| thread::current().id())), me);
    assert_eq!(caught(|| blocking(|| boom(3))), 3);
}

#[test]
fn a_panic_comes_out_on_the_core() {
    let _watchdog = watchdog();
    for threads in [1, 2] {
        let (pool, ledger) = (any_wait_pool(threads), Ledger::new());
        let cores = Cores::new(threads);
        let task = |id| {
            let token = ledger.token();
            let panics = || {
                blocking(|| {
                    let _token = token;
                    step_aside();
                    boom(id)
                })
            };
            assert_eq!(caught(panics), id);
            cores.hold(step_aside);
            assert_eq!(fib(4), 3);
        };
        let task = &task;
        pool.scope(|s| (0..20).for_each(|id| drop(s.spawn(move || task(id)))));
        let failed = pool.spawn(|| blocking(|| -> u32 { boom(7) })).join();
        assert_eq!(crate::common::failed_with(failed), 7);
        ledger.assert_balanced(threads);
    }
}

// ---- Calls inside the closure ----

/// Calls functions of the library. No job of the pool may run on top of these calls.
fn call_entries() {
    assert_eq!(fib(7), 13);
    assert_eq!(filch::spawn(|| fib(6)).join().unwrap(), 8);
    let mut values = [0; 8];
    filch::scope(|s| values.iter_mut().for_each(|value| drop(s.spawn(move || *value = fib(4)))));
    assert_eq!(values, [3; 8]);
    assert_eq!(filch::in_place_scope(|s| s.spawn(|| fib(5)).join().unwrap()), 5);
    assert_eq!((0..100u64).into_par_iter().map(|n| n + fib(2)).sum::<u64>(), 5050);
    assert_eq!(filch::broadcast(|_| 1).len(), filch::current_num_threads());
    assert_eq!(blocking(|| blocking(|| fib(3))), 2);
    drop(filch::spawn(|| fib(3)));
    filch::yield_now();
}

#[test]
fn the_closure_may_use_the_pool() {
    let _watchdog = watchdog();
    for threads in [1, 2, 3] {
        let pool = any_wait_pool(threads);
        assert_eq!(pool.install(|| blocking(filch::current_num_threads)), threads);
        pool.install(|| blocking(call_entries));
        pool.scope(|s| (0..4).for_each(|_| drop(s.spawn(|| blocking(call_entries)))));
        // In tasks with handles, and several at a time.
        let tasks: Vec<_> = (0..4).map(|_| pool.spawn(|| blocking(call_entries))).collect();
        tasks.into_iter().for_each(|task| task.join().unwrap());
        pool.join(|| blocking(call_entries), || blocking(call_entries));
        (0..8).into_par_iter().with_pool(&pool).for_each(|_| blocking(call_entries));
        let other = any_wait_pool(1);
        pool.install(|| blocking(|| other.install(call_entries)));
        pool.install(|| blocking(|| other.join(call_entries, call_entries)));
    }
}

/// Takes the handle out of `slot`, once it is there.
fn taken(slot: &Mutex<Option<JoinHandle<i32>>>) -> JoinHandle<i32> {
    loop {
        if let Some(task) = lock(slot).take() {
            return task;
        }
        step_aside();
    }
}

/// If the joining task ran on top of the task that blocks, both would wait for ever.
#[test]
fn nothing_runs_on_top_of_a_task_that_blocks() {
    let _watchdog = watchdog();
    for threads in [1, 2] {
        let (pool, slot) = (any_wait_pool(threads), Arc::new(Mutex::new(None)));
        let (go_on, theirs) = (Arc::new(Flag::new()), slot.clone());
        let until = go_on.clone();
        let blocked = pool.spawn(move || {
            blocking(|| {
                // This task joins the very task that blocks. It must not run on this stack.
                let spawned = filch::spawn(move || taken(&theirs).join().unwrap());
                until.hold();
                filch::join(|| (), || ());
                filch::in_place_scope(|s| drop(s.spawn(|| fib(6))));
                drop(spawned);
            });
            5
        });
        *lock(&slot) = Some(blocked);
        go_on.raise();
        drop(pool);
    }
}

/// The worker that runs what the closure hands to the pool waits. On top of that wait it must not
/// run `second`, which waits for the task.
#[test]
fn what_the_closure_hands_to_the_pool_is_part_of_the_task() {
    let _watchdog = watchdog();
    let entries: [fn(&(dyn Fn() + Sync)); 3] = [
        |wait| filch::scope(|_| wait()),
        |wait| filch::in_place_scope(|s| drop(s.spawn(wait))),
        |wait| _ = filch::join(wait, || ()),
    ];
    for enter in entries {
        let (pool, flags) = (any_wait_pool(1), Arc::new([Flag::new(), Flag::new()]));
        let (completer, awaited) = filch::completer();
        let (awaited, own) = (Mutex::new(Some(awaited)), flags.clone());
        let first = pool.spawn(move || {
            let wait = || {
                own[0].raise();
                own[1].hold();
                lock(&awaited).take().unwrap().join().unwrap();
            };
            blocking(|| enter(&wait));
        });
        flags[0].hold();
        let second = pool.spawn(move || first.join().unwrap());
        let third = pool.spawn(move || completer.complete(()));
        flags[1].raise();
        second.join().unwrap();
        third.join().unwrap();
    }
}

#[test]
fn a_pool_may_be_dropped_inside() {
    let _watchdog = watchdog();
    for threads in [1, 2] {
        let (pool, ended) = (Arc::new(any_wait_pool(threads)), Arc::new(Flag::new()));
        let (theirs, ends) = (pool.clone(), ended.clone());
        let task = pool.spawn(move || {
            blocking(|| drop(any_wait_pool(2)));
            while Arc::strong_count(&theirs) > 1 {
                step_aside();
            }
            // The worker's own pool. This drop does not wait.
            blocking(|| drop(theirs));
            ends.raise();
            fib(5)
        });
        drop(pool);
        assert_eq!(task.join().unwrap(), 5);
        assert!(ended.is_up());
    }
}

#[test]
fn the_thread_does_not_become_a_member_inside() {
    let _watchdog = watchdog();
    if is_simulated_without(OWN_THREADS) {
        return;
    }
    let built = any_wait_pool(1).install(|| {
        blocking(|| any_wait_builder().num_threads(2).use_current_thread().build().map(drop))
    });
    let kind = built.unwrap_err().into_kind();
    assert!(matches!(kind, BuildErrorKind::CurrentThreadAlreadyInPool), "{kind:?}");
}

// ---- Kinds of callers ----

#[test]
fn a_member_and_a_borrower_may_block() {
    let _watchdog = watchdog();
    if is_simulated_without(OWN_THREADS) {
        return;
    }
    let life = || {
        for threads in [1, 3] {
            let builder = any_wait_builder().num_threads(threads).use_current_thread();
            let pool = builder.build();
            let Ok(pool) = pool else {
                assert_eq!(threads, 3, "the thread is a member already");
                return;
            };
            for _ in 0..10 {
                let raised = Arc::new(Flag::new());
                let raises = raised.clone();
                drop(filch::spawn(move || raises.raise()));
                blocking(|| raised.hold());
                blocking(call_entries);
                filch::join(|| blocking(call_entries), || fib(8));
                assert_eq!(filch::current_thread_index(), Some(0));
            }
            drop(pool);
        }
    };
    thread::spawn(life).join().unwrap();
    for threads in [1, 2] {
        let pool = any_wait_pool(threads);
        for _ in 0..20 {
            let raised = Flag::new();
            pool.join(|| blocking(|| raised.hold()), || raised.raise());
            pool.scope(|s| {
                s.spawn(|| blocking(call_entries));
                blocking(call_entries);
            });
        }
    }
}

#[test]
fn a_member_may_end_the_process_inside() {
    alone("blocking::a_member_may_end_the_process_inside", || {
        if is_simulated() {
            return;
        }
        let builder = any_wait_builder().num_threads(2).use_current_thread();
        let _pool = builder.build().unwrap();
        drop(filch::spawn(|| fib(20)));
        blocking(|| std::process::exit(0))
    });
}

#[test]
fn handlers_may_block() {
    let _watchdog = watchdog();
    for threads in [1, 2] {
        let calls = Arc::new(AtomicUsize::new(0));
        let handler = || {
            let calls = calls.clone();
            move |_| {
                if calls.fetch_add(1, Ordering::SeqCst) < 20 {
                    blocking(|| rest(Duration::from_micros(100)));
                    blocking(|| assert_eq!(filch::spawn(|| fib(4)).join().unwrap(), 3));
                }
            }
        };
        let builder = any_wait_builder().num_threads(threads).start_handler(handler());
        let builder = builder.park_handler(handler()).unpark_handler(handler());
        let pool = builder.exit_handler(|_| blocking(|| ())).build().unwrap();
        for _ in 0..10 {
            assert_eq!(pool.install(|| fib(8)), 21);
            rest(Duration::from_millis(1));
        }
    }
}

#[test]
fn blocking_nests_in_everything() {
    let _watchdog = watchdog();
    fn tree(depth: u32, sum: &AtomicUsize) {
        blocking(step_aside);
        if depth == 0 {
            return blocking(|| _ = sum.fetch_add(1, Ordering::SeqCst));
        }
        let in_a_scope = || {
            filch::scope(|s| {
                s.spawn(|| blocking(step_aside));
                tree(depth - 1, sum);
            });
        };
        filch::join(|| tree(depth - 1, sum), in_a_scope);
        blocking(step_aside);
    }
    for threads in [1, 2, 3] {
        for most in [0, 1, 512] {
            let builder = any_wait_builder().num_threads(threads).max_blocking_threads(most);
            let (pool, sum) = (builder.build().unwrap(), AtomicUsize::new(0));
            let depth = sized(7, 4) as u32;
            pool.install(|| tree(depth, &sum));
            assert_eq!(sum.into_inner(), 1 << depth);
            assert!(pool.counters().spare_threads <= most + 64);
        }
    }
}

// ---- Calls that block ----

/// With one worker, so that a call which kept the core would block for ever.
#[test]
fn streams_block() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    let pool = any_wait_pool(1);
    let (mut write, mut read) = pipe();
    let reader = pool.spawn(move || {
        let mut line = [0; 5];
        blocking(|| read.read_exact(&mut line)).unwrap();
        line
    });
    let writer = pool.spawn(move || blocking(|| write.write_all(b"hello")).unwrap());
    assert_eq!(&reader.join().unwrap(), b"hello");
    writer.join().unwrap();
}

#[cfg(unix)]
fn pipe() -> (impl Write + Send, impl Read + Send) {
    std::os::unix::net::UnixStream::pair().unwrap()
}

#[cfg(not(unix))]
fn pipe() -> (impl Write + Send, impl Read + Send) {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let write = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (write, listener.accept().unwrap().0)
}

#[test]
fn files_channels_and_sleeps_block() {
    let _watchdog = watchdog();
    if is_simulated_without(TIME) {
        return;
    }
    let pool = any_wait_pool(2);
    let start = Instant::now();
    let sleepers: Vec<_> = (0..40)
        .map(|_| pool.spawn(|| blocking(|| thread::sleep(Duration::from_millis(50)))))
        .collect();
    let (sender, receiver) = mpsc::channel();
    let received = pool.spawn(move || blocking(|| receiver.recv().unwrap()));
    let file = pool.spawn(|| blocking(|| std::fs::read_to_string("Cargo.toml")).unwrap());
    let sent = pool.spawn(move || sender.send(7).unwrap());
    assert!(file.join().unwrap().contains("filch"));
    assert_eq!((received.join().unwrap(), sent.join().unwrap()), (7, ()));
    sleepers.into_iter().for_each(|task| task.join().unwrap());
    // One after the other, the sleeps would take a second on two workers.
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
}

/// A lock like that of an interpreter: each task takes it, computes, releases it around parallel
/// work, and takes it again. The tasks of that work also take it.
#[test]
fn a_global_lock_blocks() {
    let _watchdog = watchdog();
    static LOCK: Mutex<u64> = Mutex::new(0);
    let with_lock = |n: u64| blocking(|| *lock(&LOCK) += n);
    for threads in [1, 2, 4] {
        *lock(&LOCK) = 0;
        let pool = any_wait_pool(threads);
        let task = || {
            with_lock(1);
            let inner = (0..8u64).into_par_iter().map(|n| {
                with_lock(n);
                fib(n)
            });
            assert_eq!(inner.sum::<u64>(), 33);
            with_lock(1);
        };
        let count = sized(50, 4) as u64;
        pool.scope(|s| (0..count).for_each(|_| drop(s.spawn(task))));
        assert_eq!(*lock(&LOCK), count * 30);
    }
}

// ---- The return ----

/// Spawns a task that ends only when the caller has gone on.
fn check_makes_way(work: fn(&Flag)) {
    let pool = any_wait_pool(1);
    let (begun, over) = (Arc::new(Flag::new()), Arc::new(Flag::new()));
    let (begins, until_over) = (begun.clone(), over.clone());
    pool.install(|| {
        let other = filch::spawn(move || {
            begins.raise();
            work(&until_over);
        });
        blocking(|| begun.hold());
        over.raise();
        other.join().unwrap();
    });
}

#[test]
fn the_other_thread_makes_way_at_its_forks() {
    let _watchdog = watchdog();
    check_makes_way(|over| {
        while !over.is_up() {
            filch::join(step_aside, || ());
        }
    });
}

#[test]
fn the_other_thread_makes_way_between_blocks_of_a_loop() {
    let _watchdog = watchdog();
    check_makes_way(|over| {
        let item = |_| {
            step_aside();
            over.is_up()
        };
        // A loop with a maximum has blocks even on one worker.
        while !(0..10_000_u32).into_par_iter().with_max_len(5_000).any(item) {}
    });
}

#[test]
fn the_other_thread_makes_way_where_it_yields_or_blocks() {
    let _watchdog = watchdog();
    check_makes_way(|over| {
        while !over.is_up() {
            filch::yield_now();
            step_aside();
        }
    });
    check_makes_way(|over| {
        while !over.is_up() {
            blocking(step_aside);
        }
    });
}

// ---- The limit ----

#[test]
fn no_more_threads_are_started_than_the_limit_allows() {
    let _watchdog = watchdog();
    for most in [0, 1, 3] {
        let builder = any_wait_builder().num_threads(2).max_blocking_threads(most);
        let pool = builder.build().unwrap();
        let (now, highest) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let task = || {
            blocking(|| {
                let now_here = now.fetch_add(1, Ordering::SeqCst) + 1;
                highest.fetch_max(now_here, Ordering::SeqCst);
                rest(Duration::from_millis(1));
                now.fetch_sub(1, Ordering::SeqCst);
            });
            assert_eq!(fib(4), 3);
        };
        let count = sized(60, 20);
        pool.scope(|s| (0..count).for_each(|_| drop(s.spawn(task))));
        // The thread that waits for the scope may be a borrower.
        assert!(highest.into_inner() <= most + 3);
        let counters = pool.counters();
        assert!(counters.spare_threads <= most, "{counters:?}");
        assert_eq!((counters.blocking_calls, counters.threads_blocking), (count, 0));
        assert!(most > 0 || counters.blocking_calls_on_core == count);
    }
}

/// A wait for another pool needs a spare thread. It must get one although calls of `blocking` use
/// all of theirs.
#[test]
fn spare_threads_are_left_for_waits() {
    let _watchdog = watchdog();
    let builder = any_wait_builder().num_threads(1).max_blocking_threads(2).max_spare_threads(1);
    let (here, there) = (Arc::new(builder.build().unwrap()), any_wait_pool(1));
    let gate = Arc::new(Gate::new());
    let blocked: Vec<_> = (0..2)
        .map(|_| {
            let gate = gate.clone();
            here.spawn(move || blocking(|| gate.wait()))
        })
        .collect();
    eventually("both block", || here.counters().threads_off_core == 2);
    // A task waits for the other pool, which requests a second task that joins the first.
    let slot = Arc::new(Mutex::new(None));
    let (theirs, pool) = (slot.clone(), here.clone());
    let task = here.spawn(move || {
        there.install(move || {
            let task = taken(&theirs);
            drop(pool.spawn(move || task.join().unwrap()));
            rest(Duration::from_millis(5));
        });
        gate.open();
        7
    });
    *lock(&slot) = Some(task);
    blocked.into_iter().for_each(|task| task.join().unwrap());
    assert!(here.counters().spare_threads <= 3);
}

#[test]
fn the_core_is_kept_under_own_descendants() {
    let _watchdog = watchdog();
    let builder = any_wait_builder().num_threads(2).wait_policy(WaitPolicy::OwnDescendants);
    let pool = builder.build().unwrap();
    pool.install(|| {
        assert_eq!(filch::join(|| blocking(|| fib(6)), || fib(7)), (8, 13));
        assert!(blocking(filch::current_thread_index).is_some());
    });
    let counters = pool.counters();
    assert_eq!((counters.blocking_calls, counters.blocking_calls_on_core), (2, 2));
    assert_eq!(counters.spare_threads, 0);
}

// ---- Reports ----

#[test]
fn dumps_and_counters_tell_of_the_call() {
    let _watchdog = watchdog();
    for (most, place) in [(1, "off its core"), (0, "on its core")] {
        let builder = any_wait_builder().num_threads(1).max_blocking_threads(most);
        let (pool, gate) = (builder.build().unwrap(), Arc::new(Gate::new()));
        let until = gate.clone();
        let task = pool.spawn(move || blocking(|| until.wait()));
        eventually("the task blocks", || pool.counters().threads_blocking == 1);
        rest(Duration::from_millis(20));
        let tells = format!("1 blocked in `blocking` {place}, for [");
        eventually("the dump tells of the call", || pool.dump().to_string().contains(&tells));
        let counters = pool.counters();
        assert_eq!((counters.spare_threads, counters.threads_off_core), (most, most));
        gate.open();
        task.join().unwrap();
        eventually("the call is over", || pool.counters().threads_blocking == 0);
        assert!(!pool.dump().to_string().contains("blocked in"));
    }
}

#[test]
fn a_closure_may_borrow_and_need_not_be_send() {
    let _watchdog = watchdog();
    let sum = pool(2).install(|| {
        let cell = RefCell::new(vec![1, 2]);
        let rc = std::rc::Rc::new(3);
        blocking(|| cell.borrow_mut().push(*rc));
        cell.into_inner().into_iter().sum::<i32>()
    });
    assert_eq!(sum, 6);
}

/// Threads outside call into the pool while its workers block.
#[test]
fn callers_from_outside_are_served() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let pool = builder().num_threads(2).build().unwrap();
    thread::scope(|s| {
        for _ in 0..3 {
            s.spawn(|| {
                for _ in 0..100 {
                    let pause = || blocking(|| thread::sleep(Duration::from_micros(200)));
                    pool.join(pause, || pool.install(pause));
                    assert_eq!(pool.install(|| fib(8)), 21);
                }
            });
        }
    });
}
