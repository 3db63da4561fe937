//! Methods of slices that may be changed.

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
/// A sort makes *O*(*n* log *n*) comparisons, and *O*(*n*) if the slice is already sorted, or
/// sorted strictly backwards. If at most one element in 64 is behind a sorted run, the sort inserts
/// these elements, and allocates memory for them.
///
/// The stable sorts are merge sorts, whose leaves std sorts. They allocate memory for as many
/// elements as the slice has, and 4 to 8 bytes more for each element of more than 32 bytes. The
/// unstable sorts are merge sorts on more than eight threads, else quicksorts in place, which
/// allocate memory only for elements of 64 bytes or more.
///
/// If the order is not total, the elements end up in any order, or the sort panics. If a comparison
/// panics, the sort panics, and the slice has all its elements in any order. Changes that
/// comparisons have made to elements are kept.
///
/// Elements without a size are not compared, and are left as they are.
///
/// The parallel merge is that of Odeh, Green, Mwassi, Shmueli and Birk ("Merge Path", 2012).
pub trait ParallelSliceMut<T: Send> {
    /// Returns the slice, on which the other methods work.
    fn as_parallel_slice_mut(&mut self) -> &mut [T];

    /// Sorts the slice. Equal elements keep their order.
    ///
    /// # Panics
    /// If a comparison panics: see [Sorting](Self#sorting).
    ///
    /// ```
    /// use filch::slice::ParallelSliceMut;
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

    /// Sorts the slice by `compare`. Equal elements keep their order.
    ///
    /// # Panics
    /// If `compare` panics: see [Sorting](Self#sorting).
    fn par_sort_by<F: Fn(&T, &T) -> Ordering + Sync>(&mut self, compare: F) {
        let sort = Sort { leaf: |v: &mut [T]| v.sort_by(|a, b| compare(a, b)), compare: &compare };
        sort.sort(self.as_parallel_slice_mut());
    }

    /// Sorts the slice by a key. Elements with equal keys keep their order. Calls `key` twice for
    /// each comparison.
    ///
    /// # Panics
    /// If `key` or a comparison panics: see [Sorting](Self#sorting).
    fn par_sort_by_key<K: Ord, F: Fn(&T) -> K + Sync>(&mut self, key: F) {
        let sort = Sort {
            leaf: |v: &mut [T]| v.sort_by_key(&key),
            compare: |a: &T, b: &T| key(a).cmp(&key(b)),
        };
        sort.sort(self.as_parallel_slice_mut());
    }

    /// Sorts the slice by a key. Elements with equal keys keep their order. Calls `key` once for
    /// each element, in parallel.
    ///
    /// Allocates memory for the elements, and twice for each key and a number.
    ///
    /// # Panics
    /// If `key` or a comparison of keys panics. The slice is then unchanged.
    ///
    /// ```
    /// use filch::slice::ParallelSliceMut;
    /// let mut numbers = [10, 9, 100];
    /// numbers.par_sort_by_cached_key(|number| number.to_string());
    /// assert_eq!(numbers, [10, 100, 9]);
    /// ```
    fn par_sort_by_cached_key<K: Ord + Send, F: Fn(&T) -> K + Sync>(&mut self, key: F) {
        sort_by_cached_key(self.as_parallel_slice_mut(), &key);
    }

    /// Sorts the slice. Equal elements may change places.
    ///
    /// This is faster than [`par_sort`](Self::par_sort) if elements are small and in random order.
    ///
    /// # Panics
    /// If a comparison panics: see [Sorting](Self#sorting).
    fn par_sort_unstable(&mut self)
    where
        T: Ord,
    {
        sort_unstable(self.as_parallel_slice_mut(), &T::cmp);
    }

    /// Sorts the slice by `compare`, like [`par_sort_by`](Self::par_sort_by). Equal elements may
    /// change places.
    ///
    /// # Panics
    /// If `compare` panics: see [Sorting](Self#sorting).
    fn par_sort_unstable_by<F: Fn(&T, &T) -> Ordering + Sync>(&mut self, compare: F) {
        sort_unstable(self.as_parallel_slice_mut(), &compare);
    }

    /// Sorts the slice by a key, like [`par_sort_by_key`](Self::par_sort_by_key). Elements with
    /// equal keys may change places. Calls `key` twice for each comparison.
    ///
    /// # Panics
    /// If `key` or a comparison panics: see [Sorting](Self#sorting).
    fn par_sort_unstable_by_key<K: Ord, F: Fn(&T) -> K + Sync>(&mut self, key: F) {
        sort_unstable(self.as_parallel_slice_mut(), &|a: &T, b: &T| key(a).cmp(&key(b)));
    }

