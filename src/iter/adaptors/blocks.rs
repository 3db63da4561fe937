//! Loops that run block by block: each block in parallel, after the one before has ended.

use std::iter;

use crate::iter::plumbing::{
    Consumer, LoopSettings, Producer, ProducerCallback, Reducer, UnindexedConsumer,
    bridge_producer_consumer,
};
use crate::iter::{IndexedParallelIterator, ParallelIterator};

adaptor! {
    /// An iterator that runs block by block, with blocks of the same size. Returned by
    /// [`IndexedParallelIterator::by_uniform_blocks`].
    UniformBlocks<I> { base; size: usize }
}

adaptor! {
    /// An iterator that runs block by block, with blocks of growing sizes. Returned by
    /// [`IndexedParallelIterator::by_exponential_blocks`].
    ExponentialBlocks<I> { base }
}

macro_rules! by_blocks {
    ($($name:ident: |$self:ident| $sizes:expr;)*) => {$(
        impl<I: IndexedParallelIterator> ParallelIterator for $name<I> {
            type Item = I::Item;

            fn drive_unindexed<C: UnindexedConsumer<I::Item>>($self, consumer: C) -> C::Result {
                $self.base.loop_settings().run(|| {
                    let (len, sizes) = ($self.base.len(), $sizes);
                    $self.base.with_producer(Blocks { len, sizes, consumer })
                })
            }

            fn opt_len(&self) -> Option<usize> {
                Some(self.base.len())
            }

            fn loop_settings(&self) -> LoopSettings {
                self.base.loop_settings()
            }
        }
    )*};
}

by_blocks! {
    UniformBlocks: |self| iter::repeat(self.size);
    ExponentialBlocks: |self| {
        iter::successors(Some(crate::current_num_threads()), |size| Some(size.saturating_mul(2)))
    };
}

/// Takes the producer, and runs blocks of these sizes.
struct Blocks<S, C> {
    len: usize,
    sizes: S,
    consumer: C,
}

impl<T, S, C> ProducerCallback<T> for Blocks<S, C>
where
    S: Iterator<Item = usize>,
    C: Consumer<T>,
{
    type Output = C::Result;

    fn callback<P: Producer<Item = T>>(self, mut producer: P) -> C::Result {
        let Blocks { mut len, sizes, mut consumer } = self;
        // The result so far, and the reducer of this and that of the next block.
        let mut before = None;
        let join = |before: Option<(C::Result, C::Reducer)>, next| match before {
            Some((before, reducer)) => reducer.reduce(before, next),
            None => next,
        };
        for size in sizes {
            if size >= len || consumer.full() {
                break;
            }
            let (block, rest) = producer.split_at(size);
            let (block_consumer, rest_consumer, reducer) = consumer.split_at(size);
            let result = bridge_producer_consumer(size, block, block_consumer);
            before = Some((join(before, result), reducer));
            (producer, consumer, len) = (rest, rest_consumer, len - size);
        }
        join(before, bridge_producer_consumer(len, producer, consumer))
    }
}
