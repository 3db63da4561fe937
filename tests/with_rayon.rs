//! Parallel iterators of rayon as those of filch, and the other way round.

mod common;

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use common::watchdog;
use filch::prelude::*;
use proptest::prelude::{any, prop_assert_eq, proptest};
use rayon::iter as theirs;
use rayon::iter::{IndexedParallelIterator as _, ParallelIterator as _};

/// A range of rayon.
fn range(end: u32) -> rayon::range::Iter<u32> {
    theirs::IntoParallelIterator::into_par_iter(0..end)
}

fn is_filchs() -> bool {
    filch::current_thread_index().is_some() && rayon::current_thread_index().is_none()
}

fn is_rayons() -> bool {
    filch::current_thread_index().is_none() && rayon::current_thread_index().is_some()
}

// ---- From rayon ----

#[test]
fn an_indexed_iterator_of_rayon_is_one_of_filch() {
    let _watchdog = watchdog();
    let squares: Vec<u32> = range(1000).into_filch().map(|n| n * n).collect();
    assert_eq!(squares, (0..1000).map(|n| n * n).collect::<Vec<_>>());
}

#[test]
fn closures_on_either_side_run_on_workers_of_filch() {
    let _watchdog = watchdog();
    let pool = common::pool(3);
    let (before, after) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let looked_at = range(1000).inspect(|_| {
        before.fetch_add(usize::from(is_filchs()), Ordering::Relaxed);
    });
    let count = pool.install(|| {
        let looked_at = looked_at.into_filch().inspect(|_| {
            assert_eq!(filch::current_num_threads(), 3);
            after.fetch_add(usize::from(is_filchs()), Ordering::Relaxed);
        });
        looked_at.filter(|n| n % 2 == 0).count()
    });
    assert_eq!((count, before.into_inner(), after.into_inner()), (500, 1000, 1000));
}

#[test]
fn behind_an_unindexed_iterator_closures_run_on_workers_of_filch() {
    let _watchdog = watchdog();
    let odd = range(1000).filter(|n| {
        assert!(is_rayons());
        n % 2 == 1
    });
    let seen = odd.into_filch_unindexed().inspect(|_| assert!(is_filchs()));
    assert_eq!(seen.collect::<Vec<_>>(), (0..1000).filter(|n| n % 2 == 1).collect::<Vec<_>>());
}

#[test]
fn items_of_an_indexed_iterator_have_positions() {
    let _watchdog = watchdog();
    let pairs: Vec<_> = range(10).into_filch().zip(5..100).collect();
    assert_eq!(pairs, (0..10).zip(5..15).collect::<Vec<_>>());
    assert_eq!(range(10).into_filch().rev().find_first(|_| true), Some(9));
}

#[test]
fn lengths_of_pieces_are_kept() {
    let _watchdog = watchdog();
    let pool = common::pool(2);
    let pieces = pool.install(|| {
        let short = range(1000).with_max_len(10).into_filch();
        short.fold(|| 1, |pieces, _| pieces).sum::<usize>()
    });
    assert!(pieces >= 100, "{pieces} pieces");
    let one = pool.install(|| {
        let long = range(1000).with_min_len(1000).into_filch();
        long.fold(|| 1, |pieces, _| pieces).sum::<usize>()
    });
    assert_eq!(one, 1);
}

#[test]
fn the_first_match_is_found_without_the_others() {
    let _watchdog = watchdog();
    let endless = range(u32::MAX).into_filch();
    assert_eq!(endless.find_first(|&n| n == 7), Some(7));
}

#[test]
fn a_loop_that_has_ended_takes_nothing_from_rayon() {
    let _watchdog = watchdog();
    let token = filch::CancelToken::new();
    token.cancel();
    let endless = theirs::repeat(1).into_filch_unindexed();
    let sum = endless.cancel_with(&token, |items| items.sum::<i32>());
    assert!(sum.is_err());
}

#[test]
fn items_are_dropped_once_if_a_closure_panics() {
    let _watchdog = watchdog();
    struct Counted<'a>(u32, &'a AtomicUsize);

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    let dropped = AtomicUsize::new(0);
    let items = || (0..1000).map(|n| Counted(n, &dropped)).collect::<Vec<_>>();
    let fails = |item: Counted<'_>| assert_ne!(item.0, 500, "as expected");
    let theirs = theirs::IntoParallelIterator::into_par_iter(items());
    let result = catch_unwind(AssertUnwindSafe(|| {
        theirs.into_filch().for_each(fails);
    }));
    assert!(result.is_err());
    assert_eq!(dropped.swap(0, Ordering::Relaxed), 1000);

    let theirs = theirs::IntoParallelIterator::into_par_iter(items()).filter(|_| true);
    let result = catch_unwind(AssertUnwindSafe(|| {
        theirs.into_filch_unindexed().for_each(fails);
    }));
    assert!(result.is_err());
    assert_eq!(dropped.swap(0, Ordering::Relaxed), 1000);

    let ours = items().into_par_iter();
    let result = catch_unwind(AssertUnwindSafe(|| ours.into_rayon().for_each(fails)));
    assert!(result.is_err());
    assert_eq!(dropped.into_inner(), 1000);
}

