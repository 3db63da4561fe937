//! The other way round.

use std::iter;

use super::reshape::{Reshaped, Shape};
use crate::iter::plumbing::{Producer, ProducerCallback};

/// [`IndexedParallelIterator::rev`](crate::iter::IndexedParallelIterator::rev).
pub type Rev<I> = Reshaped<I, Reversing>;

/// What makes a [`Rev`].
#[derive(Clone, Copy, Debug)]
pub struct Reversing;

impl<T: Send> Shape<T> for Reversing {
    type Out = T;

    fn len(&self, base: usize) -> usize {
        base
    }

    fn shape<P, CB>(self, len: usize, base: P, callback: CB) -> CB::Output
    where
        P: Producer<Item = T>,
        CB: ProducerCallback<T>,
    {
        callback.callback(Reversed { len, base })
    }
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
