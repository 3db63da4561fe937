//! Parallel iterators that know the position of every item.
//!
//! All of this file is one trait: the adaptors, then the ends.

use std::cmp::Ordering::{self, Equal};
use std::mem;
use std::ops::ControlFlow::{Break, Continue};

use super::adaptors::*;
use super::ends::find::{ANY, FIRST, LAST, Search};
use super::ends::ordered::WhileTrue;
use super::ends::position::{numbered, position_if};
use super::plumbing::{Consumer, ProducerCallback};
use super::tries::Try;
use super::{IntoParallelIterator, ParallelExtend, ParallelIterator};

/// Declares comparisons: each by its name, the test of `Ordering`, and the words for the docs.
macro_rules! comparisons {
    ($($name:ident, $test:ident, $is:literal;)*) => {$(
        #[doc = concat!("Returns whether this iterator is ", $is, " `other`, by")]
        /// [`partial_cmp`](Self::partial_cmp).
        fn $name<I>(self, other: I) -> bool
        where
            I: IntoParallelIterator<Iter: IndexedParallelIterator>,
            Self::Item: PartialOrd<I::Item>,
        {
            self.partial_cmp(other).is_some_and(Ordering::$test)
        }
    )*};
}

/// A parallel iterator that knows how many items it has, and the position of each.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an indexed parallel iterator",
    label = "the positions of the items are not known",
    note = "`filter`, `flat_map`, `par_bridge` and their like lose the positions of the items",
    note = "call `zip`, `enumerate`, `rev`, `chunks` and their like before these, or collect the \
        items into a `Vec` first"
)]
#[allow(clippy::len_without_is_empty)] // As rayon's.
pub trait IndexedParallelIterator: ParallelIterator {
    /// Returns the number of items.
    fn len(&self) -> usize;

    /// Feeds all items to `consumer`, and splits it by position. Only implementations of iterators
    /// call this.
    fn drive<C: Consumer<Self::Item>>(self, consumer: C) -> C::Result;

    /// Calls `callback` with a producer of the items. Only implementations of iterators call this.
    fn with_producer<CB: ProducerCallback<Self::Item>>(self, callback: CB) -> CB::Output;

    // ---- adaptors ---------------------------------------------------------------------------

    /// Returns an iterator over pairs of a position and the item there. Positions begin at 0.
    fn enumerate(self) -> Enumerate<Self> {
        Enumerate::new(self)
    }

    /// Returns an iterator over pairs of an item of this iterator and the item of `zip_op` at the
    /// same position. Its length is that of the shorter one. The rest of the other is dropped.
    fn zip<Z>(self, zip_op: Z) -> Zip<Self, Z::Iter>
    where
        Z: IntoParallelIterator<Iter: IndexedParallelIterator>,
    {
        Zip::new(self, zip_op.into_par_iter())
    }

    /// Returns an iterator over pairs of an item of this iterator and the item of `zip_op` at the
    /// same position, like [`zip`](Self::zip).
    ///
    /// # Panics
    /// If the lengths differ. The call itself panics, not the loop.
    #[track_caller]
    fn zip_eq<Z>(self, zip_op: Z) -> ZipEq<Self, Z::Iter>
    where
        Z: IntoParallelIterator<Iter: IndexedParallelIterator>,
    {
        let zip_op = zip_op.into_par_iter();
        assert_eq!(self.len(), zip_op.len(), "iterators must have the same length");
        ZipEq::new(self, zip_op)
    }

    /// Returns an iterator that alternates between this iterator and `other`, and ends with the
    /// rest of the longer one.
    ///
    /// # Panics
    /// If the total number of items is needed and does not fit in a `usize`.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let numbers: Vec<_> = vec![1, 2].into_par_iter().interleave(vec![10, 20, 30, 40]).collect();
    /// assert_eq!(numbers, [1, 10, 2, 20, 30, 40]);
    /// ```
    fn interleave<I>(self, other: I) -> Interleave<Self, I::Iter>
    where
        I: IntoParallelIterator<Item = Self::Item, Iter: IndexedParallelIterator>,
    {
        Interleave::new(self, other.into_par_iter())
    }

    /// Returns an iterator that alternates between this iterator and `other`, until it is the turn
    /// of one that has no more items. The rest of the other is dropped.
    ///
    /// # Panics
    /// If the total number of items is needed and does not fit in a `usize`.
    fn interleave_shortest<I>(self, other: I) -> InterleaveShortest<Self, I::Iter>
    where
        I: IntoParallelIterator<Item = Self::Item, Iter: IndexedParallelIterator>,
    {
        InterleaveShortest::new(self, other.into_par_iter())
    }

