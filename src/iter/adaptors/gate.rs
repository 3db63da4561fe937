//! Adaptors whose pieces share a gate: `while_some`, `take_any`, `skip_any` and their like.
//!
//! What the pieces share is Relaxed: it carries nothing but itself.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use super::serial::{Adapter, Through};
use crate::context::CancelToken;
use crate::iter::ParallelIterator;
use crate::iter::plumbing::{LoopSettings, UnindexedConsumer};

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
    type Iter<'a, It: Iterator<Item = In>>
        = Passing<EACH, It, S, P>
    where
        Self: 'a;

    const FILLS: bool = true;
    const ASK_EACH: bool = EACH;

    #[inline]
    fn adapt<It: Iterator<Item = In>>(&self, iter: It) -> Self::Iter<'_, It> {
        Passing { iter, is_shut: self.is_shut, pass: self.pass }
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
    let adapter = &Until::<EACH, _, _> { is_shut, pass };
    base.drive_unindexed(Through { base: consumer, adapter })
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

    fn fold<B, F: FnMut(B, Out) -> B>(mut self, init: B, mut f: F) -> B {
        let mut so_far = init;
        for item in self.by_ref() {
            so_far = f(so_far, item);
        }
        // Not at the end: a panic there would leak what is returned.
        drop(self);
        so_far
    }
}

/// Counts one item, if there are any left.
#[inline]
fn count(left: &AtomicUsize) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// Declares adaptors by how they drive their base.
macro_rules! gated {
    ($(
        $(#[$doc:meta])*
        $name:ident($($field:ident: $type:ty)?) <$($P:ident)?>
        [$($generics:tt)*] ($in:ty) -> $out:ty
        where { $($bounds:tt)* }
        |$base:ident, $consumer:ident| $drive:expr;
    )*) => {$(
        adaptor! { $(#[$doc])* $name<I $(; $P)?> { base $(; $field: $type)? } }

        impl<$($generics)*, I> ParallelIterator for $name<I $(, $P)?>
        where
            I: ParallelIterator<Item = $in>,
            $($bounds)*
        {
            type Item = $out;

            fn drive_unindexed<C: UnindexedConsumer<$out>>(self, $consumer: C) -> C::Result {
                let $name { base: $base $(, $field)? } = self;
                $drive
            }

            fn loop_settings(&self) -> LoopSettings {
                self.base.loop_settings()
            }
        }
    )*};
}

gated! {
    /// An iterator over what is in `Some`s, until a `None`. Returned by
    /// [`ParallelIterator::while_some`].
    WhileSome() <> [T: Send] (Option<T>) -> T
    where {}
    |base, consumer| {
        let found = AtomicBool::new(false);
        drive_until::<true, _, _, _>(base, consumer, || found.load(Relaxed), |item| {
            if item.is_none() {
                found.store(true, Relaxed);
            }
            item
        })
    };

    /// An iterator over some `n` items. Returned by [`ParallelIterator::take_any`].
    TakeAny(n: usize) <> [T: Send] (T) -> T
    where {}
    |base, consumer| {
        let left = AtomicUsize::new(n);
        let pass = |item| count(&left).then_some(item);
        drive_until::<true, _, _, _>(base, consumer, || left.load(Relaxed) == 0, pass)
    };

    /// An iterator over all items but some `n`. Returned by [`ParallelIterator::skip_any`].
    SkipAny(n: usize) <> [T: Send] (T) -> T
    where {}
    |base, consumer| {
        let left = AtomicUsize::new(n);
        base.filter(|_| left.load(Relaxed) == 0 || !count(&left)).drive_unindexed(consumer)
    };

    /// An iterator over items until one does not match a predicate. Returned by
    /// [`ParallelIterator::take_any_while`].
    TakeAnyWhile(predicate: P) <P> [T: Send, P] (T) -> T
    where { P: Fn(&T) -> bool + Sync + Send }
    |base, consumer| {
        let found = AtomicBool::new(false);
        drive_until::<true, _, _, _>(base, consumer, || found.load(Relaxed), |item| {
            let passes = predicate(&item);
            if !passes {
                found.store(true, Relaxed);
            }
            passes.then_some(item)
        })
    };

    /// An iterator over items once one does not match a predicate. Returned by
    /// [`ParallelIterator::skip_any_while`].
    SkipAnyWhile(predicate: P) <P> [T: Send, P] (T) -> T
    where { P: Fn(&T) -> bool + Sync + Send }
    |base, consumer| {
        let found = AtomicBool::new(false);
        let ends = |item: &T| {
            let ends = !predicate(item);
            if ends {
                found.store(true, Relaxed);
            }
            ends
        };
        base.filter(|item| found.load(Relaxed) || ends(item)).drive_unindexed(consumer)
    };
}

/// An iterator that ends when a token is cancelled. The closure of
/// [`ParallelIterator::cancel_with`] gets it.
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct CancelWith<'t, I> {
    base: I,
    token: &'t CancelToken,
}

impl<'t, I> CancelWith<'t, I> {
    pub(crate) fn new(base: I, token: &'t CancelToken) -> Self {
        CancelWith { base, token }
    }
}

impl<I: ParallelIterator> ParallelIterator for CancelWith<'_, I> {
    type Item = I::Item;

    fn drive_unindexed<C: UnindexedConsumer<I::Item>>(self, consumer: C) -> C::Result {
        let CancelWith { base, token } = self;
        drive_until::<true, _, _, _>(base, consumer, || token.is_cancelled(), Some)
    }

    fn loop_settings(&self) -> LoopSettings {
        self.base.loop_settings()
    }
}
