//! Parallel iterators that know the position of every item.

use std::cmp::Ordering;

use super::adaptors::*;
use super::ends::collect::{append_by, append_pairs};
use super::ends::compare;
use super::ends::position::{Which, position};
use super::plumbing::{Consumer, ProducerCallback};
use super::{IntoParallelIterator, ParallelIterator};

/// A parallel iterator that knows how many items it has, and the position of each.
#[allow(clippy::len_without_is_empty)] // As rayon's.
pub trait IndexedParallelIterator: ParallelIterator {
    /// How many items there are.
    fn len(&self) -> usize;

    /// Feeds the items to `consumer`, which is cut by position.
    fn drive<C: Consumer<Self::Item>>(self, consumer: C) -> C::Result;

    /// Calls `callback` with a producer of the items.
    fn with_producer<CB: ProducerCallback<Self::Item>>(self, callback: CB) -> CB::Output;

    // ---- adaptors ---------------------------------------------------------------------------

    /// Each item with its position, beginning with 0.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let words: Vec<_> = ["a", "b"].par_iter().enumerate().collect();
    /// assert_eq!(words, [(0, &"a"), (1, &"b")]);
    /// ```
    fn enumerate(self) -> Enumerate<Self> {
        Reshaped::new(self, Enumerating)
    }

    /// Each item with that of `zip_op` at the same position, as far as both have one. What the
    /// longer one has behind that is dropped.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let pairs: Vec<_> = (1..4).into_par_iter().zip(vec!["a", "b"]).collect();
    /// assert_eq!(pairs, [(1, "a"), (2, "b")]);
    /// ```
    fn zip<Z>(self, zip_op: Z) -> Zip<Self, Z::Iter>
    where
        Z: IntoParallelIterator<Iter: IndexedParallelIterator>,
    {
        Paired::new(self, zip_op.into_par_iter(), Zipping)
    }

    /// Each item with that of `zip_op` at the same position.
    ///
    /// # Panics
    /// If the lengths differ, at once.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let sums: Vec<_> =
    ///     [1, 2].par_iter().zip_eq(&[10, 20]).map(|(a, b)| a + b).collect();
    /// assert_eq!(sums, [11, 22]);
    /// ```
    #[track_caller]
    fn zip_eq<Z>(self, zip_op: Z) -> ZipEq<Self, Z::Iter>
    where
        Z: IntoParallelIterator<Iter: IndexedParallelIterator>,
    {
        let zip_op = zip_op.into_par_iter();
        assert_eq!(self.len(), zip_op.len(), "iterators must have the same length");
        Paired::new(self, zip_op, Zipping)
    }

    /// By turns an item of this one and one of `other`; when one has no more, what the other has.
    ///
    /// # Panics
    /// When it is driven or its length is asked for, if that is too large to count ("overflow").
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let numbers: Vec<_> = vec![1, 2].into_par_iter().interleave(vec![10, 20, 30, 40]).collect();
    /// assert_eq!(numbers, [1, 10, 2, 20, 30, 40]);
    /// ```
    fn interleave<I>(self, other: I) -> Interleave<Self, I::Iter>
    where
        I: IntoParallelIterator<Item = Self::Item, Iter: IndexedParallelIterator>,
    {
        Paired::new(self, other.into_par_iter(), Interleaving)
    }

    /// By turns an item of this one and one of `other`, until it is the turn of one that has no
    /// more. What is left of the other is dropped.
    ///
    /// # Panics
    /// When it is driven or its length is asked for, if that is too large to count ("overflow").
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let numbers: Vec<_> =
    ///     vec![1, 2, 3, 4].into_par_iter().interleave_shortest(vec![10, 20]).collect();
    /// assert_eq!(numbers, [1, 10, 2, 20, 3]);
    /// ```
    fn interleave_shortest<I>(self, other: I) -> InterleaveShortest<Self, I::Iter>
    where
        I: IntoParallelIterator<Item = Self::Item, Iter: IndexedParallelIterator>,
    {
        Paired::new(self, other.into_par_iter(), InterleavingShortest)
    }

