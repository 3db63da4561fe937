//! A pool has the threads it was asked for, calls its handlers on them, and leaves nothing behind.

mod common;

use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use common::{
    CALLERS, Cores, Gate, OWN_THREADS, alone, alone_counting_threads, boom, builder, caught,
    eventually, is_simulated_without, pool, rest, sized, thread_count, watchdog,
};
use filch::{ThreadBuilder, ThreadPool, ThreadPoolBuilder};

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = filch::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

/// Counts calls.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicUsize>);

impl Calls {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Records the indexes that a handler is called with.
#[derive(Clone, Default)]
struct Indexes(Arc<Mutex<Vec<usize>>>);

impl Indexes {
    fn note(&self, index: usize) {
        self.0.lock().unwrap().push(index);
    }

    fn sorted(&self) -> Vec<usize> {
        let mut indexes = self.0.lock().unwrap().clone();
        indexes.sort_unstable();
        indexes
    }
}

// ---- Threads ----

#[test]
fn a_pool_has_as_many_threads_as_asked_for() {
    let _watchdog = watchdog();
    for threads in 1..=16 {
        let pool = pool(threads);
        assert_eq!(pool.current_num_threads(), threads);
        assert_eq!(pool.install(filch::current_num_threads), threads);
        let ids: HashSet<_> = pool.broadcast(|_| thread::current().id()).into_iter().collect();
        assert_eq!(ids.len(), threads);
        assert_eq!(pool.install(|| fib(12)), 144);
    }
}

#[test]
fn a_pool_of_hundreds_of_threads_works() {
    let _watchdog = watchdog();
    let threads = sized(300, 30);
    let pool = pool(threads);
    assert_eq!(pool.broadcast(|worker| worker.index()).len(), threads);
    assert_eq!(pool.install(|| fib(16)), 987);
}

#[test]
fn zero_threads_means_at_least_one() {
    let _watchdog = watchdog();
    let pool = pool(0);
    assert!(pool.current_num_threads() >= 1);
    assert_eq!(pool.install(|| fib(12)), 144);
}

#[test]
fn threads_have_the_names_they_were_given() {
    let _watchdog = watchdog();
    let pool =
        builder().num_threads(3).thread_name(|index| format!("worker-{index}")).build().unwrap();
    let names = pool.broadcast(|_| thread::current().name().map(str::to_owned));
    let expected = ["worker-0", "worker-1", "worker-2"];
    assert!(names.iter().map(|name| name.as_deref().unwrap()).eq(expected));
}

/// Uses at least `kilobytes` of stack.
fn use_stack(kilobytes: usize) -> usize {
    let mut block = [0_u8; 1024];
    block[kilobytes % 1024] = 1;
    let below = if kilobytes == 0 { 0 } else { use_stack(kilobytes - 1) };
    below + std::hint::black_box(&block).iter().map(|b| usize::from(*b)).sum::<usize>()
}

#[test]
fn threads_have_the_stack_they_were_given() {
    let _watchdog = watchdog();
    alone("threads_have_the_stack_they_were_given", || {
        let pool = builder().num_threads(2).stack_size(64 << 20).build().unwrap();
        // In kilobytes: more than threads have by default.
        let most = sized(32 << 10, 4 << 10);
        assert_eq!(pool.broadcast(|_| use_stack(most)), [most + 1; 2]);
    });
}

#[test]
fn only_workers_have_an_index() {
    let _watchdog = watchdog();
    let (left, right) = (pool(2), pool(2));
    assert_eq!(filch::current_thread_index(), None);
    assert_eq!(left.current_thread_index(), None);
    left.install(|| {
        assert_eq!(left.current_thread_index(), filch::current_thread_index());
        assert!(left.current_thread_index().unwrap() < 2);
        assert_eq!(right.current_thread_index(), None);
    });
    assert_eq!(filch::current_thread_index(), None);
}

#[test]
fn pools_and_handles_may_go_to_other_threads() {
    fn is_send<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}

    is_shared::<ThreadPool>();
    is_shared::<filch::JoinHandle<i32>>();
    is_shared::<filch::ScopedJoinHandle<'_, i32>>();
    is_shared::<filch::Scope<'_, '_>>();
    is_shared::<filch::ThreadPoolBuildError>();
    is_send::<ThreadBuilder>();
}

