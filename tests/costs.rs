//! A fork allocates nothing, and a task allocates once. Counters only grow, and count what has
//! happened.

mod common;
#[path = "common/counting.rs"]
mod counting;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{CALLERS, Flag, alone, eventually, is_simulated_without, pool, rest, sized, watchdog};
use counting::{ALLOCATIONS, LIVE_BYTES};
use filch::{ThreadPool, WorkerCounters, join};

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = join(|| fib(n - 1), || fib(n - 2));
    a + b
}

// ---- Memory ----

/// How often `body` allocates after it has run once.
fn allocations_of(body: impl Fn()) -> usize {
    body();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    body();
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

#[test]
fn forks_allocate_nothing() {
    let _watchdog = watchdog();
    alone("forks_allocate_nothing", || {
        for threads in [1, 2] {
            let pool = pool(threads);
            let allocations = pool.install(|| allocations_of(|| assert_eq!(fib(18), 2584)));
            assert!(allocations < 100, "{allocations} of 4180 forks");
        }
    });
}

#[test]
fn a_scoped_task_allocates_once() {
    let _watchdog = watchdog();
    alone("a_scoped_task_allocates_once", || {
        for threads in [1, 2] {
            let pool = pool(threads);
            let spawn_all = || pool.scope(|s| (0..10_000).for_each(|_| drop(s.spawn(|| ()))));
            let allocations = allocations_of(spawn_all);
            assert!(allocations < 10_500, "{allocations} for 10000 tasks");
        }
    });
}

#[test]
fn a_detached_task_allocates_once() {
    let _watchdog = watchdog();
    alone("a_detached_task_allocates_once", || {
        let pool = pool(1);
        let spawn_all = || {
            (0..10_000).for_each(|_| drop(pool.spawn(|| ())));
            pool.install(|| ());
        };
        let allocations = allocations_of(spawn_all);
        assert!(allocations < 11_000, "{allocations} for 10000 tasks");
    });
}

/// How many bytes stay allocated while a worker runs `body` a hundred thousand times.
fn growth_of(pool: &ThreadPool, body: impl Fn() + Sync) -> isize {
    pool.install(|| {
        body();
        let before = LIVE_BYTES.load(Ordering::Relaxed);
        (0..sized(100_000, 2_000)).for_each(|_| body());
        LIVE_BYTES.load(Ordering::Relaxed) - before
    })
}

#[test]
fn the_memory_for_many_tasks_of_another_pool_is_given_back() {
    let _watchdog = watchdog();
    alone("the_memory_for_many_tasks_of_another_pool_is_given_back", || {
        let (ours, theirs) = (pool(1), pool(1));
        let burst = || {
            let (begun, goes_on) = (Flag::new(), Flag::new());
            theirs.in_place_scope(|theirs| {
                theirs.spawn(|| {
                    begun.raise();
                    goes_on.hold();
                });
                begun.hold();
                ours.install(|| (0..sized(200_000, 1_000)).for_each(|_| drop(theirs.spawn(|| ()))));
                goes_on.raise();
            });
        };
        let before = LIVE_BYTES.load(Ordering::Relaxed);
        burst();
        // (The blocks of tasks are kept until a pool is dropped.)
        drop(pool(1));
        let grown = LIVE_BYTES.load(Ordering::Relaxed) - before;
        assert!(grown < 1 << 18, "{grown} bytes kept of 200000 tasks that have ended");
    });
}

#[test]
fn spawning_and_joining_for_ever_needs_no_more_memory() {
    let _watchdog = watchdog();
    alone("spawning_and_joining_for_ever_needs_no_more_memory", || {
        for threads in [1, 2] {
            let grown = growth_of(&pool(threads), || filch::spawn(|| ()).join().unwrap());
            assert!(grown < 1 << 20, "{grown} bytes kept of 100000 tasks that have ended");
        }
    });
}

#[test]
fn scopes_for_ever_need_no_more_memory() {
    let _watchdog = watchdog();
    alone("scopes_for_ever_need_no_more_memory", || {
        for threads in [1, 2] {
            let grown = growth_of(&pool(threads), || {
                filch::scope(|s| {
                    s.spawn(|| ()).join().unwrap();
                    drop(s.spawn(|| ()));
                });
            });
            assert!(grown < 1 << 20, "{grown} bytes kept of 100000 scopes that have ended");
        }
    });
}

// ---- Counters ----

fn fields(counters: &WorkerCounters) -> [usize; 6] {
    [
        counters.tasks_run,
        counters.forks_published,
        counters.steals_tried,
        counters.steals_won,
        counters.parks,
        counters.wakes,
    ]
}

fn tasks_run(pool: &ThreadPool) -> usize {
    pool.counters().total().tasks_run
}

#[test]
fn there_is_an_entry_for_each_worker() {
    let _watchdog = watchdog();
    for threads in [1, 2, 5] {
        let pool = pool(threads);
        assert_eq!(pool.counters().workers.len(), threads);
        assert_eq!(pool.install(filch::counters).workers.len(), threads);
    }
}

#[test]
fn the_total_is_the_sum() {
    let _watchdog = watchdog();
    let pool = pool(3);
    pool.install(|| fib(15));
    let counters = pool.counters();
    let mut sum = [0; 6];
    for worker in &counters.workers {
        let add = |(sum, field): (&mut usize, usize)| *sum += field;
        sum.iter_mut().zip(fields(worker)).for_each(add);
    }
    assert_eq!(fields(&counters.total()), sum);
}

#[test]
fn counters_never_go_back() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let (pool, stop) = (pool(3), AtomicBool::new(false));
    thread::scope(|plain| {
        plain.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                pool.install(|| fib(10));
                pool.join(|| fib(8), || fib(8));
                drop(pool.spawn(|| fib(6)));
            }
        });
        let mut before = pool.counters();
        for _ in 0..2000 {
            let after = pool.counters();
            for (before, after) in before.workers.iter().zip(&after.workers) {
                let mut grown = fields(before).into_iter().zip(fields(after));
                assert!(grown.all(|(b, a)| b <= a), "{before:?} {after:?}");
            }
            before = after;
        }
        stop.store(true, Ordering::SeqCst);
    });
}

