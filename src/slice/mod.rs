//! Parallel algorithms on slices: sorting, merging, scans, partitions, histograms, and folds that
//! give the same bits on any number of threads.
//!
//! All of them are built on [`join`](crate::join) alone: they run in the pool they are called
//! in, else in the global one, and call their closures from any of its workers.
//!
//! ```
//! use filch::slice::ParallelSliceMut;
//!
//! let mut numbers: Vec<u64> = (0..100_000).map(|n| n * 7919 % 100_003).collect();
//! numbers.par_sort();
//! assert!(numbers.is_sorted());
//! ```

mod bits;
mod collect;
mod divide;
mod exclusive;
mod fold;
mod histogram;
mod keyed;
mod merge;
mod numbers;
mod partition;
mod quick;
mod runs;
mod scan;
mod shared;
mod sort;
mod vector;

pub use crate::iter::sources::chunks::*;
pub use crate::iter::sources::parts::*;
pub use crate::iter::sources::slice::{Iter, IterMut};
pub use exclusive::ParallelSliceMut;
pub use shared::ParallelSlice;
pub use vector::ParallelVec;
