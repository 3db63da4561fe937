//! Work that can run does run: every fork can be stolen, and callers from outside do not starve.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{
    CALLERS, Caller, Cores, Flag, Gate, builder, is_simulated_without, pool, rest, sized,
    step_aside, watchdog,
};
use filch::prelude::*;
use filch::{ThreadPool, join, scope};

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = join(|| fib(n - 1), || fib(n - 2));
    a + b
}

/// Both kinds of caller, with pools that have a thread which can steal.
fn thieving_settings() -> impl Iterator<Item = (Caller, ThreadPool)> {
    common::settings().filter(|(_, pool)| pool.current_num_threads() > 1)
}

// ---- Every fork can be stolen ----

#[test]
fn a_fork_is_stolen_from_under_a_closure_that_never_polls() {
    let _watchdog = watchdog();
    for (caller, pool) in thieving_settings() {
        for _ in 0..200 {
            let flag = Flag::new();
            caller.join(&pool, || flag.hold(), || flag.raise());
        }
    }
}

#[test]
fn a_fork_is_stolen_when_the_pool_was_asleep() {
    let _watchdog = watchdog();
    for (caller, pool) in thieving_settings() {
        for _ in 0..10 {
            rest(Duration::from_millis(5));
            let flag = Flag::new();
            caller.join(&pool, || flag.hold(), || flag.raise());
        }
    }
}

/// Forks `depth` levels deep; the innermost closure waits for its own sibling.
fn innermost_waits(depth: usize) {
    if depth == 0 {
        let flag = Flag::new();
        join(|| flag.hold(), || flag.raise());
        return;
    }
    join(|| innermost_waits(depth - 1), || ());
}

#[test]
fn the_innermost_fork_of_a_recursion_is_stolen() {
    let _watchdog = watchdog();
    for (caller, pool) in thieving_settings() {
        for depth in (0..sized(40, 5)).chain([sized(100, 20), sized(300, 50)]) {
            caller.run(&pool, || innermost_waits(depth));
        }
    }
}

/// The last two forks are stolen by a worker that waits in a join.
#[test]
fn forks_of_a_silent_owner_are_stolen_by_a_worker_that_waits() {
    let _watchdog = watchdog();
    for (caller, pool) in thieving_settings() {
        for _ in 0..sized(10, 2) {
            let flags = [(); 4].map(|()| Flag::new());
            let [begun, first, second, third] = &flags;
            let silent = || {
                begun.raise();
                [first, second, third].map(Flag::hold)
            };
            let second_level = || join(silent, || first.raise());
            let first_level = || join(second_level, || second.raise());
            caller.join(&pool, || begun.hold(), || join(first_level, || third.raise()));
        }
    }
}

/// Like [`innermost_waits`], with work in every outer second side.
fn innermost_waits_among_work(depth: usize) {
    if depth == 0 {
        return innermost_waits(0);
    }
    join(|| innermost_waits_among_work(depth - 1), || fib(8));
}

#[test]
fn the_innermost_fork_is_stolen_after_its_bigger_siblings() {
    let _watchdog = watchdog();
    for (caller, pool) in thieving_settings() {
        for depth in [1, 2, 5, 10, 20, 50] {
            caller.run(&pool, || innermost_waits_among_work(depth));
        }
    }
}

/// Every first side waits for its second side, one level after the other.
fn every_level_waits(depth: usize) {
    if depth == 0 {
        return;
    }
    let flag = Flag::new();
    join(
        || {
            every_level_waits(depth - 1);
            flag.hold();
        },
        || flag.raise(),
    );
}

#[test]
fn the_forks_of_every_level_are_stolen() {
    let _watchdog = watchdog();
    for (caller, pool) in thieving_settings() {
        for depth in [2, 3, 10, 50] {
            caller.run(&pool, || every_level_waits(depth));
        }
    }
}

#[test]
fn a_fork_after_a_tiny_section_is_stolen() {
    let _watchdog = watchdog();
    for (caller, pool) in thieving_settings() {
        for round in 0..300 {
            let flag = Flag::new();
            let tiny_then_fork = || {
                fib(round % 12);
                join(|| flag.hold(), || flag.raise());
                fib(round % 7);
            };
            caller.run(&pool, tiny_then_fork);
        }
    }
}

#[test]
fn a_fork_made_inside_a_stolen_fork_is_stolen() {
    let _watchdog = watchdog();
    for (caller, pool) in thieving_settings() {
        for _ in 0..100 {
            let flag = Flag::new();
            let fork_again = || {
                flag.raise();
                innermost_waits(3);
            };
            caller.join(&pool, || flag.hold(), fork_again);
        }
    }
}

