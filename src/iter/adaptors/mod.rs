//! Parallel iterators that wrap others.
//!
//! Most are of a few kinds. They put a serial adaptor around each piece (`serial`), a producer
//! around another (`reshape`) or around two (`pair`), or a stage before their consumer (`stage`),
//! which may make a state for each piece from a `seed`. Or all pieces share a gate (`gate`).

/// Declares the type of an adaptor: the fields that `Debug` shows, and behind the semicolon the
/// others.
macro_rules! adaptor {
    (
        $(#[$doc:meta])*
        $name:ident<$($a:lifetime,)? $($P:ident $(: $bound:path)?),+>
        { $($shown:ident: $shown_type:ty),+ $(; $($field:ident: $type:ty),*)? }
    ) => {
        $(#[$doc])*
        #[must_use = "parallel iterators do nothing until they are driven"]
        #[derive(Clone)]
        pub struct $name<$($a,)? $($P $(: $bound)?),+> {
            $($shown: $shown_type,)+
            $($($field: $type),*)?
        }

        impl<$($a,)? $($P $(: $bound)?),+> $name<$($a,)? $($P),+> {
            pub(crate) fn new($($shown: $shown_type,)+ $($($field: $type),*)?) -> Self {
                $name { $($shown,)+ $($($field),*)? }
            }
        }

        impl<$($a,)? $($P $(: $bound)?),+> std::fmt::Debug for $name<$($a,)? $($P),+>
        where
            $($shown_type: std::fmt::Debug,)+
        {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut f = f.debug_struct(stringify!($name));
                $(f.field(stringify!($shown), &self.$shown);)+
                f.finish_non_exhaustive()
            }
        }
    };
}

/// Declares the bounds of a producer that wraps `$base`, or two bases.
macro_rules! bounds_of {
    ($P:ident: $base:tt) => {
        const FEW_BLOCKS: bool = $P::FEW_BLOCKS;

        fn min_len(&self) -> usize {
            self.$base.min_len()
        }

        fn max_len(&self) -> usize {
            self.$base.max_len()
        }
    };
    ($A:ident: $a:tt, $B:ident: $b:tt) => {
        const FEW_BLOCKS: bool = $A::FEW_BLOCKS || $B::FEW_BLOCKS;

        fn min_len(&self) -> usize {
            self.$a.min_len().max(self.$b.min_len())
        }

        fn max_len(&self) -> usize {
            self.$a.max_len().min(self.$b.max_len())
        }
    };
}

/// Implements `ParallelIterator` for an adaptor without positions, by how it drives its `base`. In
/// the first form, also declares its type.
macro_rules! driven {
    (
        $(#[$doc:meta])*
        $name:ident<$($a:lifetime,)? $($P:ident $(: $bound:path)?),+> { $($fields:tt)* }
        [$($generics:tt)*] $(where { $($bounds:tt)* })? -> $($rest:tt)*
    ) => {
        adaptor! { $(#[$doc])* $name<$($a,)? $($P $(: $bound)?),+> { $($fields)* } }
        driven!([$($generics)*] $name<$($a,)? $($P),+> $(where { $($bounds)* })?, $($rest)*);
    };
    (
        [$($generics:tt)*] $name:ty $(where { $($bounds:tt)* })?, $item:ty,
        |$self:ident, $consumer:ident| $drive:expr
        $(, len |$this:ident| $len:expr)?
    ) => {
        impl<$($generics)*> ParallelIterator for $name $(where $($bounds)*)? {
            type Item = $item;

            #[inline]
            fn drive_unindexed<C>($self, $consumer: C) -> C::Result
            where
                C: crate::iter::plumbing::UnindexedConsumer<$item>,
            {
                $drive
            }

            $(
                fn opt_len(&$this) -> Option<usize> {
                    Some($len)
                }
            )?

            fn loop_settings(&self) -> crate::iter::plumbing::LoopSettings {
                self.base.loop_settings()
            }
        }
    };
}

/// Implements both traits for an adaptor that makes one item of each of `base`, whose type is `$I`:
/// by `$driven`, which is the base or made of it, and by what is put around the consumer and around
/// the callback. In the first form, also declares its type.
macro_rules! one_to_one {
    (
        $(#[$doc:meta])*
        $name:ident<$($P:ident),+> { $($fields:tt)* } [$($generics:tt)*] $($rest:tt)*
    ) => {
        adaptor! { $(#[$doc])* $name<$($P),+> { $($fields)* } }
        one_to_one!([$($generics)*] $name<$($P),+>, $($rest)*);
    };
    (
        [$($generics:tt)*] $name:ty, over $I:ident $(<Item = $in:ty> where { $($bounds:tt)* })?,
        $item:ty,
        |$self:ident| $driven:expr, |$consumer:ident| $consuming:expr,
        |$callback:ident| $calling:expr
    ) => {
        impl<$($generics)*> ParallelIterator for $name
        where
            $I: ParallelIterator $(<Item = $in>, $($bounds)*)?
        {
            type Item = $item;

            #[inline]
            fn drive_unindexed<C>($self, $consumer: C) -> C::Result
            where
                C: crate::iter::plumbing::UnindexedConsumer<$item>,
            {
                $driven.drive_unindexed($consuming)
            }

            fn opt_len(&self) -> Option<usize> {
                self.base.opt_len()
            }

            fn loop_settings(&self) -> crate::iter::plumbing::LoopSettings {
                self.base.loop_settings()
            }
        }

        impl<$($generics)*> IndexedParallelIterator for $name
        where
            $I: IndexedParallelIterator $(<Item = $in>, $($bounds)*)?
        {
            #[inline]
            fn drive<C: crate::iter::plumbing::Consumer<$item>>($self, $consumer: C) -> C::Result {
                $driven.drive($consuming)
            }

            fn len(&self) -> usize {
                self.base.len()
            }

            #[inline]
            fn with_producer<CB>($self, $callback: CB) -> CB::Output
            where
                CB: crate::iter::plumbing::ProducerCallback<$item>,
            {
                $driven.with_producer($calling)
            }
        }
    };
}

mod blocks;
mod chain;
mod chunks;
mod deterministic;
mod enumerate;
mod flat_map;
mod fold;
mod gate;
mod interleave;
mod intersperse;
mod map_while;
mod map_with;
mod pair;
mod panic_fuse;
mod place;
#[cfg(feature = "indicatif")]
mod progress;
mod reshape;
mod seed;
mod serial;
pub(super) mod stage;
mod zip;

pub(super) use adaptor;
pub use blocks::{ExponentialBlocks, UniformBlocks};
pub use chain::Chain;
pub use chunks::{Chunks, FoldChunks, FoldChunksWith};
pub use deterministic::Deterministic;
pub use enumerate::Enumerate;
pub use flat_map::{FlatMap, Flatten};
pub use fold::{Fold, FoldWith, TryFold, TryFoldWith};
pub(super) use gate::drive_until;
pub use gate::{CancelWith, SkipAny, SkipAnyWhile, TakeAny, TakeAnyWhile, WhileSome};
pub use interleave::{Interleave, InterleaveShortest};
pub use intersperse::Intersperse;
pub use map_while::MapWhile;
pub use map_with::{MapInit, MapWith};
pub use panic_fuse::PanicFuse;
pub use place::{NumThreads, WithPool};
#[cfg(feature = "indicatif")]
pub use progress::{ParallelProgressIterator, Progress};
pub use reshape::{MaxLen, MinLen, Rev, Skip, StepBy, Take};
pub use serial::{
    Cloned, Copied, Filter, FilterMap, FlatMapIter, FlattenIter, Inspect, Map, Positions, Update,
};
pub use zip::{Zip, ZipEq};

use crate::iter::plumbing::drop_first;

/// Folds the items of `iter`, as the default of [`Iterator::fold`] does, but drops `iter` before
/// it returns: if that panicked later, the result would be leaked.
fn fold_then_drop<I: Iterator, B>(mut iter: I, init: B, mut f: impl FnMut(B, I::Item) -> B) -> B {
    let mut so_far = init;
    for item in iter.by_ref() {
        so_far = f(so_far, item);
    }
    drop_first(iter, so_far)
}
