//! Parallel iterators that know the position of every item.

use std::cmp::Ordering;

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
