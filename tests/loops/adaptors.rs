//! Every adaptor of parallel iterators has the same items as its serial counterpart: forwards,
//! backwards, zipped and cut, in pools of several sizes.

use std::cell::Cell;
use std::fmt::Debug;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::common::{Flag, TIME, any_wait_builder, is_simulated_without, watchdog};
use crate::erased::ErasedIter;
use crate::everywhere::everywhere;
use filch::prelude::*;
use filch::{CancelReason, CancelToken, Cancelled};
use proptest::prelude::*;

/// Asserts that `iter` yields `expected`, in order, with and without positions. Each end is
/// compiled for each iterator, so ends that others cover are only in release builds: `ci/long`.
fn same<I>(iter: impl Fn() -> I, expected: &[I::Item])
where
    I: ParallelIterator<Item: Debug + PartialEq + Sync>,
{
    assert_eq!(iter().collect::<Vec<_>>(), expected);
    assert_eq!(pushed(iter().filter(|_| true).flat_map_iter(|item| [item])), expected);
    #[cfg(not(debug_assertions))]
    {
        assert_eq!(iter().filter(|_| true).collect::<Vec<_>>(), expected);
        assert_eq!(iter().map(|item| item).flat_map_iter(|item| [item]).count(), expected.len());
        assert_eq!(pushed(iter()), expected);
    }
    if let Some(len) = iter().opt_len() {
        assert_eq!(len, expected.len());
    }
}

/// The items, by internal iteration, for which adaptors may have their own loops.
fn pushed<I: ParallelIterator>(iter: I) -> Vec<I::Item> {
    let push = |mut all: Vec<_>, item| {
        all.push(item);
        all
    };
    let append = |mut all: Vec<_>, mut more: Vec<_>| {
        all.append(&mut more);
        all
    };
    iter.fold(Vec::new, push).reduce(Vec::new, append)
}

/// The same for indexed iterators, and also for their producers, from both ends.
fn same_indexed<I>(iter: impl Fn() -> I, expected: Vec<I::Item>)
where
    I: IndexedParallelIterator<Item: Debug + PartialEq + Sync + Clone>,
{
    same(&iter, &expected);
    assert_eq!(iter().len(), expected.len());
    let reversed: Vec<_> = expected.iter().cloned().rev().collect();
    assert_eq!(iter().rev().collect::<Vec<_>>(), reversed);
    same_places(&|| ErasedIter::new(iter()), expected, reversed);
}

/// Asserts that an iterator has its items in the right places.
fn same_places<'i, T: Debug + PartialEq + Send + Sync + Clone>(
    iter: &dyn Fn() -> ErasedIter<'i, T>,
    expected: Vec<T>,
    reversed: Vec<T>,
) {
    let len = expected.len();
    let mut target = Vec::new();
    iter().collect_into_vec(&mut target);
    assert_eq!(target, expected);
    assert_eq!(iter().rev().rev().collect::<Vec<_>>(), expected);
    assert_eq!(pushed(iter().skip(1)), expected[1.min(len)..]);
    let placed: Vec<_> = expected.iter().cloned().enumerate().collect();
    assert_eq!(iter().enumerate().collect::<Vec<_>>(), placed);
    let zipped: Vec<_> = expected.iter().cloned().zip(reversed).collect();
    assert_eq!(iter().zip(iter().rev()).collect::<Vec<_>>(), zipped);

    // Cuts at uneven places, and both ends at once.
    let (a, b) = (len / 3, len / 5);
    let middle = expected.get(b..(b + a).min(len)).unwrap_or_default();
    assert_eq!(iter().skip(b).take(a).collect::<Vec<_>>(), middle);
    let chunks: Vec<_> = expected.chunks(7).map(<[_]>::to_vec).collect();
    assert_eq!(iter().chunks(7).collect::<Vec<_>>(), chunks);
    let chunks: Vec<_> = chunks.into_iter().rev().collect();
    assert_eq!(iter().chunks(7).rev().collect::<Vec<_>>(), chunks);
    let ends: Vec<_> = both_ends(expected);
    assert_eq!(iter().chunks(len.max(1)).flat_map_iter(both_ends).collect::<Vec<_>>(), ends);
}

/// The items, taken from the two ends in turn.
fn both_ends<T>(items: Vec<T>) -> Vec<T> {
    let mut items = items.into_iter();
    let mut ends = Vec::new();
    while let Some(first) = items.next() {
        ends.push(first);
        ends.extend(items.next_back());
    }
    ends
}

/// Interleaves as the adaptor does.
fn interleaved(a: &[usize], b: &[usize]) -> Vec<usize> {
    let mut all = Vec::new();
    for i in 0..a.len().max(b.len()) {
        all.extend(a.get(i));
        all.extend(b.get(i));
    }
    all
}

