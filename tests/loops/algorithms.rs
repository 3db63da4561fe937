//! The parallel algorithms on slices match their serial counterparts, return the same bits in every
//! pool, and neither lose nor double an element if a closure panics. For sorts, see `sort.rs`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::common::{Ledger, Token, boom, caught, pool, watchdog};
use filch::ThreadPool;
use filch::prelude::*;
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

/// Lengths around those of one block and of several.
const LENGTHS: [usize; 14] =
    [0, 1, 2, 31, 33, 4095, 4096, 4097, 8192, 8193, 12_289, 20_480, 30_001, 50_000];

fn pools() -> impl Iterator<Item = ThreadPool> {
    [1, 2, 8].into_iter().map(pool)
}

fn random(len: usize, below: u64) -> Vec<u64> {
    let mut random = SmallRng::seed_from_u64(len as u64);
    (0..len).map(|_| random.next_u64() % below).collect()
}

fn floats(len: usize) -> Vec<f64> {
    let mut random = SmallRng::seed_from_u64(len as u64);
    (0..len)
        .map(|_| (random.random::<f64>() - 0.5) * 10_f64.powi(random.random_range(-9..9)))
        .collect()
}

/// Adds up in a way that depends on the order.
fn chain(a: &u64, b: &u64) -> u64 {
    // The composition of x -> 3^k x + c, k in the low 32 bits and c in the high ones.
    let (k, c) = (*a as u32, (*a >> 32) as u32);
    let (l, d) = (*b as u32, (*b >> 32) as u32);
    let sum = c.wrapping_mul(3_u32.wrapping_pow(l)).wrapping_add(d);
    u64::from(sum) << 32 | u64::from(k.wrapping_add(l))
}

// ---- Scans ----

#[test]
fn scans_match_serial_ones() {
    let _watchdog = watchdog();
    for pool in pools() {
        for input in LENGTHS.map(|len| random(len, u64::MAX)) {
            let mut sum = 5;
            let exclusive: Vec<u64> = input
                .iter()
                .map(|n| {
                    let next = chain(&sum, n);
                    std::mem::replace(&mut sum, next)
                })
                .collect();
            let mut inclusive = input.clone();
            for i in 1..input.len() {
                inclusive[i] = chain(&inclusive[i - 1], &inclusive[i]);
            }
            pool.install(|| {
                assert!(input.par_inclusive_scan(chain) == inclusive);
                assert!(input.par_exclusive_scan(5, chain) == (exclusive.clone(), sum));
                let (mut first, mut second) = (input.clone(), input.clone());
                first.par_inclusive_scan_in_place(chain);
                assert_eq!(second.par_exclusive_scan_in_place(5, chain), sum);
                assert!(first == inclusive && second == exclusive);
            });
        }
    }
}

#[test]
fn strings_are_scanned() {
    let _watchdog = watchdog();
    let bits: Vec<String> = random(4100, 2).iter().map(u64::to_string).collect();
    let sums = pool(2).install(|| bits.par_inclusive_scan(|a, b| format!("{a}{b}")));
    let whole = bits.concat();
    assert!(sums.iter().zip(1..).all(|(sum, len)| *sum == whole[..len]));
}

#[test]
fn scans_and_folds_give_the_same_bits_on_any_pool() {
    let _watchdog = watchdog();
    for input in LENGTHS.map(floats) {
        let run = || {
            let scans = input.par_inclusive_scan(|a, b| a + b);
            let mut in_place = input.clone();
            in_place.par_inclusive_scan_in_place(|a, b| a + b);
            let (starts, total) = input.par_exclusive_scan(0.1, |a, b| a + b);
            let mut starts_in_place = input.clone();
            let in_place_total = starts_in_place.par_exclusive_scan_in_place(0.1, |a, b| a + b);
            let small: Vec<f32> = input.iter().map(|n| *n as f32).collect();
            let small = small.par_inclusive_scan(|a, b| a + b);
            let fold = input.par_iter().deterministic().fold(|| 0.0, |sum, n| sum + n);
            let fold: f64 = fold.reduce(|| 0.0, |a, b| a + b);
            let sum = input.par_deterministic_reduce(0.0, |n| *n, |a, b| a + b);
            let small_sum = input.par_deterministic_reduce(0.0, |n| *n as f32, |a, b| a + b);
            let bits = |v: &[f64]| v.iter().map(|n| n.to_bits()).collect::<Vec<u64>>();
            assert!(bits(&scans) == bits(&in_place) && bits(&starts) == bits(&starts_in_place));
            assert_eq!(total.to_bits(), in_place_total.to_bits());
            let small: Vec<u32> = small.iter().map(|n| n.to_bits()).collect();
            let sums = (total.to_bits(), fold.to_bits(), sum.to_bits(), small_sum.to_bits());
            (bits(&scans), bits(&starts), small, sums)
        };
        let once = pool(1).install(run);
        for threads in [1, 2, 3, 8] {
            let pool = pool(threads);
            for _ in 0..3 {
                assert!(pool.install(run) == once, "{} elements, {threads} threads", input.len());
            }
        }
    }
}

