//! One item of each piece: what its items are folded into.

use std::cell::Cell;
use std::convert::Infallible;
use std::iter;
use std::marker::PhantomData;
use std::ops::ControlFlow::{self, Break, Continue};

use super::seed::{FromCall, FromClone, Seed};
use crate::iter::ParallelIterator;
use crate::iter::plumbing::{Consumer, Folder, UnindexedConsumer};
use crate::iter::tries::Try;

/// Declares adaptors by the seed of their pieces, and by how these are folded.
macro_rules! folded {
    ($(
        $(#[$doc:meta])*
        $name:ident<I; $($P:ident $(: $bound:path)?),+>
        { $from:ident: $from_type:ty, fold_op: F $(, $mark:ident: $mark_type:ty)? }
        [$($generics:tt)*] -> $out:ty
        where { $($bounds:tt)* }
        $seed:expr, $how:ident;
    )*) => {$(
        adaptor! {
            $(#[$doc])*
            $name<I; $($P $(: $bound)?),+>
            { base; $from: $from_type, fold_op: F $(, $mark: $mark_type)? }
        }

        impl<I: ParallelIterator, $($generics)*> ParallelIterator for $name<I, $($P),+>
        where
            $($bounds)*
        {
            type Item = $out;

            #[inline]
            fn drive_unindexed<C: UnindexedConsumer<$out>>(self, consumer: C) -> C::Result {
                let $name { base, $from, fold_op, .. } = self;
                base.drive_unindexed(Folding::new(consumer, $seed, &$how(fold_op, PhantomData)))
            }
        }
    )*};
}

folded! {
    /// An iterator over what pieces are folded into. Returned by [`ParallelIterator::fold`].
    Fold<I; ID, F> { identity: ID, fold_op: F } [T: Send, ID, F] -> T
    where { ID: Fn() -> T + Sync + Send, F: Fn(T, I::Item) -> T + Sync + Send }
    FromCall(&identity), Plain;

    /// An iterator over what pieces are folded into. Returned by [`ParallelIterator::fold_with`].
    FoldWith<I; T, F> { init: T, fold_op: F } [T: Clone + Send, F] -> T
    where { F: Fn(T, I::Item) -> T + Sync + Send }
    FromClone(init), Plain;

    /// An iterator over what pieces are folded into, or over why folds stopped. Returned by
    /// [`ParallelIterator::try_fold`].
    TryFold<I; R, ID, F> { identity: ID, fold_op: F, results: PhantomData<fn() -> R> }
    [R: Try<Output: Send> + Send, ID, F] -> R
    where {
        ID: Fn() -> R::Output + Sync + Send,
        F: Fn(R::Output, I::Item) -> R + Sync + Send
    }
    FromCall(&identity), Tries;

    /// An iterator over what pieces are folded into, or over why folds stopped. Returned by
    /// [`ParallelIterator::try_fold_with`].
    TryFoldWith<I; R: Try, F> { init: R::Output, fold_op: F }
    [R: Try<Output: Clone + Send> + Send, F] -> R
    where { F: Fn(R::Output, I::Item) -> R + Sync + Send }
    FromClone(init), Tries;
}

/// How a piece is folded.
trait How<In, T>: Sync {
    /// What it comes to.
    type Out;

    /// Why it ends early.
    type Why;

    /// Whether it ever does.
    const FAILS: bool;

    /// Adds the items of `iter`.
    fn add(&self, so_far: T, iter: impl Iterator<Item = In>) -> ControlFlow<Self::Why, T>;

    /// What it comes to.
    fn out(end: ControlFlow<Self::Why, T>) -> Self::Out;
}

/// By a function that gives the next state.
struct Plain<F>(F, PhantomData<()>);

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

/// By a function that gives the next state, or fails.
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
        // Not at the end: a panic there would leak what is returned.
        drop(iter);
        sum
    }

    fn out(end: ControlFlow<R::Residual, R::Output>) -> R {
        match end {
            Continue(state) => R::from_output(state),
            Break(why) => R::from_residual(why),
        }
    }
}

