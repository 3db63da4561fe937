//! Items with their positions.

use std::iter;
use std::ops::Range;

use super::reshape::{Reshaped, Shape};
use crate::iter::plumbing::{Producer, ProducerCallback};

/// [`IndexedParallelIterator::enumerate`](crate::iter::IndexedParallelIterator::enumerate).
pub type Enumerate<I> = Reshaped<I, Enumerating>;

/// What makes an [`Enumerate`].
#[derive(Clone, Copy, Debug)]
pub struct Enumerating;

impl<T: Send> Shape<T> for Enumerating {
    type Out = (usize, T);

    fn len(&self, base: usize) -> usize {
        base
    }

    fn shape<P, CB>(self, len: usize, base: P, callback: CB) -> CB::Output
    where
        P: Producer<Item = T>,
        CB: ProducerCallback<(usize, T)>,
    {
        callback.callback(Enumerated { positions: 0..len, base })
    }
}

/// Items and their positions.
struct Enumerated<P> {
    positions: Range<usize>,
    base: P,
}

impl<P: Producer> Producer for Enumerated<P> {
    type Item = (usize, P::Item);
    type IntoIter = iter::Zip<Range<usize>, P::IntoIter>;

    fn into_iter(self) -> Self::IntoIter {
        self.positions.zip(self.base.into_iter())
    }

    fn min_len(&self) -> usize {
        self.base.min_len()
    }

    fn max_len(&self) -> usize {
        self.base.max_len()
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let Range { start, end } = self.positions;
        let (left, right) = self.base.split_at(index);
        let middle = start + index;
        (
            Enumerated { positions: start..middle, base: left },
            Enumerated { positions: middle..end, base: right },
        )
    }
}
