//! `map` with a state for each piece.

use std::cell::Cell;
use std::iter;

use super::seed::{FromCallHere, FromClone, Seed};
use crate::iter::plumbing::{Consumer, Folder, Producer, ProducerCallback, UnindexedConsumer};
use crate::iter::{IndexedParallelIterator, ParallelIterator};

/// Declares an adaptor by the seed that is made of it.
macro_rules! map_with {
    (
        $(#[$doc:meta])* $name:ident<$state:ident> [$($generics:tt)*]
        where { $($bounds:tt)* } |$from:ident| $seed:expr
    ) => {
        adaptor! { $(#[$doc])* $name<I; $state, F> { base; from: $state, f: F } }

        impl<I, F, R, $($generics)*> ParallelIterator for $name<I, $state, F>
        where
            I: ParallelIterator,
            F: Fn(&mut T, I::Item) -> R + Send + Sync,
            R: Send,
            $($bounds)*
        {
            type Item = R;

            fn drive_unindexed<C: UnindexedConsumer<R>>(self, consumer: C) -> C::Result {
                let $from = self.from;
                self.base.drive_unindexed(Mapping::new(consumer, $seed, &self.f))
            }

            fn opt_len(&self) -> Option<usize> {
                self.base.opt_len()
            }
        }

        impl<I, F, R, $($generics)*> IndexedParallelIterator for $name<I, $state, F>
        where
            I: IndexedParallelIterator,
            F: Fn(&mut T, I::Item) -> R + Send + Sync,
            R: Send,
            $($bounds)*
        {
            fn drive<C: Consumer<R>>(self, consumer: C) -> C::Result {
                let $from = self.from;
                self.base.drive(Mapping::new(consumer, $seed, &self.f))
            }

            fn len(&self) -> usize {
                self.base.len()
            }

            fn with_producer<CB: ProducerCallback<R>>(self, callback: CB) -> CB::Output {
                let $from = self.from;
                self.base.with_producer(Call { seed: $seed, f: &self.f, callback })
            }
        }
    };
}

map_with! {
    /// An iterator that maps items, with a value for each piece. Returned by
    /// [`ParallelIterator::map_with`].
    MapWith<T> [T] where { T: Clone + Send } |item| FromClone(item)
}

map_with! {
    /// An iterator that maps items, with a value for each piece. Returned by
    /// [`ParallelIterator::map_init`].
    MapInit<INIT> [T, INIT] where { INIT: Fn() -> T + Send + Sync } |init| FromCallHere(&init)
}

/// Wraps the producer.
struct Call<'f, S, F, CB> {
    seed: S,
    f: &'f F,
    callback: CB,
}

impl<In, R, S, F, CB> ProducerCallback<In> for Call<'_, S, F, CB>
where
    S: Seed,
    F: Fn(&mut S::State, In) -> R + Sync,
    CB: ProducerCallback<R>,
{
    type Output = CB::Output;

    fn callback<P: Producer<Item = In>>(self, base: P) -> CB::Output {
        self.callback.callback(Mapped { base, seed: self.seed, f: self.f })
    }
}

/// A producer; each of its pieces has a state of its own.
struct Mapped<'f, P, S, F> {
    base: P,
    seed: S,
    f: &'f F,
}

impl<'f, P, S, F, R> Producer for Mapped<'f, P, S, F>
where
    P: Producer,
    S: Seed,
    F: Fn(&mut S::State, P::Item) -> R + Sync,
{
    type Item = R;
    type IntoIter = MappedIter<'f, P::IntoIter, S::State, F>;

    const FEW_BLOCKS: bool = true;

    fn into_iter(self) -> Self::IntoIter {
        let Mapped { base, seed, f } = self;
        let state = seed.begin(S::Kept::default());
        // As in `MappedIter::fold`.
        drop(seed);
        MappedIter { base: base.into_iter(), state, f }
    }

    fn min_len(&self) -> usize {
        self.base.min_len()
    }

    fn max_len(&self) -> usize {
        self.base.max_len()
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let Mapped { base, seed, f } = self;
        let (left, right) = base.split_at(index);
        (Mapped { base: left, seed: seed.clone(), f }, Mapped { base: right, seed, f })
    }
}

/// The items of `base`, by `f`.
struct MappedIter<'f, It, T, F> {
    base: It,
    state: T,
    f: &'f F,
}

