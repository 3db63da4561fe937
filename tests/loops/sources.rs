//! Every source that is no collection and no string yields what its serial counterpart yields.
//!
//! Only few ends are tried, since each is compiled for each source.

use std::fmt::Debug;
use std::iter::FusedIterator;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::common::{pool, sized, watchdog};
use crate::everywhere::{everywhere, in_pool};
use filch::iter::plumbing::{
    Consumer, Folder, Producer, ProducerCallback, UnindexedConsumer, UnindexedProducer, bridge,
    bridge_unindexed,
};
use filch::iter::{self, Either};
use filch::prelude::*;
use proptest::prelude::{any, prop};
use proptest::{prop_assert, proptest};

const LONG: usize = 100_000;

/// Asserts that a parallel iterator yields these items, in order.
#[track_caller]
fn same<T, I>(par: I, expected: Vec<T>)
where
    T: PartialEq + Debug + Send,
    I: ParallelIterator<Item = T>,
{
    assert!(par.opt_len().is_none_or(|len| len == expected.len()));
    let all: Vec<T> = par.collect();
    assert!(all == expected, "{all:?} instead of {expected:?}");
}

/// The same for an indexed iterator, and also backwards.
#[track_caller]
fn same_indexed<T, I>(par: I, mut expected: Vec<T>)
where
    T: PartialEq + Debug + Send + Clone,
    I: IndexedParallelIterator<Item = T> + Clone,
{
    assert_eq!(par.len(), expected.len());
    same(par.clone(), expected.clone());
    expected.reverse();
    same(par.rev(), expected);
}

/// Checks half-open ranges by `$same` and inclusive ones by `$inclusive`.
macro_rules! check_ranges {
    ($($int:ty: $same:ident, $inclusive:ident;)*) => {$({
        let (min, max) = (<$int>::MIN, <$int>::MAX);
        let zero = 0 as $int;
        let long = <$int>::try_from(LONG).unwrap_or(max);
        for (start, end) in [
            (zero, 100), (zero, 0), (5, 3), (zero, 1), (max, min), (min, min), (max, max),
            (max - 100, max), (min, min + 100), (max - 3, max), (zero, long), (max - long, max),
        ] {
            $same((start..end).into_par_iter(), (start..end).collect());
            $inclusive((start..=end).into_par_iter(), (start..=end).collect());
        }
    })*};
}

#[test]
fn short_integers_yield_the_serial_items() {
    everywhere(|| {
        check_ranges! {
            u8: same_indexed, same_indexed;
            i8: same_indexed, same_indexed;
            u16: same_indexed, same_indexed;
            i16: same_indexed, same_indexed;
        }
        same_indexed((0..=u8::MAX).into_par_iter(), (0..=u8::MAX).collect());
        same_indexed((i8::MIN..i8::MAX).into_par_iter(), (i8::MIN..i8::MAX).collect());
        same_indexed((i16::MIN..=i16::MAX).into_par_iter(), (i16::MIN..=i16::MAX).collect());
    });
}

#[test]
fn integers_of_a_usize_yield_the_serial_items() {
    everywhere(|| {
        check_ranges! {
            u32: same_indexed, same;
            i32: same_indexed, same;
            usize: same_indexed, same;
            isize: same_indexed, same;
        }
    });
}

#[test]
fn long_integers_yield_the_serial_items() {
    everywhere(|| {
        check_ranges! {
            u64: same, same;
            i64: same, same;
            u128: same, same;
            i128: same, same;
        }
        let mut used = 1..=2_u64;
        used.by_ref().for_each(drop);
        same(used.into_par_iter(), vec![]);
    });
}