// ---- Handlers ----

#[test]
fn the_start_handler_runs_first_on_every_thread() {
    thread_local!(static STARTED: RefCell<Option<usize>> = const { RefCell::new(None) });

    let _watchdog = watchdog();
    let started = Indexes::default();
    let note = started.clone();
    let pool = builder()
        .num_threads(4)
        .start_handler(move |index| {
            STARTED.set(Some(index));
            note.note(index);
        })
        .build()
        .unwrap();
    let seen = pool.broadcast(|_| STARTED.with_borrow(|index| *index));
    assert_eq!(seen, [Some(0), Some(1), Some(2), Some(3)]);
    assert_eq!(started.sorted(), [0, 1, 2, 3]);
}

#[test]
fn the_exit_handler_has_run_on_every_thread_when_the_pool_is_gone() {
    let _watchdog = watchdog();
    let exited = Indexes::default();
    let note = exited.clone();
    let pool = builder()
        .num_threads(4)
        .exit_handler(move |index| {
            rest(Duration::from_millis(5));
            note.note(index);
        })
        .build()
        .unwrap();
    pool.install(|| fib(10));
    assert!(exited.sorted().is_empty());
    drop(pool);
    assert_eq!(exited.sorted(), [0, 1, 2, 3]);
}

#[test]
fn threads_park_when_idle_and_unpark_for_work() {
    let _watchdog = watchdog();
    let (parked, unparked) = (Indexes::default(), Calls::default());
    let (note, count) = (parked.clone(), unparked.clone());
    let pool = builder()
        .num_threads(3)
        .park_handler(move |index| note.note(index))
        .unpark_handler(move |_| count.add())
        .build()
        .unwrap();
    let all_parked = || parked.sorted().into_iter().collect::<HashSet<_>>().len() == 3;
    eventually("every thread parks", all_parked);
    eventually("work unparks a thread", || {
        pool.install(|| ());
        unparked.count() > 0
    });
}

#[test]
fn the_threads_handlers_alternate() {
    thread_local!(static PARKED: RefCell<bool> = const { RefCell::new(false) });

    let _watchdog = watchdog();
    let wrong = Calls::default();
    let switch = |to: bool| {
        let wrong = wrong.clone();
        move |_| {
            if PARKED.replace(to) == to {
                wrong.add();
            }
        }
    };
    let pool = builder()
        .num_threads(2)
        .park_handler(switch(true))
        .unpark_handler(switch(false))
        .build()
        .unwrap();
    for round in 0..200 {
        pool.install(|| fib(8));
        if round % 20 == 0 {
            rest(Duration::from_millis(2));
        }
    }
    drop(pool);
    assert_eq!(wrong.count(), 0, "park and unpark did not alternate");
}

#[test]
fn sleep_handlers_may_use_the_pool() {
    let _watchdog = watchdog();
    for threads in [1, 2, 3] {
        let (spawned, ran) = (Calls::default(), Calls::default());
        let cores = Arc::new(Cores::new(threads));
        let use_the_pool = || {
            let (spawned, ran, cores) = (spawned.clone(), ran.clone(), Arc::clone(&cores));
            move |_| {
                if spawned.count() < 500 {
                    spawned.add();
                    let ran = ran.clone();
                    drop(filch::spawn(move || ran.add()));
                    cores.hold(|| assert_eq!(fib(8), 21));
                }
            }
        };
        let pool = builder()
            .num_threads(threads)
            .park_handler(use_the_pool())
            .unpark_handler(use_the_pool())
            .build()
            .unwrap();
        eventually("the handlers spawn", || {
            pool.join(|| cores.hold(|| fib(7)), || fib(8));
            pool.install(|| ());
            spawned.count() >= 500
        });
        drop(pool);
        assert_eq!(ran.count(), spawned.count());
    }
}

