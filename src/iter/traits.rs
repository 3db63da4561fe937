//! Methods of collections that return parallel iterators.

use std::ops::RangeBounds;

use super::{IntoParallelIterator, ParallelIterator};

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

    /// Removes all items, and returns a parallel iterator over them, like that of
    /// [`ParallelDrainRange`]. Items that the iterator does not yield are dropped.
    fn par_drain(self) -> Self::Iter;
}
