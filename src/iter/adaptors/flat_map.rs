//! Parallel iterators within a parallel iterator.

use std::convert::identity;

use crate::iter::plumbing::{Consumer, Folder, Reducer, UnindexedConsumer};
use crate::iter::{IntoParallelIterator, ParallelIterator};

driven! {
    /// An iterator that flattens parallel iterators: see [`ParallelIterator::flat_map`].
    FlatMap<I, F> { base: I; map_op: F }
    [I: ParallelIterator, F: Fn(I::Item) -> PI + Sync + Send, PI: IntoParallelIterator] => PI::Item,
    |self, consumer| {
        self.base.drive_unindexed(Flattening::new(consumer, &self.map_op))
    }
}

driven! {
    /// An iterator that flattens parallel iterators: see [`ParallelIterator::flatten`].
    Flatten<I> { base: I }
    [I: ParallelIterator<Item: IntoParallelIterator>] => <I::Item as IntoParallelIterator>::Item,
    |self, consumer| self.base.flat_map(identity).drive_unindexed(consumer)
}

/// Gives a part of `base` to each inner iterator, and joins their results. `base` takes the items
/// that are still to come.
struct Flattening<'f, C, R, F> {
    base: C,
    so_far: Option<R>,
    map_op: &'f F,
}

impl<'f, C, R, F> Flattening<'f, C, R, F> {
    fn new(base: C, map_op: &'f F) -> Self {
        Flattening { base, so_far: None, map_op }
    }
}

impl<In, C, F, PI> Consumer<In> for Flattening<'_, C, C::Result, F>
where
    F: Fn(In) -> PI + Sync,
    PI: IntoParallelIterator,
    C: UnindexedConsumer<PI::Item>,
{
    type Folder = Self;
    type Reducer = C::Reducer;
    type Result = C::Result;

    const PAUSES: bool = true;

    fn split_at(self, index: usize) -> (Self, Self, C::Reducer) {
        // The positions are not those of the items, but the base need not know them.
        let (left, right, reducer) = self.base.split_at(index);
        (Flattening::new(left, self.map_op), Flattening::new(right, self.map_op), reducer)
    }

    fn into_folder(self) -> Self {
        self
    }

    fn full(&self) -> bool {
        self.base.full()
    }

    fn pause(folder: Self) -> (C::Result, Self, C::Reducer) {
        let Flattening { base, so_far, map_op } = folder;
        let result = so_far.unwrap_or_else(|| base.split_off_left().into_folder().complete());
        let reducer = base.to_reducer();
        (result, Flattening::new(base, map_op), reducer)
    }
}

impl<In, C, F, PI> UnindexedConsumer<In> for Flattening<'_, C, C::Result, F>
where
    F: Fn(In) -> PI + Sync,
    PI: IntoParallelIterator,
    C: UnindexedConsumer<PI::Item>,
{
    fn split_off_left(&self) -> Self {
        Flattening::new(self.base.split_off_left(), self.map_op)
    }

    fn to_reducer(&self) -> C::Reducer {
        self.base.to_reducer()
    }
}

impl<In, C, F, PI> Folder<In> for Flattening<'_, C, C::Result, F>
where
    F: Fn(In) -> PI + Sync,
    PI: IntoParallelIterator,
    C: UnindexedConsumer<PI::Item>,
{
    type Result = C::Result;

    const ASK_EACH: bool = true;
    const FILLS: bool = C::Folder::FILLS;
    const KEEPS_STATE: bool = C::Folder::KEEPS_STATE;

    fn consume(mut self, item: In) -> Self {
        let inner = (self.map_op)(item).into_par_iter();
        let result = inner.drive_unindexed(self.base.split_off_left());
        self.so_far = Some(match self.so_far {
            Some(so_far) => self.base.to_reducer().reduce(so_far, result),
            None => result,
        });
        self
    }

    fn complete(self) -> C::Result {
        self.so_far.unwrap_or_else(|| self.base.into_folder().complete())
    }

    fn full(&self) -> bool {
        self.base.full()
    }
}
