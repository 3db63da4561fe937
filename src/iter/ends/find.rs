//! Looking for any item, the first, or the last.
//!
//! # The first and the last
//! Each piece has a span of *ranks*, disjoint from its neighbours' and lower where an item found
//! there would win: on the left for the first, on the right for the last. A piece that is cut
//! gives half of its span to either side; one that finds something publishes its highest rank, and
//! whoever has none that is as low gives up. When a span is down to one rank, the pieces cut off
//! share it, and go on beside each other: the reducer chooses anyway. A loop over positions never
//! comes to that, since with each cut its items, too, become half as many. A `flat_map` does, which
//! cuts off a span for each inner loop; so the last one of those who share a rank, which is the
//! `flat_map` itself, gives up for any of the others. Only the pieces of one such inner loop do not
//! know of each other; to have them, too, know would take a list of places for each piece instead
//! of two numbers.
//!
//! Where a loop only pauses, the rest inherits the span, since what came before it has found
//! nothing; or has, and then the rest of a search for the first needs not begin.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::ParallelIterator;
use super::super::plumbing::{Consumer, Folder, Reducer, UnindexedConsumer};
use super::end::{End, Join, run};
use super::tries::Stop;

/// `find_map`, the first item apart: behind it, compilers know that all that `f` refers to is
/// there, and load it once. (LLVM moves no load out of a loop that might end before it; by
/// callgrind, a search that looks up what it compares with takes a third of the instructions that
/// way.)
#[inline]
fn first_apart<T, R>(mut iter: impl Iterator<Item = T>, f: impl Fn(T) -> Option<R>) -> Option<R> {
    let first = iter.next()?;
    let found = f(first).or_else(|| iter.find_map(f));
    // Not at the end: a panic there would leak what is returned.
    drop(iter);
    found
}

/// `better.or(worse)`, which would leak the better one if the drop of the worse one panics.
fn better<R>(better: Option<R>, worse: Option<R>) -> Option<R> {
    if better.is_some() {
        drop(worse);
        return better;
    }
    worse
}

/// `any`: apart from `find_map_any`, because compilers make more of a loop that only asks.
struct Any<F> {
    predicate: F,
    found: Stop,
}

impl<F: Sync> Join for Any<F> {
    type Result = bool;

    fn start(&self) -> bool {
        false
    }

    fn join(&self, left: bool, right: bool) -> bool {
        left || right
    }
}

impl<T, F: Fn(T) -> bool + Sync> End<T> for Any<F> {
    const ENDS_EARLY: bool = true;

    fn take(&self, so_far: bool, mut iter: impl Iterator<Item = T>) -> bool {
        if so_far {
            return true;
        }
        let predicate = &self.predicate;
        // As `first_apart`.
        let Some(first) = iter.next() else { return false };
        let found = predicate(first) || iter.any(predicate);
        if found {
            self.found.set();
        }
        found
    }

    fn is_over(&self) -> bool {
        self.found.is_set()
    }
}

/// Whether `predicate` is true for any item.
pub(crate) fn is_any<I, F>(iter: I, predicate: F) -> bool
where
    I: ParallelIterator,
    F: Fn(I::Item) -> bool + Sync,
{
    run(iter, &Any { predicate, found: Stop::default() })
}