#[test]
fn ranges_of_any_length_can_be_searched() {
    if crate::common::is_simulated_without(crate::common::TIME) {
        return;
    }
    everywhere(|| {
        let whole = (i64::MIN..i64::MAX).into_par_iter();
        assert_eq!(whole.opt_len(), Some(usize::MAX));
        assert_eq!(whole.find_first(|_| true), Some(i64::MIN));
        let near = i64::MIN + 70_000;
        let whole = (i64::MIN..i64::MAX).into_par_iter();
        assert_eq!(whole.find_first(|n| *n == near), Some(near));
        let whole = (i64::MIN..=i64::MAX).into_par_iter();
        assert_eq!(whole.opt_len(), None);
        assert_eq!(whole.find_first(|n| *n == near), Some(near));
        assert_eq!((0..=u128::MAX).into_par_iter().find_first(|n| *n == 70_000), Some(70_000));
        assert_eq!((i128::MIN..=i128::MAX).into_par_iter().opt_len(), None);
        assert_eq!((0..=u64::MAX).into_par_iter().opt_len(), None);
        assert!((0..=u64::MAX).into_par_iter().any(|n| n % 1000 == 999));
        assert!((0..usize::MAX).into_par_iter().rev().any(|n| n == usize::MAX - 1000));
        // A single worker would begin at 0.
        if filch::current_num_threads() > 1 {
            assert!((0..u128::MAX).into_par_iter().any(|n| n > 1 << 100));
        }
    });
}

#[test]
fn characters_yield_the_serial_items() {
    let around = ['\0', '\u{D7FF}', '\u{E000}', char::MAX];
    let ends = around.map(|start| around.map(|end| (start, end))).concat();
    let others = [('a', 'z'), ('z', 'a'), ('\u{D7F0}', '\u{E010}'), ('\u{E001}', '\u{E003}')];
    everywhere(|| {
        for &(start, end) in others.iter().chain(&ends) {
            same_indexed((start..end).into_par_iter(), (start..end).collect());
            same_indexed((start..=end).into_par_iter(), (start..=end).collect());
        }
    });
}

#[test]
fn arrays_yield_the_serial_items() {
    everywhere(|| {
        let texts = std::array::from_fn::<_, 100, _>(|n| n.to_string());
        same_indexed(texts.clone().into_par_iter(), texts.to_vec());
        same_indexed(texts.par_iter(), texts.iter().collect());
        same_indexed([0_u8; 0].into_par_iter(), vec![]);
        same_indexed([[1; 3]; 1].into_par_iter(), vec![[1; 3]]);
        same_indexed([(); 300].into_par_iter(), vec![(); 300]);
        let zipped = texts.clone().into_par_iter().zip(texts.par_iter().skip(1));
        same(zipped, texts.iter().cloned().zip(&texts[1..]).collect());
        // In a debug build, some twenty frames hold copies of the array.
        let mut numbers = [1_u8; LONG / 2];
        numbers.par_iter_mut().enumerate().for_each(|(at, n)| *n += (at % 199) as u8);
        assert!(numbers.iter().copied().eq((1..200).cycle().take(LONG / 2)));
        same(numbers.into_par_iter(), numbers.to_vec());
    });
}

#[test]
fn options_and_results_yield_the_serial_items() {
    everywhere(|| {
        for mut option in [Some(5), None] {
            let mut result = option.ok_or("no");
            same_indexed(option.into_par_iter(), option.into_iter().collect());
            same_indexed(option.par_iter(), option.iter().collect());
            same_indexed(result.into_par_iter(), result.into_iter().collect());
            same_indexed(result.par_iter(), result.iter().collect());
            option.par_iter_mut().for_each(|n| *n += 1);
            result.par_iter_mut().for_each(|n| *n += 1);
            assert_eq!(option, result.ok());
            assert_ne!(option, Some(5));
        }
        same_indexed(iter::once(7), vec![7]);
        same_indexed(iter::empty::<u8>(), vec![]);
        same_indexed(iter::once(7).chain(iter::empty()).chain(Some(8)), vec![7, 8]);
    });
}

#[test]
fn repeated_items_yield_the_serial_items() {
    everywhere(|| {
        for n in [0, 1, 2, 300, LONG] {
            same_indexed(iter::repeat_n("x", n), vec!["x"; n]);
            same(iter::repeat("x").take(n), vec!["x"; n]);
            same(iter::repeat('y').zip(0..n), (0..n).map(|m| ('y', m)).collect());
        }
        same(iter::repeat_n('z', 500).skip(3).step_by(7), vec!['z'; 71]);
        assert!(iter::repeat(3).any(|n| n == 3));
    });
}

/// Counts how many of it are alive.
struct Counted<'c>(&'c AtomicUsize);

