//! Adaptors that do to each piece what the serial adaptor of the same name does to an iterator.

use std::iter;

use crate::iter::plumbing::{
    Consumer, Folder, LoopSettings, Producer, ProducerCallback, UnindexedConsumer,
};
use crate::iter::{IndexedParallelIterator, ParallelIterator};

/// What is done to the serial iterator over a piece with items `In`.
pub(super) trait Adapter<In>: Sync {
    /// The items that come of it.
    type Out;

    /// The serial adaptor.
    type Iter<'a, It: Iterator<Item = In>>: Iterator<Item = Self::Out>
    where
        Self: 'a;

    /// How many items come of one.
    const GIVES: Gives = Gives::One;

    /// As [`Folder::FILLS`]: whether [`is_shut`](Self::is_shut) may ever return true.
    const FILLS: bool = false;

    /// As [`Folder::ASK_EACH`], for `is_shut`.
    const ASK_EACH: bool = false;

    /// Wraps the iterator over a piece.
    fn adapt<It: Iterator<Item = In>>(&self, iter: It) -> Self::Iter<'_, It>;

    /// Whether it takes no more items, in any piece.
    #[inline]
    fn is_shut(&self) -> bool {
        false
    }
}

/// How many items an adapter makes of one.
#[derive(PartialEq)]
pub(super) enum Gives {
    One,
    /// One or none: many in a row may give none.
    Some,
    /// Any number, maybe without an end.
    Many,
}

/// One that gives one item for each, so that positions and both ends stay.
pub(super) trait OneToOne<In>: Adapter<In> {
    /// The serial adaptor, with both ends.
    type Exact<'a, It>: DoubleEndedIterator<Item = Self::Out> + ExactSizeIterator
    where
        It: DoubleEndedIterator<Item = In> + ExactSizeIterator,
        Self: 'a;

    /// Wraps the iterator over a piece.
    fn adapt_exact<It>(&self, iter: It) -> Self::Exact<'_, It>
    where
        It: DoubleEndedIterator<Item = In> + ExactSizeIterator;
}

/// How many of many items are done before others are asked whether that is enough.
const ROW: usize = 1024;

/// The producer, consumer or folder `base`, through the adapter.
pub(super) struct Through<'a, B, A> {
    pub(super) base: B,
    pub(super) adapter: &'a A,
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

    const PAUSES: bool = C::PAUSES;

    fn split_at(self, index: usize) -> (Self, Self, C::Reducer) {
        let (left, right, reducer) = self.base.split_at(index);
        let adapter = self.adapter;
        (Through { base: left, adapter }, Through { base: right, adapter }, reducer)
    }

    fn into_folder(self) -> Self::Folder {
        Through { base: self.base.into_folder(), adapter: self.adapter }
    }

    fn full(&self) -> bool {
        self.adapter.is_shut() || self.base.full()
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

    const ASK_EACH: bool = A::ASK_EACH || F::ASK_EACH;
    const FILLS: bool = A::FILLS || F::FILLS;
    const KEEPS_STATE: bool = F::KEEPS_STATE;

    fn consume(mut self, item: T) -> Self {
        self.base = self.base.consume_iter(self.adapter.adapt(iter::once(item)));
        self
    }

    fn consume_iter<I: IntoIterator<Item = T>>(mut self, iter: I) -> Self {
        if F::ASK_EACH && A::GIVES != Gives::One {
            for item in iter {
                self = self.consume(item);
                if self.full() {
                    break;
                }
            }
            return self;
        }
        let mut items = self.adapter.adapt(iter.into_iter());
        if !F::FILLS || A::GIVES != Gives::Many {
            self.base = self.base.consume_iter(items);
            return self;
        }
        while let Some(first) = items.next() {
            let row = iter::once(first).chain(items.by_ref().take(ROW - 1));
            self.base = self.base.consume_iter(row);
            if self.base.full() {
                break;
            }
        }
        // Not at the end: a panic there would leak what is returned.
        drop(items);
        self
    }

    fn complete(self) -> F::Result {
        self.base.complete()
    }

    fn full(&self) -> bool {
        self.adapter.is_shut() || self.base.full()
    }
}

