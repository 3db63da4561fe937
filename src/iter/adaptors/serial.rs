//! Adaptors that do to each piece what the serial adaptor of the same name does to an iterator.

use std::fmt;
use std::iter;

use super::super::plumbing::{Consumer, Folder, Producer, ProducerCallback, UnindexedConsumer};
use super::super::{IndexedParallelIterator, ParallelIterator};

/// What an adaptor makes of the serial iterator over a piece with items `In`.
pub trait Adapter<In>: Send + Sync {
    /// Its items.
    type Out;

    /// The serial adaptor.
    type Iter<'a, It: Iterator<Item = In>>: Iterator<Item = Self::Out>
    where
        Self: 'a;

    /// Whether each item gives exactly one.
    const ONE_TO_ONE: bool;

    /// Whether an item may give very many, or have no end.
    const MANY: bool = false;

    /// Wraps the iterator over a piece.
    fn adapt<It: Iterator<Item = In>>(&self, iter: It) -> Self::Iter<'_, It>;
}

/// One that gives one item for each, so that positions and both ends stay.
pub trait OneToOne<In>: Adapter<In> {
    /// The serial adaptor, with both ends.
    type Exact<'a, It: DoubleEndedIterator<Item = In> + ExactSizeIterator>: DoubleEndedIterator<Item = Self::Out>
        + ExactSizeIterator
    where
        Self: 'a;

    /// Wraps the iterator over a piece.
    fn adapt_exact<It>(&self, iter: It) -> Self::Exact<'_, It>
    where
        It: DoubleEndedIterator<Item = In> + ExactSizeIterator;
}

/// A parallel iterator whose pieces go through a serial adaptor.
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone)]
pub struct Adapted<I, A> {
    base: I,
    adapter: A,
}

impl<I, A> Adapted<I, A> {
    pub(crate) fn new(base: I, adapter: A) -> Self {
        Adapted { base, adapter }
    }
}

impl<I: fmt::Debug, A> fmt::Debug for Adapted<I, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adapted").field("base", &self.base).finish_non_exhaustive()
    }
}

impl<I, A> ParallelIterator for Adapted<I, A>
where
    I: ParallelIterator,
    A: Adapter<I::Item, Out: Send>,
{
    type Item = A::Out;

    fn drive_unindexed<C: UnindexedConsumer<A::Out>>(self, consumer: C) -> C::Result {
        self.base.drive_unindexed(Through { base: consumer, adapter: &self.adapter })
    }

    fn opt_len(&self) -> Option<usize> {
        if A::ONE_TO_ONE { self.base.opt_len() } else { None }
    }
}

impl<I, A> IndexedParallelIterator for Adapted<I, A>
where
    I: IndexedParallelIterator,
    A: OneToOne<I::Item, Out: Send>,
{
    fn drive<C: Consumer<A::Out>>(self, consumer: C) -> C::Result {
        self.base.drive(Through { base: consumer, adapter: &self.adapter })
    }

    fn len(&self) -> usize {
        self.base.len()
    }

    fn with_producer<CB: ProducerCallback<A::Out>>(self, callback: CB) -> CB::Output {
        struct Wrap<'a, CB, A> {
            callback: CB,
            adapter: &'a A,
        }

        impl<T, CB, A> ProducerCallback<T> for Wrap<'_, CB, A>
        where
            A: OneToOne<T>,
            CB: ProducerCallback<A::Out>,
        {
            type Output = CB::Output;

            fn callback<P: Producer<Item = T>>(self, base: P) -> CB::Output {
                self.callback.callback(Through { base, adapter: self.adapter })
            }
        }

        self.base.with_producer(Wrap { callback, adapter: &self.adapter })
    }
}

/// How many of many items are done before others are asked whether that is enough.
const ROW: usize = 1024;

/// The producer, consumer or folder `base`, through the adapter.
struct Through<'a, B, A> {
    base: B,
    adapter: &'a A,
}

impl<'a, P, A> Producer for Through<'a, P, A>
where
    P: Producer,
    A: OneToOne<P::Item>,
{
    type Item = A::Out;
    type IntoIter = A::Exact<'a, P::IntoIter>;

    const FEW_BLOCKS: bool = P::FEW_BLOCKS;

    fn into_iter(self) -> Self::IntoIter {
        self.adapter.adapt_exact(self.base.into_iter())
    }

    fn min_len(&self) -> usize {
        self.base.min_len()
    }

    fn max_len(&self) -> usize {
        self.base.max_len()
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let (left, right) = self.base.split_at(index);
        let adapter = self.adapter;
        (Through { base: left, adapter }, Through { base: right, adapter })
    }

    fn fold_with<F: Folder<A::Out>>(self, folder: F) -> F {
        self.base.fold_with(Through { base: folder, adapter: self.adapter }).base
    }
}