fn interleaved_shortest(a: &[usize], b: &[usize]) -> Vec<usize> {
    let mut all = Vec::new();
    for (i, item) in a.iter().enumerate() {
        all.push(*item);
        match b.get(i) {
            Some(item) => all.push(*item),
            None => break,
        }
    }
    all
}

fn interspersed(items: &[usize], element: usize) -> Vec<usize> {
    let mut all = Vec::new();
    for item in items {
        if !all.is_empty() {
            all.push(element);
        }
        all.push(*item);
    }
    all
}

/// Checks all adaptors that have a serial counterpart, on `0..len` and `0..other`, with a number
/// `k`. `item` is called for each item and returns it. It is not generic, so that all this is
/// compiled once.
fn all_adaptors(len: usize, other: usize, k: usize, item: fn(usize) -> usize) {
    let (n, m) = (0..len, 1000..1000 + other);
    let a: Vec<usize> = n.clone().collect();
    let b: Vec<usize> = m.clone().collect();
    let par = || n.clone().into_par_iter().map(item);
    let par_b = || m.clone().into_par_iter();
    let size = k.max(1);

    same_indexed(par, a.clone());
    same_indexed(|| a.clone().into_par_iter(), a.clone());
    same_indexed(|| par().inspect(|_| ()), a.clone());
    same_indexed(|| par().update(|n| *n += k), a.iter().map(|n| n + k).collect());
    same_indexed(|| a.par_iter().copied(), a.clone());
    same_indexed(|| a.par_iter().cloned(), a.clone());
    same_indexed(|| par().panic_fuse(), a.clone());
    same_indexed(|| par().with_min_len(k), a.clone());
    same_indexed(|| par().with_max_len(size), a.clone());
    same_indexed(|| par().with_max_len(size).map(item).with_min_len(2), a.clone());

    let even = |n: &usize| n % 2 == 0;
    let halves: Vec<usize> = a.iter().filter(|n| even(n)).map(|n| n / 2).collect();
    same(|| par().filter_map(|n| even(&n).then_some(n / 2)), &halves);

    let with = |count: &mut usize, n| {
        *count += 1;
        (*count > 0, n)
    };
    let counted: Vec<(bool, usize)> = a.iter().map(|n| (true, *n)).collect();
    same_indexed(|| par().map_with(0, with), counted.clone());
    same_indexed(|| par().map_init(|| 0, with), counted);

    let inner: Vec<usize> = a.iter().flat_map(|n| 0..n % 4).collect();
    same(|| par().flat_map_iter(|n| 0..n % 4), &inner);
    same(|| par().flat_map(|n| 0..n % 4), &inner);
    same(|| par().map(|n| 0..n % 4).flatten_iter(), &inner);
    same(|| par().map(|n| (0..n % 4).collect::<Vec<_>>()).flatten(), &inner);

    let sum: usize = a.iter().sum();
    assert_eq!(par().fold(|| 0, |sum, n| sum + n).sum::<usize>(), sum);
    assert_eq!(par().fold_with(0, |sum, n| sum + n).sum::<usize>(), sum);
    // In order, and starting from the identity.
    let joined = |pieces: Vec<Vec<usize>>| pieces.concat();
    let push = |mut piece: Vec<usize>, n| {
        piece.push(n);
        piece
    };
    assert_eq!(joined(par().fold(Vec::new, push).collect()), a);
    assert_eq!(joined(par().fold_with(Vec::new(), push).collect()), a);
    let filtered: Vec<usize> = a.iter().copied().filter(even).collect();
    assert_eq!(joined(par().filter(even).fold(Vec::new, push).collect()), filtered);
    let tried: Vec<Option<Vec<usize>>> =
        par().try_fold(Vec::new, |piece, n| Some(push(piece, n))).collect();
    assert_eq!(tried.into_iter().map(Option::unwrap).collect::<Vec<_>>().concat(), a);
    let tried: Vec<Result<Vec<usize>, usize>> = par()
        .try_fold_with(Vec::new(), |piece, n| if n == k { Err(n) } else { Ok(push(piece, n)) })
        .collect();
    assert_eq!(tried.iter().filter(|piece| piece.is_err()).count(), usize::from(k < len));

    let chained = [&a[..], &b[..], &a[..]].concat();
    same_indexed(|| par().chain(par_b()).chain(par()), chained.clone());
    same_indexed(|| par().chain(par_b().chain(par())), chained.clone());
    same(|| par().filter(|_| true).chain(par_b()).chain(par()), &chained);
    same(|| par().chain(par_b().filter(|_| true)).chain(par()), &chained);

    same_indexed(|| par().intersperse(k), interspersed(&a, k));
    same(|| par().filter(even).intersperse(k), &interspersed(&filtered, k));
    same(|| par().filter(|n| *n == k).intersperse(7), if k < len { &a[k..k + 1] } else { &[] });
    let inner_spersed = interspersed(&inner, k);
    same(|| par().flat_map(|n| 0..n % 4).intersperse(k), &inner_spersed);

    same(|| par().map(Some).while_some(), &a);
    same(|| par().take_any(len), &a);
    same(|| par().skip_any(0), &a);
    same(|| par().take_any_while(|_| true), &a);
    same(|| par().skip_any_while(|_| false), &a);
    let all = par().cancel_with(&CancelToken::new(), |items| items.collect::<Vec<_>>());
    assert_eq!(all.as_ref(), Ok(&a));
    same(|| par().deterministic(), &a);
    same(|| par().num_threads(size).map(Some).map_while(|n| n), &a);
    let first = a.iter().position(|n| *n == k).unwrap_or(len);
    same(|| par().map_while(|n| (n != k).then_some(n)), &a[..first]);
    same_indexed(|| par().num_threads(size), a.clone());
    same_indexed(|| par().num_threads(2).chain(par_b()).rev(), {
        [&a[..], &b[..]].concat().into_iter().rev().collect()
    });
    assert_eq!(par().take_any(k).count(), k.min(len));
    assert_eq!(par().filter(even).take_any(k).count(), k.min(filtered.len()));
    assert_eq!(par().skip_any(k).count(), len.saturating_sub(k));
    same(|| par().skip_any_while(|_| true), &[]);

    same_indexed(|| par().enumerate(), a.iter().copied().enumerate().collect());
    same_indexed(|| par().zip(par_b()), a.iter().copied().zip(b.clone()).collect());
    same_indexed(|| par().zip_eq(par()), a.iter().copied().zip(a.clone()).collect());
    same_indexed(|| par().rev(), a.iter().copied().rev().collect());
    same_indexed(|| par().skip(k), a.iter().copied().skip(k).collect());
    same_indexed(|| par().take(k), a.iter().copied().take(k).collect());
    same_indexed(|| par().step_by(size), a.iter().copied().step_by(size).collect());
    same_indexed(|| par().chunks(size), a.chunks(size).map(<[_]>::to_vec).collect());
    let sums: Vec<usize> = a.chunks(size).map(|chunk| chunk.iter().sum()).collect();
    same_indexed(|| par().fold_chunks(size, || 0, |sum, n| sum + n), sums.clone());
    same_indexed(|| par().fold_chunks_with(size, 0, |sum, n| sum + n), sums);
    same_indexed(|| par().interleave(par_b()), interleaved(&a, &b));
    same_indexed(|| par().interleave_shortest(par_b()), interleaved_shortest(&a, &b));
    let positions: Vec<usize> =
        b.iter().enumerate().filter(|(_, n)| even(n)).map(|(i, _)| i).collect();
    same(|| par_b().positions(|n| even(&n)), &positions);
    same(|| par().by_uniform_blocks(size), &a);
    same(|| par().by_exponential_blocks(), &a);
}

