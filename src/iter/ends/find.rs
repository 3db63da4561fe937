//! Searches for any item, the first, or the last.
//!
//! # Ranks
//! Each piece has a span of *ranks*. Spans are disjoint, and lower ranks win: in a search for the
//! first item, the spans of pieces on the left are lower; for the last, those on the right. A piece
//! that is cut gives half of its span to either part. A piece that finds an item publishes its
//! highest rank, and each piece whose ranks are all higher gives up. A search for any item
//! publishes rank 0, for which all pieces give up.
//!
//! If a span has only one rank left, both parts of a cut share it, and the reducer chooses between
//! their results. An indexed loop never gets there, since each cut halves its items as well. A
//! `flat_map` does: it cuts off a span for each inner loop. The last piece that shares a rank is
//! the `flat_map` itself, so in a search for the first item it gives up if another has found one.
//! Only the pieces of one such inner loop do not stop each other. To change that would take a list
//! of places for each piece, instead of two numbers.
//!
//! If a loop pauses, the rest keeps the span. In a search for the first item that has found one,
//! the rest gets the next higher rank instead, and so gives up.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::plumbing::{Consumer, Folder, Reducer, UnindexedConsumer, drop_first};

/// `find_map`, but tests the first item before the loop. After that, the compiler knows that the
/// references in `f` can be loaded, and loads them once. (LLVM moves no load out of a loop
/// that may end before it. By callgrind, a search that compares with a captured value takes a third
/// of the instructions this way.)
#[inline]
fn first_apart<T, R>(mut iter: impl Iterator<Item = T>, f: impl Fn(T) -> Option<R>) -> Option<R> {
    let first = iter.next()?;
    let found = f(first).or_else(|| iter.find_map(f));
    drop_first(iter, found)
}

/// `better.or(worse)`, but does not leak `better` if the drop of `worse` panics.
fn better<R>(better: Option<R>, worse: Option<R>) -> Option<R> {
    if better.is_some() { drop_first(worse, better) } else { worse }
}

/// A search for an item for which `f` returns a `Some`: which one is `WHICH`.
pub(crate) struct Search<const WHICH: u8, F> {
    f: F,
    /// The lowest published rank.
    best: AtomicUsize,
}

impl<const WHICH: u8, F> Search<WHICH, F> {
    pub(crate) fn new(f: F) -> Self {
        Search { f, best: AtomicUsize::new(usize::MAX) }
    }

    /// Returns the consumer of all items.
    pub(crate) fn seeker<R>(&self) -> Seeker<'_, WHICH, F, R> {
        // Rank 0 is lower than that of any piece.
        let all = Cell::new(Span::new(1, usize::MAX - 1));
        Seeker { f: &self.f, best: &self.best, span: all, found: None }
    }
}

/// A search for any item, for the first, and for the last.
pub(crate) const ANY: u8 = 0;
pub(crate) const FIRST: u8 = 1;
pub(crate) const LAST: u8 = 2;

/// The ranks from `low` to `high`, both included.
#[derive(Clone, Copy)]
struct Span {
    low: usize,
    high: usize,
    /// Whether all pieces that share a single rank with this one, if any, win over it.
    is_last: bool,
}

impl Span {
    /// The span of a piece that shares it with no other.
    fn new(low: usize, high: usize) -> Span {
        Span { low, high, is_last: true }
    }

    /// Returns the lower and the higher half.
    fn halves(self) -> (Span, Span) {
        let Span { low, high, .. } = self;
        if low == high {
            return (Span { is_last: false, ..self }, self);
        }
        let middle = low + (high - low) / 2;
        (Span::new(low, middle), Span::new(middle + 1, high))
    }

    /// Returns the spans of the left and the right part.
    fn cut<const WHICH: u8>(self) -> (Span, Span) {
        let (lower, higher) = self.halves();
        if WHICH == LAST { (higher, lower) } else { (lower, higher) }
    }
}

