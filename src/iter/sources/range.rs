//! Ranges of integers and characters.

use std::iter::FusedIterator;
use std::ops::{Bound, Range, RangeBounds, RangeInclusive};

use crate::iter::IntoParallelIterator;
use crate::iter::implement::{indexed, parallel, serial_around};
use crate::iter::plumbing::{
    Folder, Producer, UnindexedConsumer, bridge, bridge_producer_consumer,
};
use crate::iter::sources::steps::{Steps, drive_steps};

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
}

/// `first` and the `behind` values behind it, or none. `MORE` is 1 for a range that includes its
/// end, and so may have one item more than any other.
#[derive(Clone, Copy)]
struct Span<T, const MORE: usize> {
    first: T,
    behind: Option<u128>,
}

impl<T: Countable, const MORE: usize> Span<T, MORE> {
    /// Returns the number of items, if it fits in a `usize`.
    fn len(self) -> Option<usize> {
        self.behind.map_or(Some(0), |behind| usize::try_from(behind).ok()?.checked_add(1))
    }

    /// Returns the producer. Its type is the same for all ranges of `T`, so that loops over them
    /// are compiled once.
    fn counted(self, len: usize) -> Counted<T> {
        Counted { first: self.first, steps: 0..len }
    }

    #[inline(always)]
    fn drive_unindexed<C: UnindexedConsumer<T>>(self, consumer: C) -> C::Result {
        match (self.len(), self.behind) {
            (Some(len), _) => bridge_producer_consumer(len, self.counted(len), consumer),
            // Not compiled if the length always fits.
            (_, Some(behind)) if const { size_of::<T>() + MORE > size_of::<usize>() } => {
                drive_steps(Many { first: self.first, behind }, consumer)
            }
            _ => unreachable!("they have a length"),
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

serial_around! {
    [T: Countable] Counted<T> => T, |self| self.steps,
    { let first = self.first; move |step: usize| first.plus(step as u128) }
}

impl<T: Countable> FusedIterator for Counted<T> {}

/// `first` and the `behind` values behind it: more than a `usize` can count.
struct Many<T> {
    first: T,
    behind: u128,
}

impl<T: Countable> Steps for Many<T> {
    type Item = T;

    fn step<F: Folder<T>>(&mut self, most: usize, folder: F) -> (F, bool) {
        let first = self.first;
        let (steps, going_on) = match self.behind.checked_sub(most as u128) {
            Some(rest) => {
                (self.first, self.behind) = (first.plus(most as u128), rest);
                (0..most, true)
            }
            None => (0..self.behind as usize + 1, false),
        };
        (folder.consume_iter(Counted { first, steps }), going_on)
    }

    fn cut_off(&mut self, first: bool) -> Option<Self> {
        let more = self.behind.checked_sub(1)?;
        self.behind = if first { 0 } else { self.behind / 2 };
        let first = self.first.plus(self.behind + 1);
        Some(Many { first, behind: more - self.behind })
    }
}

/// Declares the parallel iterator of a range type.
macro_rules! ranges {
    (
        $(#[$doc:meta])* $iter:ident, $range:ident, $more:literal,
        |$bounds:ident| $span:expr, indexed [$($short:ty),*]
    ) => {
        $(#[$doc])*
        #[must_use = "parallel iterators do nothing until they are driven"]
        #[derive(Clone, Debug)]
        pub struct $iter<T>($range<T>);

        impl<T: Countable> $iter<T> {
            fn span(&self) -> Span<T, $more> {
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

        parallel! {
            [T: Countable] $iter<T> => T,
            |self, consumer| self.span().drive_unindexed(consumer),
            opt_len |self| self.span().len()
        }

        indexed! {
            [T: LengthFitsUsize] $iter<T> => T,
            drive |self, consumer| bridge(self, consumer),
            len |self| self.span().len().expect("the length fits"),
            |self, callback| callback.callback(self.span().counted(self.len()))
        }

        /// The types whose ranges of this kind have a length that always fits in a `usize`.
        ///
        /// Only these are [indexed](crate::iter::IndexedParallelIterator), that is, have
        /// `enumerate`, `zip`, `rev`, `with_min_len` and the like. Instead of a range of another
        /// type, use one of `usize`, and convert its items:
        /// `(0..n as usize).into_par_iter().map(|i| i as u64)`.
        #[diagnostic::on_unimplemented(
            message = "such ranges of `{Self}` are not indexed parallel iterators",
            note = "the length may not fit in a `usize`: use `a..b` of `usize`, and convert items"
        )]
        pub trait LengthFitsUsize: Countable {}

        $(impl LengthFitsUsize for $short {})*
    };
}

ranges! {
    /// An iterator over a range that does not include its end.
    ///
    /// It is [indexed](LengthFitsUsize) if `T` is `char`, `usize`, `isize` or an integer of at most
    /// 32 bits.
    ///
    /// ```
    /// use filch::prelude::*;
    /// assert_eq!((0..1_000_u64).into_par_iter().sum::<u64>(), 499_500);
    /// let letters: String = ('a'..'e').into_par_iter().collect();
    /// assert_eq!(letters, "abcd");
    /// ```
    Iter, Range, 0,
    |range| Span {
        first: range.start,
        behind: (range.start < range.end).then(|| range.start.distance(range.end) - 1),
    },
    indexed [u8, u16, u32, usize, i8, i16, i32, isize, char]
}

pub(crate) mod inclusive {
    use super::*;

    ranges! {
    /// An iterator over a range that includes its end.
    ///
    /// It is [indexed](LengthFitsUsize) if `T` is `char` or an integer of at most 16 bits. See the
    /// iterator over [ranges without their ends](crate::range::Iter).
    Iter, RangeInclusive, 1,
    |range| Span {
        first: *range.start(),
        behind: (!range.is_empty()).then(|| range.start().distance(*range.end())),
    },
    indexed [u8, u16, i8, i16, char]
    }
}
