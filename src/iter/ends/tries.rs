//! Reducing items that may be failures: `try_reduce` and `try_reduce_with`. The first failure that
//! a thread finds stops all threads.

use std::marker::PhantomData;
use std::ops::ControlFlow::{Break, Continue};
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::tries::Try;
use super::end::{End, Join};

/// Whether all threads are to stop, because one has failed or found an item.
#[derive(Default)]
pub(crate) struct Stop(AtomicBool);

impl Stop {
    /// Relaxed: the flag guards no other data. Results are passed on by the joins.
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn set_if(&self, stops: bool) {
        if stops {
            self.set();
        }
    }
}

/// Folds the values in the items, until one is a failure or `op` fails.
fn try_fold<R: Try>(
    stop: &Stop,
    first: R::Output,
    mut iter: impl Iterator<Item = R>,
    op: impl Fn(R::Output, R::Output) -> R,
) -> R {
    let all = iter.try_fold(first, |so_far, item| match item.branch() {
        Continue(value) => op(so_far, value).branch(),
        Break(why) => {
            // Before there is a result, which a panic of the drop would leak.
            drop(so_far);
            Break(why)
        }
    });
    // Not at the end of the function: a panic there would leak the result.
    drop(iter);
    match all {
        Continue(value) => R::from_output(value),
        Break(why) => {
            stop.set();
            R::from_residual(why)
        }
    }
}

/// `try_reduce` and `try_reduce_with`. If `start` returns `None`, pieces begin with their first
/// item.
pub(crate) struct TryReduce<R, S, OP> {
    start: S,
    op: OP,
    stop: Stop,
    items: PhantomData<fn(R) -> R>,
}

impl<R, S, OP> TryReduce<R, S, OP> {
    pub(crate) fn new(start: S, op: OP) -> Self {
        TryReduce { start, op, stop: Stop::default(), items: PhantomData }
    }
}

/// Joins two results, unless one has failed.
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

impl<R, S, OP> Join for TryReduce<R, S, OP>
where
    R: Try + Send,
    S: Fn() -> Option<R> + Sync,
    OP: Fn(R::Output, R::Output) -> R + Sync,
{
    type Result = Option<R>;

    fn start(&self) -> Option<R> {
        (self.start)()
    }

    fn join(&self, left: Option<R>, right: Option<R>) -> Option<R> {
        match (left, right) {
            (Some(left), Some(right)) => Some(try_join(&self.stop, left, right, &self.op)),
            (left, right) => left.or(right),
        }
    }
}

impl<R, S, OP> End<R> for TryReduce<R, S, OP>
where
    Self: Join<Result = Option<R>>,
    R: Try,
    OP: Fn(R::Output, R::Output) -> R,
{
    const ENDS_EARLY: bool = true;

    fn take(&self, so_far: Option<R>, mut iter: impl Iterator<Item = R>) -> Option<R> {
        let first = so_far.or_else(|| iter.next())?;
        let all = match first.branch() {
            Continue(first) => try_fold(&self.stop, first, iter, &self.op),
            Break(why) => {
                // The first item may be a failure.
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
