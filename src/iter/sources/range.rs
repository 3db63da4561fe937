//! Ranges of integers and characters.

use std::iter::FusedIterator;
use std::ops::{Bound, Range, RangeBounds, RangeInclusive};

use crate::iter::plumbing::{
    Consumer, Folder, Producer, ProducerCallback, UnindexedConsumer, bridge,
    bridge_producer_consumer,
};
use crate::iter::sources::steps::{Steps, drive_steps};
use crate::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

/// Returns the ends of `range` in a collection of `len` items.
///
/// # Panics
/// If the range does not lie within the collection.
#[track_caller]
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

/// Integers and characters.
#[diagnostic::on_unimplemented(
    message = "ranges of `{Self}` are not parallel iterators",
    note = "ranges of integers and of `char` are"
)]
pub trait Countable: Copy + PartialOrd + Send + Sync {
    /// Returns the number of steps to `last`, which is not less.
    fn distance(self, last: Self) -> u128;

    /// Returns the value `steps` further.
    fn plus(self, steps: u128) -> Self;

    /// Returns the value before.
    fn before(self) -> Self;
}

macro_rules! integers {
    ($($int:ty as $unsigned:ty),*) => {$(
        impl Countable for $int {
            #[inline]
            fn distance(self, last: Self) -> u128 {
                (last as $unsigned).wrapping_sub(self as $unsigned) as u128
            }

            #[inline]
            fn plus(self, steps: u128) -> Self {
                self.wrapping_add(steps as $int)
            }

            #[inline]
            fn before(self) -> Self {
                self - 1
            }
        }
    )*};
}

integers! {
    u8 as u8, u16 as u16, u32 as u32, u64 as u64, u128 as u128, usize as usize,
    i8 as u8, i16 as u16, i32 as u32, i64 as u64, i128 as u128, isize as usize
}

/// The number of code points between `'\u{D7FF}'` and `'\u{E000}'`, which are no characters.
const GAP: u32 = 0x800;

/// Returns the number of a character among all characters.
fn number(c: char) -> u32 {
    if c < '\u{E000}' { c.into() } else { u32::from(c) - GAP }
}

/// Returns the character with this number.
fn numbered(number: u32) -> char {
    let code = if number < 0xD800 { number } else { number + GAP };
    char::from_u32(code).expect("there is such a character")
}

impl Countable for char {
    fn distance(self, last: Self) -> u128 {
        (number(last) - number(self)).into()
    }

    #[inline]
    fn plus(self, steps: u128) -> Self {
        numbered(number(self) + steps as u32)
    }

    fn before(self) -> Self {
        numbered(number(self) - 1)
    }
}

/// The items from `first` to `last`, or none.
#[derive(Clone, Copy)]
struct Span<T> {
    first: T,
    last: Option<T>,
}

impl<T: Countable> Span<T> {
    /// Returns the number of items, if it fits in a `usize`.
    fn len(self) -> Option<usize> {
        match self.last {
            None => Some(0),
            Some(last) => usize::try_from(self.first.distance(last)).ok()?.checked_add(1),
        }
    }

    /// Returns the producer. Its type is the same for all ranges of `T`, so that loops over them
    /// are compiled once.
    fn counted(self, len: usize) -> Counted<T> {
        Counted { first: self.first, steps: 0..len }
    }

    #[inline(always)]
    fn drive_unindexed<C: UnindexedConsumer<T>>(self, consumer: C) -> C::Result {
        match (self.len(), self.last) {
            (Some(len), _) => bridge_producer_consumer(len, self.counted(len), consumer),
            (None, Some(last)) => drive_steps(Many { first: self.first, last }, consumer),
            (None, None) => unreachable!("no items have a length"),
        }
    }
}

/// The values `steps` behind `first`.
struct Counted<T> {
    first: T,
    steps: Range<usize>,
}

impl<T: Countable> Producer for Counted<T> {
    type Item = T;
    type IntoIter = Self;

    fn into_iter(self) -> Self {
        self
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let Counted { first, steps: Range { start, end } } = self;
        let middle = start + index;
        (Counted { first, steps: start..middle }, Counted { first, steps: middle..end })
    }
}

impl<T: Countable> Iterator for Counted<T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.steps.next().map(|step| self.first.plus(step as u128))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.steps.size_hint()
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<T> {
        self.steps.nth(n).map(|step| self.first.plus(step as u128))
    }

    #[inline]
    fn fold<B, F: FnMut(B, T) -> B>(self, init: B, mut f: F) -> B {
        let Counted { first, steps } = self;
        steps.fold(init, |so_far, step| f(so_far, first.plus(step as u128)))
    }
}

