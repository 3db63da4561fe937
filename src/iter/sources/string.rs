//! Strings.

use std::ops::{Range, RangeBounds};
use std::panic::UnwindSafe;

use super::cuts::{Mode, Run, drive_cuts};
use super::range::within;
use super::steps::{Steps, drive_steps};
use crate::iter::adaptors::adaptor;
use crate::iter::implement::{delegate, parallel};
use crate::iter::plumbing::Folder;
use crate::iter::{IntoParallelIterator, ParallelDrainRange, ParallelIterator};

/// Parallel iterators over strings.
pub trait ParallelString {
    /// Returns the string.
    fn as_parallel_string(&self) -> &str;

    /// Returns an iterator over the characters.
    fn par_chars(&self) -> Chars<'_> {
        Chars(self.as_parallel_string())
    }

    /// Returns an iterator over the characters with their byte positions.
    fn par_char_indices(&self) -> CharIndices<'_> {
        CharIndices(self.as_parallel_string())
    }

    /// Returns an iterator over the bytes, like [`par_chars`](Self::par_chars).
    fn par_bytes(&self) -> Bytes<'_> {
        Bytes(self.as_parallel_string())
    }

    /// Returns an iterator over the string's UTF-16 code units.
    fn par_encode_utf16(&self) -> EncodeUtf16<'_> {
        EncodeUtf16(self.as_parallel_string())
    }

    /// Returns an iterator over the parts between characters that match `separator`. A pattern is a
    /// character, a slice or an array of characters, or a closure.
    ///
    /// ```
    /// use filch::prelude::*;
    /// let sum: i32 = "1, 2,3".par_split(',').map(|n| n.trim().parse::<i32>().unwrap()).sum();
    /// assert_eq!(sum, 6);
    /// ```
    fn par_split<P: Pattern>(&self, separator: P) -> Split<'_, P> {
        Split::new(self.as_parallel_string(), separator)
    }

    /// Returns an iterator over the parts of the string. Each part but the last ends with a
    /// character that matches `separator`.
    fn par_split_inclusive<P: Pattern>(&self, separator: P) -> SplitInclusive<'_, P> {
        SplitInclusive::new(self.as_parallel_string(), separator)
    }

    /// Returns an iterator over the parts between matches, like [`par_split`](Self::par_split), but
    /// leaves out an empty last part.
    fn par_split_terminator<P: Pattern>(&self, terminator: P) -> SplitTerminator<'_, P> {
        SplitTerminator::new(self.as_parallel_string(), terminator)
    }

    /// Returns an iterator over the lines, without the `\n` or `\r\n` at their ends.
    ///
    /// ```
    /// use filch::prelude::*;
    /// assert_eq!("one\ntwo\r\nthree".par_lines().collect::<Vec<_>>(), ["one", "two", "three"]);
    /// ```
    fn par_lines(&self) -> Lines<'_> {
        Lines(self.as_parallel_string())
    }

    /// Returns an iterator over the words between white space.
    fn par_split_whitespace(&self) -> SplitWhitespace<'_> {
        SplitWhitespace(self.as_parallel_string())
    }

    /// Returns an iterator over the words between ASCII white space, like
    /// [`par_split_whitespace`](Self::par_split_whitespace).
    fn par_split_ascii_whitespace(&self) -> SplitAsciiWhitespace<'_> {
        SplitAsciiWhitespace(self.as_parallel_string())
    }

    /// Returns an iterator over the characters that match `pattern`, each as a string, like
    /// [`par_match_indices`](Self::par_match_indices).
    fn par_matches<P: Pattern>(&self, pattern: P) -> Matches<'_, P> {
        Matches::new(self.as_parallel_string(), pattern)
    }

    /// Returns an iterator over the characters that match `pattern`, each as a string, with their
    /// byte positions.
    fn par_match_indices<P: Pattern>(&self, pattern: P) -> MatchIndices<'_, P> {
        MatchIndices::new(self.as_parallel_string(), pattern)
    }
}

impl ParallelString for str {
    fn as_parallel_string(&self) -> &str {
        self
    }
}

