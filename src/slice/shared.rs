//! What can be done with a slice that several threads may look at.

use std::cmp::Ordering;

use super::{fold, histogram, merge, scan};
use crate::iter::sources::chunks::*;
use crate::iter::sources::parts::*;

/// Parallel algorithms that look at a slice.
///
/// # Fixed shapes
/// The folds and scans associate in a way that depends on the length of the slice alone: not on
/// the number of threads, nor on who runs what when. So floating-point numbers, whose sums depend
/// on it, give the same bits each time, on any pool. The shapes are described at the methods;
/// another version of this crate may have others.
pub trait ParallelSlice<T: Sync> {
    /// Returns the slice, on which the other methods work.
    fn as_parallel_slice(&self) -> &[T];

    /// Folds the slice in a [fixed shape](Self#fixed-shapes), order kept: `combine` has to be
    /// associative but for rounding, and need not be commutative.
    ///
    /// Each block of 4096 elements, of which the last one may have fewer, is folded from its first
    /// element to its last, starting with `identity()`. Several blocks are cut in two halves, the
    /// first one a block shorter if their number is odd; the halves are folded in the same way,
    /// and `combine` gets both. An empty slice gives `identity()`. Allocates nothing.
    ///
    /// # Panics
    /// When a closure does.
    ///
    /// ```
    /// use filch::slice::ParallelSlice;
    ///
    /// let words = ["steal", "fork", "join"];
    /// let (letters, longest) = words.par_fold_fixed(
    ///     || (0, 0),
    ///     |(letters, longest), word| (letters + word.len(), word.len().max(longest)),
    ///     |a: (usize, usize), b| (a.0 + b.0, a.1.max(b.1)),
    /// );
    /// assert_eq!((letters, longest), (13, 5));
    /// ```
    fn par_fold_fixed<R, I, F, C>(&self, identity: I, fold: F, combine: C) -> R
    where
        R: Send,
        I: Fn() -> R + Sync,
        F: Fn(R, &T) -> R + Sync,
        C: Fn(R, R) -> R + Sync,
    {
        let leaf = |block: &[T]| block.iter().fold(identity(), &fold);
        fold::fold_blocks(self.as_parallel_slice(), &leaf, &combine)
    }

    /// Reduces what `map` makes of the elements in a [fixed shape](Self#fixed-shapes), fit for
    /// vector instructions: `op` has to be associative and commutative but for rounding. Sums and
    /// dot products give the same bits each time, on any pool.
    ///
    /// In each block of 4096 elements, of which the last one may have fewer, 32 lanes start with
    /// `identity`, and lane *l* takes in the elements *l*, *l* + 32, *l* + 64 and so on. Then lane
    /// *l* takes in lane *l* + 16, for each *l* < 16; then *l* + 8, for *l* < 8; and so on down to
    /// one. The blocks are combined as those of [`par_fold_fixed`](Self::par_fold_fixed) are. An
    /// empty slice gives `identity`, or `op` of it and itself. Allocates nothing.
    ///
    /// The compiler vectorizes the lanes if it can vectorize `map` and `op`: additions of numbers,
    /// minima, bit operations.
    ///
    /// # Panics
    /// When a closure does.
    ///
    /// ```
    /// use filch::slice::ParallelSlice;
    ///
    /// let numbers: Vec<f64> = (1..=100_000).map(|n| 1.0 / f64::from(n)).collect();
    /// let sum = numbers.par_reduce_fixed(0.0, |n| *n, |a, b| a + b);
    /// let one_thread = filch::ThreadPoolBuilder::new().num_threads(1).build()?;
    /// let again = one_thread.install(|| numbers.par_reduce_fixed(0.0, |n| *n, |a, b| a + b));
    /// assert_eq!(sum.to_bits(), again.to_bits());
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    fn par_reduce_fixed<R, M, O>(&self, identity: R, map: M, op: O) -> R
    where
        R: Copy + Send + Sync,
        M: Fn(&T) -> R + Sync,
        O: Fn(R, R) -> R + Sync,
    {
        let leaf = |block: &[T]| fold::reduce_lanes(block, identity, &map, &op);
        fold::fold_blocks(self.as_parallel_slice(), &leaf, &op)
    }