#[test]
fn a_pool_ends_though_its_sleep_handlers_make_work_each_time() {
    let _watchdog = watchdog();
    for threads in [1, 2, 3] {
        let (spawned, ran) = (Calls::default(), Calls::default());
        let make_work = || {
            let (spawned, ran) = (spawned.clone(), ran.clone());
            move |_| {
                spawned.add();
                let ran = ran.clone();
                drop(filch::spawn(move || ran.add()));
                assert_eq!(fib(3), 2);
            }
        };
        let builder = builder().num_threads(threads).park_handler(make_work());
        let pool = builder.unpark_handler(make_work()).build().unwrap();
        eventually("a handler is called", || {
            pool.install(|| ());
            spawned.count() > 0
        });
        drop(pool);
        assert_eq!(ran.count(), spawned.count());
    }
}

/// Asserts that a pool with the handlers that `set` sets still works and ends.
fn survives(set: impl Fn(ThreadPoolBuilder) -> ThreadPoolBuilder) {
    for threads in [1, 2, 4] {
        let pool = set(builder().num_threads(threads)).build().unwrap();
        for _ in 0..5 {
            assert_eq!(pool.install(|| fib(10)), 55);
            rest(Duration::from_millis(2));
        }
        assert_eq!(pool.broadcast(|_| ()).len(), threads);
        drop(pool);
    }
}

#[test]
fn a_panicking_start_handler_costs_no_worker() {
    let _watchdog = watchdog();
    survives(|builder| builder.start_handler(|_| boom(1)));
}

#[test]
fn a_panicking_exit_handler_does_not_stop_the_shutdown() {
    let _watchdog = watchdog();
    survives(|builder| builder.exit_handler(|_| boom(1)));
}

#[test]
fn a_panicking_park_handler_costs_no_worker() {
    let _watchdog = watchdog();
    survives(|builder| builder.park_handler(|_| boom(1)));
}

#[test]
fn a_panicking_unpark_handler_costs_no_worker() {
    let _watchdog = watchdog();
    survives(|builder| builder.unpark_handler(|_| boom(1)));
}

// ---- Custom threads ----

#[test]
fn a_spawn_handler_gets_every_thread_with_its_settings() {
    let _watchdog = watchdog();
    if is_simulated_without(OWN_THREADS) {
        return;
    }
    let (sender, seen) = mpsc::channel();
    let pool = ThreadPoolBuilder::new()
        .num_threads(3)
        .thread_name(|index| format!("custom-{index}"))
        .stack_size(3 << 20)
        .spawn_handler(move |thread| {
            let name = thread.name().map(str::to_owned);
            sender.send((thread.index(), name.clone(), thread.stack_size())).unwrap();
            let builder = thread::Builder::new().name(format!("my {}", name.unwrap()));
            builder.spawn(|| thread.run()).map(drop)
        })
        .build()
        .unwrap();
    let names = pool.broadcast(|_| thread::current().name().map(str::to_owned));
    assert_eq!(names[2].as_deref(), Some("my custom-2"));
    let settings = |index| (index, Some(format!("custom-{index}")), Some(3 << 20));
    assert!(seen.into_iter().eq((0..3).map(settings)));
}

#[test]
fn custom_threads_may_be_scoped() {
    let _watchdog = watchdog();
    if is_simulated_without(OWN_THREADS) {
        return;
    }
    let exited = AtomicUsize::new(0);
    thread::scope(|plain| {
        let (sender, threads) = mpsc::channel::<ThreadBuilder>();
        let pool = ThreadPoolBuilder::new()
            .num_threads(3)
            .spawn_handler(move |thread| sender.send(thread).map_err(io::Error::other))
            .build()
            .unwrap();
        for thread in threads {
            plain.spawn(|| {
                thread.run();
                exited.fetch_add(1, Ordering::SeqCst)
            });
        }
        assert_eq!(pool.install(|| fib(12)), 144);
        assert_eq!(pool.broadcast(|_| ()).len(), 3);
    });
    assert_eq!(exited.into_inner(), 3);
}

