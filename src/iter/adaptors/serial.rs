//! Adaptors that do to each piece what the serial adaptor of the same name does to an iterator.

use std::iter;

use super::stage::{Stage, Staged, StagedFolder};
use crate::iter::ends::position::position_if;
use crate::iter::plumbing::{Folder, Producer, ProducerCallback, drop_first};
use crate::iter::{IndexedParallelIterator, ParallelIterator};

/// What is done to the serial iterator over a piece with items `In`.
pub(in crate::iter) trait Adapter<In>: Sync {
    /// The items that come of it.
    type Out;

    /// How many items come of one.
    const GIVES: Gives = Gives::One;

    /// As [`Folder::FILLS`]: whether [`is_shut`](Self::is_shut) may ever return true.
    const FILLS: bool = false;

    /// As [`Folder::ASK_EACH`], for `is_shut`.
    const ASK_EACH: bool = false;

    /// Wraps the iterator over a piece.
    fn adapt(&self, iter: impl Iterator<Item = In>) -> impl Iterator<Item = Self::Out>;

    /// Whether it takes no more items, in any piece.
    #[inline]
    fn is_shut(&self) -> bool {
        false
    }
}

/// How many items an adapter makes of one.
#[derive(PartialEq)]
pub(in crate::iter) enum Gives {
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

/// The producer `base`, through the adapter.
struct Through<'a, P, A> {
    base: P,
    adapter: &'a A,
}

impl<'a, P: Producer, A: OneToOne<P::Item>> Producer for Through<'a, P, A> {
    type Item = A::Out;
    type IntoIter = A::Exact<'a, P::IntoIter>;

    bounds_of!(P: base);

    fn into_iter(self) -> Self::IntoIter {
        self.adapter.adapt_exact(self.base.into_iter())
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let (left, right) = self.base.split_at(index);
        let adapter = self.adapter;
        (Through { base: left, adapter }, Through { base: right, adapter })
    }

    fn fold_with<F: Folder<A::Out>>(self, folder: F) -> F {
        let stage = self.adapter;
        self.base.fold_with(StagedFolder { base: folder, stage, state: () }).base
    }
}

impl<In, A: Adapter<In>> Stage<In> for &A {
    type Out = A::Out;
    type State = ();

    const FILLS: bool = A::FILLS;
    const ASK_EACH: bool = A::ASK_EACH;

    fn split_at(self, _index: usize) -> (Self, Self) {
        (self, self)
    }

    fn split_off_left(&self) -> Self {
        self
    }

    fn begin(&self) {}

    fn feed<F>(&self, (): (), mut base: F, iter: impl Iterator<Item = In>) -> ((), F)
    where
        F: Folder<A::Out>,
    {
        if F::ASK_EACH && A::GIVES != Gives::One {
            for item in iter {
                base = base.consume_iter(self.adapt(iter::once(item)));
                if self.is_shut() || base.full() {
                    break;
                }
            }
            return ((), base);
        }
        let mut items = self.adapt(iter);
        if !F::FILLS || A::GIVES != Gives::Many {
            return ((), base.consume_iter(items));
        }
        while let Some(first) = items.next() {
            let row = iter::once(first).chain(items.by_ref().take(ROW - 1));
            base = base.consume_iter(row);
            if base.full() {
                break;
            }
        }
        drop_first(items, ((), base))
    }

    fn pause<F: Folder<A::Out>>(&mut self, (): (), base: F) -> F {
        base
    }

    fn is_over(&self) -> bool {
        self.is_shut()
    }
}

