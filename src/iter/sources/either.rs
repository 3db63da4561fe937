//! One of two parallel iterators.

use crate::iter::implement::{indexed, parallel};
use crate::iter::{Either, IndexedParallelIterator, ParallelIterator};

parallel! {
    [L: ParallelIterator, R: ParallelIterator<Item = L::Item>] Either<L, R> => L::Item,
    |self, consumer| either::for_both!(self, iter => iter.drive_unindexed(consumer)),
    opt_len |self| either::for_both!(self, iter => iter.opt_len()),
    settings |self| either::for_both!(self, iter => iter.loop_settings())
}

indexed! {
    [L: IndexedParallelIterator, R: IndexedParallelIterator<Item = L::Item>] Either<L, R>
    => L::Item,
    drive |self, consumer| either::for_both!(self, iter => iter.drive(consumer)),
    len |self| either::for_both!(self, iter => iter.len()),
    |self, callback| either::for_both!(self, iter => iter.with_producer(callback))
}