/// The lengths of the pieces of a loop over `len` items.
fn pieces(len: usize, min: usize, max: usize) -> Vec<usize> {
    let items = (0..len).into_par_iter().with_min_len(min).with_max_len(max);
    items.fold(|| 0, |count, _| count + 1).collect()
}

#[test]
fn no_piece_is_too_long_or_too_short() {
    everywhere(|| {
        for (len, max) in [(0, 1), (1, 1), (2, 1), (1000, 1), (1000, 7), (100_000, 1234)] {
            let pieces = pieces(len, 1, max);
            assert_eq!(pieces.iter().sum::<usize>(), len);
            assert!(pieces.iter().all(|piece| *piece <= max), "{len} by {max}: {pieces:?}");
        }
        // Halves of 16 items would have fewer than 10.
        assert_eq!(pieces(16, 10, 15), [16]);
        assert_eq!(pieces(20, 10, 15), [10, 10]);
        let states = AtomicUsize::new(0);
        let init = || states.fetch_add(1, Relaxed);
        (0..100).into_par_iter().with_max_len(1).for_each_init(init, |_, _| ());
        assert_eq!(states.into_inner(), 100);
        // A state comes before an adaptor that needs positions: no piece can be cut later.
        let states = AtomicUsize::new(0);
        let init = || states.fetch_add(1, Relaxed);
        let pieces = (0..6).into_par_iter().with_min_len(2).map_init(init, |state, _| *state);
        let pieces: Vec<(usize, usize)> = pieces.enumerate().collect();
        let lengths = pieces.chunk_by(|a, b| a.1 == b.1).map(<[_]>::len);
        assert!(lengths.clone().all(|length| length >= 2), "{:?}", lengths.collect::<Vec<_>>());
        // A worker that has found the item does not go on cutting.
        let all = (0..usize::MAX).into_par_iter().with_max_len(1);
        assert_eq!(all.find_first(|n| *n >= 10), Some(10));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn adaptors_match_serial_ones(len in 0_usize..300, other in 0_usize..300, k in 0_usize..350) {
        everywhere(|| all_adaptors(len, other, k, |n| n));
    }
}

#[test]
fn adaptors_of_few_items() {
    for len in 0..4 {
        for other in 0..4 {
            everywhere(|| all_adaptors(len, other, 1, |n| n));
        }
    }
}

/// With blocks of items, and with pauses between them.
#[test]
fn adaptors_of_many_items() {
    let len = crate::common::sized(30_000, 5_000);
    everywhere(|| all_adaptors(len, len - 10, 1234, |n| n));
}

fn slow(n: usize) -> usize {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(5) {
        black_box(n);
    }
    n
}

/// Items that take time: forks are made while the loop is running.
#[test]
fn adaptors_of_slow_items() {
    everywhere(|| all_adaptors(200, 150, 13, slow));
}

#[test]
fn loops_in_loops() {
    let expected: Vec<_> = (0..20_usize)
        .flat_map(|a| (0..a).flat_map(move |b| (0..b).map(move |c| (a, b, c))))
        .collect();
    everywhere(|| {
        let iter = || {
            (0..20_usize).into_par_iter().flat_map(|a| {
                (0..a)
                    .into_par_iter()
                    .flat_map(move |b| (0..b).into_par_iter().map(move |c| (a, b, c)))
            })
        };
        same(iter, &expected);
        let between = (99, 99, 99);
        let spread: Vec<_> = iter().intersperse(between).collect();
        assert_eq!(spread.len(), expected.len() * 2 - 1);
        assert!(spread.iter().step_by(2).eq(&expected));
        let folded: Vec<Vec<_>> = iter()
            .fold(Vec::new, |mut piece, item| {
                piece.push(item);
                piece
            })
            .collect();
        assert_eq!(folded.concat(), expected);
    });
}

/// An item that counts as alive until it is dropped.
#[derive(Debug)]
struct Counted<'c>(&'c AtomicUsize, usize);

impl<'c> Counted<'c> {
    fn new(alive: &'c AtomicUsize, n: usize) -> Self {
        alive.fetch_add(1, Relaxed);
        Counted(alive, n)
    }
}

impl Clone for Counted<'_> {
    fn clone(&self) -> Self {
        Counted::new(self.0, self.1)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Runs `test` with `len` items and with `bang`, whose `at`-th call panics. All items must be
/// dropped once, and the panic must arrive if there is such a call.
fn faulty(len: usize, test: impl Fn(Vec<Counted<'_>>, &(dyn Fn() + Sync)) + Sync) {
    for at in [0, 1, len / 2, len - 1] {
        everywhere(|| {
            let (alive, calls) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let bang = || {
                if calls.fetch_add(1, Relaxed) == at {
                    panic!("bang");
                }
            };
            let items = (0..len).map(|n| Counted::new(&alive, n)).collect();
            let result = catch_unwind(AssertUnwindSafe(|| test(items, &bang)));
            assert_eq!(result.is_err(), calls.load(Relaxed) > at);
            if let Err(payload) = result {
                assert_eq!(payload.downcast_ref(), Some(&"bang"));
            }
            assert_eq!(alive.load(Relaxed), 0);
        });
    }
}

#[test]
fn panics_drop_each_item_once() {
    /// Collects the items, and calls `bang` before each.
    macro_rules! faulty {
        ($(|$items:ident| $iter:expr;)*) => {$(
            faulty(300, |$items, bang| {
                let collected: Vec<_> = $iter.map(|item| { bang(); item }).collect();
                drop(collected);
            });
        )*};
    }
    let clone = |items: &Vec<Counted<'static>>| items.len();
    let _ = clone;
    faulty! {
        |items| items.into_par_iter();
        |items| items.into_par_iter().panic_fuse();
        |items| items.into_par_iter().panic_fuse().rev();
        |items| items.into_par_iter().rev();
        |items| items.into_par_iter().skip(50).take(200);
        |items| items.into_par_iter().step_by(3);
        |items| items.into_par_iter().chunks(7);
        |items| items.into_par_iter().chunks(7).rev();
        |items| items.into_par_iter().enumerate();
        |items| { let other = items.clone(); items.into_par_iter().zip(other) };
        |items| { let other = items[..100].to_vec(); items.into_par_iter().zip(other).rev() };
        |items| { let other = items[..100].to_vec(); items.into_par_iter().interleave(other) };
        |items| {
            let other = items[..100].to_vec();
            items.into_par_iter().interleave_shortest(other).rev()
        };
        |items| { let other = items.clone(); items.into_par_iter().chain(other) };
        |items| { let other = items.clone(); items.into_par_iter().chain(other).rev() };
        |items| { let element = items[0].clone(); items.into_par_iter().intersperse(element) };
        |items| {
            let element = items[0].clone();
            items.into_par_iter().filter(|item| item.1 % 3 == 0).intersperse(element)
        };
        |items| items.into_par_iter().chunks(7).flatten();
        |items| items.into_par_iter().fold(Vec::new, |mut piece, item| { piece.push(item); piece });
        |items| items.into_par_iter().fold_chunks(9, || None, |_, item| Some(item));
        |items| {
            let item = items[0].clone();
            items.into_par_iter().map_with(item, std::mem::replace)
        };
        |items| {
            let item = items[0].clone();
            items.into_par_iter().map_with(item, std::mem::replace).rev()
        };
        |items| items.into_par_iter().take_any(100);
        |items| items.into_par_iter().skip_any(100);
        |items| items.into_par_iter().by_uniform_blocks(40);
        |items| items.into_par_iter().map(|item| (item.1 != 200).then_some(item)).while_some();
        |items| items.into_par_iter().map_while(|item| (item.1 != 200).then_some(item));
        |items| items.into_par_iter().with_max_len(20).deterministic();
        |items| items.into_par_iter().num_threads(2);
        |items| items.into_par_iter().num_threads(2).rev();
        |items| items.into_par_iter().num_threads(1).chunks(7).flatten();
    }
    // The panic is in the code that makes the item, not in the code that takes it.
    faulty(300, |items, bang| items.into_par_iter().inspect(|_| bang()).skip(200).for_each(drop));
    faulty(300, |items, bang| items.into_par_iter().update(|_| bang()).rev().for_each(drop));
    faulty(300, |items, bang| {
        let sums = items.into_par_iter().fold_with(0, |sum, item| {
            bang();
            sum + item.1
        });
        black_box(sums.sum::<usize>());
    });
}

#[test]
fn adaptors_do_nothing_before_an_end() {
    let calls = AtomicUsize::new(0);
    let call = |n: usize| {
        calls.fetch_add(1, Relaxed);
        n
    };
    let iter = (0..100_usize).into_par_iter().map(call).map_init(|| call(0), |_, n| n);
    let iter =
        iter.chain(0..5_usize).zip(0..50).skip(3).step_by(2).chunks(2).rev().intersperse(vec![]);
    let iter = iter.fold(|| call(0), |n, _| n).panic_fuse().take_any(1).flat_map(|n| 0..call(n));
    assert_eq!(calls.load(Relaxed), 0);
    drop(iter);
    assert_eq!(calls.load(Relaxed), 0);
}

#[test]
fn a_cancelled_loop_stops() {
    everywhere(|| {
        let token = CancelToken::new();
        let after = AtomicUsize::new(0);
        let alive = AtomicUsize::new(0);
        let items: Vec<_> = (0..100_000).map(|n| Counted::new(&alive, n)).collect();
        let done = AtomicUsize::new(0);
        let all: Result<Vec<_>, Cancelled> = items
            .into_par_iter()
            .map(|item| {
                if item.1 == 0 {
                    token.cancel();
                } else if token.is_cancelled() {
                    after.fetch_add(1, Relaxed);
                }
                item
            })
            .cancel_with(&token, |items| {
                items.inspect(|_| _ = done.fetch_add(1, Relaxed)).collect()
            });
        // Each worker may have begun one item.
        assert!(after.load(Relaxed) <= filch::current_num_threads());
        assert!(done.into_inner() < 100_000);
        assert!(all.is_err());
        assert_eq!(alive.load(Relaxed), 0);

        // A loop that is cancelled already does not begin.
        let count = |items: filch::iter::CancelWith<'_, _>| assert_eq!(items.count(), 0);
        let counted = (0..100_i32).into_par_iter().cancel_with(&token, count);
        assert_eq!(counted.unwrap_err().reason(), CancelReason::Requested);
    });
}

/// Cancelling also stops work before and behind: a filter that drops everything, and an inner loop.
#[test]
fn workers_that_yield_no_items_are_cancelled() {
    everywhere(|| {
        let token = CancelToken::new();
        let asked = AtomicUsize::new(0);
        let ask = |n: &usize| {
            asked.fetch_add(1, Relaxed);
            if *n == 0 {
                token.cancel();
            }
            false
        };
        let items = (0..100_000_usize).into_par_iter().filter(ask);
        assert!(items.cancel_with(&token, |items| items.for_each(drop)).is_err());
        assert!(asked.load(Relaxed) < 100_000);

        let (token, rounds) = (CancelToken::new(), AtomicUsize::new(0));
        let items = (0..1000_usize).into_par_iter().flat_map(|_| 0..1000_usize);
        let result = items.cancel_with(&token, |items| {
            items.for_each(|_| {
                if rounds.fetch_add(1, Relaxed) == 500 {
                    token.cancel();
                }
            });
        });
        assert!(result.is_err());
        assert!(rounds.load(Relaxed) < 100_000);
    });
}

#[test]
fn early_ends_stop_all_workers() {
    everywhere(|| {
        let calls = AtomicUsize::new(0);
        let all = || {
            calls.store(0, Relaxed);
            (0..1_000_000_usize).into_par_iter().inspect(|_| {
                calls.fetch_add(1, Relaxed);
            })
        };
        assert_eq!(all().take_any(10).count(), 10);
        assert!(calls.load(Relaxed) < 1_000_000);
        let some = all().map(|n| (n < 1000).then_some(n)).while_some().collect::<Vec<_>>();
        assert!(some.iter().all(|n| *n < 1000) && calls.load(Relaxed) < 1_000_000);
        let some = all().take_any_while(|n| *n < 1000).collect::<Vec<_>>();
        assert!(some.iter().all(|n| *n < 1000) && calls.load(Relaxed) < 1_000_000);
        // A consumer that is full stops a loop through adaptors that have a state.
        assert_eq!(all().map_with(0, |_, n| n).take_any(10).count(), 10);
        assert!(calls.load(Relaxed) < 1_000_000);
        assert_eq!(all().flat_map(|n| [n, n].to_vec()).take_any(10).count(), 10);
        assert!(calls.load(Relaxed) < 1_000_000);
        assert_eq!(all().by_uniform_blocks(1000).take_any(10).count(), 10);
        assert!(calls.load(Relaxed) <= 1000);
        let found = all().try_for_each_with(5, |five, n| if n == *five { Err(n) } else { Ok(()) });
        assert_eq!(found, Err(5));
        assert!(calls.load(Relaxed) < 1_000_000);
        assert_eq!(all().try_for_each_init(|| 0, |_, _| Some(())), Some(()));
        assert_eq!(calls.load(Relaxed), 1_000_000);
    });
}

/// A panic stops workers that would go on for long.
#[test]
fn a_fuse_stops_all_workers() {
    everywhere(|| {
        let calls = AtomicUsize::new(0);
        let result = catch_unwind(AssertUnwindSafe(|| {
            (0..10_000_000_usize).into_par_iter().panic_fuse().for_each(|n| {
                calls.fetch_add(1, Relaxed);
                assert_ne!(n, 10);
            });
        }));
        assert!(result.is_err());
        assert!(calls.load(Relaxed) < 10_000_000);
    });
}

const LONG: usize = 20_000;

/// A loop over 200 items that take some time. Returns the number of items that it has counted.
type Loop = fn(&(dyn Fn(usize) -> usize + Sync)) -> usize;

const LOOPS: [Loop; 8] = [
    |item| (0..200).into_par_iter().with_max_len(4).panic_fuse().map(item).count(),
    |item| (0..200).into_par_iter().with_max_len(4).panic_fuse().map(item).rev().count(),
    |item| {
        (0..200)
            .into_par_iter()
            .panic_fuse()
            .with_max_len(4)
            .zip(0..200)
            .map(|(n, _)| item(n))
            .count()
    },
    |item| (0..200).into_par_iter().map(item).filter(|_| true).panic_fuse().count(),
    |item| (0..200).into_par_iter().flat_map_iter(|n| [item(n)]).panic_fuse().count(),
    |item| (0..200).into_par_iter().flat_map(|n| [item(n)]).panic_fuse().count(),
    |item| {
        (0..200)
            .into_par_iter()
            .panic_fuse()
            .chunks(2)
            .map(|two| two.into_iter().map(item).count())
            .sum()
    },
    |item| (0..200).par_bridge().panic_fuse().map(item).count(),
];

/// Runs its closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A panic that has nothing to do with the loop unwinds. A worker that waits in a drop meanwhile
/// runs items of the loop.
#[test]
fn a_fuse_is_not_blown_by_a_panic_elsewhere() {
    if is_simulated_without(TIME) {
        return;
    }
    let _watchdog = watchdog();
    let pool = any_wait_builder().num_threads(3).build().unwrap();
    let mut on_top = [0; LOOPS.len()];
    for round in 0..50 {
        for (which, run) in LOOPS.iter().enumerate() {
            let (stolen, done) = (Flag::new(), Flag::new());
            let items_on_top = AtomicUsize::new(0);
            // Waits for a thief, which waits for the end of the loop.
            let wait = || {
                let steal = || {
                    stolen.raise();
                    done.hold();
                };
                filch::join(|| stolen.hold(), steal);
            };
            // The other worker may have the only processor. It leaves items to the waiting worker.
            let begun = Instant::now();
            let item = |n: usize| {
                items_on_top.fetch_add(std::thread::panicking().into(), Relaxed);
                let is_early = || begun.elapsed() < Duration::from_millis(50);
                while items_on_top.load(Relaxed) == 0 && is_early() {
                    std::thread::yield_now();
                }
                n
            };
            let count = pool.install(|| {
                filch::scope(|s| {
                    s.spawn(|| {
                        let _ = catch_unwind(AssertUnwindSafe(|| {
                            let _wait = OnDrop(wait);
                            std::panic::resume_unwind(Box::new("unrelated"));
                        }));
                    });
                    stolen.hold();
                    let _done = OnDrop(|| done.raise());
                    run(&item)
                })
            });
            assert_eq!(
                count, 200,
                "round {round} of loop {which}, where {items_on_top:?} items were on top"
            );
            on_top[which] += items_on_top.into_inner();
        }
    }
    assert!(on_top.iter().all(|&items| items > 0), "items on top of a panic: {on_top:?}");
}

/// A panic stops the other workers wherever it comes from, even in a loop that runs on top of
/// another panic.
#[test]
fn a_fuse_is_blown_by_a_panic_in_its_loop() {
    let _watchdog = watchdog();
    let loops: [Loop; 9] = [
        |item| (0..LONG).into_par_iter().panic_fuse().map(item).count(),
        |item| (0..LONG).into_par_iter().panic_fuse().map(item).rev().count(),
        |item| (0..LONG).into_par_iter().panic_fuse().zip(0..LONG).map(|(n, _)| item(n)).count(),
        |item| (0..LONG).into_par_iter().map(item).panic_fuse().count(),
        |item| (0..LONG).into_par_iter().map(item).filter(|_| true).panic_fuse().count(),
        |item| (0..LONG).into_par_iter().fold(|| 0, |_, n| item(n)).panic_fuse().count(),
        |item| (0..LONG).into_par_iter().flat_map(|n| [item(n)]).panic_fuse().count(),
        |item| (0..LONG).into_par_iter().panic_fuse().chunks(2).map(|two| item(two[0])).count(),
        |item| (0..LONG).par_bridge().panic_fuse().map(item).count(),
    ];
    everywhere(|| {
        for (which, run) in loops.iter().enumerate() {
            for unwinding in [false, true] {
                // On top of an unwinding frame, a piece of these loops has no guard around its
                // panic.
                if unwinding && [2, 4, 5, 6, 7].contains(&which) {
                    continue;
                }
                // The items after the first panic: the other pieces may have had any before.
                let (panicked, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
                let work = || {
                    let result = catch_unwind(AssertUnwindSafe(|| {
                        run(&|n| {
                            calls.fetch_add(panicked.load(Relaxed).into(), Relaxed);
                            if n == 10 || n == LONG - 10 {
                                panicked.store(true, Relaxed);
                                std::panic::resume_unwind(Box::new("within"));
                            }
                            slow(n)
                        })
                    }));
                    assert!(result.is_err(), "loop {which}");
                };
                if unwinding {
                    let _ = catch_unwind(AssertUnwindSafe(|| {
                        let _work = OnDrop(work);
                        std::panic::resume_unwind(Box::new("before"));
                    }));
                } else {
                    work();
                }
                let calls = calls.into_inner();
                assert!(calls < LONG / 4, "{calls} items of loop {which}, unwinding: {unwinding}");
            }
        }
    });
}

#[test]
fn states_belong_to_one_piece() {
    everywhere(|| {
        // Counts how often each state is used. In total, that is once for each item.
        struct Uses<'a>(&'a AtomicUsize, usize);
        impl Clone for Uses<'_> {
            fn clone(&self) -> Self {
                assert_eq!(self.1, 0, "a used state was cloned");
                Uses(self.0, 0)
            }
        }
        impl Drop for Uses<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(self.1, Relaxed);
            }
        }
        let total = AtomicUsize::new(0);
        let items =
            (0..10_000_usize).into_par_iter().map(|n| if n % 100 == 0 { slow(n) } else { n });
        items.for_each_with(Uses(&total, 0), |uses, _| uses.1 += 1);
        assert_eq!(total.load(Relaxed), 10_000);
    });
}

