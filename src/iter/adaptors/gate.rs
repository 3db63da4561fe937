//! Adaptors whose pieces share a gate: `while_some`, `take_any`, `skip_any` and their like.
//!
//! What the pieces share is Relaxed: it carries nothing but itself.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use super::serial::{Adapter, Through};
use crate::cancel::CancelToken;
use crate::iter::ParallelIterator;
use crate::iter::plumbing::UnindexedConsumer;

/// A gate that lets items pass until it is shut.
struct Until<S, P> {
    is_shut: S,
    /// Gives what passes. It may shut the gate.
    pass: P,
}

impl<In, Out, S, P> Adapter<In> for Until<S, P>
where
    S: Fn() -> bool + Copy + Sync,
    P: Fn(In) -> Option<Out> + Copy + Sync,
{
    type Out = Out;
    type Iter<'a, It: Iterator<Item = In>>
        = Passing<It, S, P>
    where
        Self: 'a;

    const SHUTS: bool = true;

    #[inline]
    fn adapt<It: Iterator<Item = In>>(&self, iter: It) -> Self::Iter<'_, It> {
        Passing { iter, is_shut: self.is_shut, pass: self.pass }
    }

    #[inline]
    fn is_shut(&self) -> bool {
        (self.is_shut)()
    }
}

/// The items of `iter`, until the gate is shut or one of them does not pass.
pub(super) struct Passing<It, S, P> {
    pub(super) iter: It,
    pub(super) is_shut: S,
    pub(super) pass: P,
}

impl<Out, It, S, P> Iterator for Passing<It, S, P>
where
    It: Iterator,
    S: Fn() -> bool,
    P: Fn(It::Item) -> Option<Out>,
{
    type Item = Out;

    #[inline]
    fn next(&mut self) -> Option<Out> {
        if (self.is_shut)() { None } else { (self.pass)(self.iter.next()?) }
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

/// A gate that drops items until it is open.
struct After<O, D> {
    is_open: O,
    /// Whether an item is dropped. It may open the gate.
    drops: D,
}

impl<T, O, D> Adapter<T> for After<O, D>
where
    O: Fn() -> bool + Copy + Sync,
    D: Fn(&T) -> bool + Copy + Sync,
{
    type Out = T;
    type Iter<'a, It: Iterator<Item = T>>
        = Opening<It, O, D>
    where
        Self: 'a;

    #[inline]
    fn adapt<It: Iterator<Item = T>>(&self, iter: It) -> Self::Iter<'_, It> {
        Opening { iter, is_open: self.is_open, drops: self.drops }
    }
}

/// The items of `iter` that are not dropped.
struct Opening<It, O, D> {
    iter: It,
    is_open: O,
    drops: D,
}

impl<It, O, D> Iterator for Opening<It, O, D>
where
    It: Iterator,
    O: Fn() -> bool,
    D: Fn(&It::Item) -> bool,
{
    type Item = It::Item;

    #[inline]
    fn next(&mut self) -> Option<It::Item> {
        self.iter.find(|item| (self.is_open)() || !(self.drops)(item))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (least, most) = self.iter.size_hint();
        (if (self.is_open)() { least } else { 0 }, most)
    }

    fn fold<B, F: FnMut(B, It::Item) -> B>(self, init: B, f: F) -> B {
        let Opening { iter, is_open, drops } = self;
        if is_open() {
            return iter.fold(init, f);
        }
        iter.filter(|item| is_open() || !drops(item)).fold(init, f)
    }
}

/// Counts one item, if there are any left.
#[inline]
fn count(left: &AtomicUsize) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// Declares adaptors by their gates.
macro_rules! gated {
    ($(
        $(#[$doc:meta])*
        $name:ident($($field:ident: $type:ty)?) <$($P:ident)?>
        [$($generics:tt)*] ($in:ty) -> $out:ty
        where { $($bounds:tt)* }
        $(let $shared:ident = $state:expr;)? $gate:expr;
    )*) => {$(
        adaptor! { $(#[$doc])* $name<I $(; $P)?> { base $(; $field: $type)? } }

        impl<$($generics)*, I> ParallelIterator for $name<I $(, $P)?>
        where
            I: ParallelIterator<Item = $in>,
            $($bounds)*
        {
            type Item = $out;

            fn drive_unindexed<C: UnindexedConsumer<$out>>(self, consumer: C) -> C::Result {
                let $name { base $(, $field)? } = self;
                $(let $shared = $state;)?
                base.drive_unindexed(Through { base: consumer, adapter: &$gate })
            }
        }
    )*};
}

gated! {
    /// An iterator over what is in `Some`s, until a `None`. Returned by
    /// [`ParallelIterator::while_some`].
    WhileSome() <> [T: Send] (Option<T>) -> T
    where {}
    let found = AtomicBool::new(false);
    Until {
        is_shut: || found.load(Relaxed),
        pass: |item: Option<T>| {
            if item.is_none() {
                found.store(true, Relaxed);
            }
            item
        },
    };

    /// An iterator over some `n` items. Returned by [`ParallelIterator::take_any`].
    TakeAny(n: usize) <> [T: Send] (T) -> T
    where {}
    let left = AtomicUsize::new(n);
    Until {
        is_shut: || left.load(Relaxed) == 0,
        pass: |item| count(&left).then_some(item),
    };

    /// An iterator over all items but some `n`. Returned by [`ParallelIterator::skip_any`].
    SkipAny(n: usize) <> [T: Send] (T) -> T
    where {}
    let left = AtomicUsize::new(n);
    After { is_open: || left.load(Relaxed) == 0, drops: |_: &T| count(&left) };

    /// An iterator over items until one does not match a predicate. Returned by
    /// [`ParallelIterator::take_any_while`].
    TakeAnyWhile(predicate: P) <P> [T: Send, P] (T) -> T
    where { P: Fn(&T) -> bool + Sync + Send }
    let found = AtomicBool::new(false);
    Until {
        is_shut: || found.load(Relaxed),
        pass: |item| {
            let passes = predicate(&item);
            if !passes {
                found.store(true, Relaxed);
            }
            passes.then_some(item)
        },
    };

    /// An iterator over items once one does not match a predicate. Returned by
    /// [`ParallelIterator::skip_any_while`].
    SkipAnyWhile(predicate: P) <P> [T: Send, P] (T) -> T
    where { P: Fn(&T) -> bool + Sync + Send }
    let found = AtomicBool::new(false);
    After {
        is_open: || found.load(Relaxed),
        drops: |item: &T| {
            let drops = predicate(item);
            if !drops {
                found.store(true, Relaxed);
            }
            drops
        },
    };

    /// An iterator that ends when a token is cancelled. Returned by
    /// [`ParallelIterator::cancel_with`].
    CancelWith(token: CancelToken) <> [T: Send] (T) -> T
    where {}
    Until { is_shut: || token.is_cancelled(), pass: Some };
}
