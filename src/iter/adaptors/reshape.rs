//! Adaptors that keep the positions, and make a producer of their base's producer.

use std::fmt;

use crate::iter::plumbing::{Consumer, Producer, ProducerCallback, UnindexedConsumer, bridge};
use crate::iter::{IndexedParallelIterator, ParallelIterator};

/// What an adaptor makes of a producer of `In`.
pub trait Shape<In>: Send {
    /// Its items.
    type Out: Send;

    /// How many items it makes of `base` items.
    fn len(&self, base: usize) -> usize;

    /// Calls back with a producer that is made of `base`, which has `len` items.
    fn shape<P, CB>(self, len: usize, base: P, callback: CB) -> CB::Output
    where
        P: Producer<Item = In>,
        CB: ProducerCallback<Self::Out>;
}

/// A parallel iterator whose producer is made of another's.
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone)]
pub struct Reshaped<I, S> {
    base: I,
    shape: S,
}

impl<I, S> Reshaped<I, S> {
    pub(crate) fn new(base: I, shape: S) -> Self {
        Reshaped { base, shape }
    }
}

impl<I: fmt::Debug, S> fmt::Debug for Reshaped<I, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reshaped").field("base", &self.base).finish_non_exhaustive()
    }
}

impl<I, S> ParallelIterator for Reshaped<I, S>
where
    I: IndexedParallelIterator,
    S: Shape<I::Item>,
{
    type Item = S::Out;

    fn drive_unindexed<C: UnindexedConsumer<S::Out>>(self, consumer: C) -> C::Result {
        bridge(self, consumer)
    }

    fn opt_len(&self) -> Option<usize> {
        Some(self.len())
    }
}

impl<I, S> IndexedParallelIterator for Reshaped<I, S>
where
    I: IndexedParallelIterator,
    S: Shape<I::Item>,
{
    fn drive<C: Consumer<S::Out>>(self, consumer: C) -> C::Result {
        bridge(self, consumer)
    }

    fn len(&self) -> usize {
        self.shape.len(self.base.len())
    }

    fn with_producer<CB: ProducerCallback<S::Out>>(self, callback: CB) -> CB::Output {
        struct Call<S, CB> {
            len: usize,
            shape: S,
            callback: CB,
        }

        impl<T, S: Shape<T>, CB: ProducerCallback<S::Out>> ProducerCallback<T> for Call<S, CB> {
            type Output = CB::Output;

            fn callback<P: Producer<Item = T>>(self, base: P) -> CB::Output {
                self.shape.shape(self.len, base, self.callback)
            }
        }

        let Reshaped { base, shape } = self;
        let len = base.len();
        base.with_producer(Call { len, shape, callback })
    }
}
