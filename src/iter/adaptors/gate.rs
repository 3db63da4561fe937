//! Adaptors whose pieces share a gate: `while_some`, `take_any`, `skip_any` and their like.
//!
//! What the pieces share is Relaxed: it carries nothing but itself.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::fold_then_drop;
use super::serial::Adapter;
use super::stage::Staged;
use crate::context::CancelToken;
use crate::iter::ParallelIterator;
use crate::iter::ends::tries::StopFlag;
use crate::iter::plumbing::UnindexedConsumer;

/// A gate that lets items pass until it is shut. If `EACH`, it is looked at before each item;
/// else from time to time.
struct Until<const EACH: bool, S, P> {
    is_shut: S,
    /// Gives what passes. It may shut the gate.
    pass: P,
}

impl<const EACH: bool, In, Out, S, P> Adapter<In> for Until<EACH, S, P>
where
    S: Fn() -> bool + Copy + Sync,
    P: Fn(In) -> Option<Out> + Copy + Sync,
{
    type Out = Out;

    const FILLS: bool = true;
    const ASK_EACH: bool = EACH;

    #[inline]
    fn adapt(&self, iter: impl Iterator<Item = In>) -> impl Iterator<Item = Out> {
        Passing::<EACH, _, _, _> { iter, is_shut: self.is_shut, pass: self.pass }
    }

    #[inline]
    fn is_shut(&self) -> bool {
        (self.is_shut)()
    }
}

/// Feeds what passes to `consumer`, until the gate is shut.
pub(in crate::iter) fn drive_until<const EACH: bool, I, Out, C>(
    base: I,
    consumer: C,
    is_shut: impl Fn() -> bool + Copy + Sync,
    pass: impl Fn(I::Item) -> Option<Out> + Copy + Sync,
) -> C::Result
where
    I: ParallelIterator,
    C: UnindexedConsumer<Out>,
{
    let stage = &Until::<EACH, _, _> { is_shut, pass };
    base.drive_unindexed(Staged { base: consumer, stage })
}

/// The items of `iter`, until the gate is shut or one of them does not pass.
pub(super) struct Passing<const EACH: bool, It, S, P> {
    pub(super) iter: It,
    pub(super) is_shut: S,
    pub(super) pass: P,
}

impl<const EACH: bool, Out, It, S, P> Iterator for Passing<EACH, It, S, P>
where
    It: Iterator,
    S: Fn() -> bool,
    P: Fn(It::Item) -> Option<Out>,
{
    type Item = Out;

    #[inline]
    fn next(&mut self) -> Option<Out> {
        if EACH && (self.is_shut)() { None } else { (self.pass)(self.iter.next()?) }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.iter.size_hint().1)
    }

    fn fold<B, F: FnMut(B, Out) -> B>(self, init: B, f: F) -> B {
        fold_then_drop(self, init, f)
    }
}

/// Counts one item, if there are any left.
#[inline]
fn count(left: &AtomicUsize) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
}

driven! {
    /// An iterator over what is in `Some`s, until a `None`: see [`ParallelIterator::while_some`].
    WhileSome<I> { base: I }
    [T: Send, I: ParallelIterator<Item = Option<T>>] => T,
    |self, consumer| {
        let found = StopFlag::default();
        drive_until::<true, _, _, _>(self.base, consumer, || found.is_set(), |item| {
            found.set_if(item.is_none());
            item
        })
    }
}

driven! {
    /// An iterator over some `n` items: see [`ParallelIterator::take_any`].
    TakeAny<I> { base: I; n: usize }
    [I: ParallelIterator] => I::Item, |self, consumer| {
        let left = AtomicUsize::new(self.n);
        let pass = |item| count(&left).then_some(item);
        drive_until::<true, _, _, _>(self.base, consumer, || left.load(Relaxed) == 0, pass)
    }
}

driven! {
    /// An iterator over all items but some `n`: see [`ParallelIterator::skip_any`].
    SkipAny<I> { base: I; n: usize }
    [I: ParallelIterator] => I::Item, |self, consumer| {
        let left = AtomicUsize::new(self.n);
        self.base.filter(|_| left.load(Relaxed) == 0 || !count(&left)).drive_unindexed(consumer)
    }
}

driven! {
    /// An iterator over items until one does not match: see [`ParallelIterator::take_any_while`].
    TakeAnyWhile<I, P> { base: I; predicate: P }
    [I: ParallelIterator, P: Fn(&I::Item) -> bool + Sync + Send] => I::Item,
    |self, consumer| {
        let found = StopFlag::default();
        drive_until::<true, _, _, _>(self.base, consumer, || found.is_set(), |item| {
            let passes = (self.predicate)(&item);
            found.set_if(!passes);
            passes.then_some(item)
        })
    }
}

driven! {
    /// An iterator over items once one does not match: see [`ParallelIterator::skip_any_while`].
    SkipAnyWhile<I, P> { base: I; predicate: P }
    [I: ParallelIterator, P: Fn(&I::Item) -> bool + Sync + Send] => I::Item,
    |self, consumer| {
        let found = StopFlag::default();
        let ends = |item: &I::Item| {
            let ends = !(self.predicate)(item);
            found.set_if(ends);
            ends
        };
        self.base.filter(|item| found.is_set() || ends(item)).drive_unindexed(consumer)
    }
}

driven! {
    /// An iterator that ends when a token is cancelled. The closure of
    /// [`ParallelIterator::cancel_with`] gets it.
    CancelWith<'t, I> { base: I, token: &'t CancelToken }
    ['t, I: ParallelIterator] => I::Item, |self, consumer| {
        let CancelWith { base, token } = self;
        drive_until::<true, _, _, _>(base, consumer, || token.is_cancelled(), Some)
    }
}