#[test]
fn every_spawned_task_is_counted() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let pool = pool(threads);
        for _ in 0..1000 {
            drop(pool.spawn(|| ()));
        }
        eventually("a thousand tasks have run", || tasks_run(&pool) >= 1000);
        let before = tasks_run(&pool);
        pool.scope(|s| (0..1000).for_each(|_| drop(s.spawn(|| ()))));
        eventually("a thousand more have run", || tasks_run(&pool) >= before + 1000);
    }
}

#[test]
fn tasks_are_not_counted_twice() {
    let _watchdog = watchdog();
    let pool = pool(2);
    for _ in 0..1000 {
        pool.spawn(|| ()).join().unwrap();
    }
    rest(std::time::Duration::from_millis(20));
    assert!(tasks_run(&pool) <= 1000, "{:?}", pool.counters());
}

#[test]
fn a_task_that_its_joiner_runs_is_counted_once() {
    let _watchdog = watchdog();
    let pool = pool(1);
    pool.install(|| (0..1000).for_each(|_| filch::spawn(|| ()).join().unwrap()));
    pool.install(|| ());
    let total = pool.counters().total();
    assert!((1000..=1002).contains(&total.tasks_run), "{total:?}");
}

#[test]
fn a_stolen_fork_is_counted_as_published_and_stolen() {
    let _watchdog = watchdog();
    let pool = pool(2);
    for _ in 0..20 {
        let stolen = Flag::new();
        pool.install(|| join(|| stolen.poll(), || stolen.raise()));
    }
    let total = pool.counters().total();
    assert!(total.forks_published >= 20, "{total:?}");
    assert!(total.steals_won >= 20, "{total:?}");
    assert!(total.steals_tried >= total.steals_won, "{total:?}");
}

#[test]
fn one_thread_publishes_few_of_its_forks() {
    let _watchdog = watchdog();
    let pool = pool(1);
    assert_eq!(pool.install(|| fib(20)), 6765);
    let total = pool.counters().total();
    assert!(total.forks_published < 1000, "of 10945 forks: {total:?}");
    assert_eq!(total.steals_won, 0);
}

#[test]
fn sleeping_and_waking_is_counted() {
    let _watchdog = watchdog();
    let pool = pool(2);
    // The threads of a new pool may be asleep already.
    eventually("work wakes a worker, which parks again", || {
        pool.install(|| ());
        let total = pool.counters().total();
        total.wakes > 0 && total.parks > 0
    });
}