#[test]
fn two_leaves_that_need_each_other_run_at_once() {
    let _watchdog = watchdog();
    for (caller, pool) in thieving_settings() {
        for _ in 0..100 {
            let (left, right) = (Flag::new(), Flag::new());
            let meet = |mine: &Flag, other: &Flag| {
                mine.raise();
                other.hold();
            };
            caller.join(&pool, || meet(&left, &right), || meet(&right, &left));
        }
    }
}

#[test]
fn as_many_leaves_as_threads_run_at_once() {
    fn rendezvous(parties: usize, arrived: &AtomicUsize, all: usize) {
        if parties == 1 {
            arrived.fetch_add(1, Ordering::SeqCst);
            while arrived.load(Ordering::SeqCst) < all {
                step_aside();
            }
            return;
        }
        let half = parties / 2;
        join(|| rendezvous(half, arrived, all), || rendezvous(parties - half, arrived, all));
    }

    let _watchdog = watchdog();
    for threads in [2, 3, 4, 8] {
        let pool = pool(threads);
        for caller in [Caller::Worker, Caller::Outside] {
            for _ in 0..20 {
                let arrived = AtomicUsize::new(0);
                caller.run(&pool, || rendezvous(threads, &arrived, threads));
            }
        }
    }
}

#[test]
fn a_scoped_task_is_stolen_from_a_closure_that_never_polls() {
    let _watchdog = watchdog();
    for (caller, pool) in thieving_settings() {
        for _ in 0..200 {
            let flag = Flag::new();
            let hold = || {
                scope(|s| {
                    s.spawn(|| flag.raise());
                    flag.hold();
                });
            };
            caller.run(&pool, hold);
        }
    }
}

#[test]
fn a_spawned_task_is_stolen_from_a_closure_that_never_polls() {
    let _watchdog = watchdog();
    for (caller, pool) in thieving_settings() {
        for _ in 0..200 {
            let flag = Arc::new(Flag::new());
            let hold = || {
                let up = Arc::clone(&flag);
                drop(filch::spawn(move || up.raise()));
                flag.hold();
            };
            caller.run(&pool, hold);
        }
    }
}

#[test]
fn a_fork_in_a_scoped_task_is_stolen() {
    let _watchdog = watchdog();
    for (caller, pool) in thieving_settings() {
        for depth in 0..20 {
            caller.run(&pool, || scope(|s| drop(s.spawn(|| innermost_waits(depth)))));
        }
    }
}

#[test]
fn a_fork_made_while_all_workers_are_busy_is_stolen_when_one_is_free() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for depth in [0, 1, 10] {
        let (pool, other_works) = (pool(2), Gate::new());
        let (forked, done) = (Flag::new(), Flag::new());
        let busy_until_the_fork = || {
            other_works.open();
            forked.hold();
        };
        thread::scope(|plain| {
            plain.spawn(|| pool.install(busy_until_the_fork));
            other_works.wait();
            pool.install(|| forks_and_holds(depth, &forked, &done));
        });
    }
}

/// Forks. The innermost first side raises `forked`, and makes no call to the pool until its second
/// side has run.
fn forks_and_holds(depth: usize, forked: &Flag, done: &Flag) {
    if depth > 0 {
        join(|| forks_and_holds(depth - 1, forked, done), || ());
        return;
    }
    let announce_and_hold = || {
        forked.raise();
        done.hold();
    };
    join(announce_and_hold, || done.raise());
}

// ---- Callers from outside ----

#[test]
fn many_outside_threads_call_at_once() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for threads in [1, 2, 4] {
        let pool = pool(threads);
        thread::scope(|plain| {
            for caller in 0..8_u64 {
                let pool = &pool;
                plain.spawn(move || (0..50).for_each(|round| call(pool, caller + round)));
            }
        });
    }
}

/// Makes one call from outside, of a kind, and checks the result.
fn call(pool: &ThreadPool, kind: u64) {
    match kind % 5 {
        0 => assert_eq!(pool.join(|| fib(9), || fib(10)), (34, 55)),
        1 => assert_eq!(pool.install(|| fib(11)), 89),
        2 => assert_eq!(pool.spawn(|| fib(9)).join().unwrap(), 34),
        3 => assert_eq!(pool.scope(|s| s.spawn(|| fib(9)).join().unwrap()), 34),
        _ => assert_eq!(pool.in_place_scope(|s| s.spawn(|| fib(9)).join().unwrap()), 34),
    }
}

