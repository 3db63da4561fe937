//! The parallel sorts match those of std, and neither lose nor double an element, whatever a
//! comparison does.

use std::cell::Cell;
use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::common::{Meeting, boom, failed_with, pool, watchdog};
use filch::ThreadPool;
use filch::slice::ParallelSliceMut;
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

/// Lengths around those from which slices are cut.
const LENGTHS: [usize; 14] =
    [0, 1, 2, 3, 20, 511, 513, 2047, 2048, 2049, 8191, 8195, 20_000, 40_001];

fn pools() -> impl Iterator<Item = ThreadPool> {
    [1, 2, 8].into_iter().map(pool)
}

fn random(len: usize, below: u64) -> Vec<u64> {
    let mut random = SmallRng::seed_from_u64(len as u64);
    (0..len).map(|_| random.next_u64() % below).collect()
}

/// Inputs of a length, of all kinds that sorts treat differently.
fn inputs(len: usize) -> Vec<Vec<u64>> {
    let ascending: Vec<u64> = (0..len as u64).collect();
    let descending: Vec<u64> = ascending.iter().rev().copied().collect();
    let mut almost = ascending.clone();
    if len > 1 {
        almost.swap(len / 3, len - 1);
    }
    let saw = ascending.iter().map(|n| n % 1000).collect();
    let halves = ascending.iter().map(|n| n / 2).rev().collect();
    let few = random(len, 4);
    let equal = vec![7; len];
    let but_one = equal.iter().copied().skip(1).chain([3]).collect();
    let mut few_behind = ascending.clone();
    few_behind.splice(len - len / 64.., random(len / 64, len as u64));
    let mut one_behind = ascending.clone();
    one_behind.last_mut().into_iter().for_each(|last| *last = len as u64 / 2);
    let behind = [few_behind, one_behind];
    let random = random(len, u64::MAX);
    let others = [ascending, descending, almost, saw, halves, few, equal, but_one, random];
    others.into_iter().chain(behind).collect()
}

// ---- Results ----

#[test]
fn every_sort_matches_that_of_std() {
    let _watchdog = watchdog();
    for pool in pools() {
        for input in LENGTHS.into_iter().flat_map(inputs) {
            let mut sorted = input.clone();
            sorted.sort();
            let check = |sort: fn(&mut [u64])| {
                let mut v = input.clone();
                pool.install(|| sort(&mut v));
                assert!(v == sorted, "{} elements", v.len());
            };
            check(|v| v.par_sort());
            check(|v| v.par_sort_by(u64::cmp));
            check(|v| v.par_sort_by_key(|n| *n));
            check(|v| v.par_sort_by_cached_key(|n| *n));
            check(|v| v.par_sort_unstable());
            check(|v| v.par_sort_unstable_by(u64::cmp));
            check(|v| v.par_sort_unstable_by_key(|n| *n));
        }
    }
}

#[test]
fn equal_elements_keep_their_order() {
    let _watchdog = watchdog();
    for pool in pools() {
        for input in LENGTHS.into_iter().flat_map(inputs) {
            let input: Vec<(u64, usize)> = input.into_iter().map(|n| n / 3).zip(0..).collect();
            let mut sorted = input.clone();
            sorted.sort_by_key(|pair| pair.0);
            let check = |sort: fn(&mut [(u64, usize)])| {
                let mut v = input.clone();
                pool.install(|| sort(&mut v));
                assert!(v == sorted, "{} elements", v.len());
            };
            check(|v| v.par_sort_by(|a, b| a.0.cmp(&b.0)));
            check(|v| v.par_sort_by_key(|pair| pair.0));
            check(|v| v.par_sort_by_cached_key(|pair| pair.0.to_string().len() as u64 + pair.0));
        }
    }
}

/// Each key waits for the other, so two workers have to compute them.
#[test]
fn the_keys_of_short_slices_are_computed_in_parallel() {
    let _watchdog = watchdog();
    let both = Meeting::new(2);
    let mut v = [2, 1];
    pool(2).install(|| {
        v.par_sort_by_cached_key(|n| {
            both.wait();
            *n
        });
    });
    assert_eq!(v, [1, 2]);
}

