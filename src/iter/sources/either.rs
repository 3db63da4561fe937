//! One of two parallel iterators.

use crate::iter::plumbing::{Consumer, LoopSettings, ProducerCallback, UnindexedConsumer};
use crate::iter::{Either, IndexedParallelIterator, ParallelIterator};

impl<L: ParallelIterator, R: ParallelIterator<Item = L::Item>> ParallelIterator for Either<L, R> {
    type Item = L::Item;

    fn drive_unindexed<C: UnindexedConsumer<L::Item>>(self, consumer: C) -> C::Result {
        either::for_both!(self, iter => iter.drive_unindexed(consumer))
    }

    fn opt_len(&self) -> Option<usize> {
        either::for_both!(self, iter => iter.opt_len())
    }

    fn loop_settings(&self) -> LoopSettings {
        either::for_both!(self, iter => iter.loop_settings())
    }
}

impl<L, R> IndexedParallelIterator for Either<L, R>
where
    L: IndexedParallelIterator,
    R: IndexedParallelIterator<Item = L::Item>,
{
    fn drive<C: Consumer<L::Item>>(self, consumer: C) -> C::Result {
        either::for_both!(self, iter => iter.drive(consumer))
    }

    fn len(&self) -> usize {
        either::for_both!(self, iter => iter.len())
    }

    fn with_producer<CB: ProducerCallback<L::Item>>(self, callback: CB) -> CB::Output {
        either::for_both!(self, iter => iter.with_producer(callback))
    }
}