#[test]
fn custom_threads_may_start_late() {
    let _watchdog = watchdog();
    if is_simulated_without(OWN_THREADS) {
        return;
    }
    let (sender, waiting) = mpsc::channel::<ThreadBuilder>();
    let pool = ThreadPoolBuilder::new()
        .num_threads(3)
        .spawn_handler(move |thread| sender.send(thread).map_err(io::Error::other))
        .build()
        .unwrap();
    let early = pool.spawn(|| fib(10));
    thread::sleep(Duration::from_millis(5));
    let run = |thread: ThreadBuilder| thread::spawn(|| thread.run());
    let threads: Vec<_> = waiting.into_iter().map(run).collect();
    assert_eq!(early.join().unwrap(), 55);
    assert_eq!(pool.broadcast(|_| ()).len(), 3);
    drop(pool);
    threads.into_iter().for_each(|t| t.join().unwrap());
}

#[test]
fn custom_threads_run_their_handlers() {
    let _watchdog = watchdog();
    if is_simulated_without(OWN_THREADS) {
        return;
    }
    let (started, exited) = (Calls::default(), Calls::default());
    let (count_start, count_exit) = (started.clone(), exited.clone());
    let pool = ThreadPoolBuilder::new()
        .num_threads(3)
        .start_handler(move |_| count_start.add())
        .exit_handler(move |_| count_exit.add())
        .spawn_handler(|thread| -> io::Result<()> {
            thread::spawn(|| thread.run());
            Ok(())
        })
        .build()
        .unwrap();
    pool.broadcast(|_| ());
    drop(pool);
    eventually("all threads have exited", || exited.count() == 3);
    assert_eq!(started.count(), 3);
}

// ---- Several pools ----

#[test]
fn install_moves_to_a_worker_and_back() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let pool = pool(threads);
        let caller = thread::current().id();
        let (inside, again) = pool.install(|| {
            let inside = thread::current().id();
            (inside, pool.install(|| thread::current().id()))
        });
        assert_ne!(inside, caller);
        assert_eq!(inside, again, "the second `install` changed the worker");
    }
}

#[test]
fn install_passes_values_borrows_and_panics() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let (pool, mut list) = (pool(threads), vec![3, 1, 2]);
        pool.install(|| list.sort_unstable());
        assert_eq!(list, [1, 2, 3]);
        assert_eq!(caught(|| pool.install(|| boom(1))), 1);
        assert_eq!(caught(|| pool.install(|| pool.install(|| boom(2)))), 2);
        assert_eq!(pool.install(|| list), [1, 2, 3]);
    }
}

#[test]
fn installs_nest_across_pools_both_ways() {
    fn ping(depth: u64, here: &ThreadPool, there: &ThreadPool) -> u64 {
        if depth == 0 {
            return fib(6);
        }
        here.install(|| ping(depth - 1, there, here)) + 1
    }

    let _watchdog = watchdog();
    for (left, right) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
        let (left, right) = (pool(left), pool(right));
        assert_eq!(ping(20, &left, &right), 28);
        assert_eq!(ping(100, &left, &right), 108);
        let (there, back) = left.join(|| ping(10, &right, &left), || ping(10, &left, &right));
        assert_eq!((there, back), (18, 18));
    }
}

#[test]
fn pools_call_each_other_at_the_same_time() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let (left, right) = (pool(1), pool(1));
    let call = |here: &ThreadPool, there: &ThreadPool| {
        for _ in 0..300 {
            let sum = here.install(|| there.install(|| fib(4)) + here.install(|| fib(4)));
            assert_eq!(sum, 6);
        }
    };
    thread::scope(|plain| {
        plain.spawn(|| call(&left, &right));
        plain.spawn(|| call(&right, &left));
    });
}

/// The only worker of a pool calls another pool, which calls it back. The worker has to serve that
/// call while it waits for its own. `call` makes the call, and lets the other pool call `back`
/// once.
fn serves_while_it_waits(call: impl FnOnce(&ThreadPool, &(dyn Fn() + Sync)) + Send) {
    let (here, there, ran) = (pool(1), pool(1), Calls::default());
    let back = || here.install(|| ran.add());
    here.install(|| call(&there, &back));
    assert_eq!(ran.count(), 1);
}

#[test]
fn a_worker_serves_its_pool_during_an_install_in_another() {
    let _watchdog = watchdog();
    serves_while_it_waits(|there, back| there.install(back));
}

