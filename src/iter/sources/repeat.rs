//! The same item again and again.

use std::iter;

use super::delegate::own_producer;
use super::steps::{Steps, drive_steps};
use crate::iter::implement::parallel;
use crate::iter::plumbing::{Folder, Producer};
use crate::iter::{IndexedParallelIterator, IntoParallelIterator, Zip};

/// An iterator over clones of an item, without end: see [`repeat`].
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct Repeat<T>(T);

/// Returns a parallel iterator over clones of `item`, without end. An adaptor or a search must end
/// it.
///
/// ```
/// use filch::prelude::*;
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

    /// Returns an iterator over pairs of a clone and an item of `other`, like that of
    /// [`zip`](IndexedParallelIterator::zip).
    pub fn zip<Z>(self, other: Z) -> Zip<RepeatN<T>, Z::Iter>
    where
        Z: IntoParallelIterator<Iter: IndexedParallelIterator>,
    {
        let other = other.into_par_iter();
        self.take(other.len()).zip(other)
    }
}

parallel! { [T: Clone + Send] Repeat<T> => T, |self, consumer| drive_steps(self, consumer) }

impl<T: Clone + Send> Steps for Repeat<T> {
    type Item = T;

    fn step<F: Folder<T>>(&mut self, most: usize, folder: F) -> (F, bool) {
        (folder.consume_iter(iter::repeat_with(|| self.0.clone()).take(most)), true)
    }

    fn cut_off(&mut self, _first: bool) -> Option<Self> {
        Some(self.clone())
    }
}

/// An iterator over `n` clones of an item: see [`repeat_n`].
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct RepeatN<T> {
    item: T,
    n: usize,
}

/// Returns a parallel iterator over `n` clones of `item`. The last is `item` itself.
///
/// ```
/// use filch::prelude::*;
/// assert_eq!(filch::iter::repeat_n("x", 3).collect::<String>(), "xxx");
/// ```
pub fn repeat_n<T: Clone + Send>(item: T, n: usize) -> RepeatN<T> {
    RepeatN { item, n }
}

impl<T: Clone + Send> Producer for RepeatN<T> {
    type Item = T;
    type IntoIter = iter::RepeatN<T>;

    fn into_iter(self) -> Self::IntoIter {
        iter::repeat_n(self.item, self.n)
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let RepeatN { item, n } = self;
        (RepeatN { item: item.clone(), n: index }, RepeatN { item, n: n - index })
    }
}

own_producer!([T: Clone + Send] RepeatN<T> => T, |self| self.n);
