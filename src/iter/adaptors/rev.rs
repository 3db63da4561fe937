//! Items in reverse order.

use std::iter;

use super::reshape::reshaped;
use crate::iter::plumbing::Producer;

reshaped! {
    /// An iterator over the items of another, from the last to the first. Returned by
    /// [`rev`](crate::iter::IndexedParallelIterator::rev).
    Rev<I> {} [T: Send] (T) -> T
    where {}
    len |self, len| len,
    |len, base, callback| callback.callback(Reversed { len, base });
}

/// The `len` items of `base`, from the last to the first.
struct Reversed<P> {
    len: usize,
    base: P,
}

impl<P: Producer> Producer for Reversed<P> {
    type Item = P::Item;
    type IntoIter = iter::Rev<P::IntoIter>;

    const FEW_BLOCKS: bool = P::FEW_BLOCKS;

    fn into_iter(self) -> Self::IntoIter {
        self.base.into_iter().rev()
    }

    fn min_len(&self) -> usize {
        self.base.min_len()
    }

    fn max_len(&self) -> usize {
        self.base.max_len()
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let rest = self.len - index;
        let (first, last) = self.base.split_at(rest);
        (Reversed { len: index, base: last }, Reversed { len: rest, base: first })
    }
}