mod pattern {
    /// Selects characters.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` is not a pattern for characters",
        label = "not a `char`, a slice or an array of `char`s, or a `Fn(char) -> bool`",
        note = "strings are not patterns for parallel iterators"
    )]
    pub trait Pattern: Sized + Sync + Send {
        /// Returns the position of the first match.
        fn find_in(&self, text: &str) -> Option<usize>;
        /// Returns the position of the last match.
        fn rfind_in(&self, text: &str) -> Option<usize>;
    }

    macro_rules! patterns {
        ($([$($generics:tt)*] $pattern:ty, |$self:ident| $by:expr;)*) => {$(
            impl<$($generics)*> Pattern for $pattern {
                fn find_in(&$self, text: &str) -> Option<usize> {
                    text.find($by)
                }

                fn rfind_in(&$self, text: &str) -> Option<usize> {
                    text.rfind($by)
                }
            }
        )*};
    }

    patterns! {
        [] char, |self| *self;
        [] &[char], |self| *self;
        [const N: usize] [char; N], |self| *self;
        [const N: usize] &[char; N], |self| *self;
        [F: Fn(char) -> bool + Sync + Send] F, |self| self;
    }
}

use pattern::Pattern;

/// Returns the first place at `index` or behind it at which a character begins, or the end.
fn boundary(text: &str, index: usize) -> usize {
    (index..text.len()).find(|&index| text.is_char_boundary(index)).unwrap_or(text.len())
}

/// Returns the start and the end of the character at `start`.
fn character(text: &str, start: usize) -> (usize, usize) {
    (start, boundary(text, start + 1))
}

impl<P: Pattern> Run<P> for &str {
    fn len(&self) -> usize {
        str::len(self)
    }

    fn middle(&self) -> usize {
        boundary(self, str::len(self) / 2)
    }

    fn first(&self, pattern: &P, from: usize) -> Option<(usize, usize)> {
        pattern.find_in(&self[from..]).map(|at| character(self, from + at))
    }

    fn last(&self, pattern: &P, to: usize) -> Option<(usize, usize)> {
        pattern.rfind_in(&self[..to]).map(|at| character(self, at))
    }

    fn split_at(self, at: usize) -> (Self, Self) {
        str::split_at(self, at)
    }
}

/// A string that is read piece by piece. `items` returns the items of a piece, which gets the start
/// of the piece as well.
#[derive(Clone, Copy)]
struct Pieces<'text, F> {
    text: &'text str,
    /// Where `text` begins in the whole string.
    start: usize,
    items: F,
}

impl<'text, F: Copy> Pieces<'text, F> {
    fn new(text: &'text str, items: F) -> Self {
        Pieces { text, start: 0, items }
    }

    /// Cuts before `at`, and returns both parts.
    fn split_at(&self, at: usize) -> (Self, Self) {
        let Pieces { text, start, items } = *self;
        let (left, right) = text.split_at(at);
        (Pieces { text: left, start, items }, Pieces { text: right, start: start + at, items })
    }
}

impl<'text, F: Fn(&'text str, usize) -> I + Copy + Send, I: Iterator> Steps for Pieces<'text, F> {
    type Item = I::Item;

    /// Takes about `most` bytes, and at least one character. (Bytes, not items: it takes time to
    /// find nothing as well.)
    fn step<Fo: Folder<I::Item>>(&mut self, most: usize, folder: Fo) -> (Fo, bool) {
        let (piece, rest) = self.split_at(boundary(self.text, most));
        *self = rest;
        (folder.consume_iter((self.items)(piece.text, piece.start)), !self.text.is_empty())
    }

    fn cut_off(&mut self, first: bool) -> Option<Self> {
        let at = boundary(self.text, if first { 1 } else { self.text.len() / 2 });
        if at == 0 || at == self.text.len() {
            return None;
        }
        let (left, right) = self.split_at(at);
        *self = left;
        Some(right)
    }
}

/// An iterator over the bytes of a string: see [`ParallelString::par_bytes`].
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct Bytes<'text>(&'text str);

