//! Pairs of the items of two iterators.

use std::iter;

use super::pair::{PairShape, paired};
use crate::iter::IndexedParallelIterator;
use crate::iter::plumbing::{Producer, ProducerCallback, drop_first};

paired! {
    /// An iterator over pairs of the items of two others. Returned by
    /// [`IndexedParallelIterator::zip`].
    Zip<A, B: IndexedParallelIterator>: (A::Item, B::Item), Zipping, usize::min;

    /// An iterator over pairs of the items of two others of the same length. Returned by
    /// [`IndexedParallelIterator::zip_eq`].
    ZipEq<A, B: IndexedParallelIterator>: (A::Item, B::Item), Zipping, usize::min;
}

struct Zipping;

/// Returns the first `wanted` of the `len` items of `producer`.
pub(super) fn first<P: Producer>(wanted: usize, len: usize, producer: P) -> P {
    if wanted >= len {
        return producer;
    }
    let (first, rest) = producer.split_at(wanted);
    drop_first(rest, first)
}

impl<T: Send, U: Send> PairShape<T, U> for Zipping {
    type Out = (T, U);

    fn shape<A, B, CB>(self, lens: (usize, usize), a: A, b: B, callback: CB) -> CB::Output
    where
        A: Producer<Item = T>,
        B: Producer<Item = U>,
        CB: ProducerCallback<(T, U)>,
    {
        let len = lens.0.min(lens.1);
        callback.callback(Zipped(first(len, lens.0, a), first(len, lens.1, b)))
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
