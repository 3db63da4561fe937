//! Mapping until the first `None`.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::iter::implement::bridged;
use crate::iter::plumbing::{
    Folder, Producer, ProducerCallback, Reducer, UnindexedConsumer, drop_first,
};
use crate::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

driven! {
    /// An iterator that maps items until a `None`: see [`IndexedParallelIterator::map_while`].
    MapWhile<I, P> { base: I; predicate: P }
    [I: IndexedParallelIterator, P: Fn(I::Item) -> Option<R> + Sync + Send, R: Send] => R,
    |self, consumer| self.base.loop_settings().run(|| {
        let len = self.base.len();
        self.base.with_producer(Blocks { len, f: &self.predicate, consumer })
    })
}

/// The most items of a block. Such a block costs far more than starting one does, and its results
/// take little memory.
const LONGEST: usize = 1 << 16;

/// Takes the producer of `len` items. Block by block, it maps the items to a vector, and feeds
/// those before the first `None` to the consumer.
struct Blocks<'f, F, C> {
    len: usize,
    f: &'f F,
    consumer: C,
}

impl<T, R, F, C> ProducerCallback<T> for Blocks<'_, F, C>
where
    T: Send,
    R: Send,
    F: Fn(T) -> Option<R> + Sync,
    C: UnindexedConsumer<R>,
{
    type Output = C::Result;

    fn callback<P: Producer<Item = T>>(self, mut producer: P) -> C::Result {
        let Blocks { mut len, f, consumer } = self;
        let mut size = crate::current_num_threads();
        let mut before = None;
        while len > 0 && !consumer.full() {
            let at = size.min(len);
            let (block, rest) = producer.split_at(at);
            (producer, len) = (rest, len - at);
            let (values, is_over) = map_block(block, at, f);
            let values = values.into_par_iter().map(|value| value.expect("before the first None"));
            let result = values.drive_unindexed(consumer.split_off_left());
            before = Some(match before {
                Some(before) => consumer.to_reducer().reduce(before, result),
                None => result,
            });
            if is_over {
                break;
            }
            size = (size * 2).min(LONGEST);
        }
        drop_first(producer, before).unwrap_or_else(|| consumer.into_folder().complete())
    }
}

/// Maps the `len` items of a block. Returns the results before the first `None`, and whether there
/// was one.
fn map_block<P: Producer<Item: Send>, R: Send>(
    block: P,
    len: usize,
    f: &(impl Fn(P::Item) -> Option<R> + Sync),
) -> (Vec<Option<R>>, bool) {
    // The position of the first `None` so far. (Relaxed: it guards no other data.)
    let end = AtomicUsize::new(len);
    let map = |(position, item)| {
        if position > end.load(Ordering::Relaxed) {
            return None;
        }
        let value = f(item);
        if value.is_none() {
            end.fetch_min(position, Ordering::Relaxed);
        }
        value
    };
    let mut values: Vec<Option<R>> = Block { producer: block, len }.enumerate().map(map).collect();
    let end = end.into_inner();
    values.truncate(end);
    (values, end < len)
}

/// The items of a producer, as a parallel iterator.
struct Block<P> {
    producer: P,
    len: usize,
}

bridged!(
    [P: Producer<Item: Send>] Block<P> => P::Item, len |self| self.len,
    |self, callback| callback.callback(self.producer)
);
