//! `with_pool` and `num_threads` apply to the whole loop, wherever they are in its chain.

#![allow(dropping_copy_types, reason = "the tests ignore the results of chains")]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use crate::common::{TIME, is_simulated, is_simulated_without, pool, rest, sized, watchdog};
use filch::ThreadPool;
use filch::iter::walk_tree;
use filch::prelude::*;

/// The sizes of the pools in which something ran.
#[derive(Default)]
struct Widths(Mutex<BTreeSet<usize>>);

impl Widths {
    fn note<T>(&self, item: T) -> T {
        self.0.lock().unwrap().insert(filch::current_num_threads());
        item
    }

    fn take(&self) -> Vec<usize> {
        std::mem::take(&mut *self.0.lock().unwrap()).into_iter().collect()
    }
}

#[test]
fn the_whole_loop_runs_in_the_pool() {
    let _watchdog = watchdog();
    let (three, outer) = (pool(3), pool(2));
    let widths = Widths::default();
    let par = || (0..60_usize).into_par_iter().map(|n| widths.note(n));
    let run = || {
        let check = |chain: &str| assert_eq!(widths.take(), [3], "{chain}");
        macro_rules! chains {
            ($($chain:expr;)*) => {$(
                assert!($chain.map(|n| widths.note(n)).collect::<Vec<_>>().len() > 3);
                check(stringify!($chain));
                assert!($chain.map(|n| widths.note(n)).count() > 3);
                check(stringify!($chain));
            )*};
        }
        chains! {
            par().with_pool(&three);
            par().with_pool(&three).filter(|n| n % 2 == 0);
            par().filter(|n| n % 2 == 0).with_pool(&three);
            par().with_pool(&three).rev();
            par().rev().with_pool(&three).enumerate();
            par().with_pool(&three).chain(par());
            par().chain(par().with_pool(&three));
            par().filter(|_| true).with_pool(&three).update(|_| ()).chain(par());
            par().filter(|_| true).chain(par().filter(|_| true).with_pool(&three).panic_fuse());
            par().with_pool(&three).zip(par().skip(5));
            par().skip(5).zip(par().with_pool(&three));
            par().skip(5).interleave(par().with_pool(&three)).chunks(3);
            par().with_pool(&three).interleave_shortest(par()).zip(par());
            (par().skip(3), par(), par().with_pool(&three)).into_par_iter().skip(1);
            par().flat_map(|n| [n; 2]).with_pool(&three);
            par().with_pool(&three).flat_map(|n| [n; 2]);
            par().with_pool(&three).fold(|| 0, |a, b| a + b).chain(par());
            par().with_pool(&three).map_init(|| (), |(), n| n).rev();
            par().with_pool(&three).by_uniform_blocks(9);
            par().with_pool(&three).by_exponential_blocks();
            par().with_pool(&three).deterministic();
            par().with_pool(&three).map_while(Some);
            par().with_pool(&three).intersperse(3).positions(|_| true);
            par().with_pool(&three).with_pool(&outer);
            (0..60).par_bridge().with_pool(&three);
            par().num_threads(2).with_pool(&three).num_threads(9);
        }
        par().with_pool(&three).for_each_ordered(4, |n| drop(widths.note(n)));
        check("for_each_ordered");
        assert!(par().with_pool(&three).zip(par().skip(5)).any(|(n, _)| n == 40));
        check("any");
        let mut all = Vec::new();
        par().with_pool(&three).skip(5).collect_into_vec(&mut all);
        check("collect_into_vec");
        let all: Option<Vec<_>> = par().with_pool(&three).map(Some).collect();
        assert_eq!(all.map(|all| all.len()), Some(60));
        let (even, odd): (Vec<_>, Vec<_>) = par().with_pool(&three).partition(|n| n % 2 == 0);
        assert_eq!(even.len(), odd.len());
        check("partition");
        assert!(par().with_pool(&three).skip(5).cmp(par()).is_gt());
        check("cmp");
    };
    run();
    outer.install(run);
    three.install(run);
}

