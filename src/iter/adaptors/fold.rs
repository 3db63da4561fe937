//! Folding the items of each piece into one.

use std::marker::PhantomData;
use std::ops::ControlFlow::{self, Continue};

use super::seed::{FromCall, Seed, Seeded};
use super::stage::{Stage, Staged};
use crate::iter::ParallelIterator;
use crate::iter::plumbing::{Folder, drop_first};
use crate::iter::tries::{Try, always, value};

driven! {
    /// An iterator over the results of folding pieces: see [`ParallelIterator::fold`].
    Fold<I, ID, F> { base: I; identity: ID, fold_op: F }
    [I: ParallelIterator, T: Send, ID, F]
    where { ID: Fn() -> T + Sync + Send, F: Fn(T, I::Item) -> T + Sync + Send }
    => T,
    |self, consumer| {
        let folds = self.base.try_fold(self.identity, always(self.fold_op));
        folds.map(value).drive_unindexed(consumer)
    }
}

driven! {
    /// An iterator over the results of folding pieces: see [`ParallelIterator::fold_with`].
    FoldWith<I, T, F> { base: I; init: T, fold_op: F }
    [I: ParallelIterator, T: Clone + Send, F: Fn(T, I::Item) -> T + Sync + Send] => T,
    |self, consumer| {
        let folds = self.base.try_fold_with(self.init, always(self.fold_op));
        folds.map(value).drive_unindexed(consumer)
    }
}

driven! {
    /// An iterator over the results of folding pieces: see [`ParallelIterator::try_fold`].
    TryFold<I, R, ID, F> { base: I; identity: ID, fold_op: F, results: PhantomData<fn() -> R> }
    [I: ParallelIterator, R: Try<Output: Send> + Send, ID, F]
    where {
        ID: Fn() -> R::Output + Sync + Send,
        F: Fn(R::Output, I::Item) -> R + Sync + Send,
    }
    => R,
    |self, consumer| {
        let from = FromCall(&self.identity);
        self.base.drive_unindexed(Folding::stage(consumer, from, &self.fold_op))
    }
}

driven! {
    /// An iterator over the results of folding pieces: see [`ParallelIterator::try_fold_with`].
    TryFoldWith<I, R: Try, F> { base: I; init: R::Output, fold_op: F }
    [I: ParallelIterator, R: Try<Output: Clone + Send> + Send, F]
    where { F: Fn(R::Output, I::Item) -> R + Sync + Send }
    => R,
    |self, consumer| {
        let from = FromCall(move || self.init.clone());
        self.base.drive_unindexed(Folding::stage(consumer, from, &self.fold_op))
    }
}

/// Folds the items of a piece by `f`, and gives the base the result.
struct Folding<'f, S: Seed, F> {
    from: Seeded<S>,
    f: &'f F,
}

impl<'f, S: Seed, F> Folding<'f, S, F> {
    fn stage<C>(base: C, seed: S, f: &'f F) -> Staged<C, Self> {
        Staged { base, stage: Folding { from: Seeded::new(seed), f } }
    }
}

impl<In, S, F, R> Stage<In> for Folding<'_, S, F>
where
    S: Seed,
    F: Fn(S::State, In) -> R + Sync,
    R: Try<Output = S::State>,
{
    type Out = R;
    type State = ControlFlow<R::Residual, S::State>;

    const FILLS: bool = R::FAILS;
    const KEEPS_STATE: bool = true;

    fn split_off_left(&self) -> Self {
        Folding { from: self.from.split_off_left(), f: self.f }
    }

    #[inline]
    fn begin(&self) -> Self::State {
        Continue(self.from.begin())
    }

    fn feed<B: Folder<R>>(
        &self,
        so_far: Self::State,
        base: B,
        mut iter: impl Iterator<Item = In>,
    ) -> (Self::State, B) {
        let add = |so_far, item| (self.f)(so_far, item).branch();
        let so_far = match so_far {
            Continue(state) if B::ASK_EACH => {
                iter.by_ref().take_while(|_| !base.full()).try_fold(state, add)
            }
            Continue(state) => iter.try_fold(state, add),
            failed => failed,
        };
        // The other items are dropped before anything is returned.
        (drop_first(iter, so_far), base)
    }

    fn pause<B: Folder<R>>(&mut self, so_far: Self::State, base: B) -> B {
        match so_far {
            Continue(state) => {
                self.from.keep(state);
                base
            }
            failed => base.consume(R::from_branch(failed)),
        }
    }

    fn end<B: Folder<R>>(self, so_far: Self::State, base: B) -> B {
        // Not later: a panic there would leak the result.
        drop(self);
        base.consume(R::from_branch(so_far))
    }

    fn is_full(&self, so_far: &Self::State) -> bool {
        so_far.is_break()
    }
}
