//! Chunks and windows of slices.

use std::slice;

use super::delegate::own_producer;
use crate::iter::implement::delegate;
use crate::iter::plumbing::Producer;
use crate::iter::{IndexedParallelIterator, ParallelIterator};

/// Returns how many items the first `chunks` chunks have.
fn front(len: usize, size: usize, chunks: usize) -> usize {
    chunks.saturating_mul(size).min(len)
}

fn swap<A, B>((a, b): (A, B)) -> (B, A) {
    (b, a)
}

/// Declares iterators over chunks: the serial iterator, the method that makes it, the number of
/// chunks, and how the slice is split after some of them.
macro_rules! chunks {
    ($(
        $(#[$doc:meta])*
        $name:ident: [$($mut:tt)?] $bound:ident, $serial:ident by $method:ident,
        items |$len:ident, $size:ident| $items:expr,
        split |$slice:ident, $chunks:ident| $split:expr;
    )*) => {$(
        $(#[$doc])*
        #[must_use = "parallel iterators do nothing until they are driven"]
        #[derive(Debug)]
        pub struct $name<'data, T> {
            slice: &'data $($mut)? [T],
            size: usize,
        }

        impl<'data, T> $name<'data, T> {
            pub(crate) fn new(slice: &'data $($mut)? [T], size: usize) -> Self {
                $name { slice, size }
            }
        }

        impl<'data, T: $bound> Producer for $name<'data, T> {
            type Item = &'data $($mut)? [T];
            type IntoIter = slice::$serial<'data, T>;

            fn into_iter(self) -> Self::IntoIter {
                self.slice.$method(self.size)
            }

            fn split_at(self, $chunks: usize) -> (Self, Self) {
                let $name { slice: $slice, size: $size } = self;
                let $len = $slice.len();
                let (left, right) = $split;
                ($name { slice: left, size: $size }, $name { slice: right, size: $size })
            }
        }

        own_producer!(['data, T: $bound] $name<'data, T> => &'data $($mut)? [T], |self| {
            let ($len, $size) = (self.slice.len(), self.size);
            $items
        });
    )*};
}

chunks! {
    /// See [`par_chunks`](crate::slice::ParallelSlice::par_chunks).
    Chunks: [] Sync, Chunks by chunks, items |len, size| len.div_ceil(size),
        split |slice, chunks| slice.split_at(front(len, size, chunks));
    /// See [`par_chunks_mut`](crate::slice::ParallelSliceMut::par_chunks_mut).
    ChunksMut: [mut] Send, ChunksMut by chunks_mut, items |len, size| len.div_ceil(size),
        split |slice, chunks| slice.split_at_mut(front(len, size, chunks));
    /// See [`par_rchunks`](crate::slice::ParallelSlice::par_rchunks).
    RChunks: [] Sync, RChunks by rchunks, items |len, size| len.div_ceil(size),
        split |slice, chunks| swap(slice.split_at(len - front(len, size, chunks)));
    /// See [`par_rchunks_mut`](crate::slice::ParallelSliceMut::par_rchunks_mut).
    RChunksMut: [mut] Send, RChunksMut by rchunks_mut, items |len, size| len.div_ceil(size),
        split |slice, chunks| swap(slice.split_at_mut(len - front(len, size, chunks)));
    /// See [`par_windows`](crate::slice::ParallelSlice::par_windows).
    Windows: [] Sync, Windows by windows, items |len, size| len.saturating_sub(size - 1),
        // The last window on the left begins at `index - 1`.
        split |slice, index| (&slice[..len.min(index + (size - 1))], &slice[index..]);
}

/// Implements `Clone` for iterators over shared slices.
macro_rules! clones {
    ($($name:ident),*) => {$(
        impl<T> Clone for $name<'_, T> {
            fn clone(&self) -> Self {
                $name { ..*self }
            }
        }
    )*};
}

clones!(Chunks, RChunks, ChunksExact, RChunksExact, Windows);

