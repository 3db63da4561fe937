//! Loops that run block by block: each block in parallel, after the one before has ended.

use std::iter;

use crate::iter::IndexedParallelIterator;
use crate::iter::plumbing::{
    Consumer, Producer, ProducerCallback, Reducer, bridge_producer_consumer,
};

driven! {
    /// The iterator of [`IndexedParallelIterator::by_uniform_blocks`].
    UniformBlocks<I> { base: I; size: usize }
    [I: IndexedParallelIterator] => I::Item,
    |self, consumer| in_blocks(self.base, |_| iter::repeat(self.size), consumer),
    opt_len |self| Some(self.base.len())
}

driven! {
    /// The iterator of [`IndexedParallelIterator::by_exponential_blocks`].
    ExponentialBlocks<I> { base: I }
    [I: IndexedParallelIterator] => I::Item,
    |self, consumer| {
        let twice = |size: &usize| Some(size.saturating_mul(2));
        let sizes = |threads| iter::successors(Some(threads), twice);
        in_blocks(self.base, sizes, consumer)
    },
    opt_len |self| Some(self.base.len())
}

/// Feeds the items to `consumer` in blocks of the sizes that are for this number of threads.
fn in_blocks<I, S, C>(base: I, sizes: impl FnOnce(usize) -> S + Send, consumer: C) -> C::Result
where
    I: IndexedParallelIterator,
    S: Iterator<Item = usize>,
    C: Consumer<I::Item>,
{
    base.loop_settings().run(|| {
        let (len, sizes) = (base.len(), sizes(crate::current_num_threads()));
        base.with_producer(Blocks { len, sizes, consumer })
    })
}

/// Takes the producer, and runs blocks of these sizes.
struct Blocks<S, C> {
    len: usize,
    sizes: S,
    consumer: C,
}

impl<T, S: Iterator<Item = usize>, C: Consumer<T>> ProducerCallback<T> for Blocks<S, C> {
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
