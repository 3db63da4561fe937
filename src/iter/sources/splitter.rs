//! Data that a function of the user cuts.

use crate::iter::adaptors::adaptor;
use crate::iter::implement::parallel;
use crate::iter::plumbing::{Folder, UnindexedProducer, bridge_unindexed};

adaptor! {
    /// An iterator over parts of something: see [`split`].
    Split<D, S> { data: D; splitter: S }
}

/// Returns a parallel iterator over parts of `data`. `splitter` cuts a part in two, or returns it
/// and `None` if it is not to be cut.
///
/// How many parts there are depends on how many threads help: there may be a single one. The parts
/// keep their order.
///
/// ```
/// use filch::prelude::*;
///
/// let halves = |range: std::ops::Range<u64>| {
///     let middle = range.start + (range.end - range.start) / 2;
///     if middle == range.start {
///         (range, None)
///     } else {
///         (range.start..middle, Some(middle..range.end))
///     }
/// };
/// let sum: u64 = filch::iter::split(0..1000, halves).map(|part| part.sum::<u64>()).sum();
/// assert_eq!(sum, 499_500);
/// ```
pub fn split<D: Send, S: Fn(D) -> (D, Option<D>) + Sync>(data: D, splitter: S) -> Split<D, S> {
    Split::new(data, splitter)
}

parallel! {
    [D: Send, S: Fn(D) -> (D, Option<D>) + Sync + Send] Split<D, S> => D,
    |self, consumer| {
        bridge_unindexed(Part { data: self.data, splitter: &self.splitter }, consumer)
    }
}

struct Part<'s, D, S> {
    data: D,
    splitter: &'s S,
}

impl<D: Send, S: Fn(D) -> (D, Option<D>) + Sync> UnindexedProducer for Part<'_, D, S> {
    type Item = D;

    fn split(self) -> (Self, Option<Self>) {
        let part = |data| Part { data, splitter: self.splitter };
        let (first, rest) = (self.splitter)(self.data);
        (part(first), rest.map(part))
    }

    fn fold_with<F: Folder<D>>(self, folder: F) -> F {
        folder.consume(self.data)
    }
}
