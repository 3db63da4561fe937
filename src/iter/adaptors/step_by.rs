//! Every `step`-th item.

use std::iter;

use super::reshape::reshaped;
use crate::iter::plumbing::Producer;

reshaped! {
    /// An iterator over the first item and every `step`-th after it. Returned by
    /// [`step_by`](crate::iter::IndexedParallelIterator::step_by).
    StepBy<I> { step: usize } [T: Send] (T) -> T
    where {}
    len |self, len| len.div_ceil(self.step),
    |len, base, callback| callback.callback(Stepped { step, len, base });
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