#[test]
fn strings_are_sorted() {
    let _watchdog = watchdog();
    for pool in pools() {
        let mut texts: Vec<String> = random(20_000, 5_000).iter().map(u64::to_string).collect();
        let mut sorted_texts = texts.clone();
        sorted_texts.sort();
        pool.install(|| texts.par_sort());
        assert!(texts == sorted_texts);
        for values in [2, 16, 64] {
            let mut texts: Vec<String> =
                random(20_000, values).iter().map(u64::to_string).collect();
            let mut sorted_texts = texts.clone();
            sorted_texts.sort();
            pool.install(|| texts.par_sort_unstable());
            assert!(texts == sorted_texts);
        }
    }
}

#[test]
fn records_of_all_sizes_are_sorted() {
    let _watchdog = watchdog();
    for pool in pools() {
        records_are_sorted::<2>(&pool);
        records_are_sorted::<3>(&pool);
        records_are_sorted::<8>(&pool);
        records_are_sorted::<9>(&pool);
        records_are_sorted::<32>(&pool);
    }
}

/// Sorts records of `WORDS` words, which are moved in different ways, by both kinds of sort. The
/// keys have many values, or few, or an order that makes bad pivots. Stable sorts keep the order of
/// equal keys.
fn records_are_sorted<const WORDS: usize>(pool: &ThreadPool) {
    let organ_pipe = (0..4_000).chain((0..4_000).rev()).collect();
    // The most frequent value seems to be the least one: the smaller ones are where no sample is
    // taken.
    let seldom_less = (0..8_000).map(|n| if n % 50 == 25 { n % 3 } else { 3 + n % 2 }).collect();
    let short = [0, 1, 20, 21, 63, 64, 65, 127, 128, 129, 193].map(|len| random(len, 1000));
    let few = [2, 16, 100, 1_000, 5_000].map(|below| random(8_000, below));
    for keys in inputs(8_000).into_iter().chain(short).chain(few).chain([organ_pipe, seldom_less]) {
        let mut v: Vec<[u64; WORDS]> = (0..).zip(&keys).map(|(n, key)| record(*key, n)).collect();
        let mut sorted = v.clone();
        sorted.sort_by_key(|record| record[0]);
        let mut unstable = v.clone();
        pool.install(|| unstable.par_sort_unstable_by_key(|record| record[0]));
        assert!(unstable.is_sorted_by_key(|record| record[0]));
        unstable.sort();
        assert!(unstable == sorted, "unstable, {} records of {WORDS} words", keys.len());
        pool.install(|| v.par_sort_by(|a, b| a[0].cmp(&b[0])));
        assert!(v == sorted, "stable, {} records of {WORDS} words", keys.len());
    }
}

/// A record with its key in the first word and its number in all others.
fn record<const WORDS: usize>(key: u64, number: u64) -> [u64; WORDS] {
    std::array::from_fn(|at| if at == 0 { key } else { number })
}

#[test]
fn many_wide_records_are_merged() {
    let _watchdog = watchdog();
    for threads in [1, 2] {
        let runs = (0..300_000).map(|n| n % 40_000).collect();
        for keys in [random(300_000, 10_000), runs] {
            let mut v: Vec<[u64; 5]> = (0..).zip(keys).map(|(n, key)| record(key, n)).collect();
            pool(threads).install(|| v.par_sort_by_key(|record| record[0]));
            // Equal keys are in the order of the numbers.
            assert!(v.is_sorted_by(|a, b| a < b));
        }
    }
}

/// Each element is larger than what one thread checks, copies or reverses at once.
#[test]
fn huge_elements_are_sorted_and_merged() {
    let _watchdog = watchdog();
    type Huge = [u64; 20_000];
    for pool in pools() {
        for keys in [&[1, 2][..], &[3, 2, 1], &[2, 1, 3]] {
            let v: Vec<Huge> = keys.iter().map(|&key| [key; _]).collect();
            let mut sorts: [Vec<Huge>; 3] = [v.clone(), v.clone(), v];
            pool.install(|| {
                sorts[0].par_sort();
                sorts[1].par_sort_unstable();
                sorts[2][1..].par_sort();
                sorts[2].par_merge_in_place(1);
            });
            assert!(sorts.iter().all(|v| v.is_sorted()));
        }
    }
}