/// Declares adaptors by the serial iterators that they put around those over pieces. Each item
/// gives one (`each`), maybe none (`some`), or maybe very many (`many`).
macro_rules! serial {
    ($(
        $(#[$doc:meta])*
        $name:ident($($field:ident: $F:ident)?) [$($generics:tt)*] ($in:ty) -> $out:ty
        where { $($bounds:tt)* }
        $kind:ident $serial:ty, |$iter:ident| $make:expr;
    )*) => {$(
        adaptor! { $(#[$doc])* $name<I $(; $F)?> { base $(; $field: $F)? } }

        const _: () = {
            struct By<$($F)?> {
                $($field: $F)?
            }

            impl<$($generics)*> Adapter<$in> for By<$($F)?> where $($bounds)* {
                type Out = $out;
                type Iter<'a, It: Iterator<Item = $in>> = $serial where Self: 'a;

                serial!(@consts $kind);

                #[inline]
                fn adapt<It: Iterator<Item = $in>>(&self, $iter: It) -> Self::Iter<'_, It> {
                    let By { $($field)? } = self;
                    $make
                }
            }

            impl<$($generics)*, I> ParallelIterator for $name<I $(, $F)?>
            where
                I: ParallelIterator<Item = $in>,
                $($bounds)*
            {
                type Item = $out;

                #[inline]
                fn drive_unindexed<C: UnindexedConsumer<$out>>(self, consumer: C) -> C::Result {
                    let $name { base $(, $field)? } = self;
                    base.drive_unindexed(Through { base: consumer, adapter: &By { $($field)? } })
                }

                serial!(@opt_len $kind);

                fn loop_settings(&self) -> LoopSettings {
                    self.base.loop_settings()
                }
            }

            serial!(@exact $kind, $name($($field: $F)?) [$($generics)*] ($in) -> $out
                where { $($bounds)* } $serial, |$iter| $make);
        };
    )*};
    (@consts each) => {};
    (@consts some) => { const GIVES: Gives = Gives::Some; };
    (@consts many) => { const GIVES: Gives = Gives::Many; };
    (@opt_len each) => {
        fn opt_len(&self) -> Option<usize> {
            self.base.opt_len()
        }
    };
    (@opt_len $other:ident) => {};
    (@exact each, $name:ident($($field:ident: $F:ident)?) [$($generics:tt)*] ($in:ty) -> $out:ty
        where { $($bounds:tt)* }
        $serial:ty, |$iter:ident| $make:expr
    ) => {
        impl<$($generics)*> OneToOne<$in> for By<$($F)?> where $($bounds)* {
            type Exact<'a, It> = $serial
            where
                It: DoubleEndedIterator<Item = $in> + ExactSizeIterator,
                Self: 'a;

            #[inline]
            fn adapt_exact<It>(&self, $iter: It) -> Self::Exact<'_, It>
            where
                It: DoubleEndedIterator<Item = $in> + ExactSizeIterator,
            {
                let By { $($field)? } = self;
                $make
            }
        }

        impl<$($generics)*, I> IndexedParallelIterator for $name<I $(, $F)?>
        where
            I: IndexedParallelIterator<Item = $in>,
            $($bounds)*
        {
            #[inline]
            fn drive<C: Consumer<$out>>(self, consumer: C) -> C::Result {
                let $name { base $(, $field)? } = self;
                base.drive(Through { base: consumer, adapter: &By { $($field)? } })
            }

            fn len(&self) -> usize {
                self.base.len()
            }

            #[inline]
            fn with_producer<CB: ProducerCallback<$out>>(self, callback: CB) -> CB::Output {
                let $name { base $(, $field)? } = self;
                base.with_producer(Wrap { callback, adapter: &By { $($field)? } })
            }
        }
    };
    (@exact $other:ident, $($rest:tt)*) => {};
}

/// Wraps the producer.
pub(super) struct Wrap<'a, CB, A> {
    pub(super) callback: CB,
    pub(super) adapter: &'a A,
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

serial! {
    /// An iterator that maps the items of another. Returned by [`ParallelIterator::map`].
    Map(f: F) [T: Send, R: Send, F] (T) -> R
    where { F: Fn(T) -> R + Sync + Send }
    each iter::Map<It, &'a F>, |iter| iter.map(f);

    /// An iterator that shows each item to a function. Returned by [`ParallelIterator::inspect`].
    Inspect(f: F) [T: Send, F] (T) -> T
    where { F: Fn(&T) + Sync + Send }
    each iter::Inspect<It, &'a F>, |iter| iter.inspect(f);

    /// An iterator that changes each item in place. Returned by [`ParallelIterator::update`].
    Update(f: F) [T: Send, F] (T) -> T
    where { F: Fn(&mut T) + Sync + Send }
    each Updated<'a, It, F>, |iter| Updated { iter, f };

    /// An iterator that copies what the items refer to. Returned by [`ParallelIterator::copied`].
    Copied() ['t, T: Copy + Send + 't] (&'t T) -> T
    where {}
    each iter::Copied<It>, |iter| iter.copied();

    /// An iterator that clones what the items refer to. Returned by [`ParallelIterator::cloned`].
    Cloned() ['t, T: Clone + Send + 't] (&'t T) -> T
    where {}
    each iter::Cloned<It>, |iter| iter.cloned();

    /// An iterator that keeps the items that match a predicate. Returned by
    /// [`ParallelIterator::filter`].
    Filter(predicate: P) [T: Send, P] (T) -> T
    where { P: Fn(&T) -> bool + Sync + Send }
    some iter::Filter<It, &'a P>, |iter| iter.filter(predicate);

    /// An iterator that maps items, and drops those that are mapped to `None`. Returned by
    /// [`ParallelIterator::filter_map`].
    FilterMap(f: P) [T: Send, R: Send, P] (T) -> R
    where { P: Fn(T) -> Option<R> + Sync + Send }
    some iter::FilterMap<It, &'a P>, |iter| iter.filter_map(f);

    /// An iterator that maps items to serial iterators, and flattens these. Returned by
    /// [`ParallelIterator::flat_map_iter`].
    FlatMapIter(f: F) [T: Send, S: IntoIterator<Item: Send>, F] (T) -> S::Item
    where { F: Fn(T) -> S + Sync + Send }
    many iter::FlatMap<It, S, &'a F>, |iter| iter.flat_map(f);

    /// An iterator that flattens items that are serial iterators. Returned by
    /// [`ParallelIterator::flatten_iter`].
    FlattenIter() [T: IntoIterator<Item: Send> + Send] (T) -> T::Item
    where {}
    many iter::Flatten<It>, |iter| iter.flatten();
}

/// The items of a piece, each changed by `f`.
struct Updated<'a, It, F> {
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

adaptor! {
    /// An iterator over the positions of items that match a predicate. Returned by
    /// [`IndexedParallelIterator::positions`].
    Positions<I; P> { base; predicate: P }
}

impl<I, P> ParallelIterator for Positions<I, P>
where
    I: IndexedParallelIterator,
    P: Fn(I::Item) -> bool + Sync + Send,
{
    type Item = usize;

    fn drive_unindexed<C: UnindexedConsumer<usize>>(self, consumer: C) -> C::Result {
        let Positions { base, predicate } = self;
        let found = |(position, item)| predicate(item).then_some(position);
        base.enumerate().filter_map(found).drive_unindexed(consumer)
    }

    fn loop_settings(&self) -> LoopSettings {
        self.base.loop_settings()
    }
}
