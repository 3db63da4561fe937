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
//! has ended. Items that were not come to are dropped. If the drop of an item panics, the others
//! are dropped all the same; but of what `min`, `max` and their like compare, and of what goes into
//! a hash table, an item may be leaked then, as by serial iterators.
//!
//! # A source of one's own
//! See [`plumbing`], and `examples/own_source.rs`.
//!
//! # Coming from rayon
//! Change `use rayon::prelude::*` to `use filch::prelude::*`. Names, bounds and results are rayon's
//! (of 1.12), but for what this table says. The types of iterators are in the modules where rayon has
//! them: `filch::vec::IntoIter`, `filch::range::Iter`, ...
//!
//! | Of rayon | Here |
//! |---|---|
//! | [`map`], [`filter`], [`filter_map`], [`inspect`], [`update`], [`copied`], [`cloned`], [`chain`], [`flat_map`], [`flat_map_iter`], [`flatten`], [`flatten_iter`], [`while_some`], [`intersperse`], [`take_any`], [`skip_any`], [`take_any_while`], [`skip_any_while`] | The same. ([`intersperse`] puts nothing before the first item, as rayon 1.12 may behind a `filter`.) |
//! | [`fold`], [`fold_with`], [`try_fold`], [`try_fold_with`], [`map_with`], [`map_init`], [`for_each_with`], [`for_each_init`] and their `try_` forms | The same, but there are as many pieces as were handed over, not as thieves made likely: often a single one. ([`with_max_len`] sees to it that there are more.) |
//! | [`sum`], [`product`], [`count`], [`reduce`], [`reduce_with`], [`try_reduce`], [`try_reduce_with`], [`for_each`], [`try_for_each`], [`all`], [`any`] | The same. Pieces are of other sizes, which shows in sums of floating-point numbers; [`par_fold_fixed`] and [`par_reduce_fixed`] give the same bits on any number of threads. |
//! | [`min`], [`max`], [`min_by`], [`max_by`], [`min_by_key`], [`max_by_key`] | The same. Of several, the first least one and the last greatest one, as serial iterators give. |
//! | [`find_any`], [`find_first`], [`find_last`], [`find_map_any`], [`find_map_first`], [`find_map_last`], [`position_any`], [`position_first`], [`position_last`] | The same. A loop over many items shares none before its first one is done: a search that goes on without end within the first item of an outer loop (a `flat_map`) never looks at the others. |
//! | [`collect`], [`collect_vec_list`], [`collect_into_vec`], [`unzip`], [`unzip_into_vecs`], [`partition`], [`partition_map`], [`FromParallelIterator`], [`ParallelExtend`] | The same, for the same collections. |
//! | [`enumerate`], [`rev`], [`zip`], [`zip_eq`], [`skip`], [`take`], [`step_by`], [`chunks`], [`fold_chunks`], [`fold_chunks_with`], [`interleave`], [`interleave_shortest`], [`positions`], [`cmp`], [`partial_cmp`], [`eq`], [`ne`], [`lt`], [`le`], [`gt`], [`ge`] | The same. |
//! | [`by_uniform_blocks`], [`by_exponential_blocks`] | The same. |
//! | [`with_min_len`], [`with_max_len`] | The same. |
//! | [`panic_fuse`] | The same. Without it, a panic still ends the piece that it happens in, and pieces are longer than rayon's: fewer of the other items are done. |
//! | [`par_bridge`] | The same. No lock is held while the iterator is asked for more: it may block, run parallel loops, or wait for its earlier items. |
//! | [`par_chunks`], [`par_chunks_exact`], [`par_rchunks`], [`par_rchunks_exact`], their `_mut` forms, [`par_windows`], [`par_array_windows`] | The same. |
//! | [`par_split`], [`par_split_inclusive`], [`par_chunk_by`], their `_mut` forms, and those of [`ParallelString`] | The same, but the predicate may be asked about an item more than once. |
//! | [`par_sort`], [`par_sort_by`], [`par_sort_by_key`], [`par_sort_by_cached_key`], [`par_sort_unstable`], [`par_sort_unstable_by`], [`par_sort_unstable_by_key`] | The same, but if the order is not a total one they may panic, as std's do, and the unstable ones allocate on many threads, and for large elements: see [sorting](crate::slice::ParallelSliceMut#sorting). |
//! | [`ParallelDrainRange`], [`ParallelDrainFull`] | The same. Hash tables, heaps and deques are emptied into a vector first; the iterators have the types of the vector's (`vec::IntoIter`), and borrow nothing: there is no `Drain` in `collections::hash_map`, `hash_set`, `binary_heap` and `vec_deque`. |
//! | [`once`], [`empty`], [`repeat`], [`repeat_n`], [`split`], [`walk_tree`], [`walk_tree_prefix`], [`walk_tree_postfix`], [`MultiZip`] | The same. |
//! | [`plumbing`] | [`Consumer::pause`](plumbing::Consumer::pause) is one method more to write. [`Folder::ASK_EACH`](plumbing::Folder::ASK_EACH), [`Folder::FILLS`](plumbing::Folder::FILLS) and [`Folder::KEEPS_STATE`](plumbing::Folder::KEEPS_STATE) may be set. Sources written for rayon compile as they are. |
//! | `scope`, `spawn` | Closures take no argument, and give a handle: see [`scope`](crate::scope) and [`spawn`](crate::spawn). |
//! | `scope_fifo`, `in_place_scope_fifo`, `ScopeFifo` | Not there: every [`Scope`](crate::Scope) has a [`spawn_fifo`](crate::Scope::spawn_fifo). |
//! | `find`, `position`, `repeatn`, `initialize`, `Configuration` | Not there: rayon deprecates them. |
//! | The modules of iterator types: `array`, `collections`, `option`, `range`, `range_inclusive`, `result`, `slice`, `str`, `string`, `vec` | The same names, but for what is said here. |
//!
//! That is all: of rayon's 158 trait methods and 176 public paths, no other is missing.
//!
//! What is new: [`cancel_with`] stops a loop from outside. Slices have scans ([`par_inclusive_scan`],
//! [`par_exclusive_scan`], and [in place](crate::slice::ParallelSliceMut::par_inclusive_scan_in_place)),
//! [`par_merge`], [`par_merge_in_place`], [`par_stable_partition`] and [`par_histogram`]; vectors have
//! [`par_retain`] and [`par_dedup`].
//!
//! A thread from outside, too, does items, in the seat of a worker that has none: items may see a
//! thread that has not the name that the pool gives its own.
//!
//! [`all`]: ParallelIterator::all
//! [`any`]: ParallelIterator::any
//! [`by_exponential_blocks`]: IndexedParallelIterator::by_exponential_blocks
//! [`by_uniform_blocks`]: IndexedParallelIterator::by_uniform_blocks
//! [`cancel_with`]: ParallelIterator::cancel_with
//! [`chain`]: ParallelIterator::chain
//! [`chunks`]: IndexedParallelIterator::chunks
//! [`cloned`]: ParallelIterator::cloned
//! [`cmp`]: IndexedParallelIterator::cmp
//! [`collect`]: ParallelIterator::collect
//! [`collect_into_vec`]: IndexedParallelIterator::collect_into_vec
//! [`collect_vec_list`]: ParallelIterator::collect_vec_list
//! [`copied`]: ParallelIterator::copied
//! [`count`]: ParallelIterator::count
//! [`empty`]: empty()
//! [`enumerate`]: IndexedParallelIterator::enumerate
//! [`eq`]: IndexedParallelIterator::eq
//! [`filter`]: ParallelIterator::filter
//! [`filter_map`]: ParallelIterator::filter_map
//! [`find_any`]: ParallelIterator::find_any
//! [`find_first`]: ParallelIterator::find_first
//! [`find_last`]: ParallelIterator::find_last
//! [`find_map_any`]: ParallelIterator::find_map_any
//! [`find_map_first`]: ParallelIterator::find_map_first
//! [`find_map_last`]: ParallelIterator::find_map_last
//! [`flat_map`]: ParallelIterator::flat_map
//! [`flat_map_iter`]: ParallelIterator::flat_map_iter
//! [`flatten`]: ParallelIterator::flatten
//! [`flatten_iter`]: ParallelIterator::flatten_iter
//! [`fold`]: ParallelIterator::fold
//! [`fold_chunks`]: IndexedParallelIterator::fold_chunks
//! [`fold_chunks_with`]: IndexedParallelIterator::fold_chunks_with
//! [`fold_with`]: ParallelIterator::fold_with
//! [`for_each`]: ParallelIterator::for_each
//! [`for_each_init`]: ParallelIterator::for_each_init
//! [`for_each_with`]: ParallelIterator::for_each_with
//! [`ge`]: IndexedParallelIterator::ge
//! [`gt`]: IndexedParallelIterator::gt
//! [`inspect`]: ParallelIterator::inspect
//! [`interleave`]: IndexedParallelIterator::interleave
//! [`interleave_shortest`]: IndexedParallelIterator::interleave_shortest
//! [`intersperse`]: ParallelIterator::intersperse
//! [`le`]: IndexedParallelIterator::le
//! [`lt`]: IndexedParallelIterator::lt
//! [`map`]: ParallelIterator::map
//! [`map_init`]: ParallelIterator::map_init
//! [`map_with`]: ParallelIterator::map_with
//! [`max`]: ParallelIterator::max
//! [`max_by`]: ParallelIterator::max_by
//! [`max_by_key`]: ParallelIterator::max_by_key
//! [`min`]: ParallelIterator::min
//! [`min_by`]: ParallelIterator::min_by
//! [`min_by_key`]: ParallelIterator::min_by_key
//! [`ne`]: IndexedParallelIterator::ne
//! [`once`]: once()
//! [`panic_fuse`]: ParallelIterator::panic_fuse
//! [`par_array_windows`]: crate::slice::ParallelSlice::par_array_windows
//! [`par_bridge`]: ParallelBridge::par_bridge
//! [`par_chunk_by`]: crate::slice::ParallelSlice::par_chunk_by
//! [`par_chunks`]: crate::slice::ParallelSlice::par_chunks
//! [`par_chunks_exact`]: crate::slice::ParallelSlice::par_chunks_exact
//! [`par_dedup`]: crate::slice::ParallelVec::par_dedup
//! [`par_exclusive_scan`]: crate::slice::ParallelSlice::par_exclusive_scan
//! [`par_fold_fixed`]: crate::slice::ParallelSlice::par_fold_fixed
//! [`par_histogram`]: crate::slice::ParallelSlice::par_histogram
//! [`par_inclusive_scan`]: crate::slice::ParallelSlice::par_inclusive_scan
//! [`par_merge`]: crate::slice::ParallelSlice::par_merge
//! [`par_merge_in_place`]: crate::slice::ParallelSliceMut::par_merge_in_place
//! [`par_rchunks`]: crate::slice::ParallelSlice::par_rchunks
//! [`par_rchunks_exact`]: crate::slice::ParallelSlice::par_rchunks_exact
//! [`par_reduce_fixed`]: crate::slice::ParallelSlice::par_reduce_fixed
//! [`par_retain`]: crate::slice::ParallelVec::par_retain
//! [`par_sort`]: crate::slice::ParallelSliceMut::par_sort
//! [`par_sort_by`]: crate::slice::ParallelSliceMut::par_sort_by
//! [`par_sort_by_cached_key`]: crate::slice::ParallelSliceMut::par_sort_by_cached_key
//! [`par_sort_by_key`]: crate::slice::ParallelSliceMut::par_sort_by_key
//! [`par_sort_unstable`]: crate::slice::ParallelSliceMut::par_sort_unstable
//! [`par_sort_unstable_by`]: crate::slice::ParallelSliceMut::par_sort_unstable_by
//! [`par_sort_unstable_by_key`]: crate::slice::ParallelSliceMut::par_sort_unstable_by_key
//! [`par_split`]: crate::slice::ParallelSlice::par_split
//! [`par_split_inclusive`]: crate::slice::ParallelSlice::par_split_inclusive
//! [`par_stable_partition`]: crate::slice::ParallelSliceMut::par_stable_partition
//! [`par_windows`]: crate::slice::ParallelSlice::par_windows
//! [`partial_cmp`]: IndexedParallelIterator::partial_cmp
//! [`partition`]: ParallelIterator::partition
//! [`partition_map`]: ParallelIterator::partition_map
//! [`position_any`]: IndexedParallelIterator::position_any
//! [`position_first`]: IndexedParallelIterator::position_first
//! [`position_last`]: IndexedParallelIterator::position_last
//! [`positions`]: IndexedParallelIterator::positions
//! [`product`]: ParallelIterator::product
//! [`reduce`]: ParallelIterator::reduce
//! [`reduce_with`]: ParallelIterator::reduce_with
//! [`repeat`]: repeat()
//! [`repeat_n`]: repeat_n()
//! [`rev`]: IndexedParallelIterator::rev
//! [`skip`]: IndexedParallelIterator::skip
//! [`skip_any`]: ParallelIterator::skip_any
//! [`skip_any_while`]: ParallelIterator::skip_any_while
//! [`split`]: split()
//! [`step_by`]: IndexedParallelIterator::step_by
//! [`sum`]: ParallelIterator::sum
//! [`take`]: IndexedParallelIterator::take
//! [`take_any`]: ParallelIterator::take_any
//! [`take_any_while`]: ParallelIterator::take_any_while
//! [`try_fold`]: ParallelIterator::try_fold
//! [`try_fold_with`]: ParallelIterator::try_fold_with
//! [`try_for_each`]: ParallelIterator::try_for_each
//! [`try_reduce`]: ParallelIterator::try_reduce
//! [`try_reduce_with`]: ParallelIterator::try_reduce_with
//! [`unzip`]: ParallelIterator::unzip
//! [`unzip_into_vecs`]: IndexedParallelIterator::unzip_into_vecs
//! [`update`]: ParallelIterator::update
//! [`walk_tree`]: walk_tree()
//! [`walk_tree_postfix`]: walk_tree_postfix()
//! [`walk_tree_prefix`]: walk_tree_prefix()
//! [`while_some`]: ParallelIterator::while_some
//! [`with_max_len`]: IndexedParallelIterator::with_max_len
//! [`with_min_len`]: IndexedParallelIterator::with_min_len
//! [`zip`]: IndexedParallelIterator::zip
//! [`zip_eq`]: IndexedParallelIterator::zip_eq

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