impl<T: Countable> DoubleEndedIterator for Counted<T> {
    #[inline]
    fn next_back(&mut self) -> Option<T> {
        self.steps.next_back().map(|step| self.first.plus(step as u128))
    }

    #[inline]
    fn nth_back(&mut self, n: usize) -> Option<T> {
        self.steps.nth_back(n).map(|step| self.first.plus(step as u128))
    }
}

impl<T: Countable> ExactSizeIterator for Counted<T> {}
impl<T: Countable> FusedIterator for Counted<T> {}

/// More items than a `usize` can count.
struct Many<T> {
    first: T,
    last: T,
}

impl<T: Countable> Steps for Many<T> {
    type Item = T;

    fn step<F: Folder<T>>(&mut self, most: usize, folder: F) -> (F, bool) {
        let first = self.first;
        // One less than the number of items.
        let behind = first.distance(self.last);
        let going_on = most as u128 <= behind;
        let steps = if going_on { 0..most } else { 0..behind as usize + 1 };
        self.first = if going_on { first.plus(most as u128) } else { self.last };
        (folder.consume_iter(Counted { first, steps }), going_on)
    }

    fn cut_off(&mut self) -> Option<Self> {
        let behind = self.first.distance(self.last);
        if behind == 0 {
            return None;
        }
        let middle = self.first.plus(behind / 2);
        let rest = Many { first: middle.plus(1), last: self.last };
        self.last = middle;
        Some(rest)
    }
}

/// Declares the parallel iterator of a range type.
macro_rules! ranges {
    ($(#[$doc:meta])* $iter:ident, $range:ident, |$bounds:ident| $span:expr, [$($short:ty),*]) => {
        $(#[$doc])*
        #[must_use = "parallel iterators do nothing until they are driven"]
        #[derive(Clone, Debug)]
        pub struct $iter<T>($range<T>);

        impl<T: Countable> $iter<T> {
            fn span(&self) -> Span<T> {
                let $bounds = &self.0;
                $span
            }
        }

        impl<T: Countable> IntoParallelIterator for $range<T> {
            type Iter = $iter<T>;
            type Item = T;

            fn into_par_iter(self) -> $iter<T> {
                $iter(self)
            }
        }

        impl<T: Countable> ParallelIterator for $iter<T> {
            type Item = T;

            #[inline]
            fn drive_unindexed<C: UnindexedConsumer<T>>(self, consumer: C) -> C::Result {
                self.span().drive_unindexed(consumer)
            }

            fn opt_len(&self) -> Option<usize> {
                self.span().len()
            }
        }

        $(
            impl IndexedParallelIterator for $iter<$short> {
                fn drive<C: Consumer<$short>>(self, consumer: C) -> C::Result {
                    bridge(self, consumer)
                }

                fn len(&self) -> usize {
                    self.span().len().expect("the length fits")
                }

                fn with_producer<CB: ProducerCallback<$short>>(self, callback: CB) -> CB::Output {
                    callback.callback(self.span().counted(self.len()))
                }
            }
        )*
    };
}

ranges! {
    /// An iterator over a range that does not include its end.
    ///
    /// It is an [`IndexedParallelIterator`] if the length of such a range always fits in a `usize`.
    ///
    /// ```
    /// use filch::prelude::*;
    /// assert_eq!((0..1_000_u64).into_par_iter().sum::<u64>(), 499_500);
    /// let letters: String = ('a'..'e').into_par_iter().collect();
    /// assert_eq!(letters, "abcd");
    /// ```
    Iter, Range,
    |range| Span {
        first: range.start,
        last: (range.start < range.end).then(|| range.end.before()),
    },
    [u8, u16, u32, usize, i8, i16, i32, isize, char]
}

pub(crate) mod inclusive {
    use super::*;

    ranges! {
    /// An iterator over a range that includes its end.
    ///
    /// It is an [`IndexedParallelIterator`] if the length of such a range always fits in a `usize`.
    ///
    /// ```
    /// use filch::prelude::*;
    /// assert_eq!((1..=20_u64).into_par_iter().product::<u64>(), 2_432_902_008_176_640_000);
    /// assert_eq!((u8::MIN..=u8::MAX).into_par_iter().count(), 256);
    /// ```
    Iter, RangeInclusive,
    |range| Span {
        first: *range.start(),
        last: (!range.is_empty()).then(|| *range.end()),
    },
    [u8, u16, i8, i16, char]
    }
}
