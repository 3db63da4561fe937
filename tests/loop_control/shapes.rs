//! `deterministic` loops have the documented shape, and `map_while` ends where that of std does.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::time::Duration;

use crate::common::{pool, rest, sized, step_aside, watchdog};
use crate::everywhere::everywhere;
use filch::CancelToken;
use filch::prelude::*;

/// Numbers of all sizes, whose sum depends on the order.
fn floats(len: usize) -> Vec<f64> {
    (0..len as u32).map(|n| f64::from(n.wrapping_mul(2_654_435_761) >> 8).sqrt() - 2000.0).collect()
}

/// The documented shape, computed serially.
fn shape(v: &[f64], block: usize) -> f64 {
    if v.len() <= block {
        return v.iter().fold(0.0, |a, b| a + b);
    }
    let (left, right) = v.split_at(v.len().div_ceil(block) / 2 * block);
    shape(left, block) + shape(right, block)
}

#[test]
fn blocks_have_the_documented_size() {
    let _watchdog = watchdog();
    let sizes = [
        (0, 1),
        (1, 1),
        (255, 1),
        (256, 1),
        (257, 2),
        (1000, 4),
        (100_000, 512),
        (1_000_000, 4096),
        (3_000_000, 4096),
    ];
    for (len, block) in sizes {
        let v = floats(len.min(sized(usize::MAX, 1000)));
        let block = if v.len() < len { 4 } else { block };
        everywhere(|| {
            let pieces = v.par_iter().deterministic().fold(|| 0, |count, _| count + 1);
            let pieces: Vec<usize> = pieces.collect();
            let (last, others) = pieces.split_last().unwrap();
            assert!(others.iter().all(|piece| *piece == block) && *last <= block);

            let fold = v.par_iter().deterministic().fold(|| 0.0, |a, b| a + b);
            let fold = fold.reduce_with(|a, b| a + b).unwrap();
            assert_eq!(fold.to_bits(), shape(&v, block).to_bits());
        });
    }
    let pieces = |min, max| {
        let items = (0..1000).into_par_iter().with_min_len(min).with_max_len(max);
        items.deterministic().fold(|| 0, |count, _| count + 1).collect::<Vec<usize>>()
    };
    assert_eq!(pieces(400, usize::MAX), [400, 400, 200]);
    assert_eq!(pieces(1, 3).len(), 334);
    assert_eq!(pieces(500, 2), [500, 500]);
}

#[test]
fn results_have_the_same_bits_on_any_pool() {
    let _watchdog = watchdog();
    let (v, w) = (floats(sized(300_000, 2000)), floats(sized(300_000, 2000)));
    let run = || {
        let terms = || v.par_iter().zip(&w).map(|(v, w)| v * w).enumerate();
        let dot: f64 = terms().map(|(_, n)| n).deterministic().sum();
        let product: f64 = v.par_iter().map(|n| 1.0 + n * 1e-9).deterministic().product();
        let even = terms().deterministic().filter(|(i, _)| i % 2 == 0).map(|(_, n)| n);
        let even = even.reduce(|| 0.0, |a, b| a + b);
        let folds = terms().rev().deterministic().fold_with(0.0, |sum, (_, n)| sum * 0.5 + n);
        let lists = v.par_iter().deterministic().flat_map_iter(|n| [*n, n * 0.1]).map(f64::sin);
        [dot, product, even, folds.sum(), lists.sum()].map(f64::to_bits)
    };
    let once = pool(1).install(run);
    for threads in [1, 2, 3, 8] {
        let pool = pool(threads);
        for _ in 0..3 {
            assert_eq!(pool.install(run), once, "{threads} threads");
        }
    }
}

/// The range is so long that otherwise the test would not end.
#[test]
fn a_shape_is_not_cut_to_its_end_if_no_item_is_wanted() {
    let _watchdog = watchdog();
    everywhere(|| {
        let items = || (0..usize::MAX).into_par_iter().deterministic();
        assert!(items().any(|n| n == 3));
        let token = CancelToken::new();
        let stopped = token.run(|| {
            items().for_each(|n| {
                if n == 3 {
                    token.cancel()
                }
            })
        });
        assert!(stopped.is_err());
    });
}