/// This also holds before adaptors that need positions, however long an item or a state takes.
#[test]
fn there_are_few_states() {
    everywhere(|| {
        let states = AtomicUsize::new(0);
        let init = || slow(states.fetch_add(1, Relaxed));
        let all = || (0..20_000_usize).into_par_iter();
        let with_state = || all().map_init(init, |_, n| slow(n));
        with_state().enumerate().for_each(|(at, n)| assert_eq!(at, n));
        with_state().rev().zip(all()).for_each(|(a, b)| assert_eq!(a + b, 19_999));
        with_state().step_by(2).chain(all()).skip(1).for_each(drop);
        // One more state is for the item that is skipped, which is computed as well.
        let threads = filch::current_num_threads();
        let most = if threads == 1 { 4 } else { threads * 400 };
        assert!(states.load(Relaxed) <= most, "{states:?} states");
    });
}

#[test]
fn lengths_that_overflow() {
    let most = || vec![(); usize::MAX].into_par_iter();
    let panics = |f: &dyn Fn() -> usize| {
        let payload = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
        let message = payload.downcast_ref::<String>().cloned();
        let message = message.or(payload.downcast_ref::<&str>().map(ToString::to_string));
        assert!(message.unwrap().contains("overflow"));
    };
    panics(&|| most().chain(most()).len());
    panics(&|| most().interleave(most()).len());
    panics(&|| most().interleave_shortest(most()).len());
    panics(&|| most().intersperse(()).len());
    assert_eq!(most().chain(most()).opt_len(), None);
    assert_eq!(most().step_by(usize::MAX).len(), 1);
    assert_eq!(most().chunks(usize::MAX).len(), 1);
    assert_eq!(most().zip(most()).len(), usize::MAX);
    assert_eq!(most().skip(usize::MAX).len(), 0);
    assert_eq!(most().take(3).chain(most().take(4)).collect::<Vec<_>>().len(), 7);
}