// ---- Folds ----

/// The documented shape, computed serially.
fn shape<T: Copy>(v: &[T], leaf: &dyn Fn(&[T]) -> T, op: &dyn Fn(T, T) -> T) -> T {
    if v.len() <= 4096 {
        return leaf(v);
    }
    let blocks = v.len().div_ceil(4096);
    let (left, right) = v.split_at(blocks / 2 * 4096);
    op(shape(left, leaf, op), shape(right, leaf, op))
}

#[test]
fn folds_have_the_shape_that_is_documented() {
    let _watchdog = watchdog();
    let lanes = |block: &[f64]| {
        let mut lanes = [0.0; 32];
        for (i, n) in block.iter().enumerate() {
            lanes[i % 32] += n;
        }
        for width in [16, 8, 4, 2, 1] {
            for lane in 0..width {
                lanes[lane] += lanes[lane + width];
            }
        }
        lanes[0]
    };
    for input in LENGTHS.map(floats) {
        let sum = shape(&input, &lanes, &|a, b| a + b);
        pool(2).install(|| {
            let ours = input.par_deterministic_reduce(0.0, |n| *n, |a, b| a + b);
            assert_eq!(ours.to_bits(), sum.to_bits());
        });
    }
}

#[test]
fn folds_keep_the_order() {
    let _watchdog = watchdog();
    for pool in pools() {
        let input: Vec<String> = random(20_000, 10).iter().map(u64::to_string).collect();
        let whole = pool.install(|| {
            let folds = input.par_iter().deterministic().fold(String::new, |a, b| a + b);
            folds.reduce(String::new, |a, b| a + &b)
        });
        assert!(whole == input.concat());
    }
}

// ---- Partition, dedup, retain ----

#[test]
fn partitions_keep_the_order() {
    let _watchdog = watchdog();
    for pool in pools() {
        for input in LENGTHS.map(|len| random(len, 100)) {
            for below in [0, 1, 50, 99, 100] {
                let (yes, no): (Vec<u64>, Vec<u64>) = input.iter().partition(|n| **n < below);
                let mut v = input.clone();
                let calls = AtomicUsize::new(0);
                let count = pool.install(|| {
                    v.par_stable_partition(|n| {
                        calls.fetch_add(1, Relaxed);
                        *n < below
                    })
                });
                assert_eq!((count, calls.into_inner()), (yes.len(), input.len()));
                assert!(v == [yes.clone(), no].concat());
                let mut kept = input.clone();
                pool.install(|| kept.par_retain(|n| *n < below));
                assert!(kept == yes);
            }
        }
    }
}

#[test]
fn dedups_match_those_of_vectors() {
    let _watchdog = watchdog();
    for pool in pools() {
        for (len, below) in LENGTHS.into_iter().flat_map(|len| [1, 2, 30].map(|n| (len, n))) {
            let input = random(len, below);
            let (mut ours, mut stds) = (input.clone(), input.clone());
            stds.dedup();
            pool.install(|| ours.par_dedup());
            assert!(ours == stds);
            let (mut ours, mut stds) = (input.clone(), input);
            stds.dedup_by_key(|n| *n / 7);
            pool.install(|| ours.par_dedup_by_key(|n| *n / 7));
            assert!(ours == stds);
        }
    }
}

// ---- Merges and histograms ----

