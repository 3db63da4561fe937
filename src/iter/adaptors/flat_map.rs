//! The items of parallel iterators within a parallel iterator.

use std::fmt;

use crate::iter::plumbing::{Consumer, Folder, Reducer, UnindexedConsumer};
use crate::iter::{IntoParallelIterator, ParallelIterator};

/// [`ParallelIterator::flat_map`].
pub type FlatMap<I, F> = Flattened<I, InnerBy<F>>;

/// [`ParallelIterator::flatten`].
pub type Flatten<I> = Flattened<I, Itself>;

/// How an item becomes a parallel iterator.
pub trait Inner<In>: Send + Sync {
    /// The parallel iterator.
    type Into: IntoParallelIterator;

    /// Makes it.
    fn inner(&self, item: In) -> Self::Into;
}

/// What makes a [`FlatMap`].
#[derive(Clone, Copy)]
pub struct InnerBy<F>(pub(crate) F);

impl<In, P: IntoParallelIterator, F: Fn(In) -> P + Send + Sync> Inner<In> for InnerBy<F> {
    type Into = P;

    fn inner(&self, item: In) -> P {
        (self.0)(item)
    }
}

/// What makes a [`Flatten`].
#[derive(Clone, Copy, Debug)]
pub struct Itself;

impl<In: IntoParallelIterator> Inner<In> for Itself {
    type Into = In;

    fn inner(&self, item: In) -> In {
        item
    }
}

/// A parallel iterator over the items of what another's items become.
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone)]
pub struct Flattened<I, M> {
    base: I,
    inner: M,
}

impl<I, M> Flattened<I, M> {
    pub(crate) fn new(base: I, inner: M) -> Self {
        Flattened { base, inner }
    }
}

impl<I: fmt::Debug, M> fmt::Debug for Flattened<I, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flattened").field("base", &self.base).finish_non_exhaustive()
    }
}

impl<I: ParallelIterator, M: Inner<I::Item>> ParallelIterator for Flattened<I, M> {
    type Item = <M::Into as IntoParallelIterator>::Item;

    fn drive_unindexed<C: UnindexedConsumer<Self::Item>>(self, consumer: C) -> C::Result {
        self.base.drive_unindexed(Flattening { base: consumer, inner: &self.inner })
    }
}

/// Gives a part of `base` to each inner iterator.
struct Flattening<'f, C, M> {
    base: C,
    inner: &'f M,
}

impl<'f, In, C, M> Consumer<In> for Flattening<'f, C, M>
where
    M: Inner<In>,
    C: UnindexedConsumer<<M::Into as IntoParallelIterator>::Item>,
{
    type Folder = FlatteningFolder<'f, C, C::Result, M>;
    type Reducer = C::Reducer;
    type Result = C::Result;

    fn split_at(self, index: usize) -> (Self, Self, C::Reducer) {
        // By position as far as the base knows, which it need not care for.
        let (left, right, reducer) = self.base.split_at(index);
        let inner = self.inner;
        (Flattening { base: left, inner }, Flattening { base: right, inner }, reducer)
    }

    fn into_folder(self) -> Self::Folder {
        FlatteningFolder { base: self.base, so_far: None, inner: self.inner }
    }

    fn full(&self) -> bool {
        self.base.full()
    }

    fn pause(folder: Self::Folder) -> (C::Result, Self, C::Reducer) {
        let FlatteningFolder { base, so_far, inner } = folder;
        let result = so_far.unwrap_or_else(|| base.split_off_left().into_folder().complete());
        let reducer = base.to_reducer();
        (result, Flattening { base, inner }, reducer)
    }
}

impl<In, C, M> UnindexedConsumer<In> for Flattening<'_, C, M>
where
    M: Inner<In>,
    C: UnindexedConsumer<<M::Into as IntoParallelIterator>::Item>,
{
    fn split_off_left(&self) -> Self {
        Flattening { base: self.base.split_off_left(), inner: self.inner }
    }

    fn to_reducer(&self) -> C::Reducer {
        self.base.to_reducer()
    }
}

/// `base` is for the items that are still to come.
struct FlatteningFolder<'f, C, R, M> {
    base: C,
    so_far: Option<R>,
    inner: &'f M,
}

impl<In, C, M> Folder<In> for FlatteningFolder<'_, C, C::Result, M>
where
    M: Inner<In>,
    C: UnindexedConsumer<<M::Into as IntoParallelIterator>::Item>,
{
    type Result = C::Result;

    const ASK_EACH: bool = true;
    const FILLS: bool = C::Folder::FILLS;
    const KEEPS_STATE: bool = C::Folder::KEEPS_STATE;

    fn consume(mut self, item: In) -> Self {
        let inner = self.inner.inner(item).into_par_iter();
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