/// Searches a piece.
pub(crate) struct Seeker<'s, const WHICH: u8, F, R> {
    f: &'s F,
    /// The lowest published rank.
    best: &'s AtomicUsize,
    span: Cell<Span>,
    /// The result so far.
    found: Option<R>,
}

impl<const WHICH: u8, F, R> Seeker<'_, WHICH, F, R> {
    /// Returns a seeker for another piece.
    fn with(&self, span: Span) -> Self {
        Seeker { f: self.f, best: self.best, span: Cell::new(span), found: None }
    }

    /// Returns whether an item was found that wins over any in this piece. (Relaxed: the rank
    /// guards no other data.)
    fn has_lost(&self) -> bool {
        let (best, Span { low, is_last, .. }) =
            (self.best.load(Ordering::Relaxed), self.span.get());
        // A search for the last item goes on behind one that this piece has found.
        best < low || WHICH == FIRST && is_last && best == low
    }
}

/// Chooses the winning result.
pub(crate) struct Choose<const WHICH: u8>;

impl<const WHICH: u8, R> Reducer<Option<R>> for Choose<WHICH> {
    fn reduce(self, left: Option<R>, right: Option<R>) -> Option<R> {
        if WHICH == LAST { better(right, left) } else { better(left, right) }
    }
}

impl<const WHICH: u8, T, R, F> Consumer<T> for Seeker<'_, WHICH, F, R>
where
    R: Send,
    F: Fn(T) -> Option<R> + Sync,
{
    type Folder = Self;
    type Reducer = Choose<WHICH>;
    type Result = Option<R>;

    const PAUSES: bool = true;

    fn split_at(self, _index: usize) -> (Self, Self, Choose<WHICH>) {
        let (left, right) = self.span.get().cut::<WHICH>();
        (self.with(left), self.with(right), Choose)
    }

    fn into_folder(self) -> Self {
        self
    }

    fn full(&self) -> bool {
        self.has_lost()
    }

    fn pause(mut folder: Self) -> (Option<R>, Self, Choose<WHICH>) {
        let found = folder.found.take();
        if WHICH == FIRST && found.is_some() {
            // The rank behind the one that this piece has published.
            let behind = folder.span.get().high + 1;
            folder.span.set(Span::new(behind, behind));
        }
        (found, folder, Choose)
    }
}

impl<const WHICH: u8, T, R, F> UnindexedConsumer<T> for Seeker<'_, WHICH, F, R>
where
    R: Send,
    F: Fn(T) -> Option<R> + Sync,
{
    fn split_off_left(&self) -> Self {
        let (left, right) = self.span.get().cut::<WHICH>();
        self.span.set(right);
        self.with(left)
    }

    fn to_reducer(&self) -> Choose<WHICH> {
        Choose
    }
}

impl<const WHICH: u8, T, R, F: Fn(T) -> Option<R>> Folder<T> for Seeker<'_, WHICH, F, R> {
    type Result = Option<R>;

    const ASK_EACH: bool = false;

    fn consume(self, item: T) -> Self {
        self.consume_iter(std::iter::once(item))
    }

    fn consume_iter<I: IntoIterator<Item = T>>(mut self, iter: I) -> Self {
        let Seeker { f, best, ref span, ref found } = self;
        let iter = iter.into_iter();
        let found = match (WHICH, found) {
            (ANY | FIRST, Some(_)) => {
                drop(iter);
                None
            }
            (ANY | FIRST, None) => first_apart(iter, f),
            _ => {
                // Not by `Iterator::last`: it leaks an item if the drop of the one before panics.
                let mut last = None;
                iter.filter_map(f).for_each(|found| last = Some(found));
                last
            }
        };
        if found.is_some() {
            let rank = if WHICH == ANY { 0 } else { span.get().high };
            best.fetch_min(rank, Ordering::Relaxed);
            self.found = found;
        }
        self
    }

    fn complete(self) -> Option<R> {
        self.found
    }

    fn full(&self) -> bool {
        WHICH != LAST && self.found.is_some() || self.has_lost()
    }
}
