//! Without the first items, and nothing but the first.

use super::reshape::reshaped;
use super::zip::first;
use crate::fork::in_place_scope;
use crate::iter::plumbing::{Consumer, Folder, NoopReducer, bridge_producer_consumer};

reshaped! {
    /// An iterator over all items but the first `n`. Returned by
    /// [`skip`](crate::iter::IndexedParallelIterator::skip).
    Skip<I> { n: usize } [T: Send] (T) -> T
    where {}
    len |self, len| len.saturating_sub(self.n),
    |len, base, callback| {
        let skipped = n.min(len);
        if skipped == 0 {
            return callback.callback(base);
        }
        let (before, wanted) = base.split_at(skipped);
        in_place_scope(|scope| {
            // As in a serial iterator, what comes before runs.
            scope.spawn(move || bridge_producer_consumer(skipped, before, Ignore));
            callback.callback(wanted)
        })
    };

    /// An iterator over the first `n` items. Returned by
    /// [`take`](crate::iter::IndexedParallelIterator::take).
    Take<I> { n: usize } [T: Send] (T) -> T
    where {}
    len |self, len| len.min(self.n),
    |len, base, callback| callback.callback(first(n, len, base));
}

/// Drops the items.
struct Ignore;

impl<T> Consumer<T> for Ignore {
    type Folder = Ignore;
    type Reducer = NoopReducer;
    type Result = ();

    const PAUSES: bool = true;

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
