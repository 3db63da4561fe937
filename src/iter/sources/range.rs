//! Ranges of integers and characters.

use std::ops::{Bound, Range, RangeBounds};

use crate::iter::IntoParallelIterator;
use crate::iter::plumbing::Producer;
use crate::iter::sources::own_producer::own_producer;

/// The ends of `range` in something of `len` items.
///
/// # Panics
/// If it does not lie within.
pub(crate) fn within(range: impl RangeBounds<usize>, len: usize) -> (usize, usize) {
    let start = match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&before) => before.checked_add(1).expect("the range's start is too large"),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&last) => last.checked_add(1).expect("the range's end is too large"),
        Bound::Excluded(&end) => end,
        Bound::Unbounded => len,
    };
    assert!(start <= end, "the range starts at {start} but ends at {end}");
    assert!(end <= len, "the range ends at {end}, but the length is {len}");
    (start, end)
}

/// A range of integers.
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct Iter<T>(Range<T>);

macro_rules! ranges {
    ($($int:ty),*) => {$(
        impl Iter<$int> {
            fn items(&self) -> usize {
                self.0.len()
            }
        }

        impl Producer for Iter<$int> {
            type Item = $int;
            type IntoIter = Range<$int>;

            fn into_iter(self) -> Range<$int> {
                self.0
            }

            fn split_at(self, index: usize) -> (Self, Self) {
                let Range { start, end } = self.0;
                let middle = start.wrapping_add(index as $int);
                (Iter(start..middle), Iter(middle..end))
            }
        }

        own_producer!([] Iter<$int>, $int);

        impl IntoParallelIterator for Range<$int> {
            type Iter = Iter<$int>;
            type Item = $int;

            fn into_par_iter(self) -> Iter<$int> {
                Iter(self)
            }
        }
    )*};
}

ranges!(u8, u16, u32, usize, i8, i16, i32, isize);
