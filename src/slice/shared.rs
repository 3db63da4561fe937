//! Methods of slices that several threads may read.

use std::cmp::Ordering;

use super::{fold, histogram, merge, scan};
use crate::iter::sources::chunks::*;
use crate::iter::sources::parts::*;
use crate::iter::{IndexedParallelIterator, ParallelIterator};

/// Parallel algorithms that read a slice.
///
/// # Deterministic shapes
/// The reduction and the scans group the elements in a shape that depends only on the length of
/// the slice, not on the number of threads or on timing. So sums of floating-point numbers have the
/// same bits in each run, on any pool. Each method describes its shape. Another version of this
/// crate may use other shapes.
pub trait ParallelSlice<T: Sync> {
    /// Returns the slice, on which the other methods work.
    fn as_parallel_slice(&self) -> &[T];

    /// Reduces the results of `map` in a [shape that depends only on the
    /// length](Self#deterministic-shapes), and that suits vector instructions. `op` should be
    /// associative and commutative but for rounding. Sums have the same bits in each run, on any
    /// pool.
    ///
    /// For other operations, and for items that are not in a slice, there is
    /// [`deterministic`](crate::iter::IndexedParallelIterator::deterministic).
    ///
    /// The slice is cut into blocks of 4096 elements. In each block, 32 lanes begin with
    /// `identity`, and lane *l* adds the elements *l*, *l* + 32 and so on. Then each lane *l* < 16
    /// adds lane *l* + 16, and so on down to one lane. Several blocks are cut into two halves, of
    /// which the first is a block shorter if their number is odd, and the results of the halves are
    /// joined. The compiler vectorizes the lanes if it can vectorize `map` and `op`, such as
    /// additions of numbers, minima and bit operations. Allocates nothing.
    ///
    /// # Panics
    /// If a closure panics.
    ///
    /// ```
    /// use filch::slice::ParallelSlice;
    /// let numbers: Vec<f64> = (1..=100_000).map(|n| 1.0 / f64::from(n)).collect();
    /// let sum = numbers.par_deterministic_reduce(0.0, |n| *n, |a, b| a + b);
    /// let one_thread = filch::ThreadPoolBuilder::new().num_threads(1).build()?;
    /// let again =
    ///     one_thread.install(|| numbers.par_deterministic_reduce(0.0, |n| *n, |a, b| a + b));
    /// assert_eq!(sum.to_bits(), again.to_bits());
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    fn par_deterministic_reduce<R, M, O>(&self, identity: R, map: M, op: O) -> R
    where
        R: Copy + Send + Sync,
        M: Fn(&T) -> R + Sync,
        O: Fn(R, R) -> R + Sync,
    {
        let lanes = |block: &[T]| fold::reduce_lanes(block, identity, &map, &op);
        let blocks = self.par_chunks(fold::BLOCK).map(lanes).with_max_len(1);
        blocks.deterministic().reduce_with(&op).unwrap_or_else(|| lanes(&[]))
    }

    /// Returns the prefix sums by `op`: for each element, the sum of all elements up to it, itself
    /// included. `op` should be associative but for rounding.
    ///
    /// Calls `op` about twice for each element, or once if the slice has up to 4096. Allocates the
    /// result, and memory for one value for every 4096 elements.
    ///
    /// The shape [depends only on the length](Self#deterministic-shapes). The first pass adds up
    /// each block of 4096 elements, and then the sums of the blocks, from the first to the last.
    /// The second begins each block with the sum of all blocks before it (Blelloch, "Prefix Sums
    /// and Their Applications", 1990).
    ///
    /// # Panics
    /// If `op` or a clone panics.
    ///
    /// ```
    /// use filch::slice::ParallelSlice;
    /// assert_eq!([1, 2, 3, 4].par_inclusive_scan(|a, b| a + b), [1, 3, 6, 10]);
    /// ```
    fn par_inclusive_scan<F>(&self, op: F) -> Vec<T>
    where
        T: Clone + Send,
        F: Fn(&T, &T) -> T + Sync,
    {
        scan::inclusive(self.as_parallel_slice(), &op)
    }

    /// Returns, for each element, the sum by `op` of `init` and all elements before it, and the sum
    /// of `init` and all elements. From lengths this makes starting positions and the total length.
    /// `op` should be associative but for rounding.
    ///
    /// Costs and shape are those of [`par_inclusive_scan`](Self::par_inclusive_scan), with `init`
    /// before the first block.
    ///
    /// # Panics
    /// If `op` or a clone panics.
    ///
    /// ```
    /// use filch::slice::ParallelSlice;
    /// let (starts, total) = [3, 1, 4].par_exclusive_scan(0, |a, b| a + b);
    /// assert_eq!((starts, total), (vec![0, 3, 4], 8));
    /// ```
    fn par_exclusive_scan<F>(&self, init: T, op: F) -> (Vec<T>, T)
    where
        T: Clone + Send,
        F: Fn(&T, &T) -> T + Sync,
    {
        scan::exclusive(self.as_parallel_slice(), init, &op)
    }

    /// Merges clones of the elements of two sorted slices. Of equal elements, those of `self` come
    /// first. [`par_merge_in_place`](super::ParallelSliceMut::par_merge_in_place) moves the
    /// elements instead.
    ///
    /// Makes *O*(*n*) comparisons, and allocates the result. If a slice is not sorted, the result
    /// is in any order.
    ///
    /// # Panics
    /// If a comparison or a clone panics.
    ///
    /// ```
    /// use filch::slice::ParallelSlice;
    /// assert_eq!([1, 4, 9].par_merge(&[2, 3]), [1, 2, 3, 4, 9]);
    /// ```
    fn par_merge(&self, other: &[T]) -> Vec<T>
    where
        T: Ord + Clone + Send,
    {
        merge::merge_clones(self.as_parallel_slice(), other, &T::cmp)
    }