#[test]
fn outside_callers_fail_alone() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let pool = pool(2);
    thread::scope(|plain| {
        for id in 0..8 {
            let pool = &pool;
            plain.spawn(move || {
                for _ in 0..50 {
                    assert_eq!(common::caught(|| pool.join(|| common::boom(id), || ())), id);
                    assert_eq!(common::caught(|| pool.install(|| common::boom(id))), id);
                }
            });
        }
    });
}

#[test]
fn an_outside_caller_leaves_the_pool_as_it_was() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let pool = pool(threads);
        for _ in 0..50 {
            pool.join(|| fib(5), || fib(5));
            assert_eq!(filch::current_thread_index(), None);
            assert_eq!(pool.broadcast(|worker| worker.index()).len(), threads);
        }
    }
}

#[test]
fn an_outside_caller_of_one_pool_calls_another() {
    let _watchdog = watchdog();
    let (left, right) = (pool(1), pool(2));
    for _ in 0..100 {
        let nested = || right.join(|| left.join(|| fib(5), || fib(6)).0, || fib(7));
        assert_eq!(left.join(nested, || fib(8)), ((5, 13), 21));
    }
}

/// Forks. The second side takes a little longer than the first, so that the owner has to wait for
/// it if it is stolen.
fn uneven(cores: &Cores, depth: u64) {
    if depth > 0 {
        let nap = || rest(Duration::from_micros(20 * depth));
        join(|| cores.hold(|| uneven(cores, depth - 1)), || cores.hold(nap));
    }
}

#[test]
fn no_two_threads_act_as_the_same_worker() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for threads in [1, 2, 3] {
        let pool = pool(threads);
        let cores = Cores::new(threads);
        thread::scope(|plain| {
            for _ in 0..4 {
                plain.spawn(|| {
                    for _ in 0..150 {
                        pool.join(|| cores.hold(|| uneven(&cores, 3)), || cores.hold(|| ()));
                        pool.scope(|s| drop(s.spawn(|| cores.hold(|| uneven(&cores, 2)))));
                        pool.install(|| cores.hold(|| ()));
                    }
                });
            }
        });
    }
}

#[test]
fn no_two_threads_act_as_the_same_worker_when_its_borrower_blocks() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    let other = pool(2);
    let nap = || other.install(|| rest(Duration::from_micros(30)));
    let borrow_and_block = |pool: &ThreadPool, cores: &Cores| {
        // A worker that looks for more work keeps its thread awake while its core is borrowed.
        pool.spawn(|| ()).join().unwrap();
        pool.join(|| cores.hold(nap), || cores.hold(nap));
    };
    thread::scope(|plain| {
        for _ in 0..6 {
            plain.spawn(|| {
                let (pool, cores) = (pool(1), Cores::new(1));
                (0..1500).for_each(|_| borrow_and_block(&pool, &cores));
            });
        }
    });
}

/// A pool whose workers are all busy for ever, with tasks that spawn their successors.
struct Saturated {
    pool: ThreadPool,
    stop: Arc<Flag>,
}

impl Saturated {
    fn new(pool: ThreadPool) -> Self {
        let stop = Arc::new(Flag::new());
        for _ in 0..4 * pool.current_num_threads() {
            let stop = Arc::clone(&stop);
            drop(pool.spawn(|| perpetuate(stop)));
        }
        Self { pool, stop }
    }
}

impl Drop for Saturated {
    fn drop(&mut self) {
        self.stop.raise();
    }
}

fn perpetuate(stop: Arc<Flag>) {
    if !stop.is_up() {
        fib(4);
        drop(filch::spawn(|| perpetuate(stop)));
    }
}

#[test]
fn outside_calls_get_through_to_saturated_workers() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let busy = Saturated::new(pool(threads));
        (0..25).for_each(|kind| call(&busy.pool, kind));
    }
}

/// `work` occupies the pool until a caller from outside has been served.
fn check_late_caller(threads: usize, work: impl Fn(&Flag) + Sync) {
    let pool = pool(threads);
    // The caller installs its job, or joins it.
    for joins in [false, true] {
        let flag = Arc::new(Flag::new());
        let theirs = flag.clone();
        thread::scope(|s| {
            s.spawn(|| pool.install(|| work(&flag)));
            rest(Duration::from_millis(5));
            match joins {
                true => pool.spawn(move || theirs.raise()).join().unwrap(),
                false => pool.install(|| theirs.raise()),
            }
        });
    }
}