/// With a state before `rev`, a piece is one block.
#[test]
fn a_token_stops_a_piece_that_is_one_block() {
    let _watchdog = watchdog();
    everywhere(|| {
        let (calls, token) = (AtomicUsize::new(0), CancelToken::new());
        let stopped = token.run(|| {
            (0..100_000).into_par_iter().map_init(|| (), |(), n| n).rev().for_each(|_| {
                calls.fetch_add(1, Relaxed);
                token.cancel();
            });
        });
        assert!(stopped.is_err());
        let (calls, threads) = (calls.into_inner(), filch::current_num_threads());
        assert!(calls <= threads, "{calls} calls on {threads} threads");
    });
}

/// The right half begins first, and goes on once the left half has found an item.
#[test]
fn a_search_in_serial_iterators_stops_after_an_item() {
    struct Rest<'f>(&'f AtomicBool);
    impl Drop for Rest<'_> {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    let _watchdog = watchdog();
    let (has_begun, is_dropped, unused) = <(AtomicBool, AtomicBool, AtomicBool)>::default();
    let wait_for = |flag: &AtomicBool| {
        while !flag.load(SeqCst) {
            step_aside();
        }
    };
    let calls = AtomicUsize::new(0);
    let item = |of_left| {
        if of_left {
            wait_for(&has_begun);
        } else if calls.fetch_add(1, Relaxed) == 0 {
            has_begun.store(true, SeqCst);
            wait_for(&is_dropped);
        }
        of_left
    };
    let parts = [(true, &unused), (true, &is_dropped), (false, &unused), (false, &unused)];
    let parts = parts.map(|(of_left, flag)| (of_left, Rest(flag)));
    let items = parts.into_par_iter().with_min_len(2).flat_map_iter(|(of_left, _rest)| {
        let item = &item;
        (0..5000).map(move |_| item(of_left))
    });
    assert!(items.with_pool(&pool(2)).any(|is_found| is_found));
    assert_eq!(calls.into_inner(), 1);
}

#[test]
fn few_items_are_shared() {
    let _watchdog = watchdog();
    let threads = AtomicUsize::new(0);
    let pool = pool(2);
    let item = |_| {
        threads.fetch_or(1 << filch::current_thread_index().unwrap(), Relaxed);
        rest(Duration::from_millis(2));
    };
    (0..50).into_par_iter().with_pool(&pool).deterministic().for_each(item);
    assert_eq!(threads.into_inner(), 3);
}

#[test]
fn adaptors_after_map_while_see_nothing_from_behind_the_end() {
    let _watchdog = watchdog();
    everywhere(|| {
        let len = sized(100_000, 500);
        for end in [0, 1, 2, 77, len / 2, len - 1, len] {
            let called = AtomicUsize::new(0);
            let prefix = || {
                (0..len).into_par_iter().map_while(|n| {
                    called.fetch_add(1, Relaxed);
                    (n != end).then_some(n)
                })
            };
            assert_eq!(prefix().count(), end);
            let calls = called.swap(0, Relaxed);
            assert!(calls <= 2 * (end + filch::current_num_threads()), "{calls} calls for {end}");
            prefix().for_each(|n| assert!(n < end));
            assert_eq!(prefix().find_any(|n| *n > end), None);
            assert_eq!(prefix().find_last(|_| true), end.checked_sub(1));
            assert_eq!(prefix().max(), end.checked_sub(1));
            assert_eq!(prefix().take_any(len).count(), end);
            let fine: Result<(), usize> =
                prefix().try_for_each(|n| if n > end { Err(n) } else { Ok(()) });
            assert_eq!(fine, Ok(()));
            assert!(prefix().collect::<Vec<_>>().into_iter().eq(0..end));
        }
        // An endless source.
        let all = (0..usize::MAX).into_par_iter().map_while(|n| (n < 1000).then_some(n));
        assert_eq!(all.sum::<usize>(), 499_500);
        let first = (0..usize::MAX).into_par_iter().map_while(Some).find_first(|n| *n == 300);
        assert_eq!(first, Some(300));
        // Items after the first `None` are not yielded.
        let odd = (0..100).into_par_iter().map_while(|n| (n % 7 != 5).then_some(n));
        assert_eq!(odd.collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    });
}
