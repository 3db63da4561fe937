//! Bounds of the lengths of pieces.

use super::reshape::reshaped;
use crate::iter::plumbing::{Folder, Producer};

reshaped! {
    /// An iterator whose pieces have at least `min` items. Returned by
    /// [`with_min_len`](crate::iter::IndexedParallelIterator::with_min_len).
    MinLen<I> { min: usize } [T: Send] (T) -> T
    where {}
    len |self, len| len,
    |_, base, callback| {
        let (min, max) = (base.min_len().max(min), base.max_len());
        callback.callback(Bounded { min, max, base })
    };

    /// An iterator whose pieces have at most `max` items. Returned by
    /// [`with_max_len`](crate::iter::IndexedParallelIterator::with_max_len).
    MaxLen<I> { max: usize } [T: Send] (T) -> T
    where {}
    len |self, len| len,
    |_, base, callback| {
        let (min, max) = (base.min_len(), base.max_len().min(max));
        callback.callback(Bounded { min, max, base })
    };
}

/// The items of `base`, with other bounds.
struct Bounded<P> {
    min: usize,
    max: usize,
    base: P,
}

impl<P: Producer> Producer for Bounded<P> {
    type Item = P::Item;
    type IntoIter = P::IntoIter;

    const FEW_BLOCKS: bool = P::FEW_BLOCKS;

    fn into_iter(self) -> P::IntoIter {
        self.base.into_iter()
    }

    fn min_len(&self) -> usize {
        // Calls the base each time, since `panic_fuse` has to know when a piece begins.
        self.base.min_len().max(self.min)
    }

    fn max_len(&self) -> usize {
        self.max
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let Bounded { min, max, base } = self;
        let (left, right) = base.split_at(index);
        (Bounded { min, max, base: left }, Bounded { min, max, base: right })
    }

    fn fold_with<F: Folder<P::Item>>(self, folder: F) -> F {
        self.base.fold_with(folder)
    }
}
