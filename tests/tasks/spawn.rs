//! `spawn` runs its closure once. Its handle returns the value or the panic. The panic of a
//! detached task reaches the handler.

use std::any::Any;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::common::{
    CALLERS, Gate, Ledger, boom, boom_id, builder, eventually, failed_with, is_simulated_without,
    noting_pool, pool, step_aside, watchdog,
};
use filch::{JoinError, JoinHandle, ThreadPool};

const SIZES: [usize; 3] = [1, 2, 4];

/// Asserts that the pool still runs tasks on all of its threads.
#[track_caller]
fn assert_in_order(pool: &ThreadPool) {
    let indexes = pool.broadcast(|worker| worker.index());
    assert!(indexes.into_iter().eq(0..pool.current_num_threads()));
    assert_eq!(pool.spawn(|| 5).join().unwrap(), 5);
}

/// Waits on a worker, which runs other jobs meanwhile.
fn wait_for_end<T>(handle: &JoinHandle<T>) {
    while !handle.is_finished() {
        filch::yield_now();
        step_aside();
    }
}

// ---- Values ----

#[test]
fn a_join_from_outside_gives_the_value() {
    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        let handles: Vec<_> = (0..1000_u64).map(|i| pool.spawn(move || i * 2)).collect();
        let sum: u64 = handles.into_iter().map(|h| h.join().unwrap()).sum();
        assert_eq!(sum, 999_000);
    }
}

#[test]
fn a_join_on_a_worker_gives_the_value() {
    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        let sum: u64 = pool.install(|| {
            let handles: Vec<_> = (0..1000).map(|i| filch::spawn(move || i * 2)).collect();
            handles.into_iter().map(|h| h.join().unwrap()).sum()
        });
        assert_eq!(sum, 999_000);
    }
}

/// A value that needs a larger alignment than allocators give by default.
#[derive(Clone, Copy)]
#[repr(align(128))]
struct Aligned<const N: usize>([usize; N]);

impl<const N: usize> Aligned<N> {
    fn new() -> Self {
        Aligned(std::array::from_fn(|i| i ^ N))
    }

    #[track_caller]
    fn check(&self) {
        assert_eq!(black_box(&raw const *self).addr() % 128, 0, "{N} words");
        assert_eq!(self.0, Self::new().0);
    }
}

/// Tasks take `N` words along and bring them back: joined from outside and on a worker, detached,
/// in a scope, and with a panic.
fn take_along<const N: usize>(pool: &ThreadPool, ledger: &'static Ledger) {
    let words = Aligned::<N>::new();
    let task = || {
        let token = ledger.token();
        move || {
            words.check();
            (words, token)
        }
    };
    pool.spawn(task()).join().unwrap().0.check();
    pool.install(|| filch::spawn(task()).join().unwrap().0.check());
    drop(pool.spawn(task()));
    pool.scope(|s| {
        drop(s.spawn(task()));
        s.spawn(task()).join().unwrap().0.check();
    });
    let inner = task();
    let failed = pool.spawn(move || -> Aligned<N> {
        let _ended = inner();
        boom(7)
    });
    assert_eq!(failed_with(failed.join()), 7);
}

#[test]
fn captures_and_results_of_any_size_and_alignment_arrive_whole() {
    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        let ledger = Ledger::new();
        take_along::<0>(&pool, ledger);
        take_along::<1>(&pool, ledger);
        take_along::<16>(&pool, ledger);
        take_along::<48>(&pool, ledger);
        take_along::<112>(&pool, ledger);
        take_along::<240>(&pool, ledger);
        take_along::<512>(&pool, ledger);
        take_along::<2048>(&pool, ledger);
        drop(pool);
        ledger.assert_balanced("all sizes");
    }
}

#[test]
fn a_task_runs_in_the_pool_it_was_spawned_on() {
    let _watchdog = watchdog();
    let (three, two) = (pool(3), pool(2));
    let size = |spawned: JoinHandle<usize>| spawned.join().unwrap();
    assert_eq!(size(three.spawn(filch::current_num_threads)), 3);
    let (own, other) = two.install(|| {
        let own = filch::spawn(filch::current_num_threads);
        (size(own), size(three.spawn(filch::current_num_threads)))
    });
    assert_eq!((own, other), (2, 3));
}

#[test]
fn a_task_runs_on_a_worker() {
    let _watchdog = watchdog();
    let pool = pool(3);
    assert_eq!(pool.current_thread_index(), None);
    for _ in 0..100 {
        let index = pool.spawn(filch::current_thread_index).join().unwrap();
        assert!(index.expect("tasks run on workers") < 3);
    }
}

#[test]
fn tasks_spawn_tasks() {
    fn grow(depth: u32, leaves: &Arc<AtomicUsize>) {
        if depth == 0 {
            leaves.fetch_add(1, Ordering::SeqCst);
            return;
        }
        for _ in 0..2 {
            let leaves = Arc::clone(leaves);
            filch::spawn(move || grow(depth - 1, &leaves));
        }
    }

    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        let leaves = Arc::new(AtomicUsize::new(0));
        let root = Arc::clone(&leaves);
        pool.spawn(move || grow(10, &root));
        eventually("all leaves", || leaves.load(Ordering::SeqCst) == 1024);
    }
}