#[test]
fn merges_are_stable() {
    let _watchdog = watchdog();
    for pool in pools() {
        for (left, right) in LENGTHS.into_iter().zip(LENGTHS.into_iter().rev()) {
            let mut left: Vec<(u64, usize)> = random(left, 500).into_iter().zip(0..).collect();
            let mut right: Vec<(u64, usize)> =
                random(right, 700).into_iter().zip(1_000_000..).collect();
            left.sort();
            right.sort();
            let mut merged = [left.clone(), right.clone()].concat();
            let mut in_place = merged.clone();
            merged.sort_by_key(|pair| pair.0);
            pool.install(|| {
                assert!(left.par_merge_by(&right, |a, b| a.0.cmp(&b.0)) == merged);
                in_place.par_merge_in_place_by(left.len(), |a, b| a.0.cmp(&b.0));
            });
            assert!(in_place == merged);
        }
    }
}

#[test]
fn merges_of_unsorted_slices_lose_nothing() {
    let _watchdog = watchdog();
    for pool in pools() {
        let (left, right) = (random(30_000, 1_000), random(20_000, 1_000));
        let mut all = [left.clone(), right.clone()].concat();
        let (mut merged, mut in_place) = pool.install(|| {
            (left.par_merge(&right), {
                all.par_merge_in_place(30_000);
                all.clone()
            })
        });
        merged.sort();
        in_place.sort();
        all.sort();
        let mut expected = [left, right].concat();
        expected.sort();
        assert!(merged == expected && in_place == expected);
    }
}

#[test]
fn histograms_count_every_element() {
    let _watchdog = watchdog();
    for pool in pools() {
        for input in LENGTHS.map(|len| random(len, 100)) {
            for buckets in [100, 10_000] {
                let mut counts = vec![0; buckets];
                for n in &input {
                    counts[*n as usize] += 1;
                }
                let ours = pool.install(|| input.par_histogram(buckets, |n| *n as usize));
                assert!(ours == counts);
            }
        }
    }
    assert!(Vec::<u64>::new().par_histogram(0, |_| 0).is_empty());
}

#[test]
#[should_panic(expected = "`bucket` returned 7; accepted: less than 7")]
fn a_bucket_out_of_range_is_a_panic() {
    pool(2).install(|| random(30_000, 8).par_histogram(7, |n| *n as usize));
}

#[test]
#[should_panic(expected = "cannot merge 3 elements from 4 on")]
fn a_middle_out_of_range_is_a_panic() {
    [1, 2, 3].par_merge_in_place(4);
}

