//! Pairs of the items of two iterators.

use std::iter;

use super::pair::{pair_shape, paired};
use crate::iter::IndexedParallelIterator;
use crate::iter::plumbing::{Producer, drop_first};

paired! {
    /// An iterator over pairs of the items of two others: see [`IndexedParallelIterator::zip`].
    Zip<A, B: IndexedParallelIterator>: (A::Item, B::Item), Zipping, usize::min;

    /// An iterator over pairs of the items of two others: see [`IndexedParallelIterator::zip_eq`].
    ZipEq<A, B: IndexedParallelIterator>: (A::Item, B::Item), Zipping, usize::min;
}

/// Returns the first `wanted` of the `len` items of `producer`.
pub(super) fn first<P: Producer>(wanted: usize, len: usize, producer: P) -> P {
    if wanted >= len {
        return producer;
    }
    let (first, rest) = producer.split_at(wanted);
    drop_first(rest, first)
}

pair_shape! {
    Zipping [T: Send, U: Send] (T, U) => (T, U),
    |lens, a, b| {
        let len = lens.0.min(lens.1);
        Zipped(first(len, lens.0, a), first(len, lens.1, b))
    }
}

/// Two producers with the same number of items.
struct Zipped<A, B>(A, B);

impl<A: Producer, B: Producer> Producer for Zipped<A, B> {
    type Item = (A::Item, B::Item);
    type IntoIter = iter::Zip<A::IntoIter, B::IntoIter>;

    bounds_of!(A: 0, B: 1);

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().zip(self.1.into_iter())
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let (a_left, a_right) = self.0.split_at(index);
        let (b_left, b_right) = self.1.split_at(index);
        (Zipped(a_left, b_left), Zipped(a_right, b_right))
    }
}
