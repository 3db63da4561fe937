//! What can be done with a slice that may be changed.

use std::cmp::Ordering;

use super::keyed::sort_by_cached_key;
use super::quick::sort_unstable;
use super::sort::{Sort, merge_in_place};
use super::{partition, scan};
use crate::iter::sources::chunks::*;
use crate::iter::sources::parts::*;

/// Parallel algorithms that change a slice.
///
/// # Sorting
/// *O*(*n* log *n*) comparisons, and *O*(*n*) for a slice that is sorted already, or is sorted
/// strictly backwards.
///
/// The stable sorts are merge sorts, whose leaves std sorts; they allocate space for as many
/// elements as the slice has. On a pool of one thread, and for up to two thousand elements, they
/// are std's. Leaves of elements of more than 32 bytes are sorted by number instead, which moves
/// each element once, and allocates 4 to 8 bytes an element; on one thread, too, those of more
/// than 128 thousand are merged.
///
/// The unstable sorts are quicksorts, in place, on pools of up to eight threads; on larger ones,
/// for which the first division by one thread would take too long, they are merge sorts, as
/// above. A quicksort leaves to std parts of up to 128 elements; or, where elements have up to 16
/// bytes, or up to 24 and own something, as a string does, a fourth of each thread's share. Parts
/// of half a megabyte of elements of more than 64 bytes are sorted by number.
///
/// If the order is not a total one, the elements end up in any order, or the sort panics. If a
/// comparison panics, so does the sort, and the slice has all its elements, in any order: each is
/// there once, whatever a comparison has changed in it.
///
/// Elements without a size have no order that could be seen: they are left as they are, and not
/// compared.
///
/// The parallel merge is that of Odeh, Green, Mwassi, Shmueli and Birk ("Merge Path", 2012).
pub trait ParallelSliceMut<T: Send> {
    /// Returns the slice, on which the other methods work.
    fn as_parallel_slice_mut(&mut self) -> &mut [T];

    /// Sorts the slice; equal elements keep their order.
    ///
    /// # Panics
    /// When a comparison does: see [Sorting](Self#sorting).
    ///
    /// ```
    /// use filch::slice::ParallelSliceMut;
    ///
    /// let mut words = ["steal", "fork", "join"];
    /// words.par_sort();
    /// assert_eq!(words, ["fork", "join", "steal"]);
    /// ```
    fn par_sort(&mut self)
    where
        T: Ord,
    {
        let sort = Sort { leaf: <[T]>::sort, compare: T::cmp };
        sort.sort(self.as_parallel_slice_mut());
    }