impl<'c> Counted<'c> {
    fn new(count: &'c AtomicUsize) -> Self {
        count.fetch_add(1, Relaxed);
        Counted(count)
    }
}

impl Clone for Counted<'_> {
    fn clone(&self) -> Self {
        Counted::new(self.0)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[test]
fn a_repeated_item_is_cloned_as_often_as_said() {
    everywhere(|| {
        let count = AtomicUsize::new(0);
        let all: Vec<_> = iter::repeat_n(Counted::new(&count), 1000).collect();
        assert_eq!(count.load(Relaxed), 1000);
        drop(all);
        assert_eq!(count.load(Relaxed), 0);
        iter::repeat_n(Counted::new(&count), 0).for_each(drop);
        drop(iter::repeat_n(Counted::new(&count), 7));
        assert!(iter::repeat_n(Counted::new(&count), 1000).find_any(|_| true).is_some());
        assert!(iter::repeat(Counted::new(&count)).find_any(|_| true).is_some());
        iter::repeat_n(Counted::new(&count), 500).rev().skip(100).step_by(3).for_each(drop);
        assert_eq!(count.load(Relaxed), 0);
    });
}

/// Checks a tuple of vectors. The shortest has `$len` items.
macro_rules! check_tuple {
    ($len:expr; $($name:ident $more:literal),+) => {{
        let ($($name,)+) = ($((0..$len + $more).map(|n| n * 16 + $more).collect::<Vec<usize>>(),)+);
        let expected: Vec<_> = (0..$len).map(|at| ($($name[at],)+)).collect();
        let all = ($($name,)+).into_par_iter();
        assert_eq!(all.len(), $len);
        same(all, expected);
    }};
}

#[test]
fn tuples_go_in_step() {
    everywhere(|| {
        for len in [0, 1, 300] {
            check_tuple!(len; a 0);
            check_tuple!(len; a 0, b 1);
            check_tuple!(len; a 2, b 0, c 1);
            check_tuple!(len; a 3, b 2, c 0, d 1);
            check_tuple!(len; a 4, b 3, c 2, d 1, e 0);
            check_tuple!(len; a 0, b 1, c 2, d 3, e 4, f 5);
            check_tuple!(len; a 6, b 1, c 2, d 3, e 4, f 5, g 0);
            check_tuple!(len; a 6, b 1, c 2, d 3, e 4, f 5, g 0, h 7);
            check_tuple!(len; a 6, b 1, c 2, d 3, e 4, f 5, g 0, h 7, i 8);
            check_tuple!(len; a 6, b 1, c 2, d 3, e 4, f 5, g 0, h 7, i 8, j 9);
            check_tuple!(len; a 6, b 1, c 2, d 3, e 4, f 5, g 0, h 7, i 8, j 9, k 10);
        }
        for len in [0, 1, LONG] {
            check_tuple!(len; a 11, b 1, c 2, d 3, e 4, f 5, g 6, h 7, i 8, j 9, k 10, l 0);
        }
    });
}

#[test]
fn tuples_of_all_kinds_go_in_step() {
    everywhere(|| {
        let (a, b, c) = (vec![1; LONG], 0..LONG, [7; 1000]);
        same((&a, b, c).into_par_iter(), (0..1000).map(|n| (&1, n, 7)).collect());
        let (mut x, y) = (vec![0; 300], vec![5; 200]);
        (&mut x, &y).into_par_iter().for_each(|(x, y)| *x += y);
        assert_eq!(x.iter().sum::<i32>(), 1000);
        let mut both = (x, y);
        both.par_iter_mut().for_each(|(x, y)| *x += *y);
        same(both.par_iter(), both.0.iter().zip(&both.1).collect());
        // Backwards, the surplus of longer ranges is not walked through.
        let uneven = (0..3, 0..usize::MAX, 0..u32::MAX);
        same(uneven.into_par_iter().rev(), vec![(2, 2, 2), (1, 1, 1), (0, 0, 0)]);
    });
}

#[test]
fn either_yields_the_items_of_its_side() {
    let either = |left: bool| {
        let (range, once) = ((0..300).into_par_iter(), iter::once(5));
        if left { Either::Left(range) } else { Either::Right(once) }
    };
    everywhere(|| {
        same_indexed(either(true), (0..300).collect());
        same_indexed(either(false), vec![5]);
        let unindexed = |left: bool| {
            let even = (0..LONG).into_par_iter().filter(|n| n % 2 == 0);
            if left { Either::Left(even) } else { Either::Right(iter::repeat_n(1, 5)) }
        };
        same(unindexed(true), (0..LONG).step_by(2).collect());
        same(unindexed(false), vec![1; 5]);
    });
}

/// Cuts a range that has more than `least` numbers.
fn cut(
    range: std::ops::Range<usize>,
    least: usize,
) -> (std::ops::Range<usize>, Option<std::ops::Range<usize>>) {
    if range.len() <= least {
        return (range, None);
    }
    let middle = range.start + range.len() / 2;
    (range.start..middle, Some(middle..range.end))
}

/// If a producer of owned items is cut behind its end, no item is lost.
#[test]
fn items_that_are_cut_behind_their_end_are_dropped() {
    struct CutBehind(usize);

    impl<T> ProducerCallback<T> for CutBehind {
        type Output = ();

        fn callback<P: Producer<Item = T>>(self, producer: P) {
            drop(producer.split_at(self.0));
        }
    }

    let item = Arc::new(());
    let cut = |items: Vec<Arc<()>>, at| {
        catch_unwind(AssertUnwindSafe(|| items.into_par_iter().with_producer(CutBehind(at))))
    };
    assert!(cut(vec![item.clone(); 20], 20).is_ok());
    assert!(cut(vec![item.clone(); 20], 21).is_err());
    assert_eq!(Arc::strong_count(&item), 1);
}

/// A producer that can be cut without end. Each part has three items.
#[derive(Clone)]
struct Endless<'c>(&'c AtomicUsize);

