//! Collecting items whose number is not known: a vector a piece, then all behind each other.

use std::collections::LinkedList;

use super::super::super::ParallelIterator;
use super::super::super::plumbing::{Consumer, Folder, Reducer, UnindexedConsumer};
use super::append_known;

/// Appends the items of `iter` to `vec`, in order.
pub(crate) fn append_unknown<T: Send>(vec: &mut Vec<T>, iter: impl ParallelIterator<Item = T>) {
    let Pieces { first, mut others } = iter.drive_unindexed(ToPieces);
    let more: usize = others.iter().map(Vec::len).sum();
    if vec.is_empty() && vec.capacity() < first.len() + more {
        *vec = first;
    } else {
        others.insert(0, first);
    }
    vec.reserve(others.iter().map(Vec::len).sum());
    others.iter_mut().for_each(|piece| vec.append(piece));
}

/// The items of `iter`, in vectors, in order.
pub(crate) fn pieces_of<T: Send>(iter: impl ParallelIterator<Item = T>) -> LinkedList<Vec<T>> {
    if let Some(len) = iter.opt_len() {
        let mut all = Vec::new();
        append_known(&mut all, len, iter);
        return LinkedList::from([all]);
    }
    let Pieces { first, others } = iter.drive_unindexed(ToPieces);
    std::iter::once(first).chain(others).filter(|piece| !piece.is_empty()).collect()
}

/// The items of neighbouring pieces, in order.
pub(crate) struct Pieces<T> {
    first: Vec<T>,
    others: Vec<Vec<T>>,
}

/// Consumer and reducer.
struct ToPieces;

impl<T> Reducer<Pieces<T>> for ToPieces {
    fn reduce(self, mut left: Pieces<T>, mut right: Pieces<T>) -> Pieces<T> {
        if left.first.is_empty() && left.others.is_empty() {
            return right;
        }
        if !right.first.is_empty() {
            left.others.push(right.first);
        }
        left.others.append(&mut right.others);
        left
    }
}

impl<T: Send> Consumer<T> for ToPieces {
    type Folder = Piece<T>;
    type Reducer = ToPieces;
    type Result = Pieces<T>;

    const PAUSES: bool = true;

    fn split_at(self, _index: usize) -> (Self, Self, ToPieces) {
        (ToPieces, ToPieces, ToPieces)
    }

    fn into_folder(self) -> Piece<T> {
        Piece(Vec::new())
    }

    fn full(&self) -> bool {
        false
    }

    fn pause(folder: Piece<T>) -> (Pieces<T>, Self, ToPieces) {
        (folder.complete(), ToPieces, ToPieces)
    }
}

impl<T: Send> UnindexedConsumer<T> for ToPieces {
    fn split_off_left(&self) -> Self {
        ToPieces
    }

    fn to_reducer(&self) -> Self {
        ToPieces
    }
}

/// The items of a piece. (Small enough to be kept in registers where it is fed one by one.)
struct Piece<T>(Vec<T>);

impl<T> Folder<T> for Piece<T> {
    type Result = Pieces<T>;

    const ASK_EACH: bool = false;
    const FILLS: bool = false;

    #[inline]
    fn consume(mut self, item: T) -> Self {
        self.0.push(item);
        self
    }

    fn consume_iter<I: IntoIterator<Item = T>>(mut self, iter: I) -> Self {
        self.0.extend(iter);
        self
    }

    fn complete(self) -> Pieces<T> {
        Pieces { first: self.0, others: Vec::new() }
    }

    fn full(&self) -> bool {
        false
    }
}
