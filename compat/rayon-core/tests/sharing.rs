//! Threads steal. Most other tests would pass in a pool whose threads never steal.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use rayon_core::{ThreadPool, ThreadPoolBuilder};

/// How long to wait for a steal.
const LONG: Duration = Duration::from_secs(60);

fn steals(pool: &ThreadPool) -> usize {
    pool.install(|| filch::counters().total().steals_won)
}

/// Repeats `work` in a pool of four threads until at least two of them have stolen. Fails if that
/// takes longer than [`LONG`].
#[track_caller]
fn is_shared(work: impl Fn() + Sync) {
    let pool = ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    let (start, before) = (Instant::now(), steals(&pool));
    let shared = || {
        let counters = pool.install(filch::counters);
        counters.workers.iter().filter(|worker| worker.steals_won > 0).count() > 1
    };
    while !shared() {
        assert!(start.elapsed() < LONG, "{} steals", steals(&pool) - before);
        pool.install(&work);
    }
    assert!(steals(&pool) > before);
}

fn spin() {
    for i in 0..10_000 {
        black_box(i);
    }
}

#[test]
fn forks_of_join_are_stolen() {
    fn fork(depth: u32) {
        if depth == 0 {
            return spin();
        }
        rayon_core::join(|| fork(depth - 1), || fork(depth - 1));
    }
    is_shared(|| fork(10));
}

#[test]
fn tasks_of_scopes_are_stolen() {
    is_shared(|| rayon_core::scope(|s| (0..1_000).for_each(|_| s.spawn(|_| spin()))));
    is_shared(|| rayon_core::scope_fifo(|s| (0..1_000).for_each(|_| s.spawn_fifo(|_| spin()))));
}

#[test]
fn parts_of_rayons_loops_are_stolen() {
    is_shared(|| (0..1_000).into_par_iter().for_each(|_| spin()));
    is_shared(|| {
        let sum: u64 = (0..1_000_000_u64).into_par_iter().map(black_box).sum();
        assert_eq!(sum, 499_999_500_000);
    });
}

#[test]
fn parts_of_rayons_sorts_are_stolen() {
    is_shared(|| {
        let mut numbers: Vec<u64> =
            (0..200_000).map(|i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
        numbers.par_sort();
        assert!(numbers.is_sorted());
    });
}

#[test]
fn threads_of_the_global_pool_steal() {
    let start = Instant::now();
    if rayon_core::current_num_threads() == 1 {
        return eprintln!("SKIPPED: the global pool has only one thread");
    }
    let steals = || rayon_core::scope(|_| filch::counters().total().steals_won);
    while steals() == 0 {
        assert!(start.elapsed() < LONG);
        (0..1_000).into_par_iter().for_each(|_| spin());
    }
}
