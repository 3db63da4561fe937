//! Loops that are cut in a shape which depends only on the number of items.

use crate::context::{CancelToken, Stop};
use crate::fork::stopping_token;
use crate::iter::IndexedParallelIterator;
use crate::iter::limit::{Limit, join_under};
use crate::iter::plumbing::{Consumer, Producer, ProducerCallback, Reducer, on_worker, serially};

driven! {
    /// An iterator with the same pieces each time: see [`IndexedParallelIterator::deterministic`].
    Deterministic<I> { base: I }
    [I: IndexedParallelIterator] => I::Item,
    |self, consumer| self.base.loop_settings().run(|| {
        let len = self.base.len();
        self.base.with_producer(Shape { len, consumer })
    }),
    opt_len |self| Some(self.base.len())
}

/// How many blocks there are at most, while a block has fewer items than [`LONGEST`]: enough for
/// balance between tens of workers. A part of the contract of `deterministic`.
const BLOCKS: usize = 256;
/// The most items of a block, unless `with_min_len` says more: some microseconds of additions. A
/// part of the contract of `deterministic`.
const LONGEST: usize = 4096;

/// The number of items of a block.
fn block_of(len: usize, min: usize, max: usize) -> usize {
    let block = len.div_ceil(BLOCKS).min(LONGEST).next_power_of_two();
    block.min(max).max(min).max(1)
}

/// Takes the producer of `len` items.
struct Shape<C> {
    len: usize,
    consumer: C,
}

impl<T, C: Consumer<T>> ProducerCallback<T> for Shape<C> {
    type Output = C::Result;

    fn callback<P: Producer<Item = T>>(self, producer: P) -> C::Result {
        let block = block_of(self.len, producer.min_len(), producer.max_len());
        let Shape { len, consumer } = self;
        // In a pool, so that closures run on its stacks even if nothing is forked.
        on_worker(|_, limit| {
            let token = stopping_token();
            cut((limit, token.as_ref()), block, len, producer, consumer)
        })
    }
}

/// Cuts into halves of whole blocks. If their number is odd, the left half is the shorter one.
fn cut<P: Producer, C: Consumer<P::Item>>(
    (limit, token): (Option<&Limit<'_>>, Option<&CancelToken>),
    block: usize,
    len: usize,
    producer: P,
    consumer: C,
) -> C::Result {
    Stop::check(token);
    if len <= block || consumer.full() {
        // `panic_fuse` has to know that a piece begins, and on which thread.
        producer.min_len();
        return serially(producer, consumer);
    }
    let at = len.div_ceil(block) / 2 * block;
    let (left, right) = producer.split_at(at);
    let (left_consumer, right_consumer, reducer) = consumer.split_at(at);
    let (left, right) = join_under(
        limit,
        || cut((limit, token), block, at, left, left_consumer),
        |_| cut((limit, token), block, len - at, right, right_consumer),
    );
    reducer.reduce(left, right)
}
