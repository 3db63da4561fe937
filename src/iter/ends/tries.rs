//! Reducing items that may be failures: `try_reduce` and `try_reduce_with`. The first failure that
//! a thread finds stops all threads.

use std::marker::PhantomData;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::plumbing::drop_first;
use super::super::tries::Try;
use super::end::{End, Join};

/// Whether all threads are to stop, because one has failed or found an item.
#[derive(Default)]
pub(crate) struct StopFlag(AtomicBool);

impl StopFlag {
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

/// `try_reduce` and `try_reduce_with`. If `start` returns `None`, pieces begin with their first
/// item.
pub(crate) struct TryReduce<R, S, OP> {
    start: S,
    op: OP,
    stop: StopFlag,
    items: PhantomData<fn(R) -> R>,
}

impl<R: Try, S, OP> TryReduce<R, S, OP> {
    pub(crate) fn new(start: S, op: OP) -> Self {
        TryReduce { start, op, stop: StopFlag::default(), items: PhantomData }
    }

    /// Returns the result of a piece. A failure stops all threads.
    fn end(&self, end: ControlFlow<R::Residual, R::Output>) -> Option<R> {
        self.stop.set_if(end.is_break());
        Some(R::from_branch(end))
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
            (Some(left), Some(right)) => self.end(match (left.branch(), right.branch()) {
                (Continue(left), Continue(right)) => (self.op)(left, right).branch(),
                (Break(why), other) | (other, Break(why)) => drop_first(other, Break(why)),
            }),
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
    const ENDS_EARLY: bool = R::FAILS;

    fn take(&self, so_far: Option<R>, mut iter: impl Iterator<Item = R>) -> Option<R> {
        let first = so_far.or_else(|| iter.next())?.branch();
        let add = |so_far, item: R| match item.branch() {
            Continue(value) => (self.op)(so_far, value).branch(),
            // Drops `so_far` first: a panic of that drop would leak the result.
            failed => drop_first(so_far, failed),
        };
        let add_to = |so_far, item| match so_far {
            Continue(so_far) => add(so_far, item),
            failed => failed,
        };
        if !R::FAILS {
            // (`try_fold` takes 1.5 times the instructions.)
            return self.end(iter.fold(first, add_to));
        }
        let all = match first {
            Continue(first) => iter.try_fold(first, add),
            failed => failed,
        };
        self.end(drop_first(iter, all))
    }

    fn is_over(&self) -> bool {
        self.stop.is_set()
    }
}