#[test]
fn a_loop_in_another_pool_may_borrow() {
    let _watchdog = watchdog();
    let pool = pool(2);
    let mut numbers = vec![1, 2, 3];
    let factor = 10;
    numbers.par_iter_mut().with_pool(&pool).for_each(|n| *n *= factor);
    let iter = numbers.par_iter().with_pool(&pool);
    assert_eq!(iter.clone().sum::<i32>(), 60);
    assert!(format!("{iter:?}").starts_with("WithPool"));
}

/// Counts the threads that are at work, now and at most.
#[derive(Default)]
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    fn work<T>(&self, item: T) -> T {
        self.most.fetch_max(self.now.fetch_add(1, SeqCst) + 1, SeqCst);
        rest(Duration::from_micros(200));
        self.now.fetch_sub(1, SeqCst);
        item
    }
}

/// Runs the loop with a gauge in each of several pools. Never more than `most` threads are at work,
/// and in some pool this many are.
fn most_at_work(name: &str, most: usize, run: impl Fn(&Gauge) + Sync) {
    let mut seen = 0;
    for threads in [1, 2, 4, 6] {
        let pool = pool(threads);
        let gauge = Gauge::default();
        pool.install(|| run(&gauge));
        let here = gauge.most.into_inner();
        assert!(here <= most.min(threads), "{name}: {here} of {threads} at work");
        seen = seen.max(here);
    }
    assert!(seen == most || is_simulated(), "{name}: only {seen} at work");
}

#[test]
fn no_more_workers_than_allowed_work_on_a_loop() {
    let _watchdog = watchdog();
    let many = sized(120, 24);
    let par = || (0..many).into_par_iter();
    macro_rules! chains {
        ($($most:literal $gauge:ident $chain:expr;)*) => {$(
            most_at_work(stringify!($chain), $most, |$gauge| drop($chain));
        )*};
    }
    chains! {
        2 g par().num_threads(2).for_each(|n| drop(g.work(n)));
        3 g par().num_threads(3).for_each(|n| drop(g.work(n)));
        1 g par().num_threads(1).for_each(|n| drop(g.work(n)));
        2 g par().map(|n| g.work(n)).num_threads(2).filter(|n| n % 2 == 0).count();
        2 g par().map(|n| g.work(n)).num_threads(5).rev().num_threads(2).collect::<Vec<_>>();
        2 g par().map(|n| g.work(n)).num_threads(2).num_threads(5).collect::<Vec<_>>();
        2 g par().with_max_len(1).num_threads(2).map(|n| g.work(n)).collect::<Vec<_>>();
        2 g par().map_init(|| (), |(), n| g.work(n)).rev().num_threads(2).collect::<Vec<_>>();
        2 g par().num_threads(2).map(|n| g.work(n)).chain(par().map(|n| g.work(n))).count();
        2 g par().filter(|_| true).chain(par().num_threads(2)).map(|n| g.work(n)).count();
        2 g par().map(|n| g.work(n)).skip(50).num_threads(2).count();
        2 g par().map(|n| g.work(n)).skip(50).zip(par().num_threads(2)).count();
        2 g (0..8).into_par_iter().num_threads(2).flat_map(|_| 0..15).map(|n| g.work(n)).count();
        2 g (0..8).into_par_iter().flat_map(|_| 0..15).num_threads(2).map(|n| g.work(n)).count();
        2 g (0..many).par_bridge().num_threads(2).map(|n| g.work(n)).count();
        3 g (0..many).par_bridge().num_threads(3).map(|n| g.work(n)).count();
        1 g (0..many).par_bridge().num_threads(1).map(|n| g.work(n)).count();
        2 g par().num_threads(2).deterministic().map(|n| g.work(n)).count();
        2 g par().num_threads(2).map_while(|n| Some(g.work(n))).count();
        2 g par().num_threads(2).map(|n| g.work(n)).for_each_ordered(16, drop);
        2 g par().num_threads(2).by_uniform_blocks(17).map(|n| g.work(n)).count();
        2 g par().num_threads(2).fold(|| 0, |sum, n| sum + g.work(n)).count();
        2 g walk_tree(1, |n: &usize| [2 * n, 2 * n + 1].into_iter().filter(|n| *n < 64))
            .num_threads(2).map(|n| g.work(n)).count();
        2 g par().num_threads(2).map(|n| g.work(n)).try_for_each(|_| Some(()));
    }
}

