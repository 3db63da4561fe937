//! Parallel iterators that wrap others.
//!
//! Most are of a few kinds. They put a serial adaptor around each piece (`serial`), a producer
//! around another (`reshape`) or around two (`pair`), or a stage before their consumer (`stage`),
//! which may make a state for each piece from a `seed`. Or all pieces share a gate (`gate`).

/// Declares the type of an adaptor: its bases, and behind the semicolon its other fields.
macro_rules! adaptor {
    (
        $(#[$doc:meta])*
        $name:ident<$($B:ident),+ $(; $($P:ident $(: $bound:path)?),+)?>
        { $($base:ident),+ $(; $($field:ident: $type:ty),*)? }
    ) => {
        $(#[$doc])*
        #[must_use = "parallel iterators do nothing until they are driven"]
        #[derive(Clone)]
        pub struct $name<$($B,)+ $($($P $(: $bound)?),+)?> {
            $($base: $B,)+
            $($($field: $type),*)?
        }

        impl<$($B,)+ $($($P $(: $bound)?),+)?> $name<$($B,)+ $($($P),+)?> {
            pub(crate) fn new($($base: $B,)+ $($($field: $type),*)?) -> Self {
                $name { $($base,)+ $($($field),*)? }
            }
        }

        impl<$($B: std::fmt::Debug,)+ $($($P $(: $bound)?),+)?> std::fmt::Debug
            for $name<$($B,)+ $($($P),+)?>
        {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut f = f.debug_struct(stringify!($name));
                $(f.field(stringify!($base), &self.$base);)+
                f.finish_non_exhaustive()
            }
        }
    };
}

mod blocks;
mod chain;
mod chunks;
mod deterministic;
mod enumerate;
mod exact;
mod flat_map;
mod fold;
mod gate;
mod interleave;
mod intersperse;
mod len;
mod map_while;
mod map_with;
mod pair;
mod panic_fuse;
mod place;
#[cfg(feature = "indicatif")]
mod progress;
mod reshape;
mod rev;
mod seed;
mod serial;
mod skip_take;
pub(super) mod stage;
mod step_by;
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
pub use len::{MaxLen, MinLen};
pub use map_while::MapWhile;
pub use map_with::{MapInit, MapWith};
pub use panic_fuse::PanicFuse;
pub use place::{NumThreads, WithPool};
#[cfg(feature = "indicatif")]
pub use progress::{ParallelProgressIterator, Progress};
pub use rev::Rev;
pub use serial::{
    Cloned, Copied, Filter, FilterMap, FlatMapIter, FlattenIter, Inspect, Map, Positions, Update,
};
pub use skip_take::{Skip, Take};
pub use step_by::StepBy;
pub use zip::{Zip, ZipEq};

/// Folds the items of `iter`, as the default of [`Iterator::fold`] does, but drops `iter` before
/// it returns: if that panicked later, the result would be leaked.
fn fold_then_drop<I: Iterator, B>(mut iter: I, init: B, mut f: impl FnMut(B, I::Item) -> B) -> B {
    let mut so_far = init;
    for item in iter.by_ref() {
        so_far = f(so_far, item);
    }
    drop(iter);
    so_far
}