#[test]
fn a_recursion_of_joined_tasks_agrees_with_serial() {
    fn fib(n: u64) -> u64 {
        if n < 2 {
            return n;
        }
        let other = filch::spawn(move || fib(n - 2));
        fib(n - 1) + other.join().unwrap()
    }

    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        assert_eq!(pool.spawn(|| fib(16)).join().unwrap(), 987);
    }
}

#[test]
fn a_chain_of_tasks_that_join_the_one_before_ends() {
    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        for length in [1, 3, 10, 100] {
            let mut last = pool.spawn(|| 0);
            for _ in 0..length {
                let before = last;
                last = pool.spawn(move || {
                    let (one, _) = filch::join(|| 1, || filch::join(|| (), || ()));
                    before.join().unwrap() + one
                });
            }
            assert_eq!(last.join().unwrap(), length);
        }
    }
}

#[test]
fn two_pools_join_each_others_tasks() {
    let _watchdog = watchdog();
    for (left, right) in [(1, 1), (1, 2), (2, 2)] {
        let (left, right) = (Arc::new(pool(left)), Arc::new(pool(right)));
        let (inner_left, inner_right) = (Arc::clone(&left), Arc::clone(&right));
        let there_and_back = left.spawn(move || {
            let back = move || inner_left.spawn(|| 1).join().unwrap() + 1;
            inner_right.spawn(back).join().unwrap() + 1
        });
        assert_eq!(there_and_back.join().unwrap(), 3);
    }
}

#[test]
fn a_handle_outlives_its_pool() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let (value, failure) = (pool.spawn(|| 1), pool.spawn(|| boom(2)));
    drop(pool);
    assert!(value.is_finished() && failure.is_finished());
    assert_eq!(value.join().unwrap(), 1);
    assert_eq!(failed_with(failure.join()), 2);
}

// ---- Handles ----

#[test]
fn is_finished_tells_when_the_task_has_ended() {
    let _watchdog = watchdog();
    let (pool, gate) = (pool(2), Arc::new(Gate::new()));
    let shut = Arc::clone(&gate);
    let handle = pool.spawn(move || shut.wait());
    assert!(!handle.is_finished(), "the gate is shut");
    gate.open();
    eventually("the task ends", || handle.is_finished());
    handle.join().unwrap();
}

#[test]
fn a_finished_task_is_joined_without_waiting() {
    let _watchdog = watchdog();
    let pool = pool(1);
    let handle = pool.spawn(|| "early");
    eventually("the task ends", || handle.is_finished());
    let busy = Arc::new(Gate::new());
    let shut = Arc::clone(&busy);
    pool.spawn(move || shut.wait());
    assert_eq!(handle.join().unwrap(), "early");
    busy.open();
}

#[test]
fn a_dropped_handle_leaves_the_task_running() {
    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let ran = Arc::clone(&ran);
            drop(pool.spawn(move || ran.fetch_add(1, Ordering::SeqCst)));
        }
        eventually("all tasks ran", || ran.load(Ordering::SeqCst) == 100);
    }
}

#[test]
fn a_handle_is_joined_on_a_plain_thread() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let handle = pool(2).spawn(|| 9);
    let joined = thread::spawn(move || handle.join().unwrap()).join();
    assert_eq!(joined.unwrap(), 9);
}

/// What happens to a handle.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Joined,
    DroppedBeforeTheStart,
    DroppedAfterTheEnd,
}

const FATES: [Fate; 3] = [Fate::Joined, Fate::DroppedBeforeTheStart, Fate::DroppedAfterTheEnd];

/// Spawns `task`, does to its handle what `fate` says, and waits until the pool has ended.
fn meet<T: Send + 'static>(
    pool: ThreadPool,
    fate: Fate,
    task: impl FnOnce() -> T + Send + 'static,
) -> Option<Result<T, JoinError>> {
    let gate = Arc::new(Gate::new());
    let shut = Arc::clone(&gate);
    let handle = pool.spawn(move || {
        shut.wait();
        task()
    });
    match fate {
        Fate::Joined => {
            gate.open();
            return Some(handle.join());
        }
        Fate::DroppedBeforeTheStart => drop(handle),
        Fate::DroppedAfterTheEnd => {
            gate.open();
            eventually("the task ends", || handle.is_finished());
            drop(handle);
        }
    }
    gate.open();
    drop(pool);
    None
}

#[test]
fn captures_and_values_are_dropped_once_whatever_happens_to_the_handle() {
    let _watchdog = watchdog();
    let ledger = Ledger::new();
    for fails in [false, true] {
        for (threads, fate) in SIZES.into_iter().flat_map(|n| FATES.map(|fate| (n, fate))) {
            let captured = ledger.token();
            drop(meet(noting_pool(threads).0, fate, move || {
                let _captured = captured;
                if fails {
                    boom(1);
                }
                ledger.token()
            }));
            // The last drop may be by the task itself, a moment after the join.
            eventually("every drop", || ledger.is_balanced());
        }
    }
}