delegate!(
    ['text] Bytes<'text> => u8, len |self| self.0.len(),
    |self| self.0.as_bytes().into_par_iter().copied()
);

/// Declares iterators that have a pattern.
macro_rules! splits {
    ($(
        $(#[$doc:meta])*
        $name:ident, $item:ty, |$text:ident, $pattern:ident, $consumer:ident| $drive:expr;
    )*) => {$(
        adaptor! { $(#[$doc])* $name<'text, P> { text: &'text str; pattern: P } }

        parallel! {
            ['text, P: Pattern] $name<'text, P> => $item,
            |self, $consumer| {
                let $name { text: $text, pattern: ref $pattern } = self;
                $drive
            }
        }
    )*};
}

splits! {
    /// An iterator over the parts of a string: see [`ParallelString::par_split`].
    Split, &'text str, |text, pattern, consumer|
        drive_cuts(text, pattern, Mode::Between, consumer);
    /// An iterator over the parts of a string: see [`ParallelString::par_split_inclusive`].
    SplitInclusive, &'text str, |text, pattern, consumer|
        drive_cuts(text, pattern, Mode::Inclusive, consumer);
    /// An iterator over the parts of a string: see [`ParallelString::par_split_terminator`].
    SplitTerminator, &'text str, |text, pattern, consumer|
        drive_cuts(text, pattern, Mode::Terminated, consumer);
    /// An iterator over the characters that match a pattern: see [`ParallelString::par_matches`].
    Matches, &'text str, |text, pattern, consumer|
        drive_steps(
            Pieces::new(text, |piece, _| matches(pattern, piece, 0).map(|(_, found)| found)),
            consumer,
        );
    /// An iterator over characters with their positions: see [`ParallelString::par_match_indices`].
    MatchIndices, (usize, &'text str), |text, pattern, consumer|
        drive_steps(Pieces::new(text, |piece, start| matches(pattern, piece, start)), consumer);
}

/// Returns the characters that match, with their positions, in a piece that begins at `start`.
fn matches<'text, P: Pattern>(
    pattern: &P,
    piece: &'text str,
    start: usize,
) -> impl Iterator<Item = (usize, &'text str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let (at, end) = piece.first(pattern, from)?;
        from = end;
        Some((start + at, &piece[at..end]))
    })
}

/// Removes the end of a line.
fn line(line: &str) -> &str {
    match line.strip_suffix('\n') {
        Some(line) => line.strip_suffix('\r').unwrap_or(line),
        None => line,
    }
}

/// Declares iterators over a string.
macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident, $item:ty, |$text:ident, $consumer:ident| $drive:expr;)*) => {$(
        $(#[$doc])*
        #[must_use = "parallel iterators do nothing until they are driven"]
        #[derive(Clone, Debug)]
        pub struct $name<'text>(&'text str);

        parallel! {
            ['text] $name<'text> => $item,
            |self, $consumer| {
                let $text = self.0;
                $drive
            }
        }
    )*};
}

parts! {
    /// An iterator over the characters of a string: see [`ParallelString::par_chars`].
    Chars, char, |text, consumer|
        drive_steps(Pieces::new(text, |piece: &'text str, _| piece.chars()), consumer);

    /// An iterator over characters with their positions: see [`ParallelString::par_char_indices`].
    CharIndices, (usize, char), |text, consumer| {
        let items = |piece: &'text str, start| {
            piece.char_indices().map(move |(at, c)| (start + at, c))
        };
        drive_steps(Pieces::new(text, items), consumer)
    };

    /// An iterator over UTF-16 code units: see [`ParallelString::par_encode_utf16`].
    EncodeUtf16, u16, |text, consumer|
        drive_steps(Pieces::new(text, |piece: &'text str, _| piece.encode_utf16()), consumer);

    /// An iterator over the lines of a string: see [`ParallelString::par_lines`].
    Lines, &'text str, |text, consumer|
        text.par_split_inclusive('\n').map(line).drive_unindexed(consumer);

    /// An iterator over the words of a string: see [`ParallelString::par_split_whitespace`].
    SplitWhitespace, &'text str, |text, consumer|
        text.par_split(char::is_whitespace).filter(|word| !word.is_empty())
            .drive_unindexed(consumer);

    /// An iterator over the words of a string: see [`ParallelString::par_split_ascii_whitespace`].
    SplitAsciiWhitespace, &'text str, |text, consumer|
        text.par_split(|c: char| c.is_ascii_whitespace()).filter(|word| !word.is_empty())
            .drive_unindexed(consumer);
}

/// An iterator that empties a part of a string: see [`par_drain`](ParallelDrainRange::par_drain).
#[derive(Debug)]
#[must_use = "parallel iterators do nothing until they are driven"]
pub struct Drain<'text> {
    string: &'text mut String,
    range: Range<usize>,
}

// As std's: a drain that ends by a panic leaves a string without the range.
impl UnwindSafe for Drain<'_> {}

impl<'text> ParallelDrainRange<usize> for &'text mut String {
    type Iter = Drain<'text>;
    type Item = char;

    /// # Panics
    /// If `range` does not lie within the string, or cuts a character.
    #[track_caller]
    fn par_drain<R: RangeBounds<usize>>(self, range: R) -> Drain<'text> {
        let (start, end) = within(range, self.len());
        let is_cut = !self.is_char_boundary(start) || !self.is_char_boundary(end);
        assert!(!is_cut, "the range {start}..{end} starts or ends within a character");
        Drain { string: self, range: start..end }
    }
}

parallel! {
    ['text] Drain<'text> => char,
    |self, consumer| self.string[self.range.clone()].par_chars().drive_unindexed(consumer)
}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        self.string.drain(self.range.clone());
    }
}
