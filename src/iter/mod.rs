//! Data-parallel loops: iterators whose items all threads of a pool work on.
//!
//! Bring the traits into scope, and write `par_iter` where a serial program has `iter`:
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
//! Names and signatures are rayon's. The last section says what differs.
//!
//! # Which pool
//! A loop runs in the pool of the calling worker. Inside of
//! [`ThreadPool::install`](crate::ThreadPool::install) that is the given pool, and on any other
//! thread the global one. A caller from outside works itself if a worker core is free: see
//! [`join`](crate::join). Items may then run on a thread without the name that the pool gives its
//! own.
//!
//! # What is parallel
//! A worker runs a loop serially, in blocks of some microseconds, and hands over half of the rest
//! whenever it has nothing else that others could steal. So a short loop costs hardly more than a
//! serial one, inner loops hardly fork while outer ones have work to share, and items may cost very
//! different amounts. Programs need not choose the size of pieces, but can:
//! [`with_min_len`](IndexedParallelIterator::with_min_len),
//! [`with_max_len`](IndexedParallelIterator::with_max_len). Each block is a loop over a plain
//! iterator, which compilers vectorize.
//!
//! How the items are divided depends on timing. Results come in order, and do not depend on it if
//! the operations are associative. Additions of floating-point numbers are not: the last digits of
//! their sums may change from run to run.
//!
//! # Panics
//! If a closure panics, the loop panics with the same payload once all pieces that have begun have
//! ended. Items that have not begun are dropped. If the drop of an item panics, the others are
//! dropped nevertheless. But an item that `min`, `max` and their like compare, or that goes into a
//! hash table, may then be leaked, as by serial iterators.
//!
//! # A source of your own
//! See [`plumbing`], and `examples/own_source.rs`.
//!
//! # Coming from rayon
//! Replace `use rayon::prelude::*` by `use filch::prelude::*`. Methods and types have the names and
//! paths of rayon 1.12, except for what rayon deprecates (`find`, `position`, `repeatn`,
//! `initialize`, `Configuration`) and for what this table says.
//!
//! | rayon | filch |
//! |---|---|
//! | `intersperse` | Puts nothing before the first item, as rayon 1.12 may after a `filter`. |
//! | `fold`, `map_with`, `map_init`, `for_each_with`, `for_each_init` and their like | There are as many pieces as were handed over: often one. Call `with_max_len` for more. |
//! | `sum`, `product`, `reduce` | Pieces have other sizes, which shows in sums of floating-point numbers. [`par_fold_fixed`] and [`par_reduce_fixed`] give the same bits on any number of threads. |
//! | `min`, `max` and their like | Of several, the first least and the last greatest item, as in serial iterators. |
//! | `find_any`, `find_first` and their like | A loop over many items shares none before its first has ended. So a search without end within the first item of a `flat_map` never looks at the others. |
//! | `panic_fuse` | Without it a panic ends its piece, and pieces are longer than rayon's: fewer of the other items are done. |
//! | `par_bridge` | No lock is held while the iterator is asked for more: it may block, run parallel loops, or wait for its earlier items. |
//! | `par_split`, `par_split_inclusive`, `par_chunk_by`, of slices and strings | The predicate may be called more than once with an item. |
//! | `par_sort` and its like | They may panic if the order is not total, as std's do. The unstable ones allocate on many threads, and for large elements: see [sorting](crate::slice::ParallelSliceMut#sorting). |
//! | `par_drain` of hash tables, heaps and deques | Moves the items into a vector first, and returns a `vec::IntoIter`: there is no `Drain` in the modules of those collections. |
//! | `plumbing` | What is written for rayon compiles. [`Consumer::pause`](plumbing::Consumer::pause) and some constants of [`Consumer`](plumbing::Consumer), [`Folder`](plumbing::Folder) and [`Producer`](plumbing::Producer) may be added for speed. |
//! | `scope`, `spawn` | Closures take no argument, and there are handles: see [`scope`](crate::scope) and [`spawn`](crate::spawn). |
//! | `scope_fifo`, `in_place_scope_fifo`, `ScopeFifo` | [`Scope::spawn_fifo`](crate::Scope::spawn_fifo) of any scope. |
//!
//! New are [`cancel_with`](ParallelIterator::cancel_with), which stops a loop from outside, and for
//! slices and vectors scans, merges, stable partitions, histograms, `par_retain` and `par_dedup`:
//! see [`slice`](crate::slice).
//!
//! [`par_fold_fixed`]: crate::slice::ParallelSlice::par_fold_fixed
//! [`par_reduce_fixed`]: crate::slice::ParallelSlice::par_reduce_fixed

mod adaptors;
mod bridged;
mod ends;
mod indexed;
mod parallel;
pub mod plumbing;
pub(crate) mod sources;
mod traits;
mod tries;

pub use adaptors::{
    CancelWith, Chain, Chunks, Cloned, Copied, Enumerate, ExponentialBlocks, Filter, FilterMap,
    FlatMap, FlatMapIter, Flatten, FlattenIter, Fold, FoldChunks, FoldChunksWith, FoldWith,
    Inspect, Interleave, InterleaveShortest, Intersperse, Map, MapInit, MapWith, MaxLen, MinLen,
    PanicFuse, Positions, Rev, Skip, SkipAny, SkipAnyWhile, StepBy, Take, TakeAny, TakeAnyWhile,
    TryFold, TryFoldWith, UniformBlocks, Update, WhileSome, Zip, ZipEq,
};
/// One of two values, as [`partition_map`](ParallelIterator::partition_map) tells them apart.
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