impl<It: Iterator, T, F: Fn(&mut T, It::Item) -> R, R> Iterator for MappedIter<'_, It, T, F> {
    type Item = R;

    fn next(&mut self) -> Option<R> {
        self.base.next().map(|item| (self.f)(&mut self.state, item))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.base.size_hint()
    }

    fn fold<B, G: FnMut(B, R) -> B>(self, init: B, fold: G) -> B {
        let MappedIter { base, mut state, f } = self;
        let so_far = base.map(|item| f(&mut state, item)).fold(init, fold);
        // Not at the end: a panic there would leak what is returned.
        drop(state);
        so_far
    }
}

impl<It, T, F, R> DoubleEndedIterator for MappedIter<'_, It, T, F>
where
    It: DoubleEndedIterator,
    F: Fn(&mut T, It::Item) -> R,
{
    fn next_back(&mut self) -> Option<R> {
        self.base.next_back().map(|item| (self.f)(&mut self.state, item))
    }

    fn rfold<B, G: FnMut(B, R) -> B>(mut self, init: B, mut fold: G) -> B {
        let mut so_far = init;
        while let Some(item) = self.next_back() {
            so_far = fold(so_far, item);
        }
        // As in `fold`.
        drop(self);
        so_far
    }
}

impl<It, T, F, R> ExactSizeIterator for MappedIter<'_, It, T, F>
where
    It: ExactSizeIterator,
    F: Fn(&mut T, It::Item) -> R,
{
}

/// A consumer; each of its pieces has a state of its own, or one that is left to it.
struct Mapping<'f, C, S: Seed, F> {
    base: C,
    seed: S,
    kept: Cell<S::Kept>,
    f: &'f F,
}

impl<'f, C, S: Seed, F> Mapping<'f, C, S, F> {
    fn new(base: C, seed: S, f: &'f F) -> Self {
        Mapping { base, seed, kept: Cell::default(), f }
    }
}

impl<'f, In, R, C, S, F> Consumer<In> for Mapping<'f, C, S, F>
where
    C: Consumer<R>,
    S: Seed,
    F: Fn(&mut S::State, In) -> R + Sync,
{
    type Folder = MappingFolder<'f, C::Folder, S, F>;
    type Reducer = C::Reducer;
    type Result = C::Result;

    const PAUSES: bool = C::PAUSES;

    fn split_at(self, index: usize) -> (Self, Self, C::Reducer) {
        let Mapping { base, seed, kept, f } = self;
        let (left, right, reducer) = base.split_at(index);
        let right = Mapping::new(right, seed.clone(), f);
        (Mapping { base: left, seed, kept, f }, right, reducer)
    }

    fn into_folder(self) -> Self::Folder {
        let state = self.seed.begin(self.kept.into_inner());
        MappingFolder { base: self.base.into_folder(), seed: self.seed, state, f: self.f }
    }

    fn full(&self) -> bool {
        self.base.full()
    }

    fn pause(folder: Self::Folder) -> (C::Result, Self, C::Reducer) {
        let MappingFolder { base, seed, state, f } = folder;
        let (result, base, reducer) = C::pause(base);
        (result, Mapping { base, seed, kept: Cell::new(S::keep(state)), f }, reducer)
    }
}

impl<In, R, C, S, F> UnindexedConsumer<In> for Mapping<'_, C, S, F>
where
    C: UnindexedConsumer<R>,
    S: Seed,
    F: Fn(&mut S::State, In) -> R + Sync,
{
    fn split_off_left(&self) -> Self {
        let (base, seed) = (self.base.split_off_left(), self.seed.clone());
        // It comes next.
        Mapping { base, seed, kept: Cell::new(self.kept.take()), f: self.f }
    }

    fn to_reducer(&self) -> C::Reducer {
        self.base.to_reducer()
    }
}

struct MappingFolder<'f, B, S: Seed, F> {
    base: B,
    seed: S,
    state: S::State,
    f: &'f F,
}

impl<In, R, B, S, F> Folder<In> for MappingFolder<'_, B, S, F>
where
    B: Folder<R>,
    S: Seed,
    F: Fn(&mut S::State, In) -> R,
{
    type Result = B::Result;

    const ASK_EACH: bool = B::ASK_EACH;
    const FILLS: bool = B::FILLS;
    const KEEPS_STATE: bool = true;

    fn consume(self, item: In) -> Self {
        self.consume_iter(iter::once(item))
    }

    fn consume_iter<I: IntoIterator<Item = In>>(mut self, iter: I) -> Self {
        let (f, state) = (self.f, &mut self.state);
        self.base = self.base.consume_iter(iter.into_iter().map(|item| f(state, item)));
        self
    }

    fn complete(self) -> B::Result {
        let MappingFolder { base, seed, state, .. } = self;
        // As in `MappedIter::fold`; both, if one panics.
        drop((state, seed));
        base.complete()
    }

    fn full(&self) -> bool {
        self.base.full()
    }
}
