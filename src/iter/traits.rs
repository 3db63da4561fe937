//! How collections become parallel iterators, and those collections again.

use std::ops::RangeBounds;

use super::ParallelIterator;

/// What can be made a parallel iterator, by value.
pub trait IntoParallelIterator {
    /// The parallel iterator.
    type Iter: ParallelIterator<Item = Self::Item>;

    /// Its items.
    type Item: Send;

    /// Makes it one.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let squares: u64 = (1..=10_u64).into_par_iter().map(|n| n * n).sum();
    /// assert_eq!(squares, 385);
    /// ```
    fn into_par_iter(self) -> Self::Iter;
}

impl<I: ParallelIterator> IntoParallelIterator for I {
    type Iter = I;
    type Item = I::Item;

    fn into_par_iter(self) -> I {
        self
    }
}

/// What can be made a parallel iterator by reference: whatever has [`IntoParallelIterator`] for
/// `&Self`.
pub trait IntoParallelRefIterator<'data> {
    /// The parallel iterator.
    type Iter: ParallelIterator<Item = Self::Item>;

    /// Its items, usually references.
    type Item: Send + 'data;

    /// Iterates over references.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let longest = ["one", "three", "seven"].par_iter().max_by_key(|word| word.len());
    /// assert_eq!(longest, Some(&"seven"));
    /// ```
    fn par_iter(&'data self) -> Self::Iter;
}

impl<'data, I: ?Sized + 'data> IntoParallelRefIterator<'data> for I
where
    &'data I: IntoParallelIterator,
{
    type Iter = <&'data I as IntoParallelIterator>::Iter;
    type Item = <&'data I as IntoParallelIterator>::Item;

    fn par_iter(&'data self) -> Self::Iter {
        self.into_par_iter()
    }
}

/// What can be made a parallel iterator by exclusive reference: whatever has
/// [`IntoParallelIterator`] for `&mut Self`.
pub trait IntoParallelRefMutIterator<'data> {
    /// The parallel iterator.
    type Iter: ParallelIterator<Item = Self::Item>;

    /// Its items, usually exclusive references.
    type Item: Send + 'data;

    /// Iterates over exclusive references.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let mut numbers = [1, 2, 3];
    /// numbers.par_iter_mut().for_each(|number| *number *= 2);
    /// assert_eq!(numbers, [2, 4, 6]);
    /// ```
    fn par_iter_mut(&'data mut self) -> Self::Iter;
}

impl<'data, I: ?Sized + 'data> IntoParallelRefMutIterator<'data> for I
where
    &'data mut I: IntoParallelIterator,
{
    type Iter = <&'data mut I as IntoParallelIterator>::Iter;
    type Item = <&'data mut I as IntoParallelIterator>::Item;

    fn par_iter_mut(&'data mut self) -> Self::Iter {
        self.into_par_iter()
    }
}

/// A collection that a parallel iterator's items can be made into; of
/// [`collect`](ParallelIterator::collect).
pub trait FromParallelIterator<T: Send>: Sized {
    /// Makes the collection.
    fn from_par_iter<I: IntoParallelIterator<Item = T>>(par_iter: I) -> Self;
}

/// A collection that a parallel iterator's items can be added to.
pub trait ParallelExtend<T: Send> {
    /// Adds the items.
    fn par_extend<I: IntoParallelIterator<Item = T>>(&mut self, par_iter: I);
}

/// A collection whose items can be moved out in part.
pub trait ParallelDrainRange<Idx = usize> {
    /// The parallel iterator.
    type Iter: ParallelIterator<Item = Self::Item>;

    /// Its items.
    type Item: Send;

    /// Moves the items of `range` out, by a parallel iterator. What that does not come to is
    /// dropped.
    ///
    /// # Panics
    /// If `range` does not lie within the collection.
    fn par_drain<R: RangeBounds<Idx>>(self, range: R) -> Self::Iter;
}

/// A collection whose items can be moved out, all of them.
pub trait ParallelDrainFull {
    /// The parallel iterator.
    type Iter: ParallelIterator<Item = Self::Item>;

    /// Its items.
    type Item: Send;

    /// Moves all items out, by a parallel iterator. What that does not come to is dropped.
    fn par_drain(self) -> Self::Iter;
}
