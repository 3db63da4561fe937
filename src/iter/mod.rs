//! Data-parallel loops: iterators whose items are shared by all threads of a pool.
//!
//! Bring the traits into scope, and write `par_iter` where a serial program has `iter`:
//!
//! ```
//! use filch::prelude::*;
//! let words = ["many", "hands", "make", "light", "work"];
//! let letters: usize = words.par_iter().map(|word| word.len()).sum();
//! assert_eq!(letters, 22);
//!
//! let mut numbers: Vec<u32> = (0..1000).rev().collect();
//! numbers.par_iter_mut().for_each(|number| *number *= 2);
//! let large: Vec<u32> = numbers.into_par_iter().filter(|&number| number > 1990).collect();
//! assert_eq!(large, [1998, 1996, 1994, 1992]);
//! ```
//!
//! Names and signatures are rayon's.
//!
//! # Which pool
//! A loop runs in the pool of the calling worker. Inside of
//! [`ThreadPool::install`](crate::ThreadPool::install) that is the given pool. On a thread that is
//! no worker it is the global pool. Such a thread runs items itself if a worker core is free: see
//! [`join`](crate::join). [`with_pool`](ParallelIterator::with_pool) names another pool for
//! one loop.
//!
//! # What is parallel
//! A worker runs a loop serially, in blocks of some microseconds. If other workers are idle and it
//! has nothing else that they could steal, it hands over half of the rest. So a short loop costs
//! hardly more than a serial one, inner loops of many items rarely fork while outer ones have work
//! to share, and some items may take much longer than others. Programs need not choose the size of
//! pieces, but can, by [`with_min_len`](IndexedParallelIterator::with_min_len) and
//! [`with_max_len`](IndexedParallelIterator::with_max_len). Each block is a loop over a plain
//! iterator, which the compiler can vectorize.
//!
//! How the items are divided depends on timing. Results are in order. If an operation is
//! associative, its result does not depend on timing. Addition of floating-point numbers is not
//! associative: the last digits of sums may change from run to run, unless the loop is
//! [`deterministic`].
//!
//! # Panics
//! If a closure panics, the loop panics with the same payload once all pieces that have begun have
//! ended. Items that have not begun are dropped. If the drop of an item panics, the others are
//! dropped nevertheless. Items in a comparison (`min`, `max` and the like) or on their way into a
//! hash table may then be leaked, as by serial iterators. If the drop of what a closure has
//! captured panics, the result may be leaked
//! ([rust-lang/rust#47949](https://github.com/rust-lang/rust/issues/47949)).
//!
//! # A source of your own
//! See [`plumbing`], and `examples/own_source.rs` in the repository.
//!
//! # Coming from rayon
//! Replace `use rayon::prelude::*` by `use filch::prelude::*`. Methods and types have the names and
//! paths of rayon 1.12. The [guide](crate::guide::from_rayon#iterators) says what differs.
//!
//! With the feature `rayon`, iterators of both crates can be mixed: `into_filch` and `into_rayon`,
//! see the [guide](crate::guide::from_rayon#both-in-one-program). With the feature `indicatif`,
//! `progress` and its like count items in a progress bar, as indicatif's methods for rayon do.
//!
//! [`deterministic`]: IndexedParallelIterator::deterministic

mod adaptors;
pub(crate) mod ends;
mod implement;
mod indexed;
mod limit;
mod parallel;
pub mod plumbing;
mod settings;
pub(crate) mod sources;
mod traits;
mod tries;
#[cfg(feature = "rayon")]
mod with_rayon;

pub use adaptors::*;
/// One of two values, as for [`partition_map`](ParallelIterator::partition_map).
pub use either::Either;
pub use indexed::IndexedParallelIterator;
pub use parallel::{FromParallelIterator, IntoParallelIterator, ParallelExtend, ParallelIterator};
pub use sources::bridge::{IterBridge, ParallelBridge};
pub use sources::multizip::MultiZip;
pub use sources::option::{Empty, Once, empty, once};
pub use sources::repeat::{Repeat, RepeatN, repeat, repeat_n};
pub use sources::splitter::{Split, split};
pub use sources::string::ParallelString;
pub use sources::walk::{
    WalkTree, WalkTreePostfix, WalkTreePrefix, walk_tree, walk_tree_postfix, walk_tree_prefix,
};
pub use traits::*;
#[cfg(feature = "rayon")]
pub use with_rayon::{FromRayon, FromRayonUnindexed, IntoFilch, IntoRayon, ToRayon};
