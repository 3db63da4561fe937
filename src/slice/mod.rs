//! Parallel algorithms on slices: sorting, merging, scans, partitions, histograms, and reductions
//! whose results have the same bits on any number of threads.
//!
//! They run in the pool of the calling worker, else in the global pool. Any thread of that pool may
//! call their closures.
//!
//! ```
//! use filch::slice::ParallelSliceMut;
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
