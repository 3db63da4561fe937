//! Where items stand that are as one wants them.

use super::enumerate::Enumerate;
use super::serial::{Adapted, Adapter};

/// [`IndexedParallelIterator::positions`](crate::iter::IndexedParallelIterator::positions).
pub type Positions<I, P> = Adapted<Enumerate<I>, PositionsBy<P>>;

/// What makes [`Positions`].
#[derive(Clone, Copy)]
pub struct PositionsBy<P>(pub(crate) P);

impl<T, P: Fn(T) -> bool + Send + Sync> Adapter<(usize, T)> for PositionsBy<P> {
    type Out = usize;
    type Iter<'a, It: Iterator<Item = (usize, T)>>
        = PositionsIter<'a, It, P>
    where
        Self: 'a;

    const ONE_TO_ONE: bool = false;

    fn adapt<It: Iterator<Item = (usize, T)>>(&self, iter: It) -> Self::Iter<'_, It> {
        PositionsIter { iter, predicate: &self.0 }
    }
}

/// The positions of the items that are as `predicate` says.
pub struct PositionsIter<'a, It, P> {
    iter: It,
    predicate: &'a P,
}

/// The position, if the item is as `predicate` says.
fn position<T>(predicate: impl Fn(T) -> bool) -> impl Fn((usize, T)) -> Option<usize> {
    move |(position, item)| predicate(item).then_some(position)
}

impl<T, It: Iterator<Item = (usize, T)>, P: Fn(T) -> bool> Iterator for PositionsIter<'_, It, P> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.iter.find_map(position(self.predicate))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.iter.size_hint().1)
    }

    fn fold<B, F: FnMut(B, usize) -> B>(self, init: B, f: F) -> B {
        self.iter.filter_map(position(self.predicate)).fold(init, f)
    }
}
