//! `map` with a state for each piece.

use super::fold_then_drop;
use super::seed::{FromCall, FromCallHere, Seed, Seeded};
use super::stage::{Stage, Staged};
use crate::iter::plumbing::{Folder, Producer, drop_first};
use crate::iter::{IndexedParallelIterator, ParallelIterator};

one_to_one! {
    /// An iterator that maps items, with a state: see [`ParallelIterator::map_with`].
    MapWith<I, T, F> { base: I; init: T, f: F }
    [U, T: Clone + Send, F: Fn(&mut T, U) -> R + Send + Sync, R: Send] over<Item = U> => R,
    |self, consumer| Mapping::stage(consumer, FromCall(move || self.init.clone()), &self.f),
    |base| WithState { base, seed: FromCall(move || init.clone()), f: &f }
}

one_to_one! {
    /// An iterator that maps items, with a state: see [`ParallelIterator::map_init`].
    MapInit<I, INIT, F> { base: I; init: INIT, f: F }
    [U, T, INIT: Fn() -> T + Send + Sync, F: Fn(&mut T, U) -> R + Send + Sync, R: Send]
    over<Item = U> => R,
    |self, consumer| Mapping::stage(consumer, FromCallHere(&self.init), &self.f),
    |base| WithState { base, seed: FromCallHere(&init), f: &f }
}

/// A producer whose pieces each have a state of their own.
pub(super) struct WithState<'f, P, S, F> {
    pub(super) base: P,
    pub(super) seed: S,
    pub(super) f: &'f F,
}

impl<'f, P, S, F, R> Producer for WithState<'f, P, S, F>
where
    P: Producer,
    S: Seed,
    F: Fn(&mut S::State, P::Item) -> R + Sync,
{
    type Item = R;
    type IntoIter = MappedIter<'f, P::IntoIter, S::State, F>;

    const FEW_BLOCKS: bool = P::FEW_BLOCKS || S::IS_COSTLY;

    fn into_iter(self) -> Self::IntoIter {
        let WithState { base, seed, f } = self;
        let state = seed.begin(S::Kept::default());
        let state = drop_first(seed, state);
        MappedIter { base: base.into_iter(), state, f }
    }

    fn min_len(&self) -> usize {
        self.base.min_len()
    }

    fn max_len(&self) -> usize {
        self.base.max_len()
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let WithState { base, seed, f } = self;
        let (left, right) = base.split_at(index);
        (WithState { base: left, seed: seed.clone(), f }, WithState { base: right, seed, f })
    }
}

/// The results of `f` for the items of `base`.
pub(super) struct MappedIter<'f, It, T, F> {
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
        drop_first(state, so_far)
    }
}

impl<It: DoubleEndedIterator, T, F: Fn(&mut T, It::Item) -> R, R> DoubleEndedIterator
    for MappedIter<'_, It, T, F>
{
    fn next_back(&mut self) -> Option<R> {
        self.base.next_back().map(|item| (self.f)(&mut self.state, item))
    }

    fn rfold<B, G: FnMut(B, R) -> B>(self, init: B, fold: G) -> B {
        fold_then_drop(self.rev(), init, fold)
    }
}

impl<It: ExactSizeIterator, T, F: Fn(&mut T, It::Item) -> R, R> ExactSizeIterator
    for MappedIter<'_, It, T, F>
{
}

/// Maps items with the state of the piece.
pub(super) struct Mapping<'f, S: Seed, F> {
    from: Seeded<S>,
    f: &'f F,
}

impl<'f, S: Seed, F> Mapping<'f, S, F> {
    pub(super) fn stage<C>(base: C, seed: S, f: &'f F) -> Staged<C, Self> {
        Staged { base, stage: Mapping { from: Seeded::new(seed), f } }
    }
}

impl<In, R, S: Seed, F: Fn(&mut S::State, In) -> R + Sync> Stage<In> for Mapping<'_, S, F> {
    type Out = R;
    type State = S::State;

    const KEEPS_STATE: bool = S::IS_COSTLY;

    fn split_off_left(&self) -> Self {
        Mapping { from: self.from.split_off_left(), f: self.f }
    }

    fn begin(&self) -> S::State {
        self.from.begin()
    }

    fn feed<B: Folder<R>>(
        &self,
        mut state: S::State,
        base: B,
        iter: impl Iterator<Item = In>,
    ) -> (S::State, B) {
        let base = base.consume_iter(iter.map(|item| (self.f)(&mut state, item)));
        (state, base)
    }

    fn pause<B: Folder<R>>(&mut self, state: S::State, base: B) -> B {
        self.from.keep(state);
        base
    }

    fn end<B: Folder<R>>(self, state: S::State, base: B) -> B {
        // Drops both, even if one panics.
        drop_first((state, self), base)
    }
}