    /// Returns an iterator over vectors of `chunk_size` items. The last vector may have fewer.
    ///
    /// # Panics
    /// If `chunk_size` is zero.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let chunks: Vec<_> = (0..5).into_par_iter().chunks(2).collect();
    /// assert_eq!(chunks, [vec![0, 1], vec![2, 3], vec![4]]);
    /// ```
    #[track_caller]
    fn chunks(self, chunk_size: usize) -> Chunks<Self> {
        assert!(chunk_size != 0, "chunk_size must not be zero");
        Chunks::new(self, chunk_size)
    }

    /// Folds each chunk of `chunk_size` items into one, from a value that `identity` returns. The
    /// last chunk may have fewer items. Returns an iterator over the results.
    ///
    /// Unlike the pieces of [`fold`](ParallelIterator::fold), chunks are the same in each run.
    ///
    /// # Panics
    /// If `chunk_size` is zero.
    ///
    /// ```
    /// use filch::prelude::*;
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
        assert!(chunk_size != 0, "chunk_size must not be zero");
        FoldChunks::new(self, chunk_size, identity, fold_op)
    }

    /// Folds each chunk of `chunk_size` items into one, like [`fold_chunks`](Self::fold_chunks),
    /// from a clone of `init`.
    ///
    /// # Panics
    /// If `chunk_size` is zero.
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
        assert!(chunk_size != 0, "chunk_size must not be zero");
        FoldChunksWith::new(self, chunk_size, init, fold_op)
    }

    /// Returns an iterator over the first item and every `step`-th after it.
    ///
    /// # Panics
    /// If `step` is zero.
    #[track_caller]
    fn step_by(self, step: usize) -> StepBy<Self> {
        assert!(step != 0, "step must not be zero");
        StepBy::new(self, step)
    }

    /// Returns an iterator over all items but the first `n`. As in a serial iterator, adaptors
    /// before this run for the skipped items as well, in parallel with the others.
    fn skip(self, n: usize) -> Skip<Self> {
        Skip::new(self, n)
    }

    /// Returns an iterator over the first `n` items, or all if there are fewer. The others are
    /// dropped.
    fn take(self, n: usize) -> Take<Self> {
        Take::new(self, n)
    }

    /// Returns an iterator over the positions of the items for which `predicate` returns true.
    fn positions<P>(self, predicate: P) -> Positions<Self, P>
    where
        P: Fn(Self::Item) -> bool + Sync + Send,
    {
        Positions::new(self, predicate)
    }

    /// Returns an iterator over the items from the last to the first.
    fn rev(self) -> Rev<Self> {
        Rev::new(self)
    }

    /// Sets the least number of items of a piece; 0 means 1. This is rarely needed: loops measure
    /// how long an item takes, and split only if a worker is idle.
    fn with_min_len(self, min: usize) -> MinLen<Self> {
        MinLen::new(self, min)
    }

    /// Sets the greatest number of items of a piece; 0 means 1. A longer piece is not cut if its
    /// halves would have fewer items than [`with_min_len`](Self::with_min_len) says.
    ///
    /// [`fold`](ParallelIterator::fold) makes one item of each piece, and
    /// [`map_init`](ParallelIterator::map_init) one value for each. Each piece costs a fork.
    /// Balance rarely needs this: loops measure how long an item takes.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let pieces = (0..1000).into_par_iter().with_max_len(10).fold(|| 0, |count, _| count + 1);
    /// assert!(pieces.max().unwrap() <= 10);
    /// ```
    fn with_max_len(self, max: usize) -> MaxLen<Self> {
        MaxLen::new(self, max)
    }

    /// Runs the loop block by block: `block_size` items in parallel, then the next `block_size`,
    /// and so on. No item begins before all items of the previous block have ended, so a search
    /// that stops at the first match goes little further.
    ///
    /// # Panics
    /// If `block_size` is zero.
    #[track_caller]
    fn by_uniform_blocks(self, block_size: usize) -> UniformBlocks<Self> {
        assert!(block_size != 0, "block_size must not be zero");
        UniformBlocks::new(self, block_size)
    }

    /// Runs the loop block by block, like [`by_uniform_blocks`](Self::by_uniform_blocks). The first
    /// block has one item for each thread, and each block has twice as many as the previous one.
    fn by_exponential_blocks(self) -> ExponentialBlocks<Self> {
        ExponentialBlocks::new(self)
    }

    /// Cuts the loop in a shape that depends only on the number of items, not on threads or timing.
    /// What the rest of the chain returns then has the same bits in each run, on any number of
    /// threads: sums of floating-point numbers, [`fold`](ParallelIterator::fold)s, and reductions
    /// by an operation that is not quite associative.
    ///
    /// The items are cut into blocks of *b* items, and one worker runs each block in order. *b* is
    /// the least power of two that is not less than a 256th of the number of items, but at most
    /// 4096, and within earlier [`with_max_len`](Self::with_max_len) and
    /// [`with_min_len`](Self::with_min_len). A run of blocks is cut in half, and so is each half:
    /// of an odd number, the first half has one block fewer. Another version of this crate may use
    /// another shape.
    ///
    /// Each block costs a fork. The closures must return the same for the same item each time. The
    /// inner iterators of a later [`flat_map`](ParallelIterator::flat_map) need a `deterministic`
    /// of their own. What depends on which thread is first still does: `find_any`, `take_any`,
    /// failures of `try_reduce` and the like. For slices of numbers,
    /// [`par_deterministic_reduce`](crate::slice::ParallelSlice::par_deterministic_reduce) is
    /// faster.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let (v, w) = (vec![0.1; 10_000], vec![0.7; 10_000]);
    /// let dot = || -> f64 { v.par_iter().zip(&w).map(|(v, w)| v * w).deterministic().sum() };
    /// let one_thread = filch::ThreadPoolBuilder::new().num_threads(1).build()?;
    /// assert_eq!(dot().to_bits(), one_thread.install(dot).to_bits());
    ///
    /// // A fold: each block begins with the identity, and the results are reduced in order.
    /// let sums = v.par_iter().deterministic().fold(|| 0.0, |sum, n| sum + n);
    /// let sum: f64 = sums.reduce(|| 0.0, |a, b| a + b);
    /// assert!((sum - 1000.0).abs() < 1e-9);
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    fn deterministic(self) -> Deterministic<Self> {
        Deterministic::new(self)
    }

    /// Calls `predicate` with each item, and returns an iterator over the values of the `Some`s
    /// before the first `None`, like [`Iterator::map_while`].
    ///
    /// The rest of the chain never gets a value from behind the first `None`. `predicate` itself
    /// may be called with some items behind it. The values that it returns for these are dropped,
    /// and so are all other items behind the `None`.
    ///
    /// The loop runs in blocks of growing length, whose values are kept until their first `None` is
    /// known. Behind that `None`, `predicate` is called at most as often as before it, plus once
    /// for each thread, and at most 65,535 times. So the source may have far more items than you
    /// need.
    ///
    /// An iterator without positions has [`while_some`](ParallelIterator::while_some) instead,
    /// which stops at any `None`.
    fn map_while<P, R>(self, predicate: P) -> MapWhile<Self, P>
    where
        P: Fn(Self::Item) -> Option<R> + Sync + Send,
        R: Send,
    {
        MapWhile::new(self, predicate)
    }

    // ---- ends -------------------------------------------------------------------------------

    /// Makes the items in parallel, and calls `f` with them one by one, from the first to the last:
    /// to write them to a file, for instance. At most `limit` items are in flight at a time: begun,
    /// but not yet consumed by `f`.
    ///
    /// The worker that has made the next item in order calls `f` with it, and with those behind it
    /// that are ready. So `f` may be called on several threads, one after the other. It may borrow,
    /// and keep state between calls. No thread waits for an item: meanwhile, the other workers make
    /// further items until `limit` are in flight, and then do something else.
    ///
    /// A `limit` of several times the number of threads keeps all threads busy even if items take
    /// different times. Up to `limit` items are kept in memory. The overhead is some hundred
    /// nanoseconds per item, and less if `limit` is large enough for a worker to take several short
    /// items at once. A [`map_init`](ParallelIterator::map_init) before this makes a new value each
    /// time a worker takes items, so for each item if these take long.
    ///
    /// # Panics
    /// If `limit` is zero, or a closure panics. Soon after a panic, `f` is called no more, and the
    /// other items are dropped, also those before the one that panicked.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let mut text = String::new();
    /// (0..100).into_par_iter().map(|n| format!("{n} ")).for_each_ordered(16, |n| text += &n);
    /// assert!(text.starts_with("0 1 2 3 ") && text.ends_with("98 99 "));
    /// ```
    #[track_caller]
    fn for_each_ordered<F: FnMut(Self::Item) + Send>(self, limit: usize, mut f: F) {
        let _always = self.try_for_each_ordered(limit, |item| {
            f(item);
            Some(())
        });
    }

    /// Makes the items in parallel, and calls `f` with them one by one, like
    /// [`for_each_ordered`](Self::for_each_ordered). If `f` fails, all threads stop soon, `f` is
    /// called with no further item, and this returns the failure.
    ///
    /// # Panics
    /// If `limit` is zero, or a closure panics.
    ///
    /// ```
    /// use std::io::{self, Write};
    ///
    /// use filch::prelude::*;
    /// fn write(mut to: impl Write + Send) -> io::Result<()> {
    ///     let lines = (0..1000).into_par_iter().map(|n| format!("{n}\n"));
    ///     lines.try_for_each_ordered(16, |line| to.write_all(line.as_bytes()))
    /// }
    /// assert!(write(io::sink()).is_ok());
    /// assert!(write(&mut [0; 100][..]).is_err()); // too small
    /// ```
    #[track_caller]
    fn try_for_each_ordered<F, R>(self, limit: usize, mut f: F) -> R
    where
        F: FnMut(Self::Item) -> R + Send,
        R: Try<Output = ()> + Send,
    {
        assert!(limit != 0, "limit must not be zero: at least one item has to be in flight");
        let mut result = R::from_output(());
        let mut f = |item| match f(item).branch() {
            Continue(()) => true,
            Break(why) => {
                result = R::from_residual(why);
                false
            }
        };
        self.loop_settings().run(|| {
            let left = self.len();
            self.with_producer(WhileTrue { left, limit, f: &mut f });
        });
        result
    }

    /// Collects the items into `target`. Drops its former items, and reuses its memory.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let mut squares = vec![9];
    /// (0..3).into_par_iter().map(|n| n * n).collect_into_vec(&mut squares);
    /// assert_eq!(squares, [0, 1, 4]);
    /// ```
    fn collect_into_vec(self, target: &mut Vec<Self::Item>) {
        target.clear();
        target.par_extend(self);
    }

    /// Collects the first and the second values of pairs into two vectors, like
    /// [`collect_into_vec`](Self::collect_into_vec). Drops their former items, and reuses their
    /// memory.
    fn unzip_into_vecs<A, B>(self, left: &mut Vec<A>, right: &mut Vec<B>)
    where
        Self: IndexedParallelIterator<Item = (A, B)>,
        A: Send,
        B: Send,
    {
        left.clear();
        right.clear();
        let mut both = (mem::take(left), mem::take(right));
        both.par_extend(self);
        (*left, *right) = both;
    }

    /// Compares the items with those of `other` lexicographically: the first pair that differs
    /// decides, then the lengths.
    fn cmp<I>(self, other: I) -> Ordering
    where
        I: IntoParallelIterator<Item = Self::Item, Iter: IndexedParallelIterator>,
        Self::Item: Ord,
    {
        let other = other.into_par_iter();
        let lengths = self.len().cmp(&other.len());
        let unequal = |(a, b): (Self::Item, _)| Some(a.cmp(&b)).filter(|order| order.is_ne());
        self.zip(other).find_map_first(unequal).unwrap_or(lengths)
    }

    /// Compares the items with those of `other` lexicographically, like [`cmp`](Self::cmp). Returns
    /// `None` if the first pair that is not equal cannot be compared.
    fn partial_cmp<I>(self, other: I) -> Option<Ordering>
    where
        I: IntoParallelIterator<Iter: IndexedParallelIterator>,
        Self::Item: PartialOrd<I::Item>,
    {
        let other = other.into_par_iter();
        let lengths = self.len().cmp(&other.len());
        let unequal = |(a, b): (Self::Item, I::Item)| {
            Some(a.partial_cmp(&b)).filter(|&order| order != Some(Equal))
        };
        self.zip(other).find_map_first(unequal).unwrap_or(Some(lengths))
    }

    /// Returns whether both iterators have the same length and equal items.
    fn eq<I>(self, other: I) -> bool
    where
        I: IntoParallelIterator<Iter: IndexedParallelIterator>,
        Self::Item: PartialEq<I::Item>,
    {
        let other = other.into_par_iter();
        self.len() == other.len() && !self.zip(other).any(|(a, b)| a != b)
    }

    /// Returns whether the iterators differ in length or in an item.
    fn ne<I>(self, other: I) -> bool
    where
        I: IntoParallelIterator<Iter: IndexedParallelIterator>,
        Self::Item: PartialEq<I::Item>,
    {
        !self.eq(other)
    }

    /// Returns the position of an item for which `predicate` returns true, if any, like
    /// [`find_any`](ParallelIterator::find_any). Then all threads stop soon.
    fn position_any<P: Fn(Self::Item) -> bool + Sync + Send>(self, predicate: P) -> Option<usize> {
        self.drive(numbered(Search::<ANY, _>::new(position_if(predicate)).seeker()))
    }

    /// Returns the position of the first item for which `predicate` returns true, if any.
    fn position_first<P>(self, predicate: P) -> Option<usize>
    where
        P: Fn(Self::Item) -> bool + Sync + Send,
    {
        self.drive(numbered(Search::<FIRST, _>::new(position_if(predicate)).seeker()))
    }

    /// Returns the position of the last item for which `predicate` returns true, if any.
    fn position_last<P: Fn(Self::Item) -> bool + Sync + Send>(self, predicate: P) -> Option<usize> {
        self.drive(numbered(Search::<LAST, _>::new(position_if(predicate)).seeker()))
    }

    comparisons! {
        lt, is_lt, "less than";
        le, is_le, "less than or equal to";
        gt, is_gt, "greater than";
        ge, is_ge, "greater than or equal to";
    }
}