impl UnindexedProducer for Endless<'_> {
    type Item = usize;

    fn split(self) -> (Self, Option<Self>) {
        self.0.fetch_add(1, Relaxed);
        (self.clone(), Some(self))
    }

    fn fold_with<F: Folder<usize>>(self, folder: F) -> F {
        folder.consume_iter(0..3)
    }
}

impl ParallelIterator for Endless<'_> {
    type Item = usize;

    fn drive_unindexed<C: UnindexedConsumer<usize>>(self, consumer: C) -> C::Result {
        bridge_unindexed(self, consumer)
    }
}

/// This holds however much is stolen: the items take time, so that all other workers become
/// thieves.
#[test]
fn an_endless_producer_is_not_cut_without_end() {
    let _watchdog = watchdog();
    let rest = |n| {
        crate::common::rest(Duration::from_micros(50));
        n
    };
    for threads in [1, 2, 4] {
        let pool = pool(threads);
        for _ in 0..sized(5, 1) {
            let cuts = AtomicUsize::new(0);
            let count = pool.install(|| Endless(&cuts).map(rest).count());
            assert_eq!(count, 3 * (cuts.load(Relaxed) + 1));
            assert!(cuts.load(Relaxed) < 20_000, "{cuts:?} cuts in {threads} threads");
            let cuts = AtomicUsize::new(0);
            let cut = |n| {
                cuts.fetch_add(1, Relaxed);
                (n, Some(n))
            };
            let count = pool.install(|| filch::iter::split(1, cut).map(rest).count());
            assert_eq!(count, cuts.load(Relaxed) + 1);
            assert!(cuts.load(Relaxed) < 20_000, "{cuts:?} cuts in {threads} threads");
        }
    }
}

