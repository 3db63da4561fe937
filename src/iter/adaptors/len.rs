//! Bounds to the lengths of pieces.

use super::reshape::{Reshaped, Shape};
use crate::iter::plumbing::{Folder, Producer, ProducerCallback};

/// [`IndexedParallelIterator::with_min_len`](crate::iter::IndexedParallelIterator::with_min_len).
pub type MinLen<I> = Reshaped<I, AtLeast>;

/// What makes a [`MinLen`].
#[derive(Clone, Copy, Debug)]
pub struct AtLeast(pub(crate) usize);

/// [`IndexedParallelIterator::with_max_len`](crate::iter::IndexedParallelIterator::with_max_len).
pub type MaxLen<I> = Reshaped<I, AtMost>;

/// What makes a [`MaxLen`].
#[derive(Clone, Copy, Debug)]
pub struct AtMost(pub(crate) usize);

macro_rules! bounded {
    ($($shape:ident: $min:expr, $max:expr;)*) => {$(
        impl<T: Send> Shape<T> for $shape {
            type Out = T;

            fn len(&self, base: usize) -> usize {
                base
            }

            fn shape<P, CB>(self, _len: usize, base: P, callback: CB) -> CB::Output
            where
                P: Producer<Item = T>,
                CB: ProducerCallback<T>,
            {
                let bound = self.0;
                let (min, max) = ($min(base.min_len(), bound), $max(base.max_len(), bound));
                callback.callback(Bounded { min, max, base })
            }
        }
    )*};
}

fn as_is(base: usize, _bound: usize) -> usize {
    base
}

bounded! {
    AtLeast: usize::max, as_is;
    AtMost: as_is, usize::min;
}

/// The items of `base`, by other lengths.
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
        // The base is asked each time: `panic_fuse` has to know when a piece begins.
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