/// A consumer of what is folded; a piece that is paused leaves its state to the rest.
struct Folding<'h, C, S: Seed, H> {
    base: C,
    seed: S,
    kept: Cell<S::Kept>,
    how: &'h H,
}

impl<'h, C, S: Seed, H> Folding<'h, C, S, H> {
    fn new(base: C, seed: S, how: &'h H) -> Self {
        Folding { base, seed, kept: Cell::default(), how }
    }
}

impl<'h, In, C, S, H> Consumer<In> for Folding<'h, C, S, H>
where
    C: Consumer<H::Out>,
    S: Seed,
    H: How<In, S::State>,
{
    type Folder = FoldingFolder<'h, C::Folder, S, H, H::Why>;
    type Reducer = C::Reducer;
    type Result = C::Result;

    const PAUSES: bool = C::PAUSES;

    fn split_at(self, index: usize) -> (Self, Self, C::Reducer) {
        let Folding { base, seed, kept, how } = self;
        let (left, right, reducer) = base.split_at(index);
        let right = Folding::new(right, seed.clone(), how);
        (Folding { base: left, seed, kept, how }, right, reducer)
    }

    #[inline]
    fn into_folder(self) -> Self::Folder {
        let Folding { base, seed, kept, how } = self;
        let so_far = Continue(seed.begin(kept.into_inner()));
        FoldingFolder { base: base.into_folder(), seed, so_far, how }
    }

    fn full(&self) -> bool {
        self.base.full()
    }

    fn pause(folder: Self::Folder) -> (C::Result, Self, C::Reducer) {
        let FoldingFolder { mut base, seed, so_far, how } = folder;
        let kept = match so_far {
            Continue(state) => S::keep(state),
            failed => {
                base = base.consume(H::out(failed));
                S::Kept::default()
            }
        };
        let (result, base, reducer) = C::pause(base);
        (result, Folding { base, seed, kept: Cell::new(kept), how }, reducer)
    }
}

impl<In, C, S, H> UnindexedConsumer<In> for Folding<'_, C, S, H>
where
    C: UnindexedConsumer<H::Out>,
    S: Seed,
    H: How<In, S::State>,
{
    fn split_off_left(&self) -> Self {
        let (base, seed) = (self.base.split_off_left(), self.seed.clone());
        // It comes next.
        Folding { base, seed, kept: Cell::new(self.kept.take()), how: self.how }
    }

    fn to_reducer(&self) -> C::Reducer {
        self.base.to_reducer()
    }
}

struct FoldingFolder<'h, B, S: Seed, H, W> {
    base: B,
    seed: S,
    so_far: ControlFlow<W, S::State>,
    how: &'h H,
}

impl<In, B, S, H> Folder<In> for FoldingFolder<'_, B, S, H, H::Why>
where
    B: Folder<H::Out>,
    S: Seed,
    H: How<In, S::State>,
{
    type Result = B::Result;

    const ASK_EACH: bool = B::ASK_EACH;
    const FILLS: bool = B::FILLS || H::FAILS;
    const KEEPS_STATE: bool = true;

    fn consume(self, item: In) -> Self {
        self.consume_iter(iter::once(item))
    }

    fn consume_iter<I: IntoIterator<Item = In>>(mut self, iter: I) -> Self {
        self.so_far = match self.so_far {
            Continue(state) if B::ASK_EACH => {
                // By reference, so that what is left is dropped before anything is returned.
                let mut iter = iter.into_iter();
                let wanted = iter.by_ref().take_while(|_| !self.base.full());
                let sum = self.how.add(state, wanted);
                drop(iter);
                sum
            }
            Continue(state) => self.how.add(state, iter.into_iter()),
            failed => {
                drop(iter);
                failed
            }
        };
        self
    }

    fn complete(self) -> B::Result {
        let FoldingFolder { base, seed, so_far, .. } = self;
        // Not at the end: a panic there would leak what is returned.
        drop(seed);
        base.consume(H::out(so_far)).complete()
    }

    fn full(&self) -> bool {
        self.so_far.is_break() || self.base.full()
    }
}
