//! Conversions from collections to parallel iterators, and back.

use std::ops::RangeBounds;

use super::ParallelIterator;

/// A type whose values can be made parallel iterators.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made a parallel iterator",
    label = "not a parallel iterator, nor a type that can be made one",
    note = "ranges and collections can be made parallel iterators, by value or by reference",
    note = "to share the items of a serial iterator between threads, call `.par_bridge()`",
    note = "the items must be `Send`; if they are references, what these refer to must be `Sync`"
)]
pub trait IntoParallelIterator {
    /// The type of the parallel iterator.
    type Iter: ParallelIterator<Item = Self::Item>;

    /// The type of its items.
    type Item: Send;

    /// Makes `self` a parallel iterator.
    ///
    /// ```
    /// use filch::prelude::*;
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

/// A type with a parallel iterator over references.
///
/// It is implemented for each type whose reference, `&Self`, implements [`IntoParallelIterator`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no parallel iterator over references",
    label = "`par_iter` cannot be called on this",
    note = "implement `IntoParallelIterator` for `&{Self}`; the items must be `Sync`"
)]
pub trait IntoParallelRefIterator<'data> {
    /// The type of the parallel iterator.
    type Iter: ParallelIterator<Item = Self::Item>;

    /// The type of its items, usually references.
    type Item: Send + 'data;

    /// Returns a parallel iterator over references.
    ///
    /// ```
    /// use filch::prelude::*;
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

/// A type with a parallel iterator over exclusive references.
///
/// It is implemented for each type whose exclusive reference, `&mut Self`, implements
/// [`IntoParallelIterator`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no parallel iterator over exclusive references",
    label = "`par_iter_mut` cannot be called on this",
    note = "implement `IntoParallelIterator` for `&mut {Self}`; the items must be `Send`"
)]
pub trait IntoParallelRefMutIterator<'data> {
    /// The type of the parallel iterator.
    type Iter: ParallelIterator<Item = Self::Item>;

    /// The type of its items, usually exclusive references.
    type Item: Send + 'data;

    /// Returns a parallel iterator over exclusive references.
    ///
    /// ```
    /// use filch::prelude::*;
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

/// A type into which [`collect`](ParallelIterator::collect) can collect items.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be collected from a parallel iterator over `{T}`",
    label = "`collect` cannot make this of items of type `{T}`",
    note = "collect into a `Vec<{T}>` or another collection whose items have this type",
    note = "or implement `FromParallelIterator<{T}>` for `{Self}`"
)]
pub trait FromParallelIterator<T: Send>: Sized {
    /// Collects the items of `par_iter`, in order.
    fn from_par_iter<I: IntoParallelIterator<Item = T>>(par_iter: I) -> Self;
}

/// A collection to which the items of a parallel iterator can be added.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be extended with a parallel iterator over `{T}`",
    label = "items of type `{T}` cannot be added to this",
    note = "extend a `Vec<{T}>` or another collection whose items have this type",
    note = "or implement `ParallelExtend<{T}>` for `{Self}`"
)]
pub trait ParallelExtend<T: Send> {
    /// Adds the items of `par_iter`, in order.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let mut numbers = vec![7];
    /// numbers.par_extend((0..3).into_par_iter().map(|n| n * n));
    /// assert_eq!(numbers, [7, 0, 1, 4]);
    /// ```
    fn par_extend<I: IntoParallelIterator<Item = T>>(&mut self, par_iter: I);
}

/// A collection from which a range can be moved out.
#[diagnostic::on_unimplemented(
    message = "no range of `{Self}` can be drained by a parallel iterator",
    label = "`par_drain` with a range cannot be called on this",
    note = "`par_drain` takes `&mut` of a `Vec`, a `VecDeque` or a `String`"
)]
pub trait ParallelDrainRange<Idx = usize> {
    /// The type of the parallel iterator.
    type Iter: ParallelIterator<Item = Self::Item>;

    /// The type of its items.
    type Item: Send;

    /// Removes a range, and returns a parallel iterator over its items. Items that the iterator
    /// does not yield are dropped.
    ///
    /// # Panics
    /// If `range` does not lie within the collection.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let mut numbers = vec![1, 2, 3, 4];
    /// assert_eq!(numbers.par_drain(1..3).sum::<i32>(), 5);
    /// assert_eq!(numbers, [1, 4]);
    /// ```
    #[track_caller]
    fn par_drain<R: RangeBounds<Idx>>(self, range: R) -> Self::Iter;
}

/// A collection from which all items can be moved out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be drained by a parallel iterator",
    label = "`par_drain` cannot be called on this",
    note = "`par_drain` takes `&mut` of a `HashMap`, a `HashSet` or a `BinaryHeap`"
)]
pub trait ParallelDrainFull {
    /// The type of the parallel iterator.
    type Iter: ParallelIterator<Item = Self::Item>;

    /// The type of its items.
    type Item: Send;

    /// Removes all items, and returns a parallel iterator over them. Items that the iterator does
    /// not yield are dropped.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let mut heap = std::collections::BinaryHeap::from([1, 2, 3]);
    /// assert_eq!(heap.par_drain().sum::<i32>(), 6);
    /// assert!(heap.is_empty());
    /// ```
    fn par_drain(self) -> Self::Iter;
}