// ---- To rayon ----

#[test]
fn an_iterator_of_filch_is_one_of_rayon() {
    let _watchdog = watchdog();
    let odd = (0..1000_u32).into_par_iter().filter(|n| n % 2 == 1);
    let squares: Vec<u32> = odd.into_rayon().map(|n| n * n).collect();
    assert_eq!(squares, (0..1000).filter(|n| n % 2 == 1).map(|n| n * n).collect::<Vec<_>>());
}

#[test]
fn ends_of_rayon_run_on_workers_of_filch() {
    let _watchdog = watchdog();
    let pool = common::pool(2);
    let sum: u32 = pool.install(|| {
        let all = (0..1000_u32).into_rayon();
        all.inspect(|_| assert!(is_filchs() && filch::current_num_threads() == 2)).sum()
    });
    assert_eq!(sum, 499_500);
}

#[test]
fn an_indexed_iterator_of_filch_has_positions_in_rayon() {
    let _watchdog = watchdog();
    let sides = (0..1000_u32).into_rayon().zip(range(1000)).inspect(|_| assert!(is_rayons()));
    assert!(sides.all(|(a, b)| a == b));
    assert_eq!((0..1000_u32).into_rayon().len(), 1000);
    let mut reversed = vec![];
    (0..1000_u32).into_rayon().rev().collect_into_vec(&mut reversed);
    assert_eq!(reversed, (0..1000).rev().collect::<Vec<_>>());
}

#[test]
fn each_conversion_undoes_the_other() {
    let _watchdog = watchdog();
    let there_and_back = range(1000).into_filch().into_rayon();
    let mut all = vec![];
    there_and_back.collect_into_vec(&mut all);
    assert_eq!(all, (0..1000).collect::<Vec<_>>());
    let back_and_there = (0..1000_u32).into_rayon().into_filch();
    assert_eq!(back_and_there.sum::<u32>(), 499_500);
}

#[test]
fn collections_of_either_are_made_by_the_other() {
    let _watchdog = watchdog();
    let pairs = (0..100).into_rayon();
    let map: HashMap<i32, i32> = pairs.map(|n| (n, n * n)).collect();
    assert_eq!((map.len(), map[&9]), (100, 81));
    let numbers = range(100).into_filch().map(|n| n / 2);
    let set: BTreeSet<u32> = numbers.collect();
    assert_eq!(set.len(), 50);
}

#[test]
fn a_full_consumer_of_rayon_ends_the_loop() {
    let _watchdog = watchdog();
    assert_eq!((0..u32::MAX).into_rayon().find_first(|&n| n == 7), Some(7));
    let endless = filch::iter::repeat(3).into_rayon();
    assert_eq!(endless.find_any(|&n| n == 3), Some(3));
}

// ---- Either ----

proptest! {
    #[test]
    fn chains_across_both_libraries_match_serial_ones(
        numbers in proptest::collection::vec(any::<u32>(), 0..2000),
        threads in 1..4_usize,
        by in 1..5_u32,
        skip in 0..50_usize,
    ) {
        let pool = common::pool(threads);
        let wanted: Vec<u32> =
            numbers.iter().skip(skip).map(|n| n / 2).filter(|n| n % by == 0).collect();
        let (by_filch, by_rayon, unindexed) = pool.install(|| {
            let all = || theirs::IntoParallelRefIterator::par_iter(&numbers).skip(skip);
            let halves = all().into_filch().map(|n| n / 2);
            let by_filch: Vec<u32> = halves.filter(|n| n % by == 0).collect();

            let halves = numbers.par_iter().skip(skip).into_rayon().map(|n| n / 2);
            let by_rayon: Vec<u32> = halves.filter(|n| n % by == 0).collect();

            let some = all().map(|n| n / 2).filter(|n| n % by == 0);
            (by_filch, by_rayon, some.into_filch_unindexed().collect::<Vec<u32>>())
        });
        prop_assert_eq!(&by_filch, &wanted);
        prop_assert_eq!(&by_rayon, &wanted);
        prop_assert_eq!(&unindexed, &wanted);
    }
}
