//! `join` runs both closures and returns both results. It passes on a panic only when both have
//! ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::{
    Caller, Flag, Ledger, any_wait_builder, boom, builder, caught, pool, rest, settings, watchdog,
};
use filch::{FnContext, join, join_context};

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = join(|| fib(n - 1), || fib(n - 2));
    a + b
}

// ---- Results ----

#[test]
fn both_results_come_back_in_order() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let both = caller.join(&pool, || 1, || "two");
        assert_eq!(both, (1, "two"), "{caller:?} {pool:?}");
    }
}

#[test]
fn results_of_every_size_come_back() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let (unit, big) = caller.join(&pool, || (), || [7_u8; 10_000]);
        assert_eq!((unit, big), ((), [7; 10_000]));
        let (text, list) = caller.join(&pool, || "a".repeat(1000), || vec![1; 1000]);
        assert_eq!((text.len(), list.len()), (1000, 1000));
    }
}

#[test]
fn a_runs_on_the_calling_worker() {
    let _watchdog = watchdog();
    pool(4).install(|| {
        for _ in 0..1000 {
            let caller = thread::current().id();
            let (a, _) = join(|| thread::current().id(), || ());
            assert_eq!(a, caller);
        }
    });
}

#[test]
fn closures_borrow_from_the_caller() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let mut numbers = (0..100).collect::<Vec<u32>>();
        let (left, right) = numbers.split_at_mut(50);
        caller.join(&pool, || left.reverse(), || right.fill(0));
        assert!(numbers[..50].iter().copied().eq((0..50).rev()));
        assert!(numbers[50..].iter().all(|n| *n == 0));
    }
}

#[test]
fn closures_are_consumed() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let (a, b) = (Box::new(1), Box::new(2));
        assert_eq!(caller.join(&pool, move || a, move || *b), (Box::new(1), 2));
    }
}

// ---- Nesting ----

#[test]
fn balanced_recursion_agrees_with_serial() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        assert_eq!(caller.run(&pool, || fib(20)), 6765, "{caller:?} {pool:?}");
    }
}

#[test]
fn parallel_quicksort_agrees_with_the_standard_sort() {
    fn quicksort(part: &mut [u32]) {
        if part.len() < 2 {
            return;
        }
        let (pivot, last) = (part[part.len() / 2], part.len() - 1);
        part.swap(part.len() / 2, last);
        let mut middle = 0;
        for i in 0..last {
            if part[i] < pivot {
                part.swap(i, middle);
                middle += 1;
            }
        }
        part.swap(middle, last);
        let (left, right) = part.split_at_mut(middle);
        join(|| quicksort(left), || quicksort(&mut right[1..]));
    }

    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let mut numbers: Vec<u32> =
            (0..20_000_u32).map(|i| i.wrapping_mul(2_654_435_761)).collect();
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        caller.run(&pool, || quicksort(&mut numbers));
        assert!(numbers == sorted, "{caller:?} {pool:?}");
    }
}

/// Nests `depth` joins in the first closure.
fn left_comb(depth: usize) -> usize {
    if depth == 0 {
        return 0;
    }
    let (below, one) = join(|| left_comb(depth - 1), || 1);
    below + one
}

/// Nests `depth` joins in the second closure.
fn right_comb(depth: usize) -> usize {
    if depth == 0 {
        return 0;
    }
    let (one, below) = join(|| 1, || right_comb(depth - 1));
    below + one
}

#[test]
fn combs_of_a_thousand_levels_fit_the_default_stack() {
    let _watchdog = watchdog();
    for threads in [1, 2] {
        let pool = pool(threads);
        assert_eq!(pool.install(|| left_comb(1000)), 1000);
        assert_eq!(pool.install(|| right_comb(1000)), 1000);
    }
}

#[test]
fn deep_recursion_goes_as_deep_as_the_stack_allows() {
    let _watchdog = watchdog();
    for threads in [1, 2] {
        let pool = builder().num_threads(threads).stack_size(256 << 20).build().unwrap();
        assert_eq!(pool.install(|| left_comb(30_000)), 30_000);
        assert_eq!(pool.install(|| right_comb(30_000)), 30_000);
    }
}