#[test]
fn elements_without_a_size_are_counted() {
    let _watchdog = watchdog();
    for pool in pools() {
        pool.install(|| {
            let mut units = vec![(); 100_000];
            assert_eq!(units.par_stable_partition(|()| false), 0);
            let calls = AtomicUsize::new(0);
            let odd = |_: &()| calls.fetch_add(1, Relaxed) % 2 == 1;
            assert_eq!(units.par_stable_partition(odd), 50_000);
            assert_eq!(units.par_merge(&[(); 50_000]).len(), 150_000);
            units.par_merge_in_place(7);
            assert_eq!(units.par_inclusive_scan(|(), ()| ()).len(), 100_000);
            units.par_inclusive_scan_in_place(|(), ()| ());
            assert_eq!(units.par_histogram(1, |()| 0), [100_000]);
            units.par_dedup();
            assert_eq!(units.len(), 1);
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn any_slice_is_partitioned_and_deduplicated(
        v in prop::collection::vec(0_u8..6, 0..20_000),
        test in any::<[bool; 6]>(),
        threads in 1_usize..5,
    ) {
        let test = |n: &u8| test[usize::from(*n)];
        let pairs: Vec<(u8, usize)> = v.into_iter().zip(0..).collect();
        let (yes, no): (Vec<_>, Vec<_>) = pairs.iter().partition(|pair| test(&pair.0));
        let (mut parted, mut deduped, mut expected) = (pairs.clone(), pairs.clone(), pairs);
        let count = pool(threads).install(|| {
            deduped.par_dedup_by_key(|pair| pair.0);
            parted.par_stable_partition(|pair| test(&pair.0))
        });
        expected.dedup_by_key(|pair| pair.0);
        prop_assert!(count == yes.len() && parted == [yes, no].concat());
        prop_assert!(deduped == expected);
    }

    #[test]
    fn any_slices_are_merged(
        mut left in prop::collection::vec(0_u16..500, 0..20_000),
        mut right in prop::collection::vec(0_u16..500, 0..20_000),
        threads in 1_usize..5,
    ) {
        left.sort();
        right.sort();
        let mut both = [left.clone(), right.clone()].concat();
        let merged = pool(threads).install(|| {
            both.par_merge_in_place(left.len());
            left.par_merge(&right)
        });
        prop_assert!(both == merged);
        both.sort();
        prop_assert!(both == merged);
    }
}

// ---- Panics ----

/// An element that is counted, as are its clones. In `loop_faults`, clones panic as well.
struct Counted {
    key: u64,
    _token: Token,
    ledger: &'static Ledger,
}

impl Clone for Counted {
    fn clone(&self) -> Counted {
        self.ledger.counted(self.key)
    }
}

trait Count {
    fn counted(&'static self, key: u64) -> Counted;
}

impl Count for Ledger {
    fn counted(&'static self, key: u64) -> Counted {
        Counted { key, _token: self.token(), ledger: self }
    }
}

/// Runs `work` with counted elements and with a fuse that panics after some calls. For each number
/// of calls, each element must be dropped once.
fn with_fuses(len: usize, work: impl Fn(&mut Vec<Counted>, &(dyn Fn() + Sync)) + Sync) {
    for pool in pools() {
        for at in [0, 1, 500, 4095, 4096, 4097, 10_000] {
            let ledger = Ledger::new();
            let mut v: Vec<Counted> = random(len, 50).iter().map(|n| ledger.counted(*n)).collect();
            let left = AtomicUsize::new(at);
            let fuse = || {
                if left.fetch_sub(1, Relaxed) == 0 {
                    boom(1);
                }
            };
            let run = || pool.install(|| work(&mut v, &fuse));
            assert_eq!(caught(run), 1);
            assert_eq!(v.len(), len);
            drop(v);
            ledger.assert_balanced(at);
        }
    }
}

#[test]
fn a_scan_that_panics_loses_nothing() {
    let _watchdog = watchdog();
    let add = |a: &Counted, b: &Counted, fuse: &(dyn Fn() + Sync)| {
        fuse();
        a.ledger.counted(a.key + b.key)
    };
    with_fuses(13_000, |v, fuse| drop(v.par_inclusive_scan(|a, b| add(a, b, fuse))));
    with_fuses(13_000, |v, fuse| v.par_inclusive_scan_in_place(|a, b| add(a, b, fuse)));
    with_fuses(13_000, |v, fuse| {
        drop(v.par_exclusive_scan(v[0].clone(), |a, b| add(a, b, fuse)));
    });
    with_fuses(13_000, |v, fuse| {
        let init = v[0].clone();
        drop(v.par_exclusive_scan_in_place(init, |a, b| add(a, b, fuse)));
    });
}

#[test]
fn a_test_that_panics_leaves_the_vector_as_it_was() {
    let _watchdog = watchdog();
    let unchanged = |v: &mut Vec<Counted>, work: &dyn Fn(&mut Vec<Counted>)| {
        let keys = |v: &[Counted]| v.iter().map(|counted| counted.key).collect::<Vec<_>>();
        let before = keys(v);
        let result = catch_unwind(AssertUnwindSafe(|| work(v)));
        assert!(keys(v) == before);
        std::panic::resume_unwind(result.unwrap_err())
    };
    with_fuses(13_000, |v, fuse| {
        unchanged(v, &|v| {
            v.par_retain(|counted| {
                fuse();
                counted.key < 20
            });
        });
    });
    with_fuses(13_000, |v, fuse| {
        unchanged(v, &|v| {
            v.par_dedup_by(|a, b| {
                fuse();
                a.key == b.key
            });
        });
    });
}

#[test]
fn a_merge_that_panics_loses_nothing() {
    let _watchdog = watchdog();
    let compare = |a: &Counted, b: &Counted, fuse: &(dyn Fn() + Sync)| {
        fuse();
        a.key.cmp(&b.key)
    };
    with_fuses(20_000, |v, fuse| {
        v.sort_by_key(|counted| counted.key);
        drop(v.par_merge_by(v, |a, b| compare(a, b, fuse)));
    });
    with_fuses(20_000, |v, fuse| {
        v[..9_000].sort_by_key(|counted| counted.key);
        v[9_000..].sort_by_key(|counted| counted.key);
        v.par_merge_in_place_by(9_000, |a, b| compare(a, b, fuse));
    });
}

#[test]
fn removed_elements_are_dropped_once() {
    let _watchdog = watchdog();
    for pool in pools() {
        let ledger = Ledger::new();
        let mut v: Vec<Counted> = random(20_000, 5).iter().map(|n| ledger.counted(*n)).collect();
        pool.install(|| {
            v.par_retain(|counted| counted.key != 3);
            v.par_dedup_by_key(|counted| counted.key);
            v.par_stable_partition(|counted| counted.key == 1);
        });
        drop(v);
        ledger.assert_balanced("all");
    }
}

/// A vector of the largest possible length.
fn units() -> Vec<()> {
    (Box::new([(); usize::MAX]) as Box<[()]>).into_vec()
}

/// The message of the panic of `work`.
fn panic_of<R>(work: impl FnOnce() -> R) -> String {
    let payload = catch_unwind(AssertUnwindSafe(|| drop(work()))).unwrap_err();
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => payload.downcast::<&str>().unwrap().to_string(),
    }
}

/// For so many elements, there is no memory for a flag each, and no time to visit them all. So each
/// closure panics when it is called.
#[test]
fn vectors_of_the_largest_possible_length() {
    let _watchdog = watchdog();
    fn called<R>() -> R {
        std::panic::resume_unwind(Box::new("called"))
    }
    for pool in pools() {
        pool.install(|| {
            assert_eq!(panic_of(|| units().par_retain(|()| called())), "called");
            assert_eq!(panic_of(|| units().par_dedup_by(|(), ()| called())), "called");
            assert_eq!(panic_of(|| units().par_stable_partition(|()| called())), "called");
            assert_eq!(panic_of(|| units().par_inclusive_scan(|(), ()| called())), "called");
            assert_eq!(panic_of(|| units().par_exclusive_scan((), |(), ()| called())), "called");
            let mut all = units();
            assert_eq!(panic_of(|| all.par_inclusive_scan_in_place(|(), ()| called())), "called");
            let scan = || all.par_exclusive_scan_in_place((), |(), ()| called());
            assert_eq!(panic_of(scan), "called");
            assert_eq!(panic_of(|| all.par_histogram(1, |()| called())), "called");
            assert!(panic_of(|| all.par_merge(&[()])).starts_with("capacity overflow"));
            all.par_merge_in_place(1 << 60);
            assert_eq!(all.len(), usize::MAX);
        });
    }
}

/// In several parts, elements without a size are passed to closures and counted like any others.
#[test]
fn calls_for_elements_without_a_size_are_counted() {
    let _watchdog = watchdog();
    for pool in pools() {
        pool.install(|| {
            for len in [0, 1, 2, 5000, 100_000] {
                let calls = AtomicUsize::new(0);
                let every_third = |()| calls.fetch_add(1, Relaxed) % 3 == 0;
                let mut units = vec![(); len];
                units.par_retain(|()| every_third(()));
                assert_eq!((units.len(), calls.swap(0, Relaxed)), (len.div_ceil(3), len));
                let mut units = vec![(); len];
                units.par_dedup_by(|(), ()| !every_third(()));
                let pairs = len.saturating_sub(1);
                let kept = pairs.div_ceil(3) + usize::from(len > 0);
                assert_eq!((units.len(), calls.swap(0, Relaxed)), (kept, pairs));
                assert_eq!(vec![(); len].par_merge(&[(); 3]).len(), len + 3);
                let (sums, ()) = vec![(); len].par_exclusive_scan((), |(), ()| ());
                assert_eq!(sums.len(), len);
            }
        });
    }
}

#[test]
fn windows_of_the_largest_possible_slice() {
    use filch::iter::{IndexedParallelIterator, ParallelIterator};

    let most = [(); usize::MAX];
    assert_eq!(most.par_windows(1).len(), usize::MAX);
    assert_eq!(most.par_windows(usize::MAX).count(), 1);
}
