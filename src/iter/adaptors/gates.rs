//! Gates that open or shut by what passes: `while_some`, `take_any`, `skip_any` and their like.
//!
//! All of what the pieces share is Relaxed: it carries nothing but itself.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::gate::{Gate, Gated, Pass};
use crate::cancel::CancelToken;

/// Something that has not happened yet, or has.
#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Flag {
    #[inline]
    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    #[inline]
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Clone for Flag {
    fn clone(&self) -> Self {
        Flag(AtomicBool::new(self.is_set()))
    }
}

/// A number of items that are still to be taken, or skipped.
#[derive(Debug)]
struct Left(AtomicUsize);

impl Left {
    #[inline]
    fn is_none(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Counts one item, if there are any left.
    #[inline]
    fn count(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

impl Clone for Left {
    fn clone(&self) -> Self {
        Left(AtomicUsize::new(self.0.load(Ordering::Relaxed)))
    }
}

/// [`ParallelIterator::while_some`](crate::iter::ParallelIterator::while_some).
pub type WhileSome<I> = Gated<I, UntilNone>;

/// What makes a [`WhileSome`].
#[derive(Clone, Debug, Default)]
pub struct UntilNone(Flag);

impl<T: Send> Gate<Option<T>> for UntilNone {
    type Out = T;

    const ASK_EACH: bool = true;

    #[inline]
    fn is_shut(&self) -> bool {
        self.0.is_set()
    }

    #[inline]
    fn pass(&self, item: Option<T>) -> Pass<T> {
        match item {
            Some(item) => Pass::Through(item),
            None => {
                self.0.set();
                Pass::Shut
            }
        }
    }
}

/// [`ParallelIterator::take_any`](crate::iter::ParallelIterator::take_any).
pub type TakeAny<I> = Gated<I, UntilEnough>;

/// What makes a [`TakeAny`].
#[derive(Clone, Debug)]
pub struct UntilEnough(Left);

impl UntilEnough {
    pub(crate) fn new(wanted: usize) -> Self {
        UntilEnough(Left(AtomicUsize::new(wanted)))
    }
}

impl<T: Send> Gate<T> for UntilEnough {
    type Out = T;

    const ASK_EACH: bool = true;

    #[inline]
    fn is_shut(&self) -> bool {
        self.0.is_none()
    }

    #[inline]
    fn pass(&self, item: T) -> Pass<T> {
        if self.0.count() { Pass::Through(item) } else { Pass::Shut }
    }
}

/// [`ParallelIterator::skip_any`](crate::iter::ParallelIterator::skip_any).
pub type SkipAny<I> = Gated<I, AfterSome>;

/// What makes a [`SkipAny`].
#[derive(Clone, Debug)]
pub struct AfterSome(Left);

impl AfterSome {
    pub(crate) fn new(unwanted: usize) -> Self {
        AfterSome(Left(AtomicUsize::new(unwanted)))
    }
}

impl<T: Send> Gate<T> for AfterSome {
    type Out = T;

    const ASK_EACH: bool = false;

    #[inline]
    fn is_shut(&self) -> bool {
        false
    }

    #[inline]
    fn is_open(&self) -> bool {
        self.0.is_none()
    }

    #[inline]
    fn unasked(&self, item: T) -> T {
        item
    }

    #[inline]
    fn pass(&self, item: T) -> Pass<T> {
        if self.0.count() { Pass::Dropped } else { Pass::Through(item) }
    }
}

/// [`ParallelIterator::take_any_while`](crate::iter::ParallelIterator::take_any_while).
pub type TakeAnyWhile<I, P> = Gated<I, UntilNot<P>>;

/// What makes a [`TakeAnyWhile`].
#[derive(Clone)]
pub struct UntilNot<P> {
    predicate: P,
    found: Flag,
}

impl<P> UntilNot<P> {
    pub(crate) fn new(predicate: P) -> Self {
        UntilNot { predicate, found: Flag::default() }
    }
}

impl<T: Send, P: Fn(&T) -> bool + Send + Sync> Gate<T> for UntilNot<P> {
    type Out = T;

    const ASK_EACH: bool = true;

    #[inline]
    fn is_shut(&self) -> bool {
        self.found.is_set()
    }

    #[inline]
    fn pass(&self, item: T) -> Pass<T> {
        if (self.predicate)(&item) {
            return Pass::Through(item);
        }
        self.found.set();
        Pass::Shut
    }
}

/// [`ParallelIterator::skip_any_while`](crate::iter::ParallelIterator::skip_any_while).
pub type SkipAnyWhile<I, P> = Gated<I, AfterNot<P>>;

/// What makes a [`SkipAnyWhile`].
#[derive(Clone)]
pub struct AfterNot<P> {
    predicate: P,
    found: Flag,
}

impl<P> AfterNot<P> {
    pub(crate) fn new(predicate: P) -> Self {
        AfterNot { predicate, found: Flag::default() }
    }
}

impl<T: Send, P: Fn(&T) -> bool + Send + Sync> Gate<T> for AfterNot<P> {
    type Out = T;

    const ASK_EACH: bool = false;

    #[inline]
    fn is_shut(&self) -> bool {
        false
    }

    #[inline]
    fn is_open(&self) -> bool {
        self.found.is_set()
    }

    #[inline]
    fn unasked(&self, item: T) -> T {
        item
    }

    #[inline]
    fn pass(&self, item: T) -> Pass<T> {
        if self.found.is_set() {
            return Pass::Through(item);
        }
        if (self.predicate)(&item) {
            return Pass::Dropped;
        }
        self.found.set();
        Pass::Through(item)
    }
}

/// [`ParallelIterator::cancel_with`](crate::iter::ParallelIterator::cancel_with).
pub type CancelWith<I> = Gated<I, CancelToken>;

impl<T: Send> Gate<T> for CancelToken {
    type Out = T;

    const ASK_EACH: bool = true;

    #[inline]
    fn is_shut(&self) -> bool {
        self.is_cancelled()
    }

    #[inline]
    fn pass(&self, item: T) -> Pass<T> {
        Pass::Through(item)
    }
}
