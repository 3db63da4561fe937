//! One item of each piece: what its items are folded into.

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::iter;
use std::marker::PhantomData;
use std::ops::ControlFlow::{self, Break, Continue};

use super::seed::{FromCall, FromClone, Seed};
use crate::iter::ParallelIterator;
use crate::iter::plumbing::{Consumer, Folder, UnindexedConsumer};
use crate::iter::tries::Try;

/// [`ParallelIterator::fold`].
pub type Fold<I, ID, F> = Folded<I, ByCall<ID>, F, Plain>;

/// [`ParallelIterator::fold_with`].
pub type FoldWith<I, T, F> = Folded<I, ByClone<T>, F, Plain>;

/// [`ParallelIterator::try_fold`].
pub type TryFold<I, R, ID, F> = Folded<I, ByCall<ID>, F, Tries<R>>;

/// [`ParallelIterator::try_fold_with`].
pub type TryFoldWith<I, R, F> = Folded<I, ByClone<<R as Try>::Output>, F, Tries<R>>;

/// Pieces of a fold begin with what a function gives.
#[derive(Clone, Copy)]
pub struct ByCall<ID>(pub(crate) ID);

/// Pieces of a fold begin with a clone.
#[derive(Clone, Copy)]
pub struct ByClone<T>(pub(crate) T);

/// Folding by a function that gives the next state.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

/// Folding by a function that gives the next state, or fails.
#[derive(Clone, Copy, Debug)]
pub struct Tries<R>(PhantomData<fn() -> R>);

/// A parallel iterator of what the pieces of another are folded into.
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone)]
pub struct Folded<I, B, F, K> {
    base: I,
    from: B,
    f: F,
    kind: PhantomData<fn() -> K>,
}

impl<I, B, F, K> Folded<I, B, F, K> {
    pub(crate) fn new(base: I, from: B, f: F) -> Self {
        Folded { base, from, f, kind: PhantomData }
    }
}

impl<I: fmt::Debug, B, F, K> fmt::Debug for Folded<I, B, F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Folded").field("base", &self.base).finish_non_exhaustive()
    }
}

macro_rules! folded {
    ($([$($generics:tt)*] $from_type:ty, $kind:ty => $out:ty,
        where { $($bounds:tt)* } |$from:ident| $seed:expr;)*) => {$(
        impl<I: ParallelIterator, F, $($generics)*> ParallelIterator
            for Folded<I, $from_type, F, $kind>
        where $($bounds)*
        {
            type Item = $out;

            #[inline]
            fn drive_unindexed<C: UnindexedConsumer<$out>>(self, consumer: C) -> C::Result {
                let $from = self.from.0;
                let how = <$kind>::by(&self.f);
                self.base.drive_unindexed(Folding::new(consumer, $seed, how))
            }
        }
    )*};
}

folded! {
    [T, ID] ByCall<ID>, Plain => T, where {
        T: Send, ID: Fn() -> T + Send + Sync, F: Fn(T, I::Item) -> T + Send + Sync
    } |identity| FromCall(&identity);
    [T] ByClone<T>, Plain => T, where {
        T: Clone + Send, F: Fn(T, I::Item) -> T + Send + Sync
    } |item| FromClone(item);
    [T, R, ID] ByCall<ID>, Tries<R> => R, where {
        T: Send, R: Try<Output = T> + Send, ID: Fn() -> T + Send + Sync,
        F: Fn(T, I::Item) -> R + Send + Sync
    } |identity| FromCall(&identity);
    [T, R] ByClone<T>, Tries<R> => R, where {
        T: Clone + Send, R: Try<Output = T> + Send, F: Fn(T, I::Item) -> R + Send + Sync
    } |item| FromClone(item);
}

/// How a piece is folded.
trait How<In, T>: Copy + Send {
    /// What it comes to.
    type Out;

    /// Why it ends early.
    type Why;

    /// Whether it ever does.
    const FAILS: bool;

    /// Adds the items of `iter`.
    fn add(self, so_far: T, iter: impl Iterator<Item = In>) -> ControlFlow<Self::Why, T>;

    /// What it comes to.
    fn out(end: ControlFlow<Self::Why, T>) -> Self::Out;
}

/// By `f`, as `K` says.
struct By<'f, F, K>(&'f F, PhantomData<fn() -> K>);

impl<F, K> Clone for By<'_, F, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F, K> Copy for By<'_, F, K> {}

impl Plain {
    fn by<F>(f: &F) -> By<'_, F, Plain> {
        By(f, PhantomData)
    }
}

impl<R> Tries<R> {
    fn by<F>(f: &F) -> By<'_, F, Tries<R>> {
        By(f, PhantomData)
    }
}

impl<In, T, F: Fn(T, In) -> T + Sync> How<In, T> for By<'_, F, Plain> {
    type Out = T;
    type Why = Infallible;

    const FAILS: bool = false;

    fn add(self, so_far: T, iter: impl Iterator<Item = In>) -> ControlFlow<Infallible, T> {
        Continue(iter.fold(so_far, self.0))
    }

    fn out(end: ControlFlow<Infallible, T>) -> T {
        match end {
            Continue(state) => state,
            Break(never) => match never {},
        }
    }
}

impl<In, T, R, F> How<In, T> for By<'_, F, Tries<R>>
where
    R: Try<Output = T>,
    F: Fn(T, In) -> R + Sync,
{
    type Out = R;
    type Why = R::Residual;

    const FAILS: bool = true;

    fn add(self, so_far: T, mut iter: impl Iterator<Item = In>) -> ControlFlow<R::Residual, T> {
        let sum = iter.try_fold(so_far, |so_far, item| (self.0)(so_far, item).branch());
        // Not at the end: a panic there would leak what is returned.
        drop(iter);
        sum
    }

    fn out(end: ControlFlow<R::Residual, T>) -> R {
        match end {
            Continue(state) => R::from_output(state),
            Break(why) => R::from_residual(why),
        }
    }
}

/// A consumer of what is folded; a piece that is paused leaves its state to the rest.
struct Folding<C, S: Seed, H> {
    base: C,
    seed: S,
    kept: Cell<S::Kept>,
    how: H,
}

impl<C, S: Seed, H> Folding<C, S, H> {
    fn new(base: C, seed: S, how: H) -> Self {
        Folding { base, seed, kept: Cell::default(), how }
    }
}

impl<In, C, S, H> Consumer<In> for Folding<C, S, H>
where
    C: Consumer<H::Out>,
    S: Seed,
    H: How<In, S::State>,
{
    type Folder = FoldingFolder<C::Folder, S, H, H::Why>;
    type Reducer = C::Reducer;
    type Result = C::Result;

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

impl<In, C, S, H> UnindexedConsumer<In> for Folding<C, S, H>
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

struct FoldingFolder<B, S: Seed, H, W> {
    base: B,
    seed: S,
    so_far: ControlFlow<W, S::State>,
    how: H,
}

impl<In, B, S, H> Folder<In> for FoldingFolder<B, S, H, H::Why>
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