/// Steps from the back do not walk over the items between them either.
#[test]
fn steps_from_the_back_are_long() {
    let _watchdog = watchdog();
    let half = usize::MAX / 2;
    let range = || (0..usize::MAX).into_par_iter();
    assert_eq!(range().step_by(half).rev().collect::<Vec<_>>(), [half * 2, half, 0]);
    let most = [(); usize::MAX];
    let numbered = most.par_iter().enumerate().step_by(half).rev().map(|(n, ())| n);
    assert_eq!(numbered.collect::<Vec<_>>(), [half * 2, half, 0]);
    let units = [(); usize::MAX / 2];
    let chained = units.par_iter().chain(units.par_iter()).step_by(half).rev();
    assert_eq!(chained.collect::<Vec<_>>(), [&(), &()]);
}

/// A panic about an argument names the line of the caller.
#[test]
fn bad_arguments() {
    thread_local!(static FILE: Cell<Option<String>> = const { Cell::new(None) });
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        FILE.set(info.location().map(|location| location.file().to_owned()));
        before(info);
    }));
    let panics = |f: &dyn Fn()| {
        assert!(catch_unwind(AssertUnwindSafe(f)).is_err());
        assert_eq!(FILE.take().as_deref(), Some(file!()));
    };
    let iter = || (0..3_i32).into_par_iter();
    panics(&|| drop(iter().chunks(0)));
    panics(&|| drop(iter().step_by(0)));
    panics(&|| drop(iter().by_uniform_blocks(0)));
    panics(&|| drop(iter().fold_chunks(0, || 0, |a, b| a + b)));
    panics(&|| drop(iter().fold_chunks_with(0, 0, |a, b| a + b)));
    panics(&|| drop(iter().zip_eq(0..4)));
    panics(&|| drop([1].par_chunks(0)));
    panics(&|| drop([1].par_chunks_exact(0)));
    panics(&|| drop([1].par_rchunks_mut(0)));
    panics(&|| drop([1].par_rchunks_exact_mut(0)));
    panics(&|| drop([1].par_windows(0)));
    panics(&|| drop([1].par_array_windows::<0>()));
    panics(&|| drop(vec![1].par_drain(2..)));
    panics(&|| drop(String::from("ä").par_drain(1..)));
}