/// Declares searches for what `f` returns in a `Some`.
macro_rules! searches {
    ($($(#[$doc:meta])* $name:ident, $which:ident;)*) => {$(
        $(#[$doc])*
        pub(crate) fn $name<I, R, F>(iter: I, f: F) -> Option<R>
        where
            I: ParallelIterator,
            R: Send,
            F: Fn(I::Item) -> Option<R> + Sync,
        {
            search::<$which, _, _, _>(iter, f)
        }
    )*};
}

searches! {
    /// Returns the `Some` that is found first.
    any, ANY;
    /// Returns the `Some` of the first item that has one.
    first, FIRST;
    /// Returns the `Some` of the last item that has one.
    last, LAST;
}

/// Turns a predicate into a search for the position of an item.
pub(crate) fn position_if<T>(
    predicate: impl Fn(T) -> bool,
) -> impl Fn((usize, T)) -> Option<usize> {
    move |(position, item)| predicate(item).then_some(position)
}

fn search<const WHICH: u8, I, R, F>(iter: I, f: F) -> Option<R>
where
    I: ParallelIterator,
    R: Send,
    F: Fn(I::Item) -> Option<R> + Sync,
{
    let best = AtomicUsize::new(usize::MAX);
    // Rank 0 is below those of all pieces.
    let all = Span::new(1, usize::MAX - 1);
    iter.drive_unindexed(Seeker::<WHICH, F> { f: &f, best: &best, span: Cell::new(all) })
}

/// Which item is looked for.
const ANY: u8 = 0;
const FIRST: u8 = 1;
const LAST: u8 = 2;

/// The ranks from `low` to `high`, both included.
#[derive(Clone, Copy)]
struct Span {
    low: usize,
    high: usize,
    /// Whether those with whom a single rank is shared, if any, all win over this.
    is_last: bool,
}

impl Span {
    /// Of one who shares with nobody.
    fn new(low: usize, high: usize) -> Span {
        Span { low, high, is_last: true }
    }

    /// The lower half and the higher one.
    fn halves(self) -> (Span, Span) {
        let Span { low, high, .. } = self;
        if low == high {
            return (Span { is_last: false, ..self }, self);
        }
        let middle = low + (high - low) / 2;
        (Span::new(low, middle), Span::new(middle + 1, high))
    }

    /// The spans of the left part and the right one.
    fn cut<const WHICH: u8>(self) -> (Span, Span) {
        let (lower, higher) = self.halves();
        if WHICH == LAST { (higher, lower) } else { (lower, higher) }
    }
}

/// Looks through the items of a piece.
struct Seeker<'s, const WHICH: u8, F> {
    f: &'s F,
    /// The lowest of the ranks that were published.
    best: &'s AtomicUsize,
    span: Cell<Span>,
}

impl<'s, const WHICH: u8, F> Seeker<'s, WHICH, F> {
    fn with(&self, span: Span) -> Self {
        Seeker { f: self.f, best: self.best, span: Cell::new(span) }
    }

    /// Whether somebody has found what wins over whatever may be found here. (Relaxed: it carries
    /// nothing but itself.)
    fn has_lost(&self) -> bool {
        let (best, Span { low, is_last, .. }) =
            (self.best.load(Ordering::Relaxed), self.span.get());
        // Who looks for the last item goes on behind one of its own.
        best < low || WHICH == FIRST && is_last && best == low
    }
}

/// Chooses.
struct Choose<const WHICH: u8>;

impl<const WHICH: u8, R> Reducer<Option<R>> for Choose<WHICH> {
    fn reduce(self, left: Option<R>, right: Option<R>) -> Option<R> {
        if WHICH == LAST { better(right, left) } else { better(left, right) }
    }
}

impl<'s, const WHICH: u8, T, R, F> Consumer<T> for Seeker<'s, WHICH, F>
where
    R: Send,
    F: Fn(T) -> Option<R> + Sync,
{
    type Folder = Seeking<'s, WHICH, F, R>;
    type Reducer = Choose<WHICH>;
    type Result = Option<R>;

    const PAUSES: bool = true;

    fn split_at(self, _index: usize) -> (Self, Self, Choose<WHICH>) {
        let (left, right) = self.span.get().cut::<WHICH>();
        (self.with(left), self.with(right), Choose)
    }

    fn into_folder(self) -> Self::Folder {
        Seeking { seeker: self, found: None }
    }

    fn full(&self) -> bool {
        self.has_lost()
    }

    fn pause(folder: Self::Folder) -> (Option<R>, Self, Choose<WHICH>) {
        let Seeking { seeker, found } = folder;
        if WHICH == FIRST && found.is_some() {
            // Behind what this piece has published.
            let behind = seeker.span.get().high + 1;
            seeker.span.set(Span::new(behind, behind));
        }
        (found, seeker, Choose)
    }
}

impl<const WHICH: u8, T, R, F> UnindexedConsumer<T> for Seeker<'_, WHICH, F>
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

/// What a [`Seeker`] has found so far.
struct Seeking<'s, const WHICH: u8, F, R> {
    seeker: Seeker<'s, WHICH, F>,
    found: Option<R>,
}

impl<const WHICH: u8, T, R, F> Folder<T> for Seeking<'_, WHICH, F, R>
where
    F: Fn(T) -> Option<R>,
{
    type Result = Option<R>;

    const ASK_EACH: bool = false;

    fn consume(self, item: T) -> Self {
        self.consume_iter(std::iter::once(item))
    }

    fn consume_iter<I: IntoIterator<Item = T>>(mut self, iter: I) -> Self {
        let Seeker { f, best, ref span } = self.seeker;
        let iter = iter.into_iter();
        let found = match (WHICH, &self.found) {
            (ANY | FIRST, Some(_)) => {
                drop(iter);
                None
            }
            (ANY | FIRST, None) => first_apart(iter, f),
            _ => {
                // Not by `last`, which leaks the later one if the drop of the earlier one panics.
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
        WHICH != LAST && self.found.is_some() || self.seeker.has_lost()
    }
}
