//! Comparing two parallel iterators, item by item.

use std::cmp::Ordering::{self, Equal};

use super::super::{IndexedParallelIterator, IntoParallelIterator};
use super::find;

/// Returns the value of the first `Some` that `f` returns for a pair. If there is none, returns the
/// result of `or` for the comparison of the lengths.
fn first_or<A, B, R>(
    a: A,
    b: B,
    f: impl Fn(A::Item, B::Item) -> Option<R> + Sync + Send,
    or: impl FnOnce(Ordering) -> R,
) -> R
where
    A: IndexedParallelIterator,
    B: IntoParallelIterator<Iter: IndexedParallelIterator>,
    R: Send,
{
    let b = b.into_par_iter();
    let lengths = a.len().cmp(&b.len());
    find::first(a.zip(b), |(a, b)| f(a, b)).unwrap_or_else(|| or(lengths))
}

/// `cmp`.
pub(crate) fn cmp<A, B>(a: A, b: B) -> Ordering
where
    A: IndexedParallelIterator<Item: Ord>,
    B: IntoParallelIterator<Item = A::Item, Iter: IndexedParallelIterator>,
{
    let unequal = |a: A::Item, b: A::Item| Some(a.cmp(&b)).filter(|&order| order != Equal);
    first_or(a, b, unequal, |lengths| lengths)
}

/// `partial_cmp`.
pub(crate) fn partial_cmp<A, B>(a: A, b: B) -> Option<Ordering>
where
    A: IndexedParallelIterator<Item: PartialOrd<B::Item>>,
    B: IntoParallelIterator<Iter: IndexedParallelIterator>,
{
    let unequal =
        |a: A::Item, b: B::Item| Some(a.partial_cmp(&b)).filter(|&order| order != Some(Equal));
    first_or(a, b, unequal, Some)
}

/// `eq`.
pub(crate) fn eq<A, B>(a: A, b: B) -> bool
where
    A: IndexedParallelIterator<Item: PartialEq<B::Item>>,
    B: IntoParallelIterator<Iter: IndexedParallelIterator>,
{
    let b = b.into_par_iter();
    a.len() == b.len() && !find::is_any(a.zip(b), |(a, b)| a != b)
}
