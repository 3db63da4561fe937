//! Ends of what can fail: `try_for_each`, `try_reduce`, `try_reduce_with`. The first failure that
//! somebody comes to stops everybody.

use std::marker::PhantomData;
use std::ops::ControlFlow::{Break, Continue};
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::tries::Try;
use super::end::{End, Join};

/// Whether somebody has failed, or found what all look for.
#[derive(Default)]
pub(crate) struct Stop(AtomicBool);

impl Stop {
    /// Relaxed: it carries nothing but itself; results come by the joins.
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// `fold`, until `op` fails.
fn try_fold<A, R: Try<Output = A>, T>(
    stop: &Stop,
    first: A,
    mut iter: impl Iterator<Item = T>,
    op: impl Fn(A, T) -> R,
) -> R {
    let mut so_far = first;
    while let Some(item) = iter.next() {
        match op(so_far, item).branch() {
            Continue(next) => so_far = next,
            Break(why) => {
                stop.set();
                // Not at the end: a panic there would leak what is returned.
                drop(iter);
                return R::from_residual(why);
            }
        }
    }
    R::from_output(so_far)
}

/// `try_for_each`.
pub(crate) struct TryForEach<F, R> {
    f: F,
    stop: Stop,
    result: PhantomData<fn() -> R>,
}

impl<F, R> TryForEach<F, R> {
    pub(crate) fn new(f: F) -> Self {
        TryForEach { f, stop: Stop::default(), result: PhantomData }
    }
}

impl<F: Sync, R: Try<Output = ()> + Send> Join for TryForEach<F, R> {
    type Result = R;

    fn start(&self) -> R {
        R::from_output(())
    }

    fn join(&self, left: R, right: R) -> R {
        match left.branch() {
            Continue(()) => right,
            Break(why) => {
                drop(right);
                R::from_residual(why)
            }
        }
    }
}

impl<T, F: Fn(T) -> R + Sync, R: Try<Output = ()> + Send> End<T> for TryForEach<F, R> {
    const ENDS_EARLY: bool = true;

    fn take(&self, so_far: R, iter: impl Iterator<Item = T>) -> R {
        match so_far.branch() {
            Continue(()) => try_fold(&self.stop, (), iter, |(), item| (self.f)(item)),
            Break(why) => {
                drop(iter);
                R::from_residual(why)
            }
        }
    }

    fn is_over(&self) -> bool {
        self.stop.is_set()
    }
}

/// `try_reduce`.
pub(crate) struct TryReduce<R, ID, OP> {
    identity: ID,
    op: OP,
    stop: Stop,
    items: PhantomData<fn(R) -> R>,
}

impl<R, ID, OP> TryReduce<R, ID, OP> {
    pub(crate) fn new(identity: ID, op: OP) -> Self {
        TryReduce { identity, op, stop: Stop::default(), items: PhantomData }
    }
}

/// What both sides come to, if neither has failed.
fn try_join<R: Try>(stop: &Stop, left: R, right: R, op: impl Fn(R::Output, R::Output) -> R) -> R {
    match (left.branch(), right.branch()) {
        (Continue(left), Continue(right)) => match op(left, right).branch() {
            Continue(both) => R::from_output(both),
            Break(why) => {
                stop.set();
                R::from_residual(why)
            }
        },
        (Break(why), other) => {
            drop(other);
            R::from_residual(why)
        }
        (other, Break(why)) => {
            drop(other);
            R::from_residual(why)
        }
    }
}

/// Goes on from `so_far` with items that may be failures themselves.
fn try_take<R: Try>(
    stop: &Stop,
    so_far: R,
    iter: impl Iterator<Item = R>,
    op: impl Fn(R::Output, R::Output) -> R,
) -> R {
    match so_far.branch() {
        Continue(first) => try_fold(stop, first, iter, |so_far, item: R| match item.branch() {
            Continue(value) => op(so_far, value),
            Break(why) => {
                // Before there is a result, which a panic of the drop would leak.
                drop(so_far);
                R::from_residual(why)
            }
        }),
        Break(why) => {
            drop(iter);
            R::from_residual(why)
        }
    }
}

impl<R, ID, OP> Join for TryReduce<R, ID, OP>
where
    R: Try + Send,
    ID: Fn() -> R::Output + Sync,
    OP: Fn(R::Output, R::Output) -> R + Sync,
{
    type Result = R;

    fn start(&self) -> R {
        R::from_output((self.identity)())
    }

    fn join(&self, left: R, right: R) -> R {
        try_join(&self.stop, left, right, &self.op)
    }
}

impl<R, ID, OP> End<R> for TryReduce<R, ID, OP>
where
    R: Try + Send,
    ID: Fn() -> R::Output + Sync,
    OP: Fn(R::Output, R::Output) -> R + Sync,
{
    const ENDS_EARLY: bool = true;

    fn take(&self, so_far: R, iter: impl Iterator<Item = R>) -> R {
        try_take(&self.stop, so_far, iter, &self.op)
    }

    fn is_over(&self) -> bool {
        self.stop.is_set()
    }
}

/// `try_reduce_with`.
pub(crate) struct TryReduceWith<R, OP> {
    op: OP,
    stop: Stop,
    items: PhantomData<fn(R) -> R>,
}

impl<R, OP> TryReduceWith<R, OP> {
    pub(crate) fn new(op: OP) -> Self {
        TryReduceWith { op, stop: Stop::default(), items: PhantomData }
    }
}

impl<R, OP> Join for TryReduceWith<R, OP>
where
    R: Try + Send,
    OP: Fn(R::Output, R::Output) -> R + Sync,
{
    type Result = Option<R>;

    fn start(&self) -> Option<R> {
        None
    }

    fn join(&self, left: Option<R>, right: Option<R>) -> Option<R> {
        match (left, right) {
            (Some(left), Some(right)) => Some(try_join(&self.stop, left, right, &self.op)),
            (left, right) => left.or(right),
        }
    }
}

impl<R, OP> End<R> for TryReduceWith<R, OP>
where
    R: Try + Send,
    OP: Fn(R::Output, R::Output) -> R + Sync,
{
    const ENDS_EARLY: bool = true;

    fn take(&self, so_far: Option<R>, mut iter: impl Iterator<Item = R>) -> Option<R> {
        let first = so_far.or_else(|| iter.next())?;
        let all = match first.branch() {
            Continue(value) => try_take(&self.stop, R::from_output(value), iter, &self.op),
            Break(why) => {
                // It may have been the first item.
                self.stop.set();
                drop(iter);
                R::from_residual(why)
            }
        };
        Some(all)
    }

    fn is_over(&self) -> bool {
        self.stop.is_set()
    }
}
