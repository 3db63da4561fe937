//! The common form of consumers that accumulate a result for each piece.

use std::iter;

use super::super::plumbing::{Consumer, Folder, Reducer, UnindexedConsumer};

/// Joins the results of pieces.
pub(crate) trait Join: Sync {
    type Result: Send;

    /// Returns the result of no items.
    fn start(&self) -> Self::Result;

    /// Joins the results of two neighbours.
    fn join(&self, left: Self::Result, right: Self::Result) -> Self::Result;
}

/// Takes the items of each piece.
pub(crate) trait End<T>: Join {
    /// Whether `is_over` or `is_full` may ever return true.
    const ENDS_EARLY: bool = false;

    /// Adds the items of `iter` to `so_far`, or as many as are wanted.
    fn take(&self, so_far: Self::Result, iter: impl Iterator<Item = T>) -> Self::Result;

    /// Returns whether no piece needs more items.
    fn is_over(&self) -> bool {
        false
    }

    /// Returns whether a piece with this result needs no more items.
    fn is_full(&self, _so_far: &Self::Result) -> bool {
        self.is_over()
    }
}

/// Returns a consumer for `end`.
pub(crate) fn consumer_of<T, E: End<T>>(end: &E) -> impl UnindexedConsumer<T, Result = E::Result> {
    EndConsumer(end)
}

struct EndConsumer<'e, E>(&'e E);

struct EndFolder<'e, E: Join> {
    end: &'e E,
    so_far: E::Result,
}

impl<E: Join> Reducer<E::Result> for EndConsumer<'_, E> {
    fn reduce(self, left: E::Result, right: E::Result) -> E::Result {
        self.0.join(left, right)
    }
}

impl<'e, T, E: End<T>> Consumer<T> for EndConsumer<'e, E> {
    type Folder = EndFolder<'e, E>;
    type Reducer = Self;
    type Result = E::Result;

    const PAUSES: bool = true;

    fn split_at(self, _index: usize) -> (Self, Self, Self) {
        (EndConsumer(self.0), EndConsumer(self.0), self)
    }

    fn into_folder(self) -> EndFolder<'e, E> {
        EndFolder { end: self.0, so_far: self.0.start() }
    }

    fn full(&self) -> bool {
        self.0.is_over()
    }

    fn pause(folder: EndFolder<'e, E>) -> (E::Result, Self, Self) {
        (folder.so_far, EndConsumer(folder.end), EndConsumer(folder.end))
    }
}

impl<T, E: End<T>> UnindexedConsumer<T> for EndConsumer<'_, E> {
    fn split_off_left(&self) -> Self {
        EndConsumer(self.0)
    }

    fn to_reducer(&self) -> Self {
        EndConsumer(self.0)
    }
}

impl<T, E: End<T>> Folder<T> for EndFolder<'_, E> {
    type Result = E::Result;

    const ASK_EACH: bool = false;
    const FILLS: bool = E::ENDS_EARLY;

    #[inline]
    fn consume(self, item: T) -> Self {
        self.consume_iter(iter::once(item))
    }

    fn consume_iter<I: IntoIterator<Item = T>>(mut self, iter: I) -> Self {
        self.so_far = self.end.take(self.so_far, iter.into_iter());
        self
    }

    fn complete(self) -> E::Result {
        self.so_far
    }

    fn full(&self) -> bool {
        self.end.is_full(&self.so_far)
    }
}
