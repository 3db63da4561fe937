//! Adaptors that put a producer around their base's producer, and the simple ones of them: `rev`,
//! `step_by`, `skip`, `take`, `with_min_len`, `with_max_len`.

use std::iter;

use super::zip::first;
use crate::fork::in_place_scope;
use crate::iter::ends::end::consumer_of;
use crate::iter::ends::reduce::ForEach;
use crate::iter::limit::innermost;
use crate::iter::plumbing::{Folder, Producer, bridge_producer_consumer};

/// Declares such adaptors by their length, and by a call of `callback` with a producer that is made
/// of `base`, which has `len` items.
macro_rules! reshaped {
    ($(
        $(#[$doc:meta])*
        $name:ident<I $(, $($P:ident),+)?> { $($field:ident: $type:ty),* }
        [$($generics:tt)*] ($in:ty) -> $out:ty
        where { $($bounds:tt)* }
        len |$self:ident, $base_len:ident| $own_len:expr,
        |$len:pat_param, $base:ident, $callback:ident| $call:expr;
    )*) => {$(
        adaptor! { $(#[$doc])* $name<I $(, $($P),+)?> { base: I; $($field: $type),* } }

        $crate::iter::implement::bridged!(
            [$($generics)*, I] $name<I $(, $($P),+)?>
            where {
                I: $crate::iter::IndexedParallelIterator<Item = $in>,
                $($bounds)*
            } => $out,
            settings |self| $crate::iter::ParallelIterator::loop_settings(&self.base),
            len |$self| {
                let $base_len = $self.base.len();
                $own_len
            },
            |$self, callback| {
                let $name { base, $($field),* } = $self;
                let len = base.len();
                calling!(
                    [$($generics)*] [$($($P),+)?] { len: usize $(, $field: $type)* }
                    where { $($bounds)* } ($in) -> $out, base, callback,
                    |$base, $callback| {
                        let $len = len;
                        $call
                    }
                )
            }
        );
    )*};
}

pub(super) use reshaped;

reshaped! {
    /// The iterator of [`rev`](crate::iter::IndexedParallelIterator::rev).
    Rev<I> {} [T: Send] (T) -> T
    where {}
    len |self, len| len,
    |len, base, callback| callback.callback(Reversed { len, base });

    /// The iterator of [`step_by`](crate::iter::IndexedParallelIterator::step_by).
    StepBy<I> { step: usize } [T: Send] (T) -> T
    where {}
    len |self, len| len.div_ceil(self.step),
    |len, base, callback| callback.callback(Stepped { step, len, base });

    /// The iterator of [`skip`](crate::iter::IndexedParallelIterator::skip).
    Skip<I> { n: usize } [T: Send] (T) -> T
    where {}
    len |self, len| len.saturating_sub(self.n),
    |len, base, callback| {
        let skipped = n.min(len);
        if skipped == 0 {
            return callback.callback(base);
        }
        let (before, wanted) = base.split_at(skipped);
        // As in a serial iterator, adaptors before this run for the skipped items.
        let skip = move || bridge_producer_consumer(skipped, before, consumer_of(&ForEach(drop)));
        if innermost(|limit| limit.is_some()) {
            skip();
            return callback.callback(wanted);
        }
        in_place_scope(|scope| {
            scope.spawn(skip);
            callback.callback(wanted)
        })
    };

    /// The iterator of [`take`](crate::iter::IndexedParallelIterator::take).
    Take<I> { n: usize } [T: Send] (T) -> T
    where {}
    len |self, len| len.min(self.n),
    |len, base, callback| callback.callback(first(n, len, base));

    /// The iterator of [`with_min_len`](crate::iter::IndexedParallelIterator::with_min_len).
    MinLen<I> { min: usize } [T: Send] (T) -> T
    where {}
    len |self, len| len,
    |_, base, callback| {
        let (min, max) = (base.min_len().max(min), base.max_len());
        callback.callback(Bounded { min, max, base })
    };

    /// The iterator of [`with_max_len`](crate::iter::IndexedParallelIterator::with_max_len).
    MaxLen<I> { max: usize } [T: Send] (T) -> T
    where {}
    len |self, len| len,
    |_, base, callback| {
        let (min, max) = (base.min_len(), base.max_len().min(max));
        callback.callback(Bounded { min, max, base })
    };
}

/// The `len` items of `base`, from the last to the first.
struct Reversed<P> {
    len: usize,
    base: P,
}

impl<P: Producer> Producer for Reversed<P> {
    type Item = P::Item;
    type IntoIter = iter::Rev<P::IntoIter>;

    bounds_of!(P: base);

    fn into_iter(self) -> Self::IntoIter {
        self.base.into_iter().rev()
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let rest = self.len - index;
        let (first, last) = self.base.split_at(rest);
        (Reversed { len: index, base: last }, Reversed { len: rest, base: first })
    }
}

/// The first of every `step` of the `len` items of `base`.
struct Stepped<P> {
    step: usize,
    len: usize,
    base: P,
}

impl<P: Producer> Producer for Stepped<P> {
    type Item = P::Item;
    type IntoIter = iter::StepBy<P::IntoIter>;

    const FEW_BLOCKS: bool = P::FEW_BLOCKS;

    fn into_iter(self) -> Self::IntoIter {
        self.base.into_iter().step_by(self.step)
    }

    fn min_len(&self) -> usize {
        self.base.min_len().div_ceil(self.step)
    }

    fn max_len(&self) -> usize {
        self.base.max_len().div_ceil(self.step)
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let Stepped { step, len, base } = self;
        let at = index.saturating_mul(step).min(len);
        let (left, right) = base.split_at(at);
        (Stepped { step, len: at, base: left }, Stepped { step, len: len - at, base: right })
    }
}

/// The items of `base`, with other bounds.
struct Bounded<P> {
    min: usize,
    max: usize,
    base: P,
}

impl<P: Producer> Producer for Bounded<P> {
    type Item = P::Item;
    type IntoIter = P::IntoIter;

    const FEW_BLOCKS: bool = P::FEW_BLOCKS;

    fn into_iter(self) -> P::IntoIter {
        self.base.into_iter()
    }

    fn min_len(&self) -> usize {
        // Calls the base each time, since `panic_fuse` has to know when a piece begins.
        self.base.min_len().max(self.min)
    }

    fn max_len(&self) -> usize {
        self.max
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let Bounded { min, max, base } = self;
        let (left, right) = base.split_at(index);
        (Bounded { min, max, base: left }, Bounded { min, max, base: right })
    }

    fn fold_with<F: Folder<P::Item>>(self, folder: F) -> F {
        self.base.fold_with(folder)
    }
}
