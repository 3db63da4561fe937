//! Adaptors that do to each piece what the serial adaptor of the same name does to an iterator.

use std::convert::identity;
use std::iter;

use super::stage::{Stage, Staged, StagedFolder};
use crate::iter::ends::position::position_if;
use crate::iter::plumbing::{Folder, Producer, in_rows};
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

impl<In, A: Adapter<In>> Stage<In> for &A {
    type Out = A::Out;
    type State = ();

    const FILLS: bool = A::FILLS;
    const ASK_EACH: bool = A::ASK_EACH;

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
        let items = self.adapt(iter);
        if !F::FILLS || A::GIVES != Gives::Many {
            return ((), base.consume_iter(items));
        }
        ((), in_rows(items, base))
    }

    fn pause<F: Folder<A::Out>>(&mut self, (): (), base: F) -> F {
        base
    }

    fn is_over(&self) -> bool {
        self.is_shut()
    }
}

one_to_one! {
    /// An iterator that maps the items of another: see [`ParallelIterator::map`].
    Map<I, F> { base: I; f: F }
    [T, F: Fn(T) -> R + Sync + Send, R: Send] over<Item = T> => R,
    |self, consumer| Staged { base: consumer, stage: &Mapped(self.f) },
    |base| MappedProducer { base, f: &Mapped(f) }
}

/// Maps items by a function.
struct Mapped<F>(F);

impl<T, R, F: Fn(T) -> R + Sync> Adapter<T> for Mapped<F> {
    type Out = R;

    #[inline]
    fn adapt(&self, iter: impl Iterator<Item = T>) -> impl Iterator<Item = R> {
        iter.map(&self.0)
    }
}

struct MappedProducer<'f, P, F> {
    base: P,
    f: &'f Mapped<F>,
}

impl<'f, P: Producer, R, F: Fn(P::Item) -> R + Sync> Producer for MappedProducer<'f, P, F> {
    type Item = R;
    type IntoIter = iter::Map<P::IntoIter, &'f F>;

    bounds_of!(P: base);

    fn into_iter(self) -> Self::IntoIter {
        self.base.into_iter().map(&self.f.0)
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let MappedProducer { base, f } = self;
        let (left, right) = base.split_at(index);
        (MappedProducer { base: left, f }, MappedProducer { base: right, f })
    }

    fn fold_with<Fo: Folder<R>>(self, folder: Fo) -> Fo {
        self.base.fold_with(StagedFolder { base: folder, stage: self.f, state: () }).base
    }
}

one_to_one! {
    /// An iterator that shows each item to a function: see [`ParallelIterator::inspect`].
    Inspect<I, F> { base: I; f: F }
    [F: Fn(&I::Item) + Sync + Send] over => I::Item,
    |self| self.base.map(updating(move |item: &mut I::Item| (self.f)(item)))
}

one_to_one! {
    /// An iterator that changes each item in place: see [`ParallelIterator::update`].
    Update<I, F> { base: I; f: F }
    [F: Fn(&mut I::Item) + Sync + Send] over => I::Item,
    |self| self.base.map(updating(self.f))
}

/// Changes what a reference would.
fn updating<T, F: Fn(&mut T)>(f: F) -> impl Fn(T) -> T {
    move |mut item| {
        f(&mut item);
        item
    }
}

one_to_one! {
    /// An iterator that copies what the items refer to: see [`ParallelIterator::copied`].
    Copied<I> { base: I }
    ['t, T: Copy + Send + 't] over<Item = &'t T> => T,
    |self| self.base.map(|item: &T| *item)
}

one_to_one! {
    /// An iterator that clones what the items refer to: see [`ParallelIterator::cloned`].
    Cloned<I> { base: I }
    ['t, T: Clone + Send + 't] over<Item = &'t T> => T,
    |self| self.base.map(T::clone)
}

/// Declares adaptors by the serial iterators that they put around those over pieces. Each item
/// gives at most one (`Some`), or maybe very many (`Many`).
macro_rules! serial {
    ($(
        $(#[$doc:meta])*
        $name:ident($f:ident: $F:ident) [$($generics:tt)*] => $out:ty,
        $gives:ident |$iter:ident| $make:expr;
    )*) => {$(
        driven! {
            $(#[$doc])*
            $name<I, $F> { base: I; $f: $F }
            [$($generics)*, I: ParallelIterator<Item = T>] => $out,
            |self, consumer| {
                struct By<$F>($F);

                impl<$($generics)*> Adapter<T> for By<$F> {
                    type Out = $out;

                    const GIVES: Gives = Gives::$gives;

                    #[inline]
                    fn adapt(&self, $iter: impl Iterator<Item = T>) -> impl Iterator<Item = $out> {
                        let By($f) = self;
                        $make
                    }
                }

                self.base.drive_unindexed(Staged { base: consumer, stage: &By(self.$f) })
            }
        }
    )*};
}

serial! {
    /// An iterator that keeps the items that match a predicate: see [`ParallelIterator::filter`].
    Filter(predicate: P) [T: Send, P: Fn(&T) -> bool + Sync + Send] => T,
    Some |iter| iter.filter(predicate);

    /// An iterator that maps items, and drops some: see [`ParallelIterator::filter_map`].
    FilterMap(f: P) [T: Send, R: Send, P: Fn(T) -> Option<R> + Sync + Send] => R,
    Some |iter| iter.filter_map(f);

    /// An iterator that flattens serial iterators: see [`ParallelIterator::flat_map_iter`].
    FlatMapIter(f: F) [T: Send, S: IntoIterator<Item: Send>, F: Fn(T) -> S + Sync + Send]
    => S::Item,
    Many |iter| iter.flat_map(f);
}

driven! {
    /// An iterator that flattens serial iterators: see [`ParallelIterator::flatten_iter`].
    FlattenIter<I> { base: I }
    [I: ParallelIterator<Item: IntoIterator<Item: Send>>] => <I::Item as IntoIterator>::Item,
    |self, consumer| self.base.flat_map_iter(identity).drive_unindexed(consumer)
}

driven! {
    /// An iterator over the positions of some items: see [`IndexedParallelIterator::positions`].
    Positions<I, P> { base: I; predicate: P }
    [I: IndexedParallelIterator, P: Fn(I::Item) -> bool + Sync + Send] => usize,
    |self, consumer| {
        let found = position_if(self.predicate);
        self.base.enumerate().filter_map(found).drive_unindexed(consumer)
    }
}
