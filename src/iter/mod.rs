//! Data-parallel loops: iterators whose items are worked on by all threads of the pool.
//!
//! Bring the traits into scope, and put a `par_` before what a serial program says:
//!
//! ```
//! use filch::prelude::*;
//!
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
//! The vocabulary is rayon's: programs that use its iterators change a `use` line. At the end of
//! this page is a table of what differs.
//!
//! # Which pool
//! That of the calling worker, else the global one; inside of
//! [`ThreadPool::install`](crate::ThreadPool::install) that pool. A thread from outside takes part
//! in the work itself where a worker's seat is free (see [`join`](crate::join)).
//!
//! # What is parallel
//! A loop goes on serially, a block of some microseconds at a time, and hands over half of what is
//! left whenever the worker has nothing else that others could take. So a short loop costs hardly
//! more than a serial one, inner loops hardly fork while outer ones have work to share, and the
//! costs of the items may be as uneven as they like: nobody need say how large pieces should be
//! (though [`with_min_len`](IndexedParallelIterator::with_min_len) and
//! [`with_max_len`](IndexedParallelIterator::with_max_len) can). Within a block the loop is that of
//! a plain iterator, which compilers vectorize.
//!
//! How the items are divided depends on timing. What is made of them does not, as long as the
//! operations are associative where it says so: results come in order. Sums of floating-point
//! numbers are not associative: their last digits may change from run to run.
//!
//! # Panics
//! A panic in a closure is resumed where the loop was called, when everything that was under way
//! has ended. Items that were not come to are dropped.
//!
//! # A source of one's own
//! See [`plumbing`], and `examples/own_source.rs`.

mod adaptors;
mod ends;
mod indexed;
mod parallel;
pub mod plumbing;
pub(crate) mod sources;
mod traits;
mod tries;

pub use adaptors::*;
/// One of two: what [`partition_map`](ParallelIterator::partition_map) sorts by.
pub use either::Either;
pub use indexed::IndexedParallelIterator;
pub use parallel::ParallelIterator;
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
