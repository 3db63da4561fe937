//! Every so-manieth item.

use std::iter;

use super::reshape::{Reshaped, Shape};
use crate::iter::plumbing::{Producer, ProducerCallback};

/// [`IndexedParallelIterator::step_by`](crate::iter::IndexedParallelIterator::step_by).
pub type StepBy<I> = Reshaped<I, Stepping>;

/// What makes a [`StepBy`].
#[derive(Clone, Copy, Debug)]
pub struct Stepping(pub(crate) usize);

impl<T: Send> Shape<T> for Stepping {
    type Out = T;

    fn len(&self, base: usize) -> usize {
        base.div_ceil(self.0)
    }

    fn shape<P, CB>(self, len: usize, base: P, callback: CB) -> CB::Output
    where
        P: Producer<Item = T>,
        CB: ProducerCallback<T>,
    {
        callback.callback(Stepped { step: self.0, len, base })
    }
}

/// The first of every `step` of the `len` items of `base`.
struct Stepped<P> {
    step: usize,
    len: usize,
    base: P,
}

impl<P: Producer> Producer for Stepped<P> {
    type Item = P::Item;
    type IntoIter = iter::StepBy<P::IntoIter>;

    const FEW_BLOCKS: bool = P::FEW_BLOCKS;

    fn into_iter(self) -> Self::IntoIter {
        self.base.into_iter().step_by(self.step)
    }

    fn min_len(&self) -> usize {
        self.base.min_len().div_ceil(self.step)
    }

    fn max_len(&self) -> usize {
        self.base.max_len().div_ceil(self.step)
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let Stepped { step, len, base } = self;
        let at = index.saturating_mul(step).min(len);
        let (left, right) = base.split_at(at);
        (Stepped { step, len: at, base: left }, Stepped { step, len: len - at, base: right })
    }
}
