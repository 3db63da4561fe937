//! Folding the items of each piece into one.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::ops::ControlFlow::{self, Break, Continue};

use super::seed::{FromCall, Seed, Seeded};
use super::stage::{Stage, Staged};
use crate::iter::ParallelIterator;
use crate::iter::plumbing::{Folder, drop_first};
use crate::iter::tries::Try;

driven! {
    /// An iterator over the results of folding pieces: see [`ParallelIterator::fold`].
    Fold<I, ID, F> { base: I; identity: ID, fold_op: F }
    [I: ParallelIterator, T: Send, ID, F]
    where { ID: Fn() -> T + Sync + Send, F: Fn(T, I::Item) -> T + Sync + Send }
    => T,
    |self, consumer| {
        let how = &Plain(self.fold_op);
        self.base.drive_unindexed(Folding::stage(consumer, FromCall(&self.identity), how))
    }
}

driven! {
    /// An iterator over the results of folding pieces: see [`ParallelIterator::fold_with`].
    FoldWith<I, T, F> { base: I; init: T, fold_op: F }
    [I: ParallelIterator, T: Clone + Send, F: Fn(T, I::Item) -> T + Sync + Send] => T,
    |self, consumer| {
        let how = &Plain(self.fold_op);
        let from = FromCall(move || self.init.clone());
        self.base.drive_unindexed(Folding::stage(consumer, from, how))
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
        let how = &Tries(self.fold_op, self.results);
        self.base.drive_unindexed(Folding::stage(consumer, FromCall(&self.identity), how))
    }
}

driven! {
    /// An iterator over the results of folding pieces: see [`ParallelIterator::try_fold_with`].
    TryFoldWith<I, R: Try, F> { base: I; init: R::Output, fold_op: F }
    [I: ParallelIterator, R: Try<Output: Clone + Send> + Send, F]
    where { F: Fn(R::Output, I::Item) -> R + Sync + Send }
    => R,
    |self, consumer| {
        let how = &Tries(self.fold_op, PhantomData);
        let from = FromCall(move || self.init.clone());
        self.base.drive_unindexed(Folding::stage(consumer, from, how))
    }
}

/// A way to fold a piece.
trait How<In, T>: Sync {
    /// The type of the results.
    type Out;

    /// The type of the failures.
    type Why;

    /// Whether folding may fail.
    const FAILS: bool;

    /// Folds the items of `iter` into `so_far`.
    fn add(&self, so_far: T, iter: impl Iterator<Item = In>) -> ControlFlow<Self::Why, T>;

    /// Returns the result of a piece.
    fn out(end: ControlFlow<Self::Why, T>) -> Self::Out;
}

/// Folds by a function that returns the next state.
struct Plain<F>(F);

impl<In, T, F: Fn(T, In) -> T + Sync> How<In, T> for Plain<F> {
    type Out = T;
    type Why = Infallible;

    const FAILS: bool = false;

    fn add(&self, so_far: T, iter: impl Iterator<Item = In>) -> ControlFlow<Infallible, T> {
        Continue(iter.fold(so_far, &self.0))
    }

    fn out(end: ControlFlow<Infallible, T>) -> T {
        match end {
            Continue(state) => state,
            Break(never) => match never {},
        }
    }
}

/// Folds by a function that returns the next state or a failure.
struct Tries<F, R>(F, PhantomData<fn() -> R>);

impl<In, R: Try, F: Fn(R::Output, In) -> R + Sync> How<In, R::Output> for Tries<F, R> {
    type Out = R;
    type Why = R::Residual;

    const FAILS: bool = true;

    fn add(
        &self,
        so_far: R::Output,
        mut iter: impl Iterator<Item = In>,
    ) -> ControlFlow<R::Residual, R::Output> {
        let f = &self.0;
        let sum = iter.try_fold(so_far, |so_far, item| f(so_far, item).branch());
        drop_first(iter, sum)
    }

    fn out(end: ControlFlow<R::Residual, R::Output>) -> R {
        match end {
            Continue(state) => R::from_output(state),
            Break(why) => R::from_residual(why),
        }
    }
}

/// Folds the items of a piece, and gives the base the result.
struct Folding<'h, S: Seed, H> {
    from: Seeded<S>,
    how: &'h H,
}

impl<'h, S: Seed, H> Folding<'h, S, H> {
    fn stage<C>(base: C, seed: S, how: &'h H) -> Staged<C, Self> {
        Staged { base, stage: Folding { from: Seeded::new(seed), how } }
    }
}

impl<In, S: Seed, H: How<In, S::State>> Stage<In> for Folding<'_, S, H> {
    type Out = H::Out;
    type State = ControlFlow<H::Why, S::State>;

    const FILLS: bool = H::FAILS;
    const KEEPS_STATE: bool = true;

    fn split_off_left(&self) -> Self {
        Folding { from: self.from.split_off_left(), how: self.how }
    }

    #[inline]
    fn begin(&self) -> Self::State {
        Continue(self.from.begin())
    }

    fn feed<B: Folder<H::Out>>(
        &self,
        so_far: Self::State,
        base: B,
        mut iter: impl Iterator<Item = In>,
    ) -> (Self::State, B) {
        let so_far = match so_far {
            Continue(state) if B::ASK_EACH => {
                // By reference, so that the other items are dropped before anything is returned.
                let wanted = iter.by_ref().take_while(|_| !base.full());
                let sum = self.how.add(state, wanted);
                drop_first(iter, sum)
            }
            Continue(state) => self.how.add(state, iter),
            failed => drop_first(iter, failed),
        };
        (so_far, base)
    }

    fn pause<B: Folder<H::Out>>(&mut self, so_far: Self::State, base: B) -> B {
        match so_far {
            Continue(state) => {
                self.from.keep(state);
                base
            }
            failed => base.consume(H::out(failed)),
        }
    }

    fn end<B: Folder<H::Out>>(self, so_far: Self::State, base: B) -> B {
        // Not later: a panic there would leak the result.
        drop(self);
        base.consume(H::out(so_far))
    }

    fn is_full(&self, so_far: &Self::State) -> bool {
        so_far.is_break()
    }
}