#[test]
fn parts_of_a_manual_split_are_complete() {
    everywhere(|| {
        for (len, least) in [(0, 1), (1, 1), (1000, 1), (LONG, 10), (LONG, LONG)] {
            let parts = iter::split(0..len, |range| cut(range, least)).map(|part| {
                // Long enough for other workers to steal.
                (0..200).for_each(|_| std::hint::spin_loop());
                part
            });
            assert!(parts.collect::<Vec<_>>().into_iter().flatten().eq(0..len));
        }
    });
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(60))]

    #[test]
    fn any_range_yields_the_serial_items(
        start in any::<i64>(), len in 0..300_i64, short in any::<(u8, u8)>(), pool in 0..3_usize,
    ) {
        let end = start.saturating_add(len);
        in_pool(pool, || {
            same((start..end).into_par_iter(), (start..end).collect());
            same((start..=end).into_par_iter(), (start..=end).collect());
            same_indexed((short.0..short.1).into_par_iter(), (short.0..short.1).collect());
            same_indexed((short.0..=short.1).into_par_iter(), (short.0..=short.1).collect());
        });
    }

    #[test]
    fn split_and_repeated_items_are_complete(
        len in 0..300_usize, least in 0..20_usize, pool in 0..3_usize,
        skipped in 0..20_usize, other in prop::collection::vec(0..9_usize, 0..300),
    ) {
        in_pool(pool, || {
            let parts: Vec<_> = iter::split(0..len, |range| cut(range, least.max(1))).collect();
            prop_assert!(parts.into_iter().flatten().eq(0..len));
            same(
                iter::repeat_n(7, len).skip(skipped).rev(),
                vec![7; len.saturating_sub(skipped)],
            );
            same(
                (0..len, &other).into_par_iter().rev(),
                (0..len).zip(&other).collect::<Vec<_>>().into_iter().rev().collect(),
            );
            Ok(())
        })?;
    }
}

// ---- Sources that lie about their length ----

/// A source of `len` items. Its serial iterators yield `more` items than they should, and `hint` is
/// their size hint.
#[derive(Clone, Copy)]
struct Liar {
    len: usize,
    more: isize,
    hint: (usize, Option<usize>),
}

struct LiarIter {
    left: usize,
    hint: (usize, Option<usize>),
}

impl Producer for Liar {
    type Item = Box<usize>;
    type IntoIter = LiarIter;

    fn into_iter(self) -> LiarIter {
        LiarIter { left: self.len.saturating_add_signed(self.more), hint: self.hint }
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        (Liar { len: index, ..self }, Liar { len: self.len - index, ..self })
    }
}

impl Iterator for LiarIter {
    type Item = Box<usize>;

    fn next(&mut self) -> Option<Box<usize>> {
        self.left = self.left.checked_sub(1)?;
        Some(Box::new(self.left))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.hint
    }
}

impl DoubleEndedIterator for LiarIter {
    fn next_back(&mut self) -> Option<Box<usize>> {
        self.next()
    }
}

impl ExactSizeIterator for LiarIter {
    fn len(&self) -> usize {
        self.left
    }
}

impl FusedIterator for LiarIter {}

impl ParallelIterator for Liar {
    type Item = Box<usize>;

    fn drive_unindexed<C: UnindexedConsumer<Box<usize>>>(self, consumer: C) -> C::Result {
        bridge(self, consumer)
    }

    fn opt_len(&self) -> Option<usize> {
        Some(self.len)
    }
}

impl IndexedParallelIterator for Liar {
    fn len(&self) -> usize {
        self.len
    }

    fn drive<C: Consumer<Box<usize>>>(self, consumer: C) -> C::Result {
        bridge(self, consumer)
    }

    fn with_producer<CB: ProducerCallback<Box<usize>>>(self, callback: CB) -> CB::Output {
        callback.callback(self)
    }
}

#[test]
fn a_source_with_more_or_fewer_items_than_it_said_is_a_panic() {
    for len in [0, 1, 10, 1_000] {
        for (more, hint) in [
            (1, (0, None)),
            (1, (len, None)),
            (1, (len + 1, Some(len + 1))),
            (5, (0, Some(usize::MAX))),
            (-1, (0, None)),
            (-1, (len, Some(len))),
        ] {
            if len == 0 && more < 0 {
                continue;
            }
            let source = Liar { len, more, hint };
            let collected = catch_unwind(|| source.collect::<Vec<_>>());
            assert!(collected.is_err(), "{len} items, {more} more, {hint:?}: {collected:?}");
        }
    }
    // A hint that promises less than the truth is valid.
    for hint in [(0, None), (3, Some(2_000))] {
        let source = Liar { len: 1_000, more: 0, hint };
        assert_eq!(source.collect::<Vec<_>>().len(), 1_000);
    }
}
