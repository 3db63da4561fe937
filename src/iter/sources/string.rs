//! Strings.

use std::fmt;
use std::ops::{Range, RangeBounds};
use std::panic::UnwindSafe;

use super::cuts::{Mode, Run, drive_cuts};
use super::range::within;
use super::slice;
use super::steps::{Steps, drive_steps};
use crate::iter::adaptors::Copied;
use crate::iter::plumbing::{Folder, UnindexedConsumer};
use crate::iter::{IntoParallelIterator, ParallelDrainRange, ParallelIterator};

/// Strings as parallel iterators.
pub trait ParallelString {
    /// The string.
    fn as_parallel_string(&self) -> &str;

    /// The characters.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!("hello".par_chars().max(), Some('o'));
    /// ```
    fn par_chars(&self) -> Chars<'_> {
        Pieces::new(self.as_parallel_string())
    }

    /// The characters with the positions of their first bytes.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let e = "grün".par_char_indices().find_any(|&(_, c)| c == 'n');
    /// assert_eq!(e, Some((4, 'n')));
    /// ```
    fn par_char_indices(&self) -> CharIndices<'_> {
        Pieces::new(self.as_parallel_string())
    }

    /// The bytes.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!("hello".par_bytes().filter(|&b| b == b'l').count(), 2);
    /// ```
    fn par_bytes(&self) -> Bytes<'_> {
        self.as_parallel_string().as_bytes().into_par_iter().copied()
    }

    /// What encodes the string in UTF-16.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let units: Vec<u16> = "a𝄞".par_encode_utf16().collect();
    /// assert_eq!(units, [0x61, 0xd834, 0xdd1e]);
    /// ```
    fn par_encode_utf16(&self) -> EncodeUtf16<'_> {
        Pieces::new(self.as_parallel_string())
    }

    /// The parts between the characters that match `separator`: a character, a slice or an array
    /// of such, or a closure. There is one more than those characters.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let sum: i32 = "1, 2,3".par_split(',').map(|n| n.trim().parse::<i32>().unwrap()).sum();
    /// assert_eq!(sum, 6);
    /// ```
    fn par_split<P: Pattern>(&self, separator: P) -> Split<'_, P> {
        Split { text: self.as_parallel_string(), pattern: separator }
    }

    /// The parts that end with the characters that match `separator`, or with the string.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let lines: Vec<_> = "a\nb\n".par_split_inclusive('\n').collect();
    /// assert_eq!(lines, ["a\n", "b\n"]);
    /// ```
    fn par_split_inclusive<P: Pattern>(&self, separator: P) -> SplitInclusive<'_, P> {
        SplitInclusive { text: self.as_parallel_string(), pattern: separator }
    }

    /// Like [`par_split`](Self::par_split), but without the last part if that is empty.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!("a;b;".par_split_terminator(';').collect::<Vec<_>>(), ["a", "b"]);
    /// ```
    fn par_split_terminator<P: Pattern>(&self, terminator: P) -> SplitTerminator<'_, P> {
        SplitTerminator { text: self.as_parallel_string(), pattern: terminator }
    }

    /// The lines, which end with a line feed, maybe after a carriage return, or with the string.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!("one\ntwo\r\nthree".par_lines().collect::<Vec<_>>(), ["one", "two", "three"]);
    /// ```
    fn par_lines(&self) -> Lines<'_> {
        Lines(self.as_parallel_string())
    }

    /// The words between runs of white space.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!("  how many words ".par_split_whitespace().count(), 3);
    /// ```
    fn par_split_whitespace(&self) -> SplitWhitespace<'_> {
        SplitWhitespace(self.as_parallel_string())
    }

    /// The words between runs of ASCII white space.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!("\thow many\nwords".par_split_ascii_whitespace().count(), 3);
    /// ```
    fn par_split_ascii_whitespace(&self) -> SplitAsciiWhitespace<'_> {
        SplitAsciiWhitespace(self.as_parallel_string())
    }

    /// The characters that match `pattern`, each as a string.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let vowels: String = "parallel".par_matches(['a', 'e']).collect();
    /// assert_eq!(vowels, "aae");
    /// ```
    fn par_matches<P: Pattern>(&self, pattern: P) -> Matches<'_, P> {
        Matches { text: self.as_parallel_string(), pattern }
    }

    /// The characters that match `pattern`, each as a string, with their positions.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let digits: Vec<_> = "a1b2".par_match_indices(char::is_numeric).collect();
    /// assert_eq!(digits, [(1, "1"), (3, "2")]);
    /// ```
    fn par_match_indices<P: Pattern>(&self, pattern: P) -> MatchIndices<'_, P> {
        MatchIndices { text: self.as_parallel_string(), pattern }
    }
}

impl ParallelString for str {
    fn as_parallel_string(&self) -> &str {
        self
    }
}