    /// Sorts the slice as `compare` says; equal elements keep their order.
    ///
    /// # Panics
    /// When `compare` does: see [Sorting](Self#sorting).
    ///
    /// ```
    /// use filch::slice::ParallelSliceMut;
    ///
    /// let mut weights = [2.5, -1.0, 0.5];
    /// weights.par_sort_by(|a, b| f64::total_cmp(b, a));
    /// assert_eq!(weights, [2.5, 0.5, -1.0]);
    /// ```
    fn par_sort_by<F>(&mut self, compare: F)
    where
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        let sort = Sort { leaf: |v: &mut [T]| v.sort_by(|a, b| compare(a, b)), compare: &compare };
        sort.sort(self.as_parallel_slice_mut());
    }

    /// Sorts the slice by a key; elements with equal keys keep their order. `key` is called twice
    /// for each comparison.
    ///
    /// # Panics
    /// When `key` or a comparison does: see [Sorting](Self#sorting).
    ///
    /// ```
    /// use filch::slice::ParallelSliceMut;
    ///
    /// let mut words = ["steal", "fork", "join"];
    /// words.par_sort_by_key(|word| word.len());
    /// assert_eq!(words, ["fork", "join", "steal"]);
    /// ```
    fn par_sort_by_key<K, F>(&mut self, key: F)
    where
        K: Ord,
        F: Fn(&T) -> K + Sync,
    {
        let sort = Sort {
            leaf: |v: &mut [T]| v.sort_by_key(&key),
            compare: |a: &T, b: &T| key(a).cmp(&key(b)),
        };
        sort.sort(self.as_parallel_slice_mut());
    }

    /// Sorts the slice by a key that is worked out once for each element, in parallel; elements
    /// with equal keys keep their order.
    ///
    /// Allocates space for each key and a number, twice, and for the elements.
    ///
    /// # Panics
    /// When `key`, or a comparison of keys, does; the slice is then as it was.
    ///
    /// ```
    /// use filch::slice::ParallelSliceMut;
    ///
    /// let mut numbers = [10, 9, 100];
    /// numbers.par_sort_by_cached_key(|number| number.to_string());
    /// assert_eq!(numbers, [10, 100, 9]);
    /// ```
    fn par_sort_by_cached_key<K, F>(&mut self, key: F)
    where
        K: Ord + Send,
        F: Fn(&T) -> K + Sync,
    {
        sort_by_cached_key(self.as_parallel_slice_mut(), &key);
    }

    /// Sorts the slice; equal elements may change places.
    ///
    /// Faster than [`par_sort`](Self::par_sort) where elements are small and random.
    ///
    /// # Panics
    /// When a comparison does: see [Sorting](Self#sorting).
    ///
    /// ```
    /// use filch::slice::ParallelSliceMut;
    ///
    /// let mut numbers = [3, 1, 2];
    /// numbers.par_sort_unstable();
    /// assert_eq!(numbers, [1, 2, 3]);
    /// ```
    fn par_sort_unstable(&mut self)
    where
        T: Ord,
    {
        sort_unstable(self.as_parallel_slice_mut(), &T::cmp);
    }

    /// Sorts the slice as `compare` says; equal elements may change places.
    ///
    /// # Panics
    /// When `compare` does: see [Sorting](Self#sorting).
    ///
    /// ```
    /// use filch::slice::ParallelSliceMut;
    ///
    /// let mut weights = [2.5, -1.0, 0.5];
    /// weights.par_sort_unstable_by(f64::total_cmp);
    /// assert_eq!(weights, [-1.0, 0.5, 2.5]);
    /// ```
    fn par_sort_unstable_by<F>(&mut self, compare: F)
    where
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        sort_unstable(self.as_parallel_slice_mut(), &compare);
    }

    /// Sorts the slice by a key; elements with equal keys may change places. `key` is called
    /// twice for each comparison.
    ///
    /// # Panics
    /// When `key` or a comparison does: see [Sorting](Self#sorting).
    ///
    /// ```
    /// use filch::slice::ParallelSliceMut;
    ///
    /// let mut numbers = [-3_i32, 1, 2];
    /// numbers.par_sort_unstable_by_key(|number| number.abs());
    /// assert_eq!(numbers, [1, 2, -3]);
    /// ```
    fn par_sort_unstable_by_key<K, F>(&mut self, key: F)
    where
        K: Ord,
        F: Fn(&T) -> K + Sync,
    {
        sort_unstable(self.as_parallel_slice_mut(), &|a: &T, b: &T| key(a).cmp(&key(b)));
    }

    /// Merges the sorted parts before and from `middle` on; of equal elements, those of the first
    /// part come first.
    ///
    /// *O*(*n*) comparisons. Allocates space for as many elements as the slice has. If a part is
    /// not sorted, the elements end up in any order.
    ///
    /// # Panics
    /// When `middle` is greater than the length, and when a comparison does; the slice is then as
    /// it was.
    ///
    /// ```
    /// use filch::slice::ParallelSliceMut;
    ///
    /// let mut numbers = [1, 4, 9, 2, 3];
    /// numbers.par_merge_in_place(3);
    /// assert_eq!(numbers, [1, 2, 3, 4, 9]);
    /// ```
    #[track_caller]
    fn par_merge_in_place(&mut self, middle: usize)
    where
        T: Ord,
    {
        merge_in_place(self.as_parallel_slice_mut(), middle, &T::cmp);
    }

    /// [`par_merge_in_place`](Self::par_merge_in_place), of parts that are sorted as `compare`
    /// says.
    ///
    /// # Panics
    /// When `middle` is greater than the length, and when `compare` does; the slice is then as it
    /// was.
    ///
    /// ```
    /// use filch::slice::ParallelSliceMut;
    ///
    /// let mut numbers = [9, 4, 1, 3, 2];
    /// numbers.par_merge_in_place_by(3, |a, b| b.cmp(a));
    /// assert_eq!(numbers, [9, 4, 3, 2, 1]);
    /// ```
    #[track_caller]
    fn par_merge_in_place_by<F>(&mut self, middle: usize, compare: F)
    where
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        merge_in_place(self.as_parallel_slice_mut(), middle, &compare);
    }

    /// Moves the elements that `test` holds for to the front, and gives their number. Both they
    /// and the others keep their order.
    ///
    /// Calls `test` once for each element, and moves each twice, in *O*(*n*). Allocates space for
    /// as many elements as the slice has, and a byte for each.
    ///
    /// # Panics
    /// When `test` does; the slice is then as it was.
    ///
    /// ```
    /// use filch::slice::ParallelSliceMut;
    ///
    /// let mut numbers = [1, 2, 3, 4, 5];
    /// assert_eq!(numbers.par_stable_partition(|n| n % 2 == 0), 2);
    /// assert_eq!(numbers, [2, 4, 1, 3, 5]);
    /// ```
    fn par_stable_partition<F>(&mut self, test: F) -> usize
    where
        F: Fn(&T) -> bool + Sync,
    {
        partition::stable_partition(self.as_parallel_slice_mut(), &test)
    }

    /// Replaces each element by the sum, by `op`, of all elements up to it, itself included.
    ///
    /// As [`ParallelSlice::par_inclusive_scan`](super::ParallelSlice::par_inclusive_scan), whose
    /// result it has, bit by bit; but allocates for a value every 4096 elements only.
    ///
    /// # Panics
    /// When `op` or a clone does; some elements are then replaced and others not.
    ///
    /// ```
    /// use filch::slice::ParallelSliceMut;
    ///
    /// let mut numbers = [1, 2, 3, 4];
    /// numbers.par_inclusive_scan_in_place(|a, b| a + b);
    /// assert_eq!(numbers, [1, 3, 6, 10]);
    /// ```
    fn par_inclusive_scan_in_place<F>(&mut self, op: F)
    where
        T: Clone,
        F: Fn(&T, &T) -> T + Sync,
    {
        scan::inclusive_in_place(self.as_parallel_slice_mut(), &op);
    }

    /// Replaces each element by the sum, by `op`, of `init` and all elements before it; gives the
    /// sum of `init` and all.
    ///
    /// As [`ParallelSlice::par_exclusive_scan`](super::ParallelSlice::par_exclusive_scan), whose
    /// result it has, bit by bit; but allocates for a value every 4096 elements only.
    ///
    /// # Panics
    /// When `op` or a clone does; some elements are then replaced and others not.
    ///
    /// ```
    /// use filch::slice::ParallelSliceMut;
    ///
    /// let mut lengths = [3, 1, 4];
    /// let total = lengths.par_exclusive_scan_in_place(0, |a, b| a + b);
    /// assert_eq!((lengths, total), ([0, 3, 4], 8));
    /// ```
    fn par_exclusive_scan_in_place<F>(&mut self, init: T, op: F) -> T
    where
        T: Clone,
        F: Fn(&T, &T) -> T + Sync,
    {
        scan::exclusive_in_place(self.as_parallel_slice_mut(), init, &op)
    }

    // ---- parallel iterators over parts of it ----------------------------------------------------

    /// Returns an iterator over the parts between items for which `separator` returns true, like
    /// [`par_split`](super::ParallelSlice::par_split).
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let mut numbers = [3, 2, 0, 5, 4];
    /// numbers.par_split_mut(|&n| n == 0).for_each(|part| part.reverse());
    /// assert_eq!(numbers, [2, 3, 0, 4, 5]);
    /// ```
    fn par_split_mut<P: Fn(&T) -> bool + Sync + Send>(
        &mut self,
        separator: P,
    ) -> SplitMut<'_, T, P> {
        SplitMut::new(self.as_parallel_slice_mut(), separator)
    }

    /// Returns an iterator over the parts that end with an item for which `separator` returns true,
    /// like [`par_split_inclusive`](super::ParallelSlice::par_split_inclusive).
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let mut numbers = [3, 2, 0, 5, 4];
    /// numbers.par_split_inclusive_mut(|&n| n == 0).for_each(|part| part.reverse());
    /// assert_eq!(numbers, [0, 2, 3, 4, 5]);
    /// ```
    fn par_split_inclusive_mut<P>(&mut self, separator: P) -> SplitInclusiveMut<'_, T, P>
    where
        P: Fn(&T) -> bool + Sync + Send,
    {
        SplitInclusiveMut::new(self.as_parallel_slice_mut(), separator)
    }

    /// Returns an iterator over chunks of `chunk_size` items, like
    /// [`par_chunks`](super::ParallelSlice::par_chunks).
    ///
    /// # Panics
    /// If `chunk_size` is 0.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let mut numbers = [1, 2, 3];
    /// numbers.par_chunks_mut(2).for_each(|chunk| chunk.reverse());
    /// assert_eq!(numbers, [2, 1, 3]);
    /// ```
    #[track_caller]
    fn par_chunks_mut(&mut self, chunk_size: usize) -> ChunksMut<'_, T> {
        ChunksMut::new(self.as_parallel_slice_mut(), positive(chunk_size))
    }

    /// Returns an iterator over chunks of `chunk_size` items, like
    /// [`par_chunks_exact`](super::ParallelSlice::par_chunks_exact).
    ///
    /// # Panics
    /// If `chunk_size` is 0.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let mut numbers = [1, 2, 3];
    /// let mut chunks = numbers.par_chunks_exact_mut(2);
    /// chunks.take_remainder()[0] = 9;
    /// chunks.for_each(|chunk| chunk.reverse());
    /// assert_eq!(numbers, [2, 1, 9]);
    /// ```
    #[track_caller]
    fn par_chunks_exact_mut(&mut self, chunk_size: usize) -> ChunksExactMut<'_, T> {
        ChunksExactMut::new(self.as_parallel_slice_mut(), positive(chunk_size))
    }

    /// Returns an iterator over chunks of `chunk_size` items from the end on, like
    /// [`par_rchunks`](super::ParallelSlice::par_rchunks).
    ///
    /// # Panics
    /// If `chunk_size` is 0.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let mut numbers = [1, 2, 3];
    /// numbers.par_rchunks_mut(2).for_each(|chunk| chunk.reverse());
    /// assert_eq!(numbers, [1, 3, 2]);
    /// ```
    #[track_caller]
    fn par_rchunks_mut(&mut self, chunk_size: usize) -> RChunksMut<'_, T> {
        RChunksMut::new(self.as_parallel_slice_mut(), positive(chunk_size))
    }

    /// Returns an iterator over chunks of `chunk_size` items from the end on, like
    /// [`par_rchunks_exact`](super::ParallelSlice::par_rchunks_exact).
    ///
    /// # Panics
    /// If `chunk_size` is 0.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let mut numbers = [1, 2, 3];
    /// numbers.par_rchunks_exact_mut(2).for_each(|chunk| chunk.reverse());
    /// assert_eq!(numbers, [1, 3, 2]);
    /// ```
    #[track_caller]
    fn par_rchunks_exact_mut(&mut self, chunk_size: usize) -> RChunksExactMut<'_, T> {
        RChunksExactMut::new(self.as_parallel_slice_mut(), positive(chunk_size))
    }

    /// Returns an iterator over the longest runs in which `together` returns true for all
    /// neighbours, like [`par_chunk_by`](super::ParallelSlice::par_chunk_by).
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let mut numbers = [1, 2, 5, 6];
    /// numbers.par_chunk_by_mut(|a, b| a + 1 == *b).for_each(|run| run.reverse());
    /// assert_eq!(numbers, [2, 1, 6, 5]);
    /// ```
    fn par_chunk_by_mut<F>(&mut self, together: F) -> ChunkByMut<'_, T, F>
    where
        F: Fn(&T, &T) -> bool + Send + Sync,
    {
        ChunkByMut::new(self.as_parallel_slice_mut(), together)
    }
}

impl<T: Send> ParallelSliceMut<T> for [T] {
    fn as_parallel_slice_mut(&mut self) -> &mut [T] {
        self
    }
}