/// Declares adaptors by the serial iterators that they put around those over pieces. Each item
/// gives one (`each`), maybe none (`some`), or maybe very many (`many`).
macro_rules! serial {
    ($(
        $(#[$doc:meta])*
        $name:ident($($field:ident: $F:ident)?) [$($generics:tt)*] ($in:ty) -> $out:ty
        where { $($bounds:tt)* }
        $kind:ident $($serial:ty,)? |$iter:ident| $make:expr;
    )*) => {$(
        adaptor! { $(#[$doc])* $name<I $(, $F)?> { base: I $(; $field: $F)? } }

        const _: () = {
            struct By<$($F)?> {
                $($field: $F)?
            }

            impl<$($generics)*> Adapter<$in> for By<$($F)?> where $($bounds)* {
                type Out = $out;

                serial!(@consts $kind);

                #[inline]
                fn adapt(&self, $iter: impl Iterator<Item = $in>) -> impl Iterator<Item = $out> {
                    let By { $($field)? } = self;
                    $make
                }
            }

            serial!(@impl $kind, $name($($field: $F)?) [$($generics)*] ($in) -> $out
                where { $($bounds)* } $($serial, |$iter| $make)?);
        };
    )*};
    (@consts each) => {};
    (@consts some) => { const GIVES: Gives = Gives::Some; };
    (@consts many) => { const GIVES: Gives = Gives::Many; };
    (@impl each, $name:ident($($field:ident: $F:ident)?) [$($generics:tt)*] ($in:ty) -> $out:ty
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

        one_to_one!(
            [$($generics)*, I] $name<I $(, $F)?>, over I<Item = $in> where { $($bounds)* }, $out,
            |self| self.base,
            |consumer| Staged { base: consumer, stage: &By { $($field: self.$field)? } },
            |callback| Wrap { callback, adapter: &By { $($field: self.$field)? } }
        );
    };
    (@impl $other:ident, $name:ident($($field:ident: $F:ident)?) [$($generics:tt)*]
        ($in:ty) -> $out:ty
        where { $($bounds:tt)* }
    ) => {
        driven!(
            [$($generics)*, I: ParallelIterator<Item = $in>] $name<I $(, $F)?>
            where { $($bounds)* }, $out,
            |self, consumer| {
                let stage = &By { $($field: self.$field)? };
                self.base.drive_unindexed(Staged { base: consumer, stage })
            }
        );
    };
}

/// Wraps the producer.
struct Wrap<'a, CB, A> {
    callback: CB,
    adapter: &'a A,
}

impl<T, CB: ProducerCallback<A::Out>, A: OneToOne<T>> ProducerCallback<T> for Wrap<'_, CB, A> {
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
    some |iter| iter.filter(predicate);

    /// An iterator that maps items, and drops those that are mapped to `None`. Returned by
    /// [`ParallelIterator::filter_map`].
    FilterMap(f: P) [T: Send, R: Send, P] (T) -> R
    where { P: Fn(T) -> Option<R> + Sync + Send }
    some |iter| iter.filter_map(f);

    /// An iterator that maps items to serial iterators, and flattens these. Returned by
    /// [`ParallelIterator::flat_map_iter`].
    FlatMapIter(f: F) [T: Send, S: IntoIterator<Item: Send>, F] (T) -> S::Item
    where { F: Fn(T) -> S + Sync + Send }
    many |iter| iter.flat_map(f);

    /// An iterator that flattens items that are serial iterators. Returned by
    /// [`ParallelIterator::flatten_iter`].
    FlattenIter() [T: IntoIterator<Item: Send> + Send] (T) -> T::Item
    where {}
    many |iter| iter.flatten();
}

one_to_one! {
    /// An iterator that changes each item in place. Returned by [`ParallelIterator::update`].
    Update<I, F> { base: I; f: F }
    [I, F: Fn(&mut I::Item) + Sync + Send] over I, I::Item,
    |self| self.base.map(updating(self.f)),
    |consumer| consumer,
    |callback| callback
}

/// Changes what a reference would.
fn updating<T, F: Fn(&mut T)>(f: F) -> impl Fn(T) -> T {
    move |mut item| {
        f(&mut item);
        item
    }
}

driven! {
    /// An iterator over the positions of items that match a predicate. Returned by
    /// [`IndexedParallelIterator::positions`].
    Positions<I, P> { base: I; predicate: P }
    [I: IndexedParallelIterator, P: Fn(I::Item) -> bool + Sync + Send] -> usize,
    |self, consumer| {
        let found = position_if(self.predicate);
        self.base.enumerate().filter_map(found).drive_unindexed(consumer)
    }
}