mod pattern {
    /// Which characters are meant.
    pub trait Pattern: Sized + Sync + Send {
        /// Where the first is.
        fn find_in(&self, text: &str) -> Option<usize>;
        /// Where the last is.
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

/// The first place at `index` or behind where a character begins, or the end.
fn boundary(text: &str, index: usize) -> usize {
    (index..text.len()).find(|&index| text.is_char_boundary(index)).unwrap_or(text.len())
}

/// From where to where the character at `start` reaches.
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

/// What the pieces of a string are taken for.
pub trait Kind: Clone + Send + Sync + 'static {
    /// What it is made of.
    type Item: Send;

    /// What the piece, which begins at `start`, is made of.
    fn items(piece: &str, start: usize) -> impl Iterator<Item = Self::Item>;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $alias:ident, $kind:ident, $item:ty, |$piece:ident, $start:pat_param| $items:expr;)*) => {$(
        #[doc = concat!("What [`", stringify!($alias), "`] is about.")]
        #[derive(Clone, Debug)]
        pub enum $kind {}

        impl Kind for $kind {
            type Item = $item;

            fn items($piece: &str, $start: usize) -> impl Iterator<Item = $item> {
                $items
            }
        }

        $(#[$doc])*
        pub type $alias<'text> = Pieces<'text, $kind>;
    )*};
}

kinds! {
    /// Of [`ParallelString::par_chars`].
    Chars, Char, char, |piece, _| piece.chars();
    /// Of [`ParallelString::par_char_indices`].
    CharIndices, CharIndex, (usize, char),
        |piece, start| piece.char_indices().map(move |(at, c)| (start + at, c));
    /// Of [`ParallelString::par_encode_utf16`].
    EncodeUtf16, Utf16, u16, |piece, _| piece.encode_utf16();
}

/// A string, piece by piece.
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct Pieces<'text, K> {
    text: &'text str,
    /// Where it begins.
    start: usize,
    kind: std::marker::PhantomData<fn() -> K>,
}

impl<'text, K> Pieces<'text, K> {
    fn new(text: &'text str) -> Self {
        Pieces { text, start: 0, kind: std::marker::PhantomData }
    }

    /// Cuts before `at`.
    fn split_at(self, at: usize) -> (Self, Self) {
        let Pieces { text, start, kind } = self;
        let (left, right) = text.split_at(at);
        (Pieces { text: left, start, kind }, Pieces { text: right, start: start + at, kind })
    }
}

impl<K: Kind> ParallelIterator for Pieces<'_, K> {
    type Item = K::Item;

    fn drive_unindexed<C: UnindexedConsumer<K::Item>>(self, consumer: C) -> C::Result {
        drive_steps(self, consumer)
    }
}

impl<K: Kind> Steps for Pieces<'_, K> {
    type Item = K::Item;

    fn step<F: Folder<K::Item>>(&mut self, most: usize, folder: F) -> (F, bool) {
        let (piece, rest) = self.clone().split_at(boundary(self.text, most));
        *self = rest;
        (folder.consume_iter(K::items(piece.text, piece.start)), !self.text.is_empty())
    }

    fn cut_off(&mut self) -> Option<Self> {
        let middle = boundary(self.text, self.text.len() / 2);
        if middle == 0 || middle == self.text.len() {
            return None;
        }
        let (left, right) = self.clone().split_at(middle);
        *self = left;
        Some(right)
    }
}

/// Of [`ParallelString::par_bytes`].
pub type Bytes<'text> = Copied<slice::Iter<'text, u8>>;

/// What is cut by a pattern.
macro_rules! splits {
    ($($(#[$doc:meta])* $name:ident, $item:ty, |$text:ident, $pattern:ident, $consumer:ident| $drive:expr;)*) => {$(
        $(#[$doc])*
        #[must_use = "parallel iterators do nothing until they are driven"]
        #[derive(Clone)]
        pub struct $name<'text, P> {
            text: &'text str,
            pattern: P,
        }

        impl<P> fmt::Debug for $name<'_, P> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("text", &self.text).finish_non_exhaustive()
            }
        }

        impl<'text, P: Pattern> ParallelIterator for $name<'text, P> {
            type Item = $item;

            fn drive_unindexed<C: UnindexedConsumer<$item>>(self, $consumer: C) -> C::Result {
                let $name { text: $text, pattern: ref $pattern } = self;
                $drive
            }
        }
    )*};
}

splits! {
    /// Of [`ParallelString::par_split`].
    Split, &'text str, |text, pattern, consumer|
        drive_cuts(text, pattern, Mode::Between, consumer);
    /// Of [`ParallelString::par_split_inclusive`].
    SplitInclusive, &'text str, |text, pattern, consumer|
        drive_cuts(text, pattern, Mode::Inclusive, consumer);
    /// Of [`ParallelString::par_split_terminator`].
    SplitTerminator, &'text str, |text, pattern, consumer|
        drive_cuts(text, pattern, Mode::Terminated, consumer);
    /// Of [`ParallelString::par_matches`].
    Matches, &'text str, |text, pattern, consumer|
        matches(text, pattern).map(|(_, found)| found).drive_unindexed(consumer);
    /// Of [`ParallelString::par_match_indices`].
    MatchIndices, (usize, &'text str), |text, pattern, consumer|
        matches(text, pattern).drive_unindexed(consumer);
}

/// The characters that match, with their positions: parts that end with a match are looked at from
/// their ends.
fn matches<'text, P: Pattern>(
    text: &'text str,
    pattern: &P,
) -> impl ParallelIterator<Item = (usize, &'text str)> {
    Found { rest: Pieces::<Char>::new(text), pattern }
}