#[test]
fn a_worker_serves_its_pool_during_a_join_in_another() {
    let _watchdog = watchdog();
    serves_while_it_waits(|there, back| assert_eq!(there.join(|| 1, back), (1, ())));
}

#[test]
fn a_worker_serves_its_pool_during_a_scope_in_another() {
    let _watchdog = watchdog();
    serves_while_it_waits(|there, back| there.scope(|s| drop(s.spawn(back))));
}

#[test]
fn a_worker_serves_its_pool_during_a_scope_in_place_in_another() {
    let _watchdog = watchdog();
    serves_while_it_waits(|there, back| there.in_place_scope(|s| drop(s.spawn(back))));
}

#[test]
fn a_worker_serves_its_pool_while_it_joins_a_scoped_task_of_another() {
    let _watchdog = watchdog();
    serves_while_it_waits(|there, back| {
        there.in_place_scope(|s| s.spawn(back).join().unwrap());
    });
}

#[test]
fn a_worker_serves_its_pool_during_a_broadcast_in_another() {
    let _watchdog = watchdog();
    serves_while_it_waits(|there, back| drop(there.broadcast(|_| back())));
}

#[test]
fn a_join_on_another_pool_runs_there() {
    let _watchdog = watchdog();
    let (three, two) = (pool(3), pool(2));
    let size = filch::current_num_threads;
    assert_eq!(three.install(|| two.join(size, size)), (2, 2));
    assert_eq!(three.install(|| two.scope(|s| s.spawn(size).join().unwrap())), 2);
    assert_eq!(three.join(size, size), (3, 3));
}

#[test]
fn many_pools_work_side_by_side() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let pools: Vec<_> = (1..=8).map(pool).collect();
    for _ in 0..20 {
        thread::scope(|plain| {
            for pool in &pools {
                plain.spawn(|| assert_eq!(pool.install(|| fib(10)), 55));
            }
        });
    }
}

// ---- The end ----

#[test]
fn dropping_a_pool_runs_submitted_tasks() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let (pool, gate, ran) = (pool(threads), Arc::new(Gate::new()), Calls::default());
        let shut = Arc::clone(&gate);
        pool.spawn_broadcast(move |_| shut.wait());
        for _ in 0..200 {
            let ran = ran.clone();
            drop(pool.spawn(move || ran.add()));
        }
        let opener = common::pool(1);
        let opened = opener.spawn(move || {
            rest(Duration::from_millis(10));
            gate.open();
        });
        drop(pool);
        assert_eq!(ran.count(), 200);
        opened.join().unwrap();
    }
}

#[test]
fn dropping_a_pool_runs_tasks_that_its_last_tasks_spawn() {
    fn relay(length: usize, ran: Calls) {
        ran.add();
        if length > 0 {
            drop(filch::spawn(move || relay(length - 1, ran)));
        }
    }

    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let (pool, ran) = (pool(threads), Calls::default());
        let first = ran.clone();
        drop(pool.spawn(move || relay(100, first)));
        drop(pool);
        assert_eq!(ran.count(), 101);
    }
}

#[test]
fn a_pool_dropped_at_once_runs_every_task() {
    let _watchdog = watchdog();
    for round in 0..200 {
        let (pool, ran) = (pool(1 + round % 4), Calls::default());
        for _ in 0..round % 5 {
            let ran = ran.clone();
            drop(pool.spawn(move || ran.add()));
        }
        drop(pool);
        assert_eq!(ran.count(), round % 5);
    }
}

/// Its drop takes some time, and is then counted.
struct SlowDrop(Calls);

impl Drop for SlowDrop {
    fn drop(&mut self) {
        thread::sleep(Duration::from_millis(10));
        self.0.add();
    }
}

#[test]
fn dropping_a_pool_waits_for_thread_local_destructors() {
    thread_local!(static KEPT: RefCell<Option<SlowDrop>> = const { RefCell::new(None) });

    let _watchdog = watchdog();
    let (pool, dropped) = (pool(4), Calls::default());
    pool.broadcast(|_| KEPT.set(Some(SlowDrop(dropped.clone()))));
    assert_eq!(dropped.count(), 0);
    drop(pool);
    assert_eq!(dropped.count(), 4);
}