#[test]
fn elements_without_a_size_are_left_alone() {
    let _watchdog = watchdog();
    for pool in pools() {
        let mut units = [(); 100_000];
        pool.install(|| {
            units.par_sort();
            units.par_sort_unstable_by(|_, _| Ordering::Greater);
            units.par_sort_by_cached_key(|_| 1);
        });
        assert_eq!(units.len(), 100_000);
        // The largest possible number of elements.
        let mut units = [(); usize::MAX];
        pool.install(|| {
            units.par_sort_by(|_, _| Ordering::Greater);
            units.par_sort_unstable();
            units.par_sort_unstable_by(|_, _| Ordering::Greater);
            units.par_sort_unstable_by_key(|_| 1);
            units.par_sort_by_cached_key(|_| 1);
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn any_slice_is_sorted(
        v in prop_oneof![
            prop::collection::vec(0_u16..20, 0..6000),
            prop::collection::vec(any::<u16>(), 0..6000),
        ],
        threads in 1_usize..5,
    ) {
        let pairs: Vec<(u16, usize)> = v.into_iter().zip(0..).collect();
        let mut sorted = pairs.clone();
        sorted.sort_by_key(|pair| pair.0);
        let (mut stable, mut unstable) = (pairs.clone(), pairs);
        pool(threads).install(|| {
            stable.par_sort_by_key(|pair| pair.0);
            unstable.par_sort_unstable();
        });
        prop_assert!(stable == sorted && unstable == sorted);
    }
}

// ---- Elements that are counted ----

/// An element that counts its drops. It is longer than 24 bytes by `MORE` words.
struct Counted<'a, const MORE: usize> {
    key: u32,
    number: u32,
    /// Changed by comparisons. These changes must not be lost.
    compared: Cell<Option<Box<u32>>>,
    drops: &'a AtomicUsize,
    more: [u64; MORE],
}

impl<const MORE: usize> Counted<'_, MORE> {
    /// Takes the value that the last comparison has left, and leaves another.
    fn touch(&self) {
        if let Some(last) = self.compared.take() {
            assert_eq!(*last, self.key);
        }
        self.compared.set(Some(Box::new(self.key)));
        assert_eq!(self.more, [self.key.into(); MORE]);
    }
}

impl<const MORE: usize> Drop for Counted<'_, MORE> {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Relaxed);
    }
}

type Compare<'c, const MORE: usize> =
    &'c (dyn Fn(&Counted<'_, MORE>, &Counted<'_, MORE>) -> Ordering + Sync);

type SortBy<const MORE: usize> = for<'a, 'b, 'c> fn(&'a mut [Counted<'b, MORE>], Compare<'c, MORE>);

const fn sorts<const MORE: usize>() -> [SortBy<MORE>; 2] {
    [|v, compare| v.par_sort_by(compare), |v, compare| v.par_sort_unstable_by(compare)]
}

/// Elements of 40 bytes.
const MIDDLE: usize = 2;
/// Elements of 104 bytes.
const LARGE: usize = 10;

/// Sorts `input` by `compare`, and asserts that no element is lost or doubled. Returns the payload
/// of the panic, if there is one.
fn sort_counted<const MORE: usize>(
    pool: &ThreadPool,
    input: &[u64],
    sort: SortBy<MORE>,
    compare: Compare<'_, MORE>,
) -> std::thread::Result<()> {
    let drops: Vec<AtomicUsize> = input.iter().map(|_| AtomicUsize::new(0)).collect();
    let mut v: Vec<Counted<'_, MORE>> = (0..)
        .zip(input.iter().zip(&drops))
        .map(|(number, (key, drops))| Counted {
            key: *key as u32,
            number,
            compared: Cell::new(None),
            drops,
            more: [*key; MORE],
        })
        .collect();
    let result = catch_unwind(AssertUnwindSafe(|| pool.install(|| sort(&mut v, compare))));
    assert!(drops.iter().all(|count| count.load(Relaxed) == 0), "dropped by the sort");
    let mut numbers: Vec<u32> = v.iter().map(|counted| counted.number).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..input.len() as u32), "not a permutation");
    drop(v);
    assert!(drops.iter().all(|count| count.load(Relaxed) == 1), "lost or doubled");
    result
}

#[test]
fn a_comparison_that_panics_loses_nothing() {
    let _watchdog = watchdog();
    a_panic_at_each_place::<0>(&[1, 2, 8], 2_000);
    a_panic_at_each_place::<0>(&[1, 2], 16);
    a_panic_at_each_place::<MIDDLE>(&[1, 2], 2_000);
    a_panic_at_each_place::<MIDDLE>(&[2], 16);
}