    /// Vectors of `chunk_size` items each; the last one may have fewer.
    ///
    /// # Panics
    /// If `chunk_size` is zero.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let chunks: Vec<_> = (0..5).into_par_iter().chunks(2).collect();
    /// assert_eq!(chunks, [vec![0, 1], vec![2, 3], vec![4]]);
    /// ```
    #[track_caller]
    fn chunks(self, chunk_size: usize) -> Chunks<Self> {
        Reshaped::new(self, Chunking::new(chunk_size, ToVec))
    }

    /// What each chunk of `chunk_size` items is folded into, from what `identity` gives; the last
    /// one may have fewer items. Unlike those of [`fold`](ParallelIterator::fold), the chunks are
    /// always the same.
    ///
    /// # Panics
    /// If `chunk_size` is zero.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let sums: Vec<i32> = (0..5).into_par_iter().fold_chunks(2, || 0, |a, b| a + b).collect();
    /// assert_eq!(sums, [1, 5, 4]);
    /// ```
    #[track_caller]
    fn fold_chunks<T, ID, F>(
        self,
        chunk_size: usize,
        identity: ID,
        fold_op: F,
    ) -> FoldChunks<Self, ID, F>
    where
        ID: Fn() -> T + Send + Sync,
        F: Fn(T, Self::Item) -> T + Send + Sync,
        T: Send,
    {
        Reshaped::new(self, Chunking::new(chunk_size, FoldBy(identity, fold_op)))
    }

    /// Like [`fold_chunks`](Self::fold_chunks), from a clone of `init`.
    ///
    /// # Panics
    /// If `chunk_size` is zero.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let sums: Vec<i32> =
    ///     (0..5).into_par_iter().fold_chunks_with(2, 100, |a, b| a + b).collect();
    /// assert_eq!(sums, [101, 105, 104]);
    /// ```
    #[track_caller]
    fn fold_chunks_with<T, F>(
        self,
        chunk_size: usize,
        init: T,
        fold_op: F,
    ) -> FoldChunksWith<Self, T, F>
    where
        T: Send + Clone,
        F: Fn(T, Self::Item) -> T + Send + Sync,
    {
        Reshaped::new(self, Chunking::new(chunk_size, FoldFrom(init, fold_op)))
    }

    /// The first item, and every `step`-th behind it.
    ///
    /// # Panics
    /// If `step` is zero.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let numbers: Vec<_> = (0..10).into_par_iter().step_by(4).collect();
    /// assert_eq!(numbers, [0, 4, 8]);
    /// ```
    #[track_caller]
    fn step_by(self, step: usize) -> StepBy<Self> {
        assert!(step != 0, "step must not be zero");
        Reshaped::new(self, Stepping(step))
    }

    /// All items but the first `n`. Those are made nevertheless, in parallel with the others, and
    /// dropped: a serial iterator, too, runs a `map` before a `skip` for every item.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let numbers: Vec<_> = (0..5).into_par_iter().skip(3).collect();
    /// assert_eq!(numbers, [3, 4]);
    /// ```
    fn skip(self, n: usize) -> Skip<Self> {
        Reshaped::new(self, Skipping(n))
    }

    /// The first `n` items, or all if there are not so many. The others are dropped.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let numbers: Vec<_> = (0..5).into_par_iter().take(3).collect();
    /// assert_eq!(numbers, [0, 1, 2]);
    /// ```
    fn take(self, n: usize) -> Take<Self> {
        Reshaped::new(self, Taking(n))
    }

    /// The positions of the items for which `predicate` is true, in order.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let positions: Vec<_> = [5, 0, 7].par_iter().positions(|n| *n != 0).collect();
    /// assert_eq!(positions, [0, 2]);
    /// ```
    fn positions<P>(self, predicate: P) -> Positions<Self, P>
    where
        P: Fn(Self::Item) -> bool + Sync + Send,
    {
        Adapted::new(self.enumerate(), PositionsBy(predicate))
    }