impl<'a, T, C, A> Consumer<T> for Through<'a, C, A>
where
    A: Adapter<T>,
    C: Consumer<A::Out>,
{
    type Folder = Through<'a, C::Folder, A>;
    type Reducer = C::Reducer;
    type Result = C::Result;

    fn split_at(self, index: usize) -> (Self, Self, C::Reducer) {
        let (left, right, reducer) = self.base.split_at(index);
        let adapter = self.adapter;
        (Through { base: left, adapter }, Through { base: right, adapter }, reducer)
    }

    fn into_folder(self) -> Self::Folder {
        Through { base: self.base.into_folder(), adapter: self.adapter }
    }

    fn full(&self) -> bool {
        self.base.full()
    }

    fn pause(folder: Self::Folder) -> (C::Result, Self, C::Reducer) {
        let (result, base, reducer) = C::pause(folder.base);
        (result, Through { base, adapter: folder.adapter }, reducer)
    }
}

impl<T, C, A> UnindexedConsumer<T> for Through<'_, C, A>
where
    A: Adapter<T>,
    C: UnindexedConsumer<A::Out>,
{
    fn split_off_left(&self) -> Self {
        Through { base: self.base.split_off_left(), adapter: self.adapter }
    }

    fn to_reducer(&self) -> C::Reducer {
        self.base.to_reducer()
    }
}

impl<T, F, A> Folder<T> for Through<'_, F, A>
where
    A: Adapter<T>,
    F: Folder<A::Out>,
{
    type Result = F::Result;

    const ASK_EACH: bool = F::ASK_EACH;
    const FILLS: bool = F::FILLS;
    const KEEPS_STATE: bool = F::KEEPS_STATE;

    fn consume(mut self, item: T) -> Self {
        self.base = self.base.consume_iter(self.adapter.adapt(iter::once(item)));
        self
    }

    fn consume_iter<I: IntoIterator<Item = T>>(mut self, iter: I) -> Self {
        if A::MANY && F::FILLS && !F::ASK_EACH {
            let mut items = self.adapter.adapt(iter.into_iter());
            while let Some(first) = items.next() {
                let row = iter::once(first).chain(items.by_ref().take(ROW - 1));
                self.base = self.base.consume_iter(row);
                if self.base.full() {
                    break;
                }
            }
            // Not at the end: a panic there would leak what is returned.
            drop(items);
            return self;
        }
        if A::ONE_TO_ONE || !F::ASK_EACH {
            self.base = self.base.consume_iter(self.adapter.adapt(iter.into_iter()));
            return self;
        }
        for item in iter {
            self = self.consume(item);
            if self.full() {
                break;
            }
        }
        self
    }

    fn complete(self) -> F::Result {
        self.base.complete()
    }

    fn full(&self) -> bool {
        self.base.full()
    }
}