#[test]
fn a_comparison_of_large_elements_that_panics_loses_nothing() {
    let _watchdog = watchdog();
    a_panic_at_each_place::<LARGE>(&[1, 2], 2_000);
    a_panic_at_each_place::<LARGE>(&[2], 16);
}

fn a_panic_at_each_place<const MORE: usize>(threads: &[usize], below: u64) {
    let input = random(2_500, below);
    for pool in threads.iter().map(|threads| pool(*threads)) {
        for sort in sorts::<MORE>() {
            let calls = AtomicUsize::new(0);
            let count = |a: &Counted<'_, MORE>, b: &Counted<'_, MORE>| {
                calls.fetch_add(1, Relaxed);
                a.key.cmp(&b.key)
            };
            sort_counted(&pool, &input, sort, &count).unwrap();
            let total = calls.into_inner();
            assert!(total > 5_000, "{total}");
            // Each of the first calls, some in between, and each of the last ones.
            let calls =
                (0..10).chain((10..total - 10).step_by(total / 100)).chain(total - 10..total);
            for at in calls {
                let left = AtomicUsize::new(at);
                let compare = |a: &Counted<'_, MORE>, b: &Counted<'_, MORE>| {
                    if left.fetch_sub(1, Relaxed) == 0 {
                        boom(1);
                    }
                    a.touch();
                    b.touch();
                    a.key.cmp(&b.key)
                };
                let result = sort_counted(&pool, &input, sort, &compare);
                assert_eq!(failed_with(result), 1, "at comparison {at}");
            }
        }
    }
}

#[test]
fn all_comparisons_that_panic_lose_nothing() {
    let _watchdog = watchdog();
    all_panic::<0>(4, 30_000, 200_000);
    all_panic::<0>(1, 16, 60_000);
    all_panic::<MIDDLE>(4, 30_000, 200_000);
    all_panic::<MIDDLE>(1, 16, 60_000);
    all_panic::<LARGE>(4, 30_000, 200_000);
    all_panic::<LARGE>(1, 30_000, 200_000);
}

fn all_panic<const MORE: usize>(threads: usize, below: u64, late: usize) {
    let input = random(20_000, below);
    for sort in sorts::<MORE>() {
        for at in [0, 300, 5_000, 50_000, late] {
            let calls = AtomicUsize::new(0);
            let compare = |a: &Counted<'_, MORE>, b: &Counted<'_, MORE>| {
                if calls.fetch_add(1, Relaxed) >= at {
                    boom(2);
                }
                a.key.cmp(&b.key)
            };
            assert_eq!(failed_with(sort_counted(&pool(threads), &input, sort, &compare)), 2);
        }
    }
}

#[test]
fn an_inconsistent_order_loses_nothing() {
    let _watchdog = watchdog();
    no_order::<0>();
    no_order::<MIDDLE>();
    no_order::<LARGE>();
}

fn no_order<const MORE: usize>() {
    let orders = [Ordering::Less, Ordering::Equal, Ordering::Greater];
    for pool in pools() {
        for (seed, len) in (0..).zip([100, 3_000, 10_000, 70_000]) {
            for sort in sorts::<MORE>() {
                let state = AtomicUsize::new(seed);
                let compare = |a: &Counted<'_, MORE>, b: &Counted<'_, MORE>| {
                    a.touch();
                    b.touch();
                    let state = state.fetch_add(1, Relaxed) as u64;
                    orders[SmallRng::seed_from_u64(state).random_range(0..3)]
                };
                // std may notice the inconsistency and panic. Both are fine.
                let _ = sort_counted(&pool, &random(len, 100), sort, &compare);
                for order in orders {
                    let _ = sort_counted(&pool, &random(len, 100), sort, &|_, _| order);
                }
            }
        }
    }
}

#[test]
fn a_key_that_panics_leaves_the_slice_as_it_was() {
    let _watchdog = watchdog();
    let input = random(10_000, 1_000_000);
    for pool in pools() {
        for at in [0, 1, 600, 5_000, 9_999] {
            let mut v = input.clone();
            let left = AtomicUsize::new(at);
            let key = |n: &u64| {
                if left.fetch_sub(1, Relaxed) == 0 {
                    boom(3);
                }
                n.to_string()
            };
            let sort = || pool.install(|| v.par_sort_by_cached_key(key));
            assert_eq!(failed_with(catch_unwind(AssertUnwindSafe(sort))), 3);
            assert!(v == input);
        }
    }
}
