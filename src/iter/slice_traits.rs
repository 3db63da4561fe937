//! What slices have besides `par_iter`: chunks, windows and parts.

use super::ParallelIterator;
use super::adaptors::Map;
use super::sources::chunks::*;
use super::sources::parts::*;

/// Slices as parallel iterators over parts of them.
pub trait ParallelSlice<T: Sync> {
    /// The slice.
    fn as_parallel_slice(&self) -> &[T];

    /// The parts between the items for which `separator` is true. There is one more than those
    /// items.
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

    /// The parts that end with the items for which `separator` is true, or with the slice.
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

    /// All runs of `window_size` neighbours.
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
    fn par_windows(&self, window_size: usize) -> Windows<'_, T> {
        assert!(window_size > 0, "the size of a window is 0, but must be at least 1");
        Windows::new(self.as_parallel_slice(), window_size)
    }

    /// All runs of `N` neighbours, as arrays.
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
    fn par_array_windows<const N: usize>(&self) -> ArrayWindows<'_, T, N> {
        self.par_windows(N).map(|window| window.try_into().expect("it is as long as a window"))
    }

    /// Chunks of `chunk_size` items; the last may have fewer.
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
    fn par_chunks(&self, chunk_size: usize) -> Chunks<'_, T> {
        Chunks::new(self.as_parallel_slice(), positive(chunk_size))
    }

    /// Chunks of exactly `chunk_size` items; those that are left over are the `remainder`.
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
    fn par_chunks_exact(&self, chunk_size: usize) -> ChunksExact<'_, T> {
        ChunksExact::new(self.as_parallel_slice(), positive(chunk_size))
    }

    /// Chunks of `chunk_size` items from the end on; the last, at the start, may have fewer.
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
    fn par_rchunks(&self, chunk_size: usize) -> RChunks<'_, T> {
        RChunks::new(self.as_parallel_slice(), positive(chunk_size))
    }

    /// Chunks of exactly `chunk_size` items from the end on; those that are left over, at the
    /// start, are the `remainder`.
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
    fn par_rchunks_exact(&self, chunk_size: usize) -> RChunksExact<'_, T> {
        RChunksExact::new(self.as_parallel_slice(), positive(chunk_size))
    }

    /// The longest runs in which `together` is true for all neighbours.
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

/// Of [`ParallelSlice::par_array_windows`].
pub type ArrayWindows<'data, T, const N: usize> =
    Map<Windows<'data, T>, fn(&'data [T]) -> &'data [T; N]>;

fn positive(chunk_size: usize) -> usize {
    assert!(chunk_size > 0, "the size of a chunk is 0, but must be at least 1");
    chunk_size
}

/// Slices as parallel iterators over parts of them, which can be changed.
pub trait ParallelSliceMut<T: Send> {
    /// The slice.
    fn as_parallel_slice_mut(&mut self) -> &mut [T];

    /// As [`ParallelSlice::par_split`].
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

    /// As [`ParallelSlice::par_split_inclusive`].
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

    /// As [`ParallelSlice::par_chunks`].
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
    fn par_chunks_mut(&mut self, chunk_size: usize) -> ChunksMut<'_, T> {
        ChunksMut::new(self.as_parallel_slice_mut(), positive(chunk_size))
    }

    /// As [`ParallelSlice::par_chunks_exact`].
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
    fn par_chunks_exact_mut(&mut self, chunk_size: usize) -> ChunksExactMut<'_, T> {
        ChunksExactMut::new(self.as_parallel_slice_mut(), positive(chunk_size))
    }

    /// As [`ParallelSlice::par_rchunks`].
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
    fn par_rchunks_mut(&mut self, chunk_size: usize) -> RChunksMut<'_, T> {
        RChunksMut::new(self.as_parallel_slice_mut(), positive(chunk_size))
    }

    /// As [`ParallelSlice::par_rchunks_exact`].
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
    fn par_rchunks_exact_mut(&mut self, chunk_size: usize) -> RChunksExactMut<'_, T> {
        RChunksExactMut::new(self.as_parallel_slice_mut(), positive(chunk_size))
    }

    /// As [`ParallelSlice::par_chunk_by`].
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
