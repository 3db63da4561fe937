//! Chunks of items, collected or folded.

use super::fold_then_drop;
use super::reshape::reshaped;
use crate::iter::plumbing::Producer;

reshaped! {
    /// The iterator of [`chunks`](crate::iter::IndexedParallelIterator::chunks).
    Chunks<I> { size: usize } [T: Send] (T) -> Vec<T>
    where {}
    len |self, len| len.div_ceil(self.size),
    |len, base, callback| callback.callback(Chunked::new(size, len, base, |chunk| chunk.collect()));

    /// The iterator of [`fold_chunks`](crate::iter::IndexedParallelIterator::fold_chunks).
    FoldChunks<I, ID, F> { size: usize, identity: ID, fold_op: F }
    [In: Send, T: Send, ID, F] (In) -> T
    where { ID: Fn() -> T + Send + Sync, F: Fn(T, In) -> T + Send + Sync }
    len |self, len| len.div_ceil(self.size),
    |len, base, callback| {
        let make = |chunk: P::IntoIter| chunk.fold(identity(), &fold_op);
        callback.callback(Chunked::new(size, len, base, &make))
    };

    /// See [`fold_chunks_with`](crate::iter::IndexedParallelIterator::fold_chunks_with).
    FoldChunksWith<I, T, F> { size: usize, init: T, fold_op: F }
    [In: Send, T: Clone + Send, F] (In) -> T
    where { F: Fn(T, In) -> T + Send + Sync }
    len |self, len| len.div_ceil(self.size),
    |len, base, callback| {
        let fold_op = &fold_op;
        let make = move |chunk: P::IntoIter| chunk.fold(init.clone(), fold_op);
        callback.callback(Chunked::new(size, len, base, make))
    };
}

/// The `len` items of `base`, in chunks of `size`, of each of which `make` makes an item. `base` is
/// `None` once all items were taken.
struct Chunked<P, M> {
    size: usize,
    make: M,
    len: usize,
    base: Option<P>,
}

impl<P: Producer, M: Fn(P::IntoIter) -> R, R> Chunked<P, M> {
    fn new(size: usize, len: usize, base: P, make: M) -> Self {
        Chunked { size, make, len, base: Some(base) }
    }
}

impl<P: Producer, M: Fn(P::IntoIter) -> R + Clone + Send, R> Producer for Chunked<P, M> {
    type Item = R;
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
    /// Splits off the first `at` items.
    fn split_off(&mut self, at: usize) -> Option<P> {
        let (left, right) = self.base.take()?.split_at(at);
        self.len -= at;
        self.base = Some(right);
        Some(left)
    }

    /// Splits off all but the first `at` items.
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

impl<P: Producer, M: Fn(P::IntoIter) -> R, R> Iterator for Chunked<P, M> {
    type Item = R;

    fn next(&mut self) -> Option<R> {
        let chunk = match self.len {
            0 => return None,
            len if len <= self.size => {
                self.len = 0;
                self.base.take()
            }
            _ => self.split_off(self.size),
        };
        Some((self.make)(chunk?.into_iter()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.chunks(), Some(self.chunks()))
    }

    fn fold<B, F: FnMut(B, R) -> B>(self, init: B, f: F) -> B {
        fold_then_drop(self, init, f)
    }
}

impl<P: Producer, M: Fn(P::IntoIter) -> R, R> DoubleEndedIterator for Chunked<P, M> {
    fn next_back(&mut self) -> Option<R> {
        let chunk = match self.chunks() {
            0 => return None,
            chunks => self.truncate((chunks - 1) * self.size),
        };
        Some((self.make)(chunk?.into_iter()))
    }

    fn rfold<B, F: FnMut(B, R) -> B>(self, init: B, f: F) -> B {
        fold_then_drop(self.rev(), init, f)
    }
}

impl<P: Producer, M: Fn(P::IntoIter) -> R, R> ExactSizeIterator for Chunked<P, M> {}
