//! Collecting an unknown number of items: each piece fills a collection, and these are then joined.

use std::collections::LinkedList;
use std::ffi::OsString;
use std::iter;
use std::marker::PhantomData;

use super::super::end::{End, Join};

/// A collection that others can be appended to.
pub(super) trait Part: Default + Send {
    fn len(&self) -> usize;

    fn append(&mut self, other: Self);

    /// Returns the number of items for which it has memory.
    fn capacity(&self) -> usize {
        usize::MAX
    }

    /// Gets memory for more items.
    fn reserve(&mut self, _additional: usize) {}
}

impl<T: Send> Part for LinkedList<T> {
    fn len(&self) -> usize {
        self.len()
    }

    fn append(&mut self, mut other: Self) {
        self.append(&mut other);
    }
}

/// Implements `Part` for collections in one block of memory.
macro_rules! parts {
    ($([$($generics:tt)*] $part:ty, |$to:ident, $from:pat_param| $append:expr;)*) => {$(
        impl<$($generics)*> Part for $part {
            fn len(&self) -> usize {
                (**self).len()
            }

            fn append(&mut self, $from: Self) {
                let $to = self;
                $append;
            }

            fn capacity(&self) -> usize {
                self.capacity()
            }

            fn reserve(&mut self, additional: usize) {
                self.reserve(additional);
            }
        }
    )*};
}

parts! {
    [T: Send] Vec<T>, |to, mut from| to.append(&mut from);
    [] String, |to, from| to.push_str(&from);
    [] OsString, |to, from| to.push(from);
}

/// Vectors with the items of an iterator, in order.
pub(crate) struct VecList<T>(pub(crate) LinkedList<Vec<T>>);

/// The items of neighbouring pieces, in order. Only `first` may be empty.
pub(super) struct Pieces<S> {
    first: S,
    others: Vec<S>,
}

impl<S: Part> Pieces<S> {
    /// Appends the items to `to`.
    pub(super) fn append_to(self, to: &mut S) {
        let Pieces { first, mut others } = self;
        let more: usize = others.iter().map(S::len).sum();
        if to.len() == 0 && to.capacity() < first.len() + more {
            *to = first;
            to.reserve(more);
        } else {
            to.reserve(first.len() + more);
            others.insert(0, first);
        }
        others.into_iter().for_each(|piece| to.append(piece));
    }
}

impl<T: Send> Pieces<Vec<T>> {
    pub(super) fn into_list(self) -> LinkedList<Vec<T>> {
        iter::once(self.first).chain(self.others).filter(|piece| !piece.is_empty()).collect()
    }
}

/// The end that fills a collection for each piece.
pub(super) struct ToPieces<S>(PhantomData<fn() -> S>);

impl<S> ToPieces<S> {
    pub(super) fn new() -> Self {
        ToPieces(PhantomData)
    }
}

impl<S: Part> Join for ToPieces<S> {
    type Result = Pieces<S>;

    fn start(&self) -> Pieces<S> {
        Pieces { first: S::default(), others: Vec::new() }
    }

    fn join(&self, mut left: Pieces<S>, mut right: Pieces<S>) -> Pieces<S> {
        if left.first.len() == 0 && left.others.is_empty() {
            return right;
        }
        if right.first.len() > 0 {
            left.others.push(right.first);
        }
        left.others.append(&mut right.others);
        left
    }
}

impl<T, S: Part + Extend<T>> End<T> for ToPieces<S> {
    fn take(&self, mut so_far: Pieces<S>, iter: impl Iterator<Item = T>) -> Pieces<S> {
        so_far.first.extend(iter);
        so_far
    }
}