#[test]
fn elements_between_too_many_to_count_are_found() {
    let many = (0..usize::MAX - 5).into_par_iter().chain(0..3);
    assert_eq!(many.intersperse(7).find_any(|n| *n == 7), Some(7));
}

/// A worker in a piece that may be long stops when another worker has found the item.
#[test]
fn long_pieces_stop() {
    const HALF: usize = usize::MAX / 2;
    everywhere(|| {
        if filch::current_num_threads() == 1 {
            return;
        }
        let all = || (0..usize::MAX).into_par_iter();
        let wanted = |n: usize| n == HALF + 5_000;
        let found = Some(HALF + 5_000);
        assert_eq!(all().with_min_len(HALF).find_any(|n| wanted(*n)), found);
        let states = all().map_init(|| (), |(), n| n).enumerate();
        assert_eq!(states.find_map_any(|(at, n)| wanted(n).then_some(at)), found);
        let results = all().with_min_len(HALF).map(|n| if wanted(n) { Err(n) } else { Ok(()) });
        assert_eq!(results.clone().collect::<Result<Vec<()>, _>>().err(), found);
        assert_eq!(results.try_reduce(|| (), |(), ()| Ok(())).err(), found);
    });
}

/// A worker in an endless inner iterator stops when another worker has found the item.
#[test]
fn inner_iterators_without_an_end_stop() {
    everywhere(|| {
        if filch::current_num_threads() == 1 {
            return;
        }
        let inner = |n: usize| (0_u64..).map(move |i| (n, i));
        let wanted = |&(n, i): &(usize, u64)| n == 1 && i == 5_000;
        let mapped = (0..2_usize).into_par_iter().flat_map_iter(inner);
        assert_eq!(mapped.find_any(wanted), Some((1, 5_000)));
        let flat = (0..2_usize).into_par_iter().map(inner).flatten_iter();
        assert_eq!(flat.find_any(wanted), Some((1, 5_000)));
    });
}
