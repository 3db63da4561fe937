//! Without the first items, and nothing but the first.

use super::reshape::{Reshaped, Shape};
use crate::fork::in_place_scope;
use crate::iter::plumbing::{
    Consumer, Folder, NoopReducer, Producer, ProducerCallback, bridge_producer_consumer,
};

/// [`IndexedParallelIterator::skip`](crate::iter::IndexedParallelIterator::skip).
pub type Skip<I> = Reshaped<I, Skipping>;

/// What makes a [`Skip`].
#[derive(Clone, Copy, Debug)]
pub struct Skipping(pub(crate) usize);

impl<T: Send> Shape<T> for Skipping {
    type Out = T;

    fn len(&self, base: usize) -> usize {
        base.saturating_sub(self.0)
    }

    fn shape<P, CB>(self, len: usize, base: P, callback: CB) -> CB::Output
    where
        P: Producer<Item = T>,
        CB: ProducerCallback<T>,
    {
        let skipped = self.0.min(len);
        if skipped == 0 {
            return callback.callback(base);
        }
        let (before, wanted) = base.split_at(skipped);
        in_place_scope(|scope| {
            // As an iterator that is no parallel one: what comes before runs, too.
            scope.spawn(move || bridge_producer_consumer(skipped, before, Ignore));
            callback.callback(wanted)
        })
    }
}

/// [`IndexedParallelIterator::take`](crate::iter::IndexedParallelIterator::take).
pub type Take<I> = Reshaped<I, Taking>;

/// What makes a [`Take`].
#[derive(Clone, Copy, Debug)]
pub struct Taking(pub(crate) usize);

impl<T: Send> Shape<T> for Taking {
    type Out = T;

    fn len(&self, base: usize) -> usize {
        base.min(self.0)
    }

    fn shape<P, CB>(self, len: usize, base: P, callback: CB) -> CB::Output
    where
        P: Producer<Item = T>,
        CB: ProducerCallback<T>,
    {
        if self.0 >= len {
            return callback.callback(base);
        }
        let (wanted, rest) = base.split_at(self.0);
        drop(rest);
        callback.callback(wanted)
    }
}

/// Drops the items.
struct Ignore;

impl<T> Consumer<T> for Ignore {
    type Folder = Ignore;
    type Reducer = NoopReducer;
    type Result = ();

    fn split_at(self, _index: usize) -> (Self, Self, NoopReducer) {
        (Ignore, Ignore, NoopReducer)
    }

    fn into_folder(self) -> Ignore {
        self
    }

    fn full(&self) -> bool {
        false
    }

    fn pause(folder: Ignore) -> ((), Self, NoopReducer) {
        ((), folder, NoopReducer)
    }
}

impl<T> Folder<T> for Ignore {
    type Result = ();

    const ASK_EACH: bool = false;
    const FILLS: bool = false;

    fn consume(self, _item: T) -> Self {
        self
    }

    fn consume_iter<I: IntoIterator<Item = T>>(self, iter: I) -> Self {
        iter.into_iter().for_each(drop);
        self
    }

    fn complete(self) {}

    fn full(&self) -> bool {
        false
    }
}
