//! Items with their positions.

use std::iter;

use super::reshape::reshaped;
use crate::iter::implement::serial_around;
use crate::iter::plumbing::Producer;

reshaped! {
    /// The iterator of [`enumerate`](crate::iter::IndexedParallelIterator::enumerate).
    Enumerate<I> {} [T: Send] (T) -> (usize, T)
    where {}
    len |self, len| len,
    |_, base, callback| callback.callback(Enumerated { start: 0, base });
}

/// Items and their positions, from `start` on.
struct Enumerated<B> {
    start: usize,
    base: B,
}

impl<P: Producer> Producer for Enumerated<P> {
    type Item = (usize, P::Item);
    type IntoIter = Enumerated<iter::Enumerate<P::IntoIter>>;

    bounds_of!(P: base);

    fn into_iter(self) -> Self::IntoIter {
        Enumerated { start: self.start, base: self.base.into_iter().enumerate() }
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let (left, right) = self.base.split_at(index);
        (
            Enumerated { start: self.start, base: left },
            Enumerated { start: self.start + index, base: right },
        )
    }
}

/// Adds `start` to the position. (A loop over this is vectorized. By callgrind, one over the
/// positions zipped with the items takes half again as many instructions.)
fn from<T>(start: usize) -> impl Fn((usize, T)) -> (usize, T) {
    move |(position, item)| (start + position, item)
}

serial_around! {
    [It: DoubleEndedIterator + ExactSizeIterator] Enumerated<iter::Enumerate<It>>
    => (usize, It::Item),
    |self| self.base, from(self.start)
}