// ---- Migration ----

#[test]
fn nothing_migrates_in_a_pool_of_one() {
    let _watchdog = watchdog();
    pool(1).install(|| {
        for _ in 0..1000 {
            let flags = join_context(|a| a.migrated(), |b| b.migrated());
            assert_eq!(flags, (false, false));
        }
    });
}

#[test]
fn migrated_tells_whether_the_thread_changed() {
    fn check(depth: usize) {
        let caller = thread::current().id();
        join_context(
            |a| {
                assert!(!a.migrated(), "a runs where join was called");
                if depth > 0 {
                    check(depth - 1);
                }
            },
            |b| {
                assert_eq!(b.migrated(), thread::current().id() != caller);
                if depth > 0 {
                    check(depth - 1);
                }
            },
        );
    }

    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        pool(threads).install(|| check(12));
    }
}

#[test]
fn a_stolen_closure_knows_that_it_migrated() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let started = Flag::new();
    let wait = |_| started.poll();
    let start = |b: FnContext| {
        started.raise();
        b.migrated()
    };
    assert!(pool.install(|| join_context(wait, start)).1);
}

/// In the first side of a join, waits for a task that waits for the second side. Then only the
/// waiting worker can run the second side, and the pool must let it run any work. Returns what the
/// second side was told about its migration, and whether its thread changed.
fn wait_for_a_task_that_waits_for_the_second_side() -> (bool, bool) {
    let (task_runs, second_ran) = (Arc::new(Flag::new()), Arc::new(Flag::new()));
    let (runs, ran) = (Arc::clone(&task_runs), Arc::clone(&second_ran));
    let task = filch::spawn(move || {
        runs.raise();
        ran.hold();
    });
    task_runs.hold();
    let caller = thread::current().id();
    let second = |b: FnContext| {
        second_ran.raise();
        (b.migrated(), thread::current().id() != caller)
    };
    join_context(|_| task.join().unwrap(), second).1
}

#[test]
fn a_waiting_worker_runs_its_own_fork_which_then_has_not_migrated() {
    let _watchdog = watchdog();
    let pool = any_wait_builder().num_threads(2).build().unwrap();
    for _ in 0..20 {
        let told = pool.install(wait_for_a_task_that_waits_for_the_second_side);
        assert_eq!(told, (false, false));
    }
}

#[test]
fn a_worker_that_waits_in_a_task_runs_its_own_fork() {
    let _watchdog = watchdog();
    let pool = any_wait_builder().num_threads(2).build().unwrap();
    for _ in 0..20 {
        let task = pool.spawn(wait_for_a_task_that_waits_for_the_second_side);
        assert_eq!(task.join().unwrap(), (false, false));
    }
}

// ---- Panics ----

#[test]
fn a_panic_in_a_arrives_and_b_has_run() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let b_ran = AtomicBool::new(false);
        let b = || b_ran.store(true, Ordering::SeqCst);
        assert_eq!(caught(|| caller.join(&pool, || boom(1), b)), 1);
        assert!(b_ran.into_inner(), "{caller:?} {pool:?}");
    }
}

#[test]
fn a_panic_in_b_arrives_and_a_has_run() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let a_ran = AtomicBool::new(false);
        let a = || a_ran.store(true, Ordering::SeqCst);
        assert_eq!(caught(|| caller.join(&pool, a, || boom(2))), 2);
        assert!(a_ran.into_inner(), "{caller:?} {pool:?}");
    }
}

#[test]
fn of_two_panics_the_one_of_a_arrives() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        for _ in 0..100 {
            assert_eq!(caught(|| caller.join(&pool, || boom(1), || boom(2))), 1);
        }
    }
}