#[test]
fn outside_calls_get_through_to_a_loop_of_another_caller() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for threads in [2, 4] {
        check_late_caller(threads, |flag| {
            assert!((0..u64::MAX).into_par_iter().any(|_| flag.is_up()));
        });
    }
    for threads in [1, 2, 4] {
        check_late_caller(threads, |flag| {
            assert!((0..u64::MAX).par_bridge().any(|_| flag.is_up()));
        });
    }
}

#[test]
fn outside_calls_get_through_to_a_recursion_of_another_caller() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for threads in [1, 2, 4] {
        check_late_caller(threads, |flag| {
            while !flag.is_up() {
                fib(15);
            }
        });
    }
}

/// The late caller's job waits for the task that would run it.
#[test]
fn a_late_call_is_not_run_on_top_of_the_task_that_it_joins() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for threads in [1, 2] {
        let pool = pool(threads);
        let over = Arc::new(Flag::new());
        let tasks: Vec<_> = (0..threads)
            .map(|_| {
                let over = over.clone();
                pool.spawn(move || {
                    while !over.is_up() {
                        fib(10);
                    }
                })
            })
            .collect();
        thread::scope(|s| {
            s.spawn(|| {
                rest(Duration::from_millis(30));
                over.raise();
            });
            tasks.into_iter().for_each(|task| pool.install(|| task.join().unwrap()));
        });
    }
}

/// A worker ends a side of a fork and serves a late caller. Meanwhile, a free worker must be able
/// to steal the other side.
#[test]
fn a_fork_whose_end_is_near_can_be_stolen_though_a_caller_is_late() {
    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for _ in 0..5 {
        let (pool, taken) = (pool(2), Flag::new());
        drop(pool.spawn(|| rest(Duration::from_millis(60))));
        thread::scope(|s| {
            s.spawn(|| {
                pool.install(|| join(|| rest(Duration::from_millis(20)), || taken.raise()));
            });
            rest(Duration::from_millis(3));
            s.spawn(|| pool.install(|| taken.hold()));
        });
    }
}

#[test]
fn tasks_get_through_that_were_taken_together_with_an_endless_one() {
    let _watchdog = watchdog();
    let pool = pool(1);
    let (stop, gate) = (Arc::new(Flag::new()), Arc::new(Flag::new()));
    let closed = Arc::clone(&gate);
    drop(pool.spawn(move || {
        while !closed.is_up() {
            step_aside();
        }
    }));
    let goes_on = Arc::clone(&stop);
    drop(pool.spawn(|| perpetuate(goes_on)));
    let others: Vec<_> = (0..3).map(|n| pool.spawn(move || n)).collect();
    gate.raise();
    for (n, task) in others.into_iter().enumerate() {
        assert_eq!(task.join().unwrap(), n);
    }
    stop.raise();
}

#[test]
fn outside_calls_get_through_whatever_the_injector_interval() {
    let _watchdog = watchdog();
    for interval in [1, 2, 1000] {
        let builder = builder().num_threads(2);
        let pool = builder.injector_interval(interval).build().unwrap();
        let busy = Saturated::new(pool);
        (0..10).for_each(|kind| call(&busy.pool, kind));
    }
}

#[test]
fn broadcasts_get_through_to_saturated_workers() {
    let _watchdog = watchdog();
    for threads in [1, 2, 4] {
        let busy = Saturated::new(pool(threads));
        for _ in 0..10 {
            assert_eq!(busy.pool.broadcast(|_| ()).len(), threads);
        }
    }
}

#[test]
fn outside_calls_get_through_to_a_scope_that_keeps_spawning() {
    fn perpetuate<'scope>(s: &'scope filch::Scope<'scope, '_>, stop: &'scope Flag) {
        if !stop.is_up() {
            drop(s.spawn(move || perpetuate(s, stop)));
        }
    }

    let _watchdog = watchdog();
    if is_simulated_without(CALLERS) {
        return;
    }
    for threads in [1, 2] {
        let (pool, stop) = (pool(threads), Flag::new());
        thread::scope(|plain| {
            plain.spawn(|| {
                pool.install(|| scope(|s| (0..4).for_each(|_| perpetuate(s, &stop))));
            });
            rest(Duration::from_millis(5));
            (0..10).for_each(|_| assert_eq!(pool.spawn(|| 3).join().unwrap(), 3));
            stop.raise();
        });
    }
}