    /// The items from the last to the first.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let numbers: Vec<_> = (0..3).into_par_iter().rev().collect();
    /// assert_eq!(numbers, [2, 1, 0]);
    /// ```
    fn rev(self) -> Rev<Self> {
        Reshaped::new(self, Reversing)
    }

    /// Lets no piece be cut off that has fewer than `min` items. That is hardly ever needed: loops
    /// cut where somebody is hungry, and measure what an item costs.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let sum: i32 = (0..1000).into_par_iter().with_min_len(100).sum();
    /// assert_eq!(sum, 499_500);
    /// ```
    fn with_min_len(self, min: usize) -> MinLen<Self> {
        Reshaped::new(self, AtLeast(min))
    }

    /// Lets no piece have more than `max` items, unless halves of it had fewer than
    /// [`with_min_len`](Self::with_min_len) says. A piece is what [`fold`](ParallelIterator::fold)
    /// makes one item of, and [`map_init`](ParallelIterator::map_init) a state for; each costs a fork.
    /// For the sake of balance it is hardly ever needed: loops measure what an item costs.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let pieces = (0..1000).into_par_iter().with_max_len(10).fold(|| 0, |count, _| count + 1);
    /// assert!(pieces.max().unwrap() <= 10);
    /// ```
    fn with_max_len(self, max: usize) -> MaxLen<Self> {
        Reshaped::new(self, AtMost(max))
    }

    /// Does `block_size` items in parallel, then the next so many: no item of a block begins
    /// before all of the last block are done. So a search that stops at the first that is found
    /// has not gone much further.
    ///
    /// # Panics
    /// If `block_size` is zero.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let numbers: Vec<_> = (0..10).into_par_iter().by_uniform_blocks(3).map(|n| n * 2).collect();
    /// assert_eq!(numbers.len(), 10);
    /// ```
    #[track_caller]
    fn by_uniform_blocks(self, block_size: usize) -> UniformBlocks<Self> {
        UniformBlocks::new(self, block_size)
    }

    /// Like [`by_uniform_blocks`](Self::by_uniform_blocks), with a first block of an item for each
    /// thread, and each of twice as many as the last.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let numbers: Vec<_> = (0..10).into_par_iter().by_exponential_blocks().collect();
    /// assert_eq!(numbers.len(), 10);
    /// ```
    fn by_exponential_blocks(self) -> ExponentialBlocks<Self> {
        ExponentialBlocks::new(self)
    }

    // ---- ends -------------------------------------------------------------------------------

    /// Collects the items into `target`, whose former content is dropped, and whose memory is used
    /// again.
    fn collect_into_vec(self, target: &mut Vec<Self::Item>) {
        target.clear();
        append_by(target, self.len(), |places| self.drive(places));
    }

    /// Takes pairs apart, into two vectors, whose former content is dropped, and whose memory is
    /// used again.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let (mut numbers, mut squares) = (vec![9], vec![]);
    /// (0..3).into_par_iter().map(|n| (n, n * n)).unzip_into_vecs(&mut numbers, &mut squares);
    /// assert_eq!(numbers, [0, 1, 2]);
    /// assert_eq!(squares, [0, 1, 4]);
    /// ```
    fn unzip_into_vecs<A, B>(self, left: &mut Vec<A>, right: &mut Vec<B>)
    where
        Self: IndexedParallelIterator<Item = (A, B)>,
        A: Send,
        B: Send,
    {
        left.clear();
        right.clear();
        append_pairs(left, right, self);
    }

    /// How the items compare with those of `other`: the first that differ decide, else the lengths.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert!([1, 2].par_iter().cmp([1, 3].par_iter()).is_lt());
    /// ```
    fn cmp<I>(self, other: I) -> Ordering
    where
        I: IntoParallelIterator<Item = Self::Item, Iter: IndexedParallelIterator>,
        Self::Item: Ord,
    {
        compare::cmp(self, other)
    }

