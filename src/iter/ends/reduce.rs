//! Ends that come to one value: `for_each`, `count`, `sum`, `product`, `reduce`, `min`, `max`.

use std::iter;
use std::marker::PhantomData;

use super::end::{End, Join};

pub(crate) struct ForEach<F>(pub(crate) F);

impl<F: Sync> Join for ForEach<F> {
    type Result = ();

    fn start(&self) {}

    fn join(&self, (): (), (): ()) {}
}

impl<T, F: Fn(T) + Sync> End<T> for ForEach<F> {
    fn take(&self, (): (), iter: impl Iterator<Item = T>) {
        iter.for_each(&self.0);
    }
}

pub(crate) struct Count;

impl Join for Count {
    type Result = usize;

    fn start(&self) -> usize {
        0
    }

    fn join(&self, left: usize, right: usize) -> usize {
        left + right
    }
}

impl<T> End<T> for Count {
    fn take(&self, so_far: usize, iter: impl Iterator<Item = T>) -> usize {
        so_far + iter.count()
    }
}

pub(crate) struct Sum<S>(pub(crate) PhantomData<fn() -> S>);

impl<S: Send + iter::Sum<S>> Join for Sum<S> {
    type Result = S;

    fn start(&self) -> S {
        iter::empty::<S>().sum()
    }

    fn join(&self, left: S, right: S) -> S {
        [left, right].into_iter().sum()
    }
}

impl<T, S: Send + iter::Sum<S> + iter::Sum<T>> End<T> for Sum<S> {
    fn take(&self, so_far: S, iter: impl Iterator<Item = T>) -> S {
        self.join(so_far, iter.sum())
    }
}

pub(crate) struct Product<P>(pub(crate) PhantomData<fn() -> P>);

impl<P: Send + iter::Product<P>> Join for Product<P> {
    type Result = P;

    fn start(&self) -> P {
        iter::empty::<P>().product()
    }

    fn join(&self, left: P, right: P) -> P {
        [left, right].into_iter().product()
    }
}

impl<T, P: Send + iter::Product<P> + iter::Product<T>> End<T> for Product<P> {
    fn take(&self, so_far: P, iter: impl Iterator<Item = T>) -> P {
        self.join(so_far, iter.product())
    }
}

/// `reduce`: from an identity.
pub(crate) struct Reduce<T, ID, OP> {
    identity: ID,
    op: OP,
    items: PhantomData<fn(T) -> T>,
}

impl<T, ID, OP> Reduce<T, ID, OP> {
    pub(crate) fn new(identity: ID, op: OP) -> Self {
        Reduce { identity, op, items: PhantomData }
    }
}

impl<T, ID, OP> Join for Reduce<T, ID, OP>
where
    T: Send,
    ID: Fn() -> T + Sync,
    OP: Fn(T, T) -> T + Sync,
{
    type Result = T;

    fn start(&self) -> T {
        (self.identity)()
    }

    fn join(&self, left: T, right: T) -> T {
        (self.op)(left, right)
    }
}

impl<T, ID, OP> End<T> for Reduce<T, ID, OP>
where
    Self: Join<Result = T>,
    OP: Fn(T, T) -> T,
{
    fn take(&self, so_far: T, iter: impl Iterator<Item = T>) -> T {
        iter.fold(so_far, &self.op)
    }
}

/// `reduce_with`: from the first item.
pub(crate) struct ReduceWith<T, OP> {
    op: OP,
    items: PhantomData<fn(T) -> T>,
}

impl<T, OP> ReduceWith<T, OP> {
    pub(crate) fn new(op: OP) -> Self {
        ReduceWith { op, items: PhantomData }
    }
}

impl<T, OP> Join for ReduceWith<T, OP>
where
    T: Send,
    OP: Fn(T, T) -> T + Sync,
{
    type Result = Option<T>;

    fn start(&self) -> Option<T> {
        None
    }

    fn join(&self, left: Option<T>, right: Option<T>) -> Option<T> {
        match (left, right) {
            (Some(left), Some(right)) => Some((self.op)(left, right)),
            (left, right) => left.or(right),
        }
    }
}

impl<T, OP> End<T> for ReduceWith<T, OP>
where
    Self: Join<Result = Option<T>>,
    OP: Fn(T, T) -> T,
{
    fn take(&self, so_far: Option<T>, mut iter: impl Iterator<Item = T>) -> Option<T> {
        so_far.or_else(|| iter.next()).map(|first| iter.fold(first, &self.op))
    }
}