#[test]
fn a_wins_even_if_b_panicked_long_before() {
    let _watchdog = watchdog();
    let pool = pool(2);
    for caller in [Caller::Worker, Caller::Outside] {
        let b_started = Flag::new();
        let a = || {
            b_started.poll();
            rest(Duration::from_millis(5));
            boom(1)
        };
        let b = || {
            b_started.raise();
            boom(2)
        };
        assert_eq!(caught(|| caller.join::<_, _, (), ()>(&pool, a, b)), 1);
    }
}

#[test]
fn the_stolen_sibling_has_ended_before_the_panic_leaves() {
    let _watchdog = watchdog();
    let pool = pool(2);
    for caller in [Caller::Worker, Caller::Outside] {
        let (started, ended) = (Flag::new(), AtomicBool::new(false));
        let a = || {
            started.poll();
            boom(1)
        };
        let b = || {
            started.raise();
            rest(Duration::from_millis(20));
            ended.store(true, Ordering::SeqCst);
        };
        assert_eq!(caught(|| caller.join::<_, _, (), ()>(&pool, a, b)), 1);
        assert!(ended.into_inner(), "{caller:?}: b outlived its frame");
    }
}

#[test]
fn a_panic_climbs_through_every_level() {
    fn dig(depth: u32, visited: &AtomicUsize) {
        if depth == 0 {
            boom(77);
        }
        let sibling = || visited.fetch_add(1, Ordering::SeqCst);
        join(|| dig(depth - 1, visited), sibling);
    }

    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        let visited = AtomicUsize::new(0);
        assert_eq!(caught(|| caller.run(&pool, || dig(100, &visited))), 77);
        assert_eq!(visited.into_inner(), 100, "{caller:?} {pool:?}");
    }
}

#[test]
fn a_text_panic_keeps_its_message() {
    let _watchdog = watchdog();
    let number = thread::current().id();
    let join = || pool(2).join(|| (), || panic!("number {number:?}"));
    let payload = std::panic::catch_unwind(join).unwrap_err();
    let message = payload.downcast::<String>().expect("a formatted message");
    assert_eq!(*message, format!("number {number:?}"));
}

#[test]
fn the_pool_works_on_after_panics() {
    let _watchdog = watchdog();
    for (caller, pool) in settings() {
        for _ in 0..50 {
            caught(|| caller.join(&pool, || boom(1), || boom(2)));
            assert_eq!(caller.run(&pool, || fib(8)), 21);
        }
    }
}

// ---- Drops ----

#[test]
fn captures_and_results_are_dropped_once_whoever_panics() {
    let _watchdog = watchdog();
    let ledger = Ledger::new();
    let side = |fails: bool, id| {
        let captured = ledger.token();
        move || {
            let _captured = captured;
            if fails {
                boom(id);
            }
            ledger.token()
        }
    };
    for (caller, pool) in settings() {
        for fails in [(false, false), (true, false), (false, true), (true, true)] {
            let (a, b) = (side(fails.0, 1), side(fails.1, 2));
            let join = std::panic::AssertUnwindSafe(|| caller.join(&pool, a, b));
            drop(std::panic::catch_unwind(join));
            ledger.assert_balanced((caller, fails, &pool));
        }
    }
}

#[test]
fn payloads_that_lose_are_dropped() {
    let _watchdog = watchdog();
    let ledger = Ledger::new();
    for (caller, pool) in settings() {
        let fail = || -> () { std::panic::resume_unwind(Box::new(ledger.token())) };
        let join = std::panic::AssertUnwindSafe(|| caller.join(&pool, fail, fail));
        drop(std::panic::catch_unwind(join));
        ledger.assert_balanced((caller, &pool));
    }
}

#[test]
fn a_panic_in_the_drop_of_a_detached_result_is_dropped() {
    /// Panics in its drop. The payload is counted.
    struct Bomb(&'static Ledger);
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new(self.0.token()));
        }
    }

    let _watchdog = watchdog();
    let ledger = Ledger::new();
    for (caller, pool) in settings() {
        caught(|| caller.join(&pool, || Bomb(ledger), || -> () { boom(1) }));
        ledger.assert_balanced((caller, &pool));
    }
}
