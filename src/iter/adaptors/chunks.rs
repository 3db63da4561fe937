//! One item of each chunk of so many.

use super::reshape::{Reshaped, Shape};
use crate::iter::plumbing::{Producer, ProducerCallback};

/// [`IndexedParallelIterator::chunks`](crate::iter::IndexedParallelIterator::chunks).
pub type Chunks<I> = Reshaped<I, Chunking<ToVec>>;

/// [`IndexedParallelIterator::fold_chunks`](crate::iter::IndexedParallelIterator::fold_chunks).
pub type FoldChunks<I, ID, F> = Reshaped<I, Chunking<FoldBy<ID, F>>>;

/// [`IndexedParallelIterator::fold_chunks_with`](crate::iter::IndexedParallelIterator::fold_chunks_with).
pub type FoldChunksWith<I, T, F> = Reshaped<I, Chunking<FoldFrom<T, F>>>;

/// What is made of a chunk. It is cloned for each piece.
pub trait OfChunk<In>: Clone + Send {
    /// What comes of it.
    type Out: Send;

    /// Makes it.
    fn of_chunk(&self, chunk: impl Iterator<Item = In>) -> Self::Out;
}

/// What makes [`Chunks`].
#[derive(Clone, Copy, Debug)]
pub struct ToVec;

impl<T: Send> OfChunk<T> for ToVec {
    type Out = Vec<T>;

    fn of_chunk(&self, chunk: impl Iterator<Item = T>) -> Vec<T> {
        chunk.collect()
    }
}

/// What makes [`FoldChunks`]: an identity, and what adds an item to it.
#[derive(Clone, Copy)]
pub struct FoldBy<ID, F>(pub(crate) ID, pub(crate) F);

impl<In, T, ID, F> OfChunk<In> for &FoldBy<ID, F>
where
    T: Send,
    ID: Fn() -> T + Send + Sync,
    F: Fn(T, In) -> T + Send + Sync,
{
    type Out = T;

    fn of_chunk(&self, chunk: impl Iterator<Item = In>) -> T {
        chunk.fold((self.0)(), &self.1)
    }
}

/// What makes [`FoldChunksWith`]: where each chunk begins, and what adds an item to it.
#[derive(Clone, Copy)]
pub struct FoldFrom<T, F>(pub(crate) T, pub(crate) F);

impl<In, T, F> OfChunk<In> for FoldFrom<T, &F>
where
    T: Send + Clone,
    F: Fn(T, In) -> T + Send + Sync,
{
    type Out = T;

    fn of_chunk(&self, chunk: impl Iterator<Item = In>) -> T {
        chunk.fold(self.0.clone(), self.1)
    }
}

/// Chunks of a size, and what is made of each.
#[derive(Clone, Copy)]
pub struct Chunking<M> {
    size: usize,
    make: M,
}

impl<M> Chunking<M> {
    /// # Panics
    /// If `size` is zero.
    #[track_caller]
    pub(crate) fn new(size: usize, make: M) -> Self {
        assert!(size != 0, "chunk_size must not be zero");
        Chunking { size, make }
    }

    fn call<T, P, O, CB>(self, len: usize, base: P, callback: CB) -> CB::Output
    where
        P: Producer<Item = T>,
        M: OfChunk<T, Out = O>,
        CB: ProducerCallback<O>,
    {
        callback.callback(Chunked { size: self.size, make: self.make, len, base: Some(base) })
    }
}

macro_rules! chunking {
    ($([$($generics:tt)*] $make:ty => $out:ty, where { $($bounds:tt)* } |$own:ident| $by:expr;)*) => {$(
        impl<In: Send, $($generics)*> Shape<In> for Chunking<$make> where $($bounds)* {
            type Out = $out;

            fn len(&self, base: usize) -> usize {
                base.div_ceil(self.size)
            }

            fn shape<P, CB>(self, len: usize, base: P, callback: CB) -> CB::Output
            where
                P: Producer<Item = In>,
                CB: ProducerCallback<$out>,
            {
                let $own = self.make;
                Chunking { size: self.size, make: $by }.call(len, base, callback)
            }
        }
    )*};
}

