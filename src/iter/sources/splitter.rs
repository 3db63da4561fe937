//! Data that a function of the user cuts.

use super::steps::{Steps, drive_steps};
use crate::iter::ParallelIterator;
use crate::iter::adaptors::adaptor;
use crate::iter::plumbing::{Folder, UnindexedConsumer};

adaptor! {
    /// An iterator over parts of something. Returned by [`split`].
    Split<D; S> { data; splitter: S }
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
pub fn split<D, S>(data: D, splitter: S) -> Split<D, S>
where
    D: Send,
    S: Fn(D) -> (D, Option<D>) + Sync,
{
    Split::new(data, splitter)
}

impl<D, S> ParallelIterator for Split<D, S>
where
    D: Send,
    S: Fn(D) -> (D, Option<D>) + Sync + Send,
{
    type Item = D;

    fn drive_unindexed<C: UnindexedConsumer<D>>(self, consumer: C) -> C::Result {
        let part = Part { data: Some(self.data), splitter: &self.splitter, whole: false };
        drive_steps(part, consumer)
    }
}

/// A part, until it is given.
struct Part<'s, D, S> {
    data: Option<D>,
    splitter: &'s S,
    /// Whether it is not to be cut any more.
    whole: bool,
}

impl<D, S> Steps for Part<'_, D, S>
where
    D: Send,
    S: Fn(D) -> (D, Option<D>) + Sync,
{
    type Item = D;

    fn step<F: Folder<D>>(&mut self, _most: usize, folder: F) -> (F, bool) {
        (folder.consume_iter(self.data.take()), false)
    }

    fn cut_off(&mut self) -> Option<Self> {
        if self.whole {
            return None;
        }
        let (first, rest) = (self.splitter)(self.data.take()?);
        self.data = Some(first);
        self.whole = rest.is_none();
        rest.map(|rest| Part { data: Some(rest), splitter: self.splitter, whole: false })
    }
}