    /// The sums, by `op`, of all elements up to each one, itself included: prefix sums. `op` has to
    /// be associative but for rounding.
    ///
    /// Calls `op` about twice for each element, of a slice of up to 4096 once. Allocates the
    /// result, and for a value every 4096 elements.
    ///
    /// The shape is [fixed](Self#fixed-shapes): each block of 4096 elements is summed up from its
    /// first element to its last, and so are then the sums of the blocks. A sum of the result is
    /// that of the blocks before its block, to which the elements of its block up to it are added,
    /// from the first to the last.
    ///
    /// The two passes go back to Blelloch ("Prefix Sums and Their Applications", 1990).
    ///
    /// # Panics
    /// When `op` or a clone does.
    ///
    /// ```
    /// use filch::slice::ParallelSlice;
    ///
    /// assert_eq!([1, 2, 3, 4].par_inclusive_scan(|a, b| a + b), [1, 3, 6, 10]);
    /// ```
    fn par_inclusive_scan<F>(&self, op: F) -> Vec<T>
    where
        T: Clone + Send,
        F: Fn(&T, &T) -> T + Sync,
    {
        scan::inclusive(self.as_parallel_slice(), &op)
    }

    /// The sums, by `op`, of `init` and all elements before each one; and the sum of `init` and
    /// all. Where lengths are summed, these are the places where things start, and the length of
    /// them all. `op` has to be associative but for rounding.
    ///
    /// Costs and shape are those of [`par_inclusive_scan`](Self::par_inclusive_scan), with `init`
    /// added on the left of the first block's sum.
    ///
    /// # Panics
    /// When `op` or a clone does.
    ///
    /// ```
    /// use filch::slice::ParallelSlice;
    ///
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

    /// Merges two sorted slices; of equal elements, those of `self` come first.
    ///
    /// *O*(*n*) comparisons; allocates the result. If a slice is not sorted, the result is in any
    /// order. [`ParallelSliceMut::par_merge_in_place`](super::ParallelSliceMut::par_merge_in_place)
    /// moves elements and clones none.
    ///
    /// # Panics
    /// When a comparison or a clone does.
    ///
    /// ```
    /// use filch::slice::ParallelSlice;
    ///
    /// assert_eq!([1, 4, 9].par_merge(&[2, 3]), [1, 2, 3, 4, 9]);
    /// ```
    fn par_merge(&self, other: &[T]) -> Vec<T>
    where
        T: Ord + Clone + Send,
    {
        merge::merge_clones(self.as_parallel_slice(), other, &T::cmp)
    }