chunking! {
    [] ToVec => Vec<In>, where {} |make| make;
    [T, ID, F] FoldBy<ID, F> => T, where {
        T: Send, ID: Fn() -> T + Send + Sync, F: Fn(T, In) -> T + Send + Sync
    } |make| &make;
    [T, F] FoldFrom<T, F> => T, where {
        T: Send + Clone, F: Fn(T, In) -> T + Send + Sync
    } |make| FoldFrom(make.0, &make.1);
}

/// The `len` items of `base`, in chunks of `size`; there is a base until all are given.
struct Chunked<P, M> {
    size: usize,
    make: M,
    len: usize,
    base: Option<P>,
}

impl<P: Producer, M: OfChunk<P::Item>> Producer for Chunked<P, M> {
    type Item = M::Out;
    type IntoIter = Self;

    fn into_iter(self) -> Self {
        self
    }

    fn min_len(&self) -> usize {
        self.base.as_ref().map_or(1, |base| base.min_len().div_ceil(self.size))
    }

    fn max_len(&self) -> usize {
        self.base.as_ref().map_or(1, |base| base.max_len().div_ceil(self.size))
    }

    fn split_at(mut self, index: usize) -> (Self, Self) {
        let at = index.saturating_mul(self.size).min(self.len);
        let left = self.split_off(at);
        (Chunked { len: at, base: left, size: self.size, make: self.make.clone() }, self)
    }
}

impl<P: Producer, M> Chunked<P, M> {
    /// Takes the first `at` items off.
    fn split_off(&mut self, at: usize) -> Option<P> {
        let (left, right) = self.base.take()?.split_at(at);
        self.len -= at;
        self.base = Some(right);
        Some(left)
    }

    /// Takes all but the first `at` items off.
    fn truncate(&mut self, at: usize) -> Option<P> {
        let (left, right) = self.base.take()?.split_at(at);
        self.len = at;
        self.base = Some(left);
        Some(right)
    }

    /// The number of chunks.
    fn chunks(&self) -> usize {
        self.len.div_ceil(self.size)
    }
}

impl<P: Producer, M: OfChunk<P::Item>> Iterator for Chunked<P, M> {
    type Item = M::Out;

    fn next(&mut self) -> Option<M::Out> {
        let chunk = match self.len {
            0 => return None,
            len if len <= self.size => {
                self.len = 0;
                self.base.take()
            }
            _ => self.split_off(self.size),
        };
        Some(self.make.of_chunk(chunk?.into_iter()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.chunks(), Some(self.chunks()))
    }

    fn fold<B, F: FnMut(B, M::Out) -> B>(mut self, init: B, mut f: F) -> B {
        let mut so_far = init;
        for chunk in self.by_ref() {
            so_far = f(so_far, chunk);
        }
        // Not at the end: a panic there would leak what is returned.
        drop(self);
        so_far
    }
}

impl<P: Producer, M: OfChunk<P::Item>> DoubleEndedIterator for Chunked<P, M> {
    fn next_back(&mut self) -> Option<M::Out> {
        let chunk = match self.chunks() {
            0 => return None,
            chunks => self.truncate((chunks - 1) * self.size),
        };
        Some(self.make.of_chunk(chunk?.into_iter()))
    }
    fn rfold<B, G: FnMut(B, M::Out) -> B>(mut self, init: B, mut fold: G) -> B {
        let mut so_far = init;
        while let Some(item) = self.next_back() {
            so_far = fold(so_far, item);
        }
        // As in `fold`.
        drop(self);
        so_far
    }
}

impl<P: Producer, M: OfChunk<P::Item>> ExactSizeIterator for Chunked<P, M> {}