    /// Merges two sorted parts of the slice, the second of which begins at `middle`. Of equal
    /// elements, those of the first part come first.
    ///
    /// Makes *O*(*n*) comparisons, and allocates memory for as many elements as the slice has. If a
    /// part is not sorted, the elements end up in any order.
    ///
    /// # Panics
    /// If `middle` is greater than the length, or a comparison panics. The slice is then unchanged.
    ///
    /// ```
    /// use filch::slice::ParallelSliceMut;
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

    /// Merges two parts that are sorted by `compare`, like
    /// [`par_merge_in_place`](Self::par_merge_in_place).
    ///
    /// # Panics
    /// If `middle` is greater than the length, or `compare` panics. The slice is then unchanged.
    #[track_caller]
    fn par_merge_in_place_by<F>(&mut self, middle: usize, compare: F)
    where
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        merge_in_place(self.as_parallel_slice_mut(), middle, &compare);
    }

    /// Moves the elements for which `test` returns true to the front, and returns their number.
    /// Both groups keep their order.
    ///
    /// Calls `test` once for each element, and moves each element twice. Allocates memory for as
    /// many elements as the slice has, and a byte for each.
    ///
    /// # Panics
    /// If `test` panics. The slice is then unchanged.
    ///
    /// ```
    /// use filch::slice::ParallelSliceMut;
    /// let mut numbers = [1, 2, 3, 4, 5];
    /// assert_eq!(numbers.par_stable_partition(|n| n % 2 == 0), 2);
    /// assert_eq!(numbers, [2, 4, 1, 3, 5]);
    /// ```
    fn par_stable_partition<F: Fn(&T) -> bool + Sync>(&mut self, test: F) -> usize {
        partition::stable_partition(self.as_parallel_slice_mut(), &test)
    }

    /// Replaces each element by the sum, by `op`, of all elements up to it, itself included.
    ///
    /// The result is that of [`par_inclusive_scan`](super::ParallelSlice::par_inclusive_scan), bit
    /// by bit. Allocates memory for one value for every 4096 elements.
    ///
    /// # Panics
    /// If `op` or a clone panics. Some elements may then have been replaced.
    fn par_inclusive_scan_in_place<F>(&mut self, op: F)
    where
        T: Clone,
        F: Fn(&T, &T) -> T + Sync,
    {
        scan::inclusive_in_place(self.as_parallel_slice_mut(), &op);
    }

    /// Replaces each element by the sum, by `op`, of `init` and all elements before it. Returns the
    /// sum of `init` and all elements.
    ///
    /// The result is that of [`par_exclusive_scan`](super::ParallelSlice::par_exclusive_scan), bit
    /// by bit. Allocates memory for one value for every 4096 elements.
    ///
    /// # Panics
    /// If `op` or a clone panics. Some elements may then have been replaced.
    fn par_exclusive_scan_in_place<F>(&mut self, init: T, op: F) -> T
    where
        T: Clone,
        F: Fn(&T, &T) -> T + Sync,
    {
        scan::exclusive_in_place(self.as_parallel_slice_mut(), init, &op)
    }

    // ---- parallel iterators over parts ----------------------------------------------------------

    /// Returns an iterator over the parts between items for which `separator` returns true, like
    /// [`par_split`](super::ParallelSlice::par_split).
    fn par_split_mut<P: Fn(&T) -> bool + Sync + Send>(
        &mut self,
        separator: P,
    ) -> SplitMut<'_, T, P> {
        SplitMut::new(self.as_parallel_slice_mut(), separator)
    }

    /// Returns an iterator over the parts that end with an item for which `separator` returns true,
    /// like [`par_split_inclusive`](super::ParallelSlice::par_split_inclusive).
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
    #[track_caller]
    fn par_chunks_exact_mut(&mut self, chunk_size: usize) -> ChunksExactMut<'_, T> {
        ChunksExactMut::new(self.as_parallel_slice_mut(), positive(chunk_size))
    }

    /// Returns an iterator over chunks of `chunk_size` items from the end on, like
    /// [`par_rchunks`](super::ParallelSlice::par_rchunks).
    ///
    /// # Panics
    /// If `chunk_size` is 0.
    #[track_caller]
    fn par_rchunks_mut(&mut self, chunk_size: usize) -> RChunksMut<'_, T> {
        RChunksMut::new(self.as_parallel_slice_mut(), positive(chunk_size))
    }

    /// Returns an iterator over chunks of `chunk_size` items from the end on, like
    /// [`par_rchunks_exact`](super::ParallelSlice::par_rchunks_exact).
    ///
    /// # Panics
    /// If `chunk_size` is 0.
    #[track_caller]
    fn par_rchunks_exact_mut(&mut self, chunk_size: usize) -> RChunksExactMut<'_, T> {
        RChunksExactMut::new(self.as_parallel_slice_mut(), positive(chunk_size))
    }

    /// Returns an iterator over the longest runs in which `together` returns true for all
    /// neighbours, like [`par_chunk_by`](super::ParallelSlice::par_chunk_by).
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