/// Declares iterators over chunks of the same size: `$base` over the slice without the remainder.
macro_rules! exact {
    ($(
        $(#[$doc:meta])*
        $name:ident: [$($mut:tt)?] $bound:ident, by $base:ident,
        |$slice:ident, $over:ident| $split:expr;
    )*) => {$(
        $(#[$doc])*
        #[must_use = "parallel iterators do nothing until they are driven"]
        #[derive(Debug)]
        pub struct $name<'data, T> {
            /// A multiple of `size`.
            slice: &'data $($mut)? [T],
            remainder: &'data $($mut)? [T],
            size: usize,
        }

        impl<'data, T> $name<'data, T> {
            pub(crate) fn new(slice: &'data $($mut)? [T], size: usize) -> Self {
                let ($over, $slice) = (slice.len() % size, slice);
                let (slice, remainder) = $split;
                $name { slice, remainder, size }
            }
        }

        delegate!(
            ['data, T: $bound] $name<'data, T> => &'data $($mut)? [T],
            len |self| self.slice.len() / self.size,
            |self| $base { slice: self.slice, size: self.size }
        );
    )*};
}

exact! {
    /// See [`par_chunks_exact`](crate::slice::ParallelSlice::par_chunks_exact).
    ChunksExact: [] Sync, by Chunks, |slice, over| slice.split_at(slice.len() - over);
    /// See [`par_chunks_exact_mut`](crate::slice::ParallelSliceMut::par_chunks_exact_mut).
    ChunksExactMut: [mut] Send, by ChunksMut,
        |slice, over| slice.split_at_mut(slice.len() - over);
    /// See [`par_rchunks_exact`](crate::slice::ParallelSlice::par_rchunks_exact).
    RChunksExact: [] Sync, by RChunks, |slice, over| swap(slice.split_at(over));
    /// See [`par_rchunks_exact_mut`](crate::slice::ParallelSliceMut::par_rchunks_exact_mut).
    RChunksExactMut: [mut] Send, by RChunksMut, |slice, over| swap(slice.split_at_mut(over));
}

/// Declares the methods for the remainder.
macro_rules! remainders {
    ([$($shared:ident),*] [$($mut:ident),*]) => {
        $(
            impl<'data, T> $shared<'data, T> {
                /// Returns the items that are in no chunk.
                pub fn remainder(&self) -> &'data [T] {
                    self.remainder
                }
            }
        )*
        $(
            impl<'data, T> $mut<'data, T> {
                /// Returns the items that are in no chunk.
                pub fn remainder(&mut self) -> &mut [T] {
                    self.remainder
                }

                /// Takes the items that are in no chunk out of the iterator.
                pub fn take_remainder(&mut self) -> &'data mut [T] {
                    std::mem::take(&mut self.remainder)
                }

                /// Returns the items that are in no chunk.
                pub fn into_remainder(self) -> &'data mut [T] {
                    self.remainder
                }
            }
        )*
    };
}

remainders!([ChunksExact, RChunksExact] [ChunksExactMut, RChunksExactMut]);

/// See [`par_array_windows`](crate::slice::ParallelSlice::par_array_windows).
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Debug)]
pub struct ArrayWindows<'data, T, const N: usize>(pub(crate) Windows<'data, T>);

impl<T, const N: usize> Clone for ArrayWindows<'_, T, N> {
    fn clone(&self) -> Self {
        ArrayWindows(self.0.clone())
    }
}

fn as_array<T, const N: usize>(window: &[T]) -> &[T; N] {
    window.try_into().expect("it is as long as a window")
}

delegate!(
    ['data, T: Sync, const N: usize] ArrayWindows<'data, T, N> => &'data [T; N],
    len |self| self.0.len(), |self| self.0.map(as_array::<T, N>)
);

/// Returns `chunk_size`. Panics if that is 0.
#[track_caller]
pub(crate) fn positive(chunk_size: usize) -> usize {
    assert!(chunk_size > 0, "the size of a chunk is 0, but must be at least 1");
    chunk_size
}