    /// How the items compare with those of `other`, if they do: the first that are not equal decide,
    /// else the lengths.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!([1.0, f64::NAN].par_iter().partial_cmp([1.0, 2.0].par_iter()), None);
    /// ```
    fn partial_cmp<I>(self, other: I) -> Option<Ordering>
    where
        I: IntoParallelIterator<Iter: IndexedParallelIterator>,
        Self::Item: PartialOrd<I::Item>,
    {
        compare::partial_cmp(self, other)
    }

    /// Whether the items equal those of `other`, and are as many.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert!((0..3).into_par_iter().eq([0, 1, 2]));
    /// ```
    fn eq<I>(self, other: I) -> bool
    where
        I: IntoParallelIterator<Iter: IndexedParallelIterator>,
        Self::Item: PartialEq<I::Item>,
    {
        compare::eq(self, other)
    }

    /// Whether not all items equal those of `other`, or they are not as many.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert!((0..3).into_par_iter().ne([0, 1]));
    /// ```
    fn ne<I>(self, other: I) -> bool
    where
        I: IntoParallelIterator<Iter: IndexedParallelIterator>,
        Self::Item: PartialEq<I::Item>,
    {
        !compare::eq(self, other)
    }

    /// Whether the items are less than those of `other`, by [`partial_cmp`](Self::partial_cmp).
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert!([1, 2].par_iter().lt([1, 3].par_iter()));
    /// ```
    fn lt<I>(self, other: I) -> bool
    where
        I: IntoParallelIterator<Iter: IndexedParallelIterator>,
        Self::Item: PartialOrd<I::Item>,
    {
        compare::partial_cmp(self, other) == Some(Ordering::Less)
    }

    /// Whether the items are less than those of `other`, or equal, by
    /// [`partial_cmp`](Self::partial_cmp).
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert!([1, 2].par_iter().le([1, 2].par_iter()));
    /// ```
    fn le<I>(self, other: I) -> bool
    where
        I: IntoParallelIterator<Iter: IndexedParallelIterator>,
        Self::Item: PartialOrd<I::Item>,
    {
        compare::partial_cmp(self, other).is_some_and(Ordering::is_le)
    }

    /// Whether the items are greater than those of `other`, by
    /// [`partial_cmp`](Self::partial_cmp).
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert!([1, 2].par_iter().gt([1].par_iter()));
    /// ```
    fn gt<I>(self, other: I) -> bool
    where
        I: IntoParallelIterator<Iter: IndexedParallelIterator>,
        Self::Item: PartialOrd<I::Item>,
    {
        compare::partial_cmp(self, other) == Some(Ordering::Greater)
    }

    /// Whether the items are greater than those of `other`, or equal, by
    /// [`partial_cmp`](Self::partial_cmp).
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert!(![1, 2].par_iter().ge([2].par_iter()));
    /// ```
    fn ge<I>(self, other: I) -> bool
    where
        I: IntoParallelIterator<Iter: IndexedParallelIterator>,
        Self::Item: PartialOrd<I::Item>,
    {
        compare::partial_cmp(self, other).is_some_and(Ordering::is_ge)
    }

    /// The position of an item for which `predicate` is true, whichever is found first; the others stop
    /// soon.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let position = (0..100).into_par_iter().position_any(|n| n % 7 == 3).unwrap();
    /// assert_eq!(position % 7, 3);
    /// ```
    fn position_any<P>(self, predicate: P) -> Option<usize>
    where
        P: Fn(Self::Item) -> bool + Sync + Send,
    {
        position(self, Which::Any, predicate)
    }

    /// The position of the first item for which `predicate` is true.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!((0..100).into_par_iter().position_first(|n| n % 29 == 7), Some(7));
    /// ```
    fn position_first<P>(self, predicate: P) -> Option<usize>
    where
        P: Fn(Self::Item) -> bool + Sync + Send,
    {
        position(self, Which::First, predicate)
    }

    /// The position of the last item for which `predicate` is true.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!((0..100).into_par_iter().position_last(|n| n % 29 == 7), Some(94));
    /// ```
    fn position_last<P>(self, predicate: P) -> Option<usize>
    where
        P: Fn(Self::Item) -> bool + Sync + Send,
    {
        position(self, Which::Last, predicate)
    }
}