/// Declares adapters: `name [generics] (state) : In -> Out, one to one or not, by the serial
/// adaptor `iter`, made by `make`.
macro_rules! adapter {
    (
        $(#[$doc:meta])*
        $alias:ident = $name:ident<$($f:ident)?> [$($generics:tt)*] ($in:ty) -> $out:ty
        where { $($bounds:tt)* }
        $kind:ident $($serial:ident)::+ < It $(, & $a:lifetime $fn:ident)? >
        |$self:ident, $iter:ident| $make:expr
    ) => {
        $(#[$doc])*
        pub type $alias<I $(, $f)?> = Adapted<I, $name<$($f)?>>;

        #[doc = concat!("What makes a [`", stringify!($alias), "`].")]
        #[derive(Clone, Copy)]
        pub struct $name<$($f)?>($(pub(crate) $f)?);

        impl<$($generics)*> Adapter<$in> for $name<$($f)?> where $($bounds)* {
            type Out = $out;
            type Iter<'a, It: Iterator<Item = $in>> = $($serial)::+<It $(, &$a $fn)?> where Self: 'a;
            const ONE_TO_ONE: bool = adapter!(@one $kind);
            const MANY: bool = adapter!(@many $kind);

            #[inline]
            fn adapt<It: Iterator<Item = $in>>(&$self, $iter: It) -> Self::Iter<'_, It> {
                $make
            }
        }

        adapter!(@exact $kind $name<$($f)?> [$($generics)*] ($in)
            where { $($bounds)* } $($serial)::+ < It $(, &$a $fn)? > |$self, $iter| $make);
    };
    (@one each) => { true };
    (@one $other:ident) => { false };
    (@many many) => { true };
    (@many $other:ident) => { false };
    (@exact many $($rest:tt)*) => {};
    (@exact some $($rest:tt)*) => {};
    (@exact each $name:ident<$($f:ident)?> [$($generics:tt)*] ($in:ty)
        where { $($bounds:tt)* }
        $($serial:ident)::+ < It $(, & $a:lifetime $fn:ident)? >
        |$self:ident, $iter:ident| $make:expr
    ) => {
        impl<$($generics)*> OneToOne<$in> for $name<$($f)?> where $($bounds)* {
            type Exact<'a, It: DoubleEndedIterator<Item = $in> + ExactSizeIterator> =
                $($serial)::+<It $(, &$a $fn)?> where Self: 'a;

            #[inline]
            fn adapt_exact<It>(&$self, $iter: It) -> Self::Exact<'_, It>
            where
                It: DoubleEndedIterator<Item = $in> + ExactSizeIterator,
            {
                $make
            }
        }
    };
}

adapter! {
    /// [`ParallelIterator::map`].
    Map = MapBy<F> [T, R, F] (T) -> R
    where { F: Fn(T) -> R + Send + Sync }
    each iter::Map<It, &'a F> |self, iter| iter.map(&self.0)
}

adapter! {
    /// [`ParallelIterator::inspect`].
    Inspect = InspectBy<F> [T, F] (T) -> T
    where { F: Fn(&T) + Send + Sync }
    each iter::Inspect<It, &'a F> |self, iter| iter.inspect(&self.0)
}

adapter! {
    /// [`ParallelIterator::copied`].
    Copied = Copying<> ['t, T] (&'t T) -> T
    where { T: Copy + 't }
    each iter::Copied<It> |self, iter| iter.copied()
}

adapter! {
    /// [`ParallelIterator::cloned`].
    Cloned = Cloning<> ['t, T] (&'t T) -> T
    where { T: Clone + 't }
    each iter::Cloned<It> |self, iter| iter.cloned()
}

adapter! {
    /// [`ParallelIterator::filter`].
    Filter = FilterBy<F> [T, F] (T) -> T
    where { F: Fn(&T) -> bool + Send + Sync }
    some iter::Filter<It, &'a F> |self, iter| iter.filter(&self.0)
}

adapter! {
    /// [`ParallelIterator::filter_map`].
    FilterMap = FilterMapBy<F> [T, R, F] (T) -> R
    where { F: Fn(T) -> Option<R> + Send + Sync }
    some iter::FilterMap<It, &'a F> |self, iter| iter.filter_map(&self.0)
}

adapter! {
    /// [`ParallelIterator::flatten_iter`].
    FlattenIter = Flattening<> [T] (T) -> T::Item
    where { T: IntoIterator }
    many iter::Flatten<It> |self, iter| iter.flatten()
}

/// [`ParallelIterator::flat_map_iter`].
pub type FlatMapIter<I, F> = Adapted<I, FlatMapIterBy<F>>;

/// What makes a [`FlatMapIter`].
#[derive(Clone, Copy)]
pub struct FlatMapIterBy<F>(pub(crate) F);

impl<T, S, F> Adapter<T> for FlatMapIterBy<F>
where
    S: IntoIterator,
    F: Fn(T) -> S + Send + Sync,
{
    type Out = S::Item;
    type Iter<'a, It: Iterator<Item = T>>
        = iter::FlatMap<It, S, &'a F>
    where
        Self: 'a;

    const ONE_TO_ONE: bool = false;
    const MANY: bool = true;

    fn adapt<It: Iterator<Item = T>>(&self, iter: It) -> Self::Iter<'_, It> {
        iter.flat_map(&self.0)
    }
}

/// [`ParallelIterator::update`].
pub type Update<I, F> = Adapted<I, UpdateBy<F>>;

/// What makes an [`Update`].
#[derive(Clone, Copy)]
pub struct UpdateBy<F>(pub(crate) F);

impl<T, F: Fn(&mut T) + Send + Sync> Adapter<T> for UpdateBy<F> {
    type Out = T;
    type Iter<'a, It: Iterator<Item = T>>
        = Updated<'a, It, F>
    where
        Self: 'a;

    const ONE_TO_ONE: bool = true;

    fn adapt<It: Iterator<Item = T>>(&self, iter: It) -> Updated<'_, It, F> {
        Updated { iter, f: &self.0 }
    }
}

impl<T, F: Fn(&mut T) + Send + Sync> OneToOne<T> for UpdateBy<F> {
    type Exact<'a, It: DoubleEndedIterator<Item = T> + ExactSizeIterator>
        = Updated<'a, It, F>
    where
        Self: 'a;

    fn adapt_exact<It>(&self, iter: It) -> Updated<'_, It, F>
    where
        It: DoubleEndedIterator<Item = T> + ExactSizeIterator,
    {
        Updated { iter, f: &self.0 }
    }
}

/// The items of a piece, each changed by `f`.
pub struct Updated<'a, It, F> {
    iter: It,
    f: &'a F,
}

/// Changes what a reference would.
fn updating<T, F: Fn(&mut T)>(f: &F) -> impl Fn(T) -> T + '_ {
    move |mut item| {
        f(&mut item);
        item
    }
}

impl<It: Iterator, F: Fn(&mut It::Item)> Iterator for Updated<'_, It, F> {
    type Item = It::Item;

    fn next(&mut self) -> Option<It::Item> {
        self.iter.next().map(updating(self.f))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.iter.size_hint()
    }

    fn fold<B, G: FnMut(B, It::Item) -> B>(self, init: B, fold: G) -> B {
        self.iter.map(updating(self.f)).fold(init, fold)
    }
}

impl<It: DoubleEndedIterator, F: Fn(&mut It::Item)> DoubleEndedIterator for Updated<'_, It, F> {
    fn next_back(&mut self) -> Option<It::Item> {
        self.iter.next_back().map(updating(self.f))
    }
}

impl<It: ExactSizeIterator, F: Fn(&mut It::Item)> ExactSizeIterator for Updated<'_, It, F> {}
