//! Parallel iterators that wrap others.
//!
//! Most are of a few kinds. They put a serial adaptor around each piece (`serial`), a producer
//! around another (`reshape`) or around two (`pair`), or a stage before their consumer (`stage`),
//! which may make a state for each piece from a `seed`. Or all pieces share a gate (`gate`).

#[macro_use]
mod declare;

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