/// Loops in the closures of a loop are part of it.
#[test]
fn no_more_workers_than_allowed_work_on_loops_in_a_loop() {
    let _watchdog = watchdog();
    let most = |name, run: &(dyn Fn(&Gauge) + Sync)| most_at_work(name, 2, run);
    most("loops", &|g| {
        (0..6).into_par_iter().num_threads(2).for_each(|_| {
            (0..sized(20, 5)).into_par_iter().for_each(|n| drop(g.work(n)));
        });
    });
    most("bridges", &|g| {
        (0..6).into_par_iter().num_threads(2).for_each(|_| {
            (0..sized(20, 5)).par_bridge().for_each(|n| drop(g.work(n)));
        });
    });
    most("ordered loops", &|g| {
        (0..6).into_par_iter().num_threads(2).for_each(|_| {
            let items = (0..sized(20, 5)).into_par_iter().map(|n| g.work(n));
            items.for_each_ordered(9, drop);
        });
    });
    most("limits", &|g| {
        (0..6).into_par_iter().num_threads(2).for_each(|_| {
            let items = (0..sized(20, 5)).into_par_iter().num_threads(2);
            items.for_each(|n| drop(g.work(n)));
        });
    });
}

/// A panic must return the permits of its piece.
#[test]
fn a_limit_survives_panics_inside() {
    let _watchdog = watchdog();
    most_at_work("panics", 2, |g| {
        (0..1).into_par_iter().num_threads(2).for_each(|_: i32| {
            for _ in 0..3 {
                let panics = || {
                    (0..20).into_par_iter().with_max_len(1).for_each(|n| assert!(g.work(n) != 5));
                };
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics));
                assert!(result.is_err());
            }
            (0..sized(40, 10)).into_par_iter().for_each(|n| drop(g.work(n)));
        });
    });
}

/// Jobs that a waiting worker runs on top of a limited loop are not limited.
#[test]
fn other_jobs_on_top_of_a_limited_loop_are_not_limited() {
    if is_simulated() {
        return; // in turns
    }
    let _watchdog = watchdog();
    let pool: ThreadPool = pool(3);
    let gauge = Gauge::default();
    pool.install(|| {
        filch::scope(|s| {
            (0..4).into_par_iter().num_threads(1).for_each(|_| {
                s.spawn(|| (0..100).into_par_iter().for_each(|n| drop(gauge.work(n))));
                filch::join(|| rest(Duration::from_millis(5)), || rest(Duration::from_millis(5)));
            });
        });
    });
    assert!(gauge.most.into_inner() > 1);
}

#[test]
#[should_panic = "num_threads must not be zero: a loop needs at least one thread"]
fn a_loop_on_no_thread_is_refused() {
    let _ = (0..3).into_par_iter().num_threads(0);
}

/// An inner loop that has one worker stops when another loop has found what both look for.
#[test]
fn inner_loops_of_one_worker_stop() {
    if is_simulated_without(TIME) {
        return;
    }
    let _watchdog = watchdog();
    let all = || (0..usize::MAX).into_par_iter();
    let many = || (0..u64::MAX).into_par_iter().map(|n| n as usize);
    let outer = || (0..2_usize).into_par_iter();
    let wanted = |&(i, n): &(usize, usize)| i == 1 && n == 5_000;
    let found = Some((1, 5_000));
    pool(2).install(|| {
        let limited = outer().flat_map(|i| all().num_threads(1).map(move |n| (i, n)));
        assert_eq!(limited.clone().find_any(wanted), found);
        let results = limited.map(|at| if wanted(&at) { Err(at) } else { Ok(()) });
        assert_eq!(results.collect::<Result<(), _>>().err(), found);
        let steps = outer().flat_map(|i| many().num_threads(1).map(move |n| (i, n)));
        assert_eq!(steps.find_any(wanted), found);
        let ones = [pool(1), pool(1)];
        let apart = outer().flat_map(|i| all().with_pool(&ones[i]).map(move |n| (i, n)));
        assert_eq!(apart.find_any(wanted), found);
    });
}
