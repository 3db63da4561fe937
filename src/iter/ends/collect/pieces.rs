//! Collecting items whose number is not known: a vector a piece, then all behind each other.

use std::collections::LinkedList;
use std::marker::PhantomData;

use super::super::super::ParallelIterator;
use super::super::end::{End, Join, run};
use super::append_known;

/// Appends the items of `iter` to `vec`, in order.
pub(crate) fn append_unknown<T: Send>(vec: &mut Vec<T>, iter: impl ParallelIterator<Item = T>) {
    let Pieces { first, mut others } = run(iter, &ToPieces(PhantomData));
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
    let Pieces { first, others } = run(iter, &ToPieces(PhantomData));
    std::iter::once(first).chain(others).filter(|piece| !piece.is_empty()).collect()
}

/// The items of neighbouring pieces, in order.
pub(crate) struct Pieces<T> {
    first: Vec<T>,
    others: Vec<Vec<T>>,
}

struct ToPieces<T>(PhantomData<fn() -> T>);

impl<T: Send> Join for ToPieces<T> {
    type Result = Pieces<T>;

    fn start(&self) -> Pieces<T> {
        Pieces { first: Vec::new(), others: Vec::new() }
    }

    fn join(&self, mut left: Pieces<T>, mut right: Pieces<T>) -> Pieces<T> {
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

impl<T: Send> End<T> for ToPieces<T> {
    fn take(&self, mut so_far: Pieces<T>, iter: impl Iterator<Item = T>) -> Pieces<T> {
        so_far.first.extend(iter);
        so_far
    }
}