/// Characters that match.
struct Found<'text, 'p, P> {
    rest: Pieces<'text, Char>,
    pattern: &'p P,
}

impl<'text, P: Pattern> ParallelIterator for Found<'text, '_, P> {
    type Item = (usize, &'text str);

    fn drive_unindexed<C: UnindexedConsumer<Self::Item>>(self, consumer: C) -> C::Result {
        drive_steps(self, consumer)
    }
}

impl<'text, P: Pattern> Iterator for Found<'text, '_, P> {
    type Item = (usize, &'text str);

    fn next(&mut self) -> Option<Self::Item> {
        let Pieces { text, start, kind } = self.rest;
        match self.pattern.find_in(text) {
            Some(at) => {
                let (at, end) = character(text, at);
                self.rest = Pieces { text: &text[end..], start: start + end, kind };
                Some((start + at, &text[at..end]))
            }
            None => {
                self.rest = Pieces { text: "", start, kind };
                None
            }
        }
    }
}

impl<'text, P: Pattern> Steps for Found<'text, '_, P> {
    type Item = (usize, &'text str);

    fn step<F: Folder<Self::Item>>(&mut self, most: usize, folder: F) -> (F, bool) {
        // By the length of the text: where nothing is found, that takes time, too.
        let (piece, rest) = self.rest.clone().split_at(boundary(self.rest.text, most));
        self.rest = rest;
        let found = Found { rest: piece, pattern: self.pattern };
        (folder.consume_iter(found), !self.rest.text.is_empty())
    }

    fn cut_off(&mut self) -> Option<Self> {
        Some(Found { rest: self.rest.cut_off()?, pattern: self.pattern })
    }
}

/// What is made of the parts of a string.
macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident, |$text:ident| $parts:expr;)*) => {$(
        $(#[$doc])*
        #[must_use = "parallel iterators do nothing until they are driven"]
        #[derive(Clone, Debug)]
        pub struct $name<'text>(&'text str);

        impl<'text> ParallelIterator for $name<'text> {
            type Item = &'text str;

            fn drive_unindexed<C: UnindexedConsumer<&'text str>>(self, consumer: C) -> C::Result {
                let $text = self.0;
                $parts.drive_unindexed(consumer)
            }
        }
    )*};
}

/// Without what ends it.
fn line(line: &str) -> &str {
    match line.strip_suffix('\n') {
        Some(line) => line.strip_suffix('\r').unwrap_or(line),
        None => line,
    }
}

parts! {
    /// Of [`ParallelString::par_lines`].
    Lines, |text| text.par_split_inclusive('\n').map(line);
    /// Of [`ParallelString::par_split_whitespace`].
    SplitWhitespace, |text| text.par_split(char::is_whitespace).filter(|word| !word.is_empty());
    /// Of [`ParallelString::par_split_ascii_whitespace`].
    SplitAsciiWhitespace,
        |text| text.par_split(|c: char| c.is_ascii_whitespace()).filter(|word| !word.is_empty());
}

/// The characters of a part of a string, which is cut out of it.
#[derive(Debug)]
#[must_use = "parallel iterators do nothing until they are driven"]
pub struct Drain<'text> {
    string: &'text mut String,
    range: Range<usize>,
}

// Like std's: a panic that ends a drain leaves a string without the range, nothing half done.
impl UnwindSafe for Drain<'_> {}

impl<'text> ParallelDrainRange<usize> for &'text mut String {
    type Iter = Drain<'text>;
    type Item = char;

    /// # Panics
    /// If `range` does not lie within the string, or cuts a character.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let mut text = String::from("a secret word");
    /// let taken: String = text.par_drain(2..9).collect();
    /// assert_eq!((taken.as_str(), text.as_str()), ("secret ", "a word"));
    /// ```
    fn par_drain<R: RangeBounds<usize>>(self, range: R) -> Drain<'text> {
        let (start, end) = within(range, self.len());
        assert!(self.is_char_boundary(start) && self.is_char_boundary(end), "it cuts a character");
        Drain { string: self, range: start..end }
    }
}

impl ParallelIterator for Drain<'_> {
    type Item = char;

    fn drive_unindexed<C: UnindexedConsumer<char>>(self, consumer: C) -> C::Result {
        self.string[self.range.clone()].par_chars().drive_unindexed(consumer)
    }
}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        self.string.drain(self.range.clone());
    }
}