/// A pool that counts the exits of its threads.
fn counted_pool(threads: usize) -> (Arc<ThreadPool>, Calls) {
    let exited = Calls::default();
    let count = exited.clone();
    let builder = builder().num_threads(threads);
    let pool = builder.exit_handler(move |_| count.add()).build().unwrap();
    (Arc::new(pool), exited)
}

#[test]
fn a_pool_dropped_by_its_own_worker_ends() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let ((pool, exited), gate) = (counted_pool(threads), Arc::new(Gate::new()));
        let (last, shut) = (Arc::clone(&pool), Arc::clone(&gate));
        let dropped = pool.spawn(move || {
            shut.wait();
            drop(last);
        });
        drop(pool);
        gate.open();
        dropped.join().unwrap();
        eventually("every thread exits", || exited.count() == threads);
    }
}

#[test]
fn a_pool_dropped_by_its_own_worker_runs_submitted_tasks() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let ((pool, exited), gate) = (counted_pool(threads), Arc::new(Gate::new()));
        let ran = Calls::default();
        let (last, shut) = (Arc::clone(&pool), Arc::clone(&gate));
        drop(pool.spawn(move || {
            shut.wait();
            drop(last);
            assert_eq!(fib(10), 55);
        }));
        for _ in 0..100 {
            let ran = ran.clone();
            drop(pool.spawn(move || ran.add()));
        }
        drop(pool);
        gate.open();
        eventually("every thread exits", || exited.count() == threads);
        assert_eq!(ran.count(), 100);
    }
}

#[test]
fn a_pool_dropped_by_another_pools_worker_ends() {
    let _watchdog = watchdog();
    let (outer, (inner, exited)) = (pool(2), counted_pool(3));
    outer.install(move || {
        assert_eq!(inner.install(|| fib(10)), 55);
        drop(inner);
    });
    assert_eq!(exited.count(), 3);
}

#[test]
fn a_pool_dropped_by_a_worker_that_its_tasks_need_ends() {
    let _watchdog = watchdog();
    let (outer, ran) = (Arc::new(pool(1)), Calls::default());
    let (needed, count) = (Arc::clone(&outer), ran.clone());
    outer.install(move || {
        let inner = pool(1);
        drop(inner.spawn(move || needed.install(|| count.add())));
        drop(inner);
    });
    assert_eq!(ran.count(), 1);
}

#[test]
fn a_pool_made_and_dropped_on_a_worker_ends() {
    let _watchdog = watchdog();
    let value = pool(1).install(|| {
        let inner = pool(2);
        let value = inner.install(|| fib(10));
        drop(inner);
        value
    });
    assert_eq!(value, 55);
}

#[test]
fn a_pool_dropped_while_unwinding_runs_submitted_tasks() {
    let _watchdog = watchdog();
    for threads in [1, 2] {
        let ran = Calls::default();
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let pool = pool(threads);
            for _ in 0..100 {
                let ran = ran.clone();
                drop(pool.spawn(move || ran.add()));
            }
            boom(1)
        }));
        assert_eq!(common::failed_with::<()>(unwound), 1);
        assert_eq!(ran.count(), 100);
    }
}

#[test]
fn two_hundred_pools_leave_no_thread() {
    let _watchdog = watchdog();
    alone_counting_threads("two_hundred_pools_leave_no_thread", || {
        let base = thread_count();
        for round in 0..200 {
            let pool = pool(1 + round % 8);
            if round % 3 != 0 {
                assert_eq!(pool.install(|| fib(6)), 8);
            }
        }
        common::threads_return_to(base);
    });
}

#[test]
fn pools_dropped_by_their_own_workers_leave_no_thread() {
    let _watchdog = watchdog();
    alone_counting_threads("pools_dropped_by_their_own_workers_leave_no_thread", || {
        let base = thread_count();
        for round in 0..50 {
            let pool = Arc::new(pool(1 + round % 4));
            let last = Arc::clone(&pool);
            drop(pool.spawn(move || drop(last)));
        }
        common::threads_return_to(base);
    });
}
