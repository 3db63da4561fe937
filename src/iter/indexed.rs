//! Parallel iterators that know the position of every item.

use super::ParallelIterator;
use super::ends::collect::append_by;
use super::plumbing::{Consumer, ProducerCallback};

/// A parallel iterator that knows how many items it has, and the position of each.
pub trait IndexedParallelIterator: ParallelIterator {
    /// How many items there are.
    fn len(&self) -> usize;

    /// Feeds the items to `consumer`, which is cut by position.
    fn drive<C: Consumer<Self::Item>>(self, consumer: C) -> C::Result;

    /// Calls `callback` with a producer of the items.
    fn with_producer<CB: ProducerCallback<Self::Item>>(self, callback: CB) -> CB::Output;

    // ---- adaptors ---------------------------------------------------------------------------

    // ---- ends -------------------------------------------------------------------------------

    /// Collects the items into `target`, whose former content is dropped, and whose memory is used
    /// again.
    fn collect_into_vec(self, target: &mut Vec<Self::Item>) {
        target.clear();
        append_by(target, self.len(), |places| self.drive(places));
    }
}
