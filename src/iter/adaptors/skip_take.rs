//! All but the first items, and the first only.

use super::reshape::reshaped;
use super::zip::first;
use crate::fork::in_place_scope;
use crate::iter::ends::end::consumer_of;
use crate::iter::ends::reduce::ForEach;
use crate::iter::limit::innermost;
use crate::iter::plumbing::bridge_producer_consumer;

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
        // As in a serial iterator, adaptors before this run for the skipped items.
        let skip = move || bridge_producer_consumer(skipped, before, consumer_of(&ForEach(drop)));
        if innermost(|limit| limit.is_some()) {
            skip();
            return callback.callback(wanted);
        }
        in_place_scope(|scope| {
            scope.spawn(skip);
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
