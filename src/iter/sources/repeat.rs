//! The same item again and again.

use std::iter::FusedIterator;
use std::ops::Range;

use super::delegate::own_producer;
use super::steps::{Steps, drive_steps};
use crate::iter::plumbing::{Folder, Producer, UnindexedConsumer};
use crate::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator, Zip};

/// An iterator over clones of an item, without end. Returned by [`repeat`].
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct Repeat<T>(T);

/// Returns a parallel iterator over clones of `item`, without end. An adaptor or a search must end
/// it.
///
/// ```
/// use filch::prelude::*;
///
/// assert_eq!(filch::iter::repeat(7).take(3).collect::<Vec<_>>(), [7, 7, 7]);
/// assert_eq!(filch::iter::repeat(7).find_any(|&n| n == 7), Some(7));
/// ```
pub fn repeat<T: Clone + Send>(item: T) -> Repeat<T> {
    Repeat(item)
}

impl<T: Clone + Send> Repeat<T> {
    /// Returns an iterator over `n` clones.
    pub fn take(self, n: usize) -> RepeatN<T> {
        repeat_n(self.0, n)
    }

    /// Returns an iterator over pairs of a clone and an item of `other`.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let pairs: Vec<_> = filch::iter::repeat('x').zip([1, 2]).collect();
    /// assert_eq!(pairs, [('x', 1), ('x', 2)]);
    /// ```
    pub fn zip<Z>(self, other: Z) -> Zip<RepeatN<T>, Z::Iter>
    where
        Z: IntoParallelIterator<Iter: IndexedParallelIterator>,
    {
        let other = other.into_par_iter();
        self.take(other.len()).zip(other)
    }
}

impl<T: Clone + Send> ParallelIterator for Repeat<T> {
    type Item = T;

    fn drive_unindexed<C: UnindexedConsumer<T>>(self, consumer: C) -> C::Result {
        drive_steps(self, consumer)
    }
}

impl<T: Clone + Send> Steps for Repeat<T> {
    type Item = T;

    fn step<F: Folder<T>>(&mut self, most: usize, folder: F) -> (F, bool) {
        (folder.consume_iter(std::iter::repeat_with(|| self.0.clone()).take(most)), true)
    }

    fn cut_off(&mut self) -> Option<Self> {
        Some(self.clone())
    }
}

/// An iterator over `n` clones of an item. Returned by [`repeat_n`].
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct RepeatN<T> {
    /// `None` if `n` is 0.
    item: Option<T>,
    n: usize,
}

/// Returns a parallel iterator over `n - 1` clones of `item`, and `item` itself.
///
/// ```
/// use filch::prelude::*;
///
/// assert_eq!(filch::iter::repeat_n("x", 3).collect::<String>(), "xxx");
/// ```
pub fn repeat_n<T: Clone + Send>(item: T, n: usize) -> RepeatN<T> {
    RepeatN { item: (n > 0).then_some(item), n }
}

impl<T: Clone + Send> Producer for RepeatN<T> {
    type Item = T;
    type IntoIter = Clones<T>;

    fn into_iter(self) -> Clones<T> {
        Clones { item: self.item, left: 0..self.n }
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let (left, right) = (index, self.n - index);
        let (left_item, right_item) = match (left, right) {
            (0, _) => (None, self.item),
            (_, 0) => (self.item, None),
            _ => (self.item.clone(), self.item),
        };
        (RepeatN { item: left_item, n: left }, RepeatN { item: right_item, n: right })
    }
}

own_producer!([T: Clone + Send] RepeatN<T>, T, |self| self.n);

/// Clones of an item, and at last the item itself.
#[derive(Debug)]
pub struct Clones<T> {
    item: Option<T>,
    left: Range<usize>,
}

impl<T: Clone> Iterator for Clones<T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.left.next()?;
        if self.left.is_empty() { self.item.take() } else { self.item.clone() }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }

    fn nth(&mut self, n: usize) -> Option<T> {
        // Does not clone the item for those that are skipped.
        self.left.start = self.left.end.min(self.left.start.saturating_add(n));
        self.next()
    }
}

impl<T: Clone> DoubleEndedIterator for Clones<T> {
    fn next_back(&mut self) -> Option<T> {
        self.next()
    }

    fn nth_back(&mut self, n: usize) -> Option<T> {
        self.nth(n)
    }
}

impl<T: Clone> ExactSizeIterator for Clones<T> {}
impl<T: Clone> FusedIterator for Clones<T> {}