    /// [`par_merge`](Self::par_merge), of slices that are sorted as `compare` says.
    ///
    /// # Panics
    /// When `compare` or a clone does.
    ///
    /// ```
    /// use filch::slice::ParallelSlice;
    ///
    /// assert_eq!([9, 4, 1].par_merge_by(&[3, 2], |a, b| b.cmp(a)), [9, 4, 3, 2, 1]);
    /// ```
    fn par_merge_by<F>(&self, other: &[T], compare: F) -> Vec<T>
    where
        T: Clone + Send,
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        merge::merge_clones(self.as_parallel_slice(), other, &compare)
    }

    /// Counts the elements by the bucket, of `buckets`, that `bucket` puts each into.
    ///
    /// Each leaf of 8192 elements, or of four times as many as there are buckets if that is more,
    /// has counts of its own: no thread waits for another. Allocates the result, and as much for
    /// about every leaf.
    ///
    /// # Panics
    /// When `bucket` does, or gives a number that is not less than `buckets`.
    ///
    /// ```
    /// use filch::slice::ParallelSlice;
    ///
    /// let counts = b"work stealing".par_histogram(256, |byte| usize::from(*byte));
    /// assert_eq!((counts[usize::from(b'e')], counts[usize::from(b'k')]), (1, 1));
    /// ```
    fn par_histogram<F>(&self, buckets: usize, bucket: F) -> Vec<usize>
    where
        F: Fn(&T) -> usize + Sync,
    {
        histogram::histogram(self.as_parallel_slice(), buckets, &bucket)
    }

    // ---- parallel iterators over parts of it ----------------------------------------------------

    /// Returns an iterator over the parts between items for which `separator` returns true. There
    /// is one part more than such items.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let parts: Vec<_> = [1, 2, 0, 3, 0].par_split(|&n| n == 0).collect();
    /// assert_eq!(parts, [&[1, 2][..], &[3], &[]]);
    /// ```
    fn par_split<P: Fn(&T) -> bool + Sync + Send>(&self, separator: P) -> Split<'_, T, P> {
        Split::new(self.as_parallel_slice(), separator)
    }

    /// Returns an iterator over the parts that end with an item for which `separator` returns true,
    /// or with the slice.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let parts: Vec<_> = [1, 2, 0, 3, 0].par_split_inclusive(|&n| n == 0).collect();
    /// assert_eq!(parts, [&[1, 2, 0][..], &[3, 0]]);
    /// ```
    fn par_split_inclusive<P>(&self, separator: P) -> SplitInclusive<'_, T, P>
    where
        P: Fn(&T) -> bool + Sync + Send,
    {
        SplitInclusive::new(self.as_parallel_slice(), separator)
    }

    /// Returns an iterator over all runs of `window_size` neighbouring items. They overlap.
    ///
    /// # Panics
    /// If `window_size` is 0.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let rising = [1, 3, 2, 4].par_windows(2).filter(|pair| pair[0] < pair[1]).count();
    /// assert_eq!(rising, 2);
    /// ```
    #[track_caller]
    fn par_windows(&self, window_size: usize) -> Windows<'_, T> {
        assert!(window_size > 0, "the size of a window is 0, but must be at least 1");
        Windows::new(self.as_parallel_slice(), window_size)
    }

    /// Returns an iterator over all runs of `N` neighbouring items, as arrays. They overlap.
    ///
    /// # Panics
    /// If `N` is 0.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let sums: Vec<i32> = [1, 3, 2].par_array_windows().map(|[a, b]| a + b).collect();
    /// assert_eq!(sums, [4, 5]);
    /// ```
    #[track_caller]
    fn par_array_windows<const N: usize>(&self) -> ArrayWindows<'_, T, N> {
        ArrayWindows(self.par_windows(N))
    }

    /// Returns an iterator over chunks of `chunk_size` items. The last may have fewer.
    ///
    /// # Panics
    /// If `chunk_size` is 0.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let chunks: Vec<_> = [1, 2, 3].par_chunks(2).collect();
    /// assert_eq!(chunks, [&[1, 2][..], &[3]]);
    /// ```
    #[track_caller]
    fn par_chunks(&self, chunk_size: usize) -> Chunks<'_, T> {
        Chunks::new(self.as_parallel_slice(), positive(chunk_size))
    }

    /// Returns an iterator over chunks of `chunk_size` items. Items that are left over are its
    /// `remainder`.
    ///
    /// # Panics
    /// If `chunk_size` is 0.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let chunks = [1, 2, 3].par_chunks_exact(2);
    /// assert_eq!(chunks.remainder(), [3]);
    /// assert_eq!(chunks.collect::<Vec<_>>(), [&[1, 2]]);
    /// ```
    #[track_caller]
    fn par_chunks_exact(&self, chunk_size: usize) -> ChunksExact<'_, T> {
        ChunksExact::new(self.as_parallel_slice(), positive(chunk_size))
    }

    /// Returns an iterator over chunks of `chunk_size` items, from the end of the slice on. The
    /// last may have fewer.
    ///
    /// # Panics
    /// If `chunk_size` is 0.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let chunks: Vec<_> = [1, 2, 3].par_rchunks(2).collect();
    /// assert_eq!(chunks, [&[2, 3][..], &[1]]);
    /// ```
    #[track_caller]
    fn par_rchunks(&self, chunk_size: usize) -> RChunks<'_, T> {
        RChunks::new(self.as_parallel_slice(), positive(chunk_size))
    }

    /// Returns an iterator over chunks of `chunk_size` items, from the end of the slice on. Items
    /// that are left over are its `remainder`.
    ///
    /// # Panics
    /// If `chunk_size` is 0.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let chunks = [1, 2, 3].par_rchunks_exact(2);
    /// assert_eq!(chunks.remainder(), [1]);
    /// assert_eq!(chunks.collect::<Vec<_>>(), [&[2, 3]]);
    /// ```
    #[track_caller]
    fn par_rchunks_exact(&self, chunk_size: usize) -> RChunksExact<'_, T> {
        RChunksExact::new(self.as_parallel_slice(), positive(chunk_size))
    }

    /// Returns an iterator over the longest runs in which `together` returns true for all
    /// neighbours.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let runs: Vec<_> = [1, 1, 2, 3, 3].par_chunk_by(|a, b| a == b).collect();
    /// assert_eq!(runs, [&[1, 1][..], &[2], &[3, 3]]);
    /// ```
    fn par_chunk_by<F>(&self, together: F) -> ChunkBy<'_, T, F>
    where
        F: Fn(&T, &T) -> bool + Send + Sync,
    {
        ChunkBy::new(self.as_parallel_slice(), together)
    }
}

impl<T: Sync> ParallelSlice<T> for [T] {
    fn as_parallel_slice(&self) -> &[T] {
        self
    }
}