// ---- Panics ----

#[test]
fn a_joined_panic_comes_with_its_payload_and_not_to_the_handler() {
    let _watchdog = watchdog();
    for threads in SIZES {
        let (pool, noted) = noting_pool(threads);
        assert_eq!(failed_with(pool.spawn(|| boom(1)).join()), 1);
        assert_eq!(failed_with(pool.install(|| filch::spawn(|| boom(2)).join())), 2);
        assert_in_order(&pool);
        drop(pool);
        assert!(noted.lock().unwrap().is_empty());
    }
}

#[test]
fn a_detached_panic_reaches_the_handler_once() {
    let _watchdog = watchdog();
    for (threads, fate) in SIZES.into_iter().flat_map(|n| FATES.map(|fate| (n, fate))) {
        let (pool, noted) = noting_pool(threads);
        let detached = meet(pool, fate, || boom(7)).map(failed_with).is_none();
        let expected = if detached { vec![7] } else { vec![] };
        assert_eq!(*noted.lock().unwrap(), expected, "{threads} {fate:?}");
    }
}

#[test]
fn every_detached_panic_reaches_the_handler_whenever_its_handle_goes() {
    let _watchdog = watchdog();
    for threads in SIZES {
        let (pool, noted) = noting_pool(threads);
        for id in 0..1000 {
            drop(pool.spawn(move || boom(id)));
        }
        drop(pool);
        let mut ids = std::mem::take(&mut *noted.lock().unwrap());
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..1000));
    }
}

#[test]
fn a_detached_panic_of_a_task_spawned_on_a_worker_reaches_the_handler() {
    let _watchdog = watchdog();
    for threads in SIZES {
        let (pool, noted) = noting_pool(threads);
        pool.install(|| drop(filch::spawn(|| boom(4))));
        assert_in_order(&pool);
        drop(pool);
        assert_eq!(*noted.lock().unwrap(), [4]);
    }
}

#[test]
fn a_panic_in_a_join_in_a_detached_task_reaches_the_handler() {
    let _watchdog = watchdog();
    let (pool, noted) = noting_pool(2);
    drop(pool.spawn(|| filch::join(|| (), || boom(5)).1));
    drop(pool);
    assert_eq!(*noted.lock().unwrap(), [5]);
}

#[test]
fn a_panicking_handler_costs_no_worker_and_no_task() {
    let _watchdog = watchdog();
    for threads in SIZES {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let pool = builder()
            .num_threads(threads)
            .panic_handler(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                boom(99)
            })
            .build()
            .unwrap();
        (0..50).for_each(|id| drop(pool.spawn(move || boom(id))));
        assert_in_order(&pool);
        drop(pool);
        assert_eq!(calls.load(Ordering::SeqCst), 50);
    }
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        boom(100);
    }
}

/// Runs `task` detached, fifty times, in a pool without a panic handler. Asserts that no worker and
/// no other task is lost.
fn survives(task: impl Fn() + Copy + Send + 'static) {
    for pool in SIZES.map(pool) {
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..50 {
            let ran = Arc::clone(&ran);
            drop(pool.spawn(task));
            drop(pool.spawn(move || ran.fetch_add(1, Ordering::SeqCst)));
        }
        assert_in_order(&pool);
        drop(pool);
        assert_eq!(ran.load(Ordering::SeqCst), 50);
    }
}

#[test]
fn a_payload_whose_drop_panics_costs_no_worker_and_no_task() {
    let _watchdog = watchdog();
    survives(|| resume_unwind(Box::new(Bomb)));
}

#[test]
fn a_capture_whose_drop_panics_costs_no_worker_and_no_task() {
    let _watchdog = watchdog();
    survives(|| drop(Bomb));
}

#[test]
fn a_value_whose_drop_panics_costs_no_worker_and_no_task() {
    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        let gate = Arc::new(Gate::new());
        for _ in 0..50 {
            let shut = Arc::clone(&gate);
            drop(pool.spawn(move || {
                shut.wait();
                Bomb
            }));
        }
        gate.open();
        assert_in_order(&pool);
    }
}

#[test]
fn a_handled_payload_whose_drop_panics_costs_no_worker() {
    let _watchdog = watchdog();
    let pool = builder().num_threads(2).panic_handler(drop::<Box<dyn Any + Send>>).build().unwrap();
    for _ in 0..50 {
        drop(pool.spawn(|| resume_unwind(Box::new(Bomb))));
    }
    assert_in_order(&pool);
}

#[test]
fn a_worker_that_waits_for_a_failing_task_goes_on() {
    let _watchdog = watchdog();
    for pool in SIZES.map(pool) {
        let outcome = pool.install(|| {
            let failing = filch::spawn(|| boom(3));
            wait_for_end(&failing);
            let id = failed_with(failing.join());
            let thrown = catch_unwind(AssertUnwindSafe(|| boom(id + 1)));
            boom_id(thrown.unwrap_err())
        });
        assert_eq!(outcome, 4);
        assert_in_order(&pool);
    }
}