    /// Merges two slices that are sorted by `compare`, like [`par_merge`](Self::par_merge).
    ///
    /// # Panics
    /// If `compare` or a clone panics.
    fn par_merge_by<F>(&self, other: &[T], compare: F) -> Vec<T>
    where
        T: Clone + Send,
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        merge::merge_clones(self.as_parallel_slice(), other, &compare)
    }

    /// Counts the elements of each of `buckets` buckets. `bucket` returns an element's bucket, from
    /// 0.
    ///
    /// Each piece that a thread counts has counts of its own, so no thread waits for another. A
    /// piece has at least 8192 elements, and at least four for each bucket. Allocates the result,
    /// and as much for each piece.
    ///
    /// # Panics
    /// If `bucket` panics, or returns a number that is not less than `buckets`.
    ///
    /// ```
    /// use filch::slice::ParallelSlice;
    /// let counts = b"work stealing".par_histogram(256, |byte| usize::from(*byte));
    /// assert_eq!((counts[usize::from(b'e')], counts[usize::from(b'k')]), (1, 1));
    /// ```
    fn par_histogram<F: Fn(&T) -> usize + Sync>(&self, buckets: usize, bucket: F) -> Vec<usize> {
        histogram::histogram(self.as_parallel_slice(), buckets, &bucket)
    }

    // ---- parallel iterators over parts ----------------------------------------------------------

    /// Returns an iterator over the parts between items for which `separator` returns true.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let parts: Vec<_> = [1, 2, 0, 3, 0].par_split(|&n| n == 0).collect();
    /// assert_eq!(parts, [&[1, 2][..], &[3], &[]]);
    /// ```
    fn par_split<P: Fn(&T) -> bool + Sync + Send>(&self, separator: P) -> Split<'_, T, P> {
        Split::new(self.as_parallel_slice(), separator)
    }

    /// Returns an iterator over the parts that end with an item for which `separator` returns true,
    /// or with the slice.
    fn par_split_inclusive<P>(&self, separator: P) -> SplitInclusive<'_, T, P>
    where
        P: Fn(&T) -> bool + Sync + Send,
    {
        SplitInclusive::new(self.as_parallel_slice(), separator)
    }

    /// Returns an iterator over all windows of `window_size` neighbouring items. They overlap.
    ///
    /// # Panics
    /// If `window_size` is 0.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let rising = [1, 3, 2, 4].par_windows(2).filter(|pair| pair[0] < pair[1]).count();
    /// assert_eq!(rising, 2);
    /// ```
    #[track_caller]
    fn par_windows(&self, window_size: usize) -> Windows<'_, T> {
        assert!(window_size > 0, "the size of a window is 0, but must be at least 1");
        Windows::new(self.as_parallel_slice(), window_size)
    }

    /// Returns an iterator over all windows of `N` neighbouring items, as arrays. They overlap.
    ///
    /// # Panics
    /// If `N` is 0.
    #[track_caller]
    fn par_array_windows<const N: usize>(&self) -> ArrayWindows<'_, T, N> {
        ArrayWindows(self.par_windows(N))
    }

    /// Returns an iterator over chunks of `chunk_size` items. The last chunk may have fewer.
    ///
    /// # Panics
    /// If `chunk_size` is 0.
    #[track_caller]
    fn par_chunks(&self, chunk_size: usize) -> Chunks<'_, T> {
        Chunks::new(self.as_parallel_slice(), positive(chunk_size))
    }

    /// Returns an iterator over chunks of exactly `chunk_size` items. Its `remainder` has the items
    /// that are left over.
    ///
    /// # Panics
    /// If `chunk_size` is 0.
    #[track_caller]
    fn par_chunks_exact(&self, chunk_size: usize) -> ChunksExact<'_, T> {
        ChunksExact::new(self.as_parallel_slice(), positive(chunk_size))
    }

    /// Returns an iterator over chunks of `chunk_size` items, from the end of the slice on. The
    /// last chunk may have fewer.
    ///
    /// # Panics
    /// If `chunk_size` is 0.
    #[track_caller]
    fn par_rchunks(&self, chunk_size: usize) -> RChunks<'_, T> {
        RChunks::new(self.as_parallel_slice(), positive(chunk_size))
    }

    /// Returns an iterator over chunks of exactly `chunk_size` items, like
    /// [`par_chunks_exact`](Self::par_chunks_exact), from the end of the slice on. Its `remainder`
    /// has the items that are left over.
    ///
    /// # Panics
    /// If `chunk_size` is 0.
    #[track_caller]
    fn par_rchunks_exact(&self, chunk_size: usize) -> RChunksExact<'_, T> {
        RChunksExact::new(self.as_parallel_slice(), positive(chunk_size))
    }

    /// Returns an iterator over the longest runs in which `together` returns true for all
    /// neighbours.
    fn par_chunk_by<F: Fn(&T, &T) -> bool + Send + Sync>(&self, together: F) -> ChunkBy<'_, T, F> {
        ChunkBy::new(self.as_parallel_slice(), together)
    }
}

impl<T: Sync> ParallelSlice<T> for [T] {
    fn as_parallel_slice(&self) -> &[T] {
        self
    }
}
