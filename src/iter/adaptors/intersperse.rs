//! Something between every two items.
//!
//! Where the positions are known, a piece knows whether something stands before it. Where they are
//! not (behind a `filter`, say), only the reducer knows whether both neighbours have items: so
//! each piece keeps a consumer in reserve, for what may come before its items.

use std::cell::Cell;
use std::iter;
use std::mem;

use crate::iter::implement::{indexed, parallel};
use crate::iter::plumbing::{Consumer, Folder, Reducer, UnindexedConsumer, bridge};
use crate::iter::{IndexedParallelIterator, ParallelIterator, repeat_n};

adaptor! {
    /// An iterator with an element between each two items: see [`ParallelIterator::intersperse`].
    Intersperse<I: ParallelIterator> { base: I; element: I::Item }
}

/// Returns the number of `items` together with the elements between them, if it fits a `usize`.
fn count(items: usize) -> Option<usize> {
    items.checked_add(items.saturating_sub(1))
}

parallel! {
    [I: ParallelIterator<Item: Clone>] Intersperse<I> => I::Item,
    |self, consumer| {
        let Intersperse { base, element } = self;
        let by_position = base.opt_len().is_some();
        let reducer = (!by_position).then(|| consumer.to_reducer());
        let all = base.drive_unindexed(Spreading::new(consumer, element, by_position, false));
        match all.before.zip(reducer) {
            Some((before, reducer)) => reducer.reduce(before.into_folder().complete(), all.result),
            None => all.result,
        }
    },
    opt_len |self| count(self.base.opt_len()?),
    settings |self| self.base.loop_settings()
}

indexed! {
    [I: IndexedParallelIterator<Item: Clone>] Intersperse<I> => I::Item,
    drive |self, consumer| bridge(self, consumer),
    len |self| count(self.base.len()).expect("overflow: interspersed with too many items to count"),
    |self, callback| {
        let Intersperse { base, element } = self;
        let between = repeat_n(element, base.len().saturating_sub(1));
        base.interleave(between).with_producer(callback)
    }
}

/// Puts the element between the items of pieces.
struct Spreading<C, T> {
    /// If positions are not known, the consumer of what may come before the items of this piece. It
    /// is there until the piece begins. If nothing comes there, it is completed nevertheless: a
    /// fold that is paused leaves it the state.
    before: Cell<Option<C>>,
    base: C,
    element: T,
    by_position: bool,
    /// Whether an item came before: among all items if positions are known, else within the piece.
    started: Cell<bool>,
}

impl<C, T> Spreading<C, T> {
    fn new(base: C, element: T, by_position: bool, started: bool) -> Self
    where
        T: Send,
        C: UnindexedConsumer<T>,
    {
        let before = (!by_position).then(|| base.split_off_left());
        let (before, started) = (Cell::new(before), Cell::new(by_position && started));
        Spreading { before, base, element, by_position, started }
    }

    /// What joins the results of two pieces, of which `reducer` joins the items.
    fn between<R>(&self, reducer: R) -> Between<R, T>
    where
        T: Clone + Send,
        C: UnindexedConsumer<T, Reducer = R>,
    {
        let between = || (self.base.to_reducer(), self.element.clone());
        Between { between: (!self.by_position).then(between), reducer }
    }
}

/// The result of a piece, and what is needed to join it with the one before.
struct Piece<C, R> {
    before: Option<C>,
    result: R,
    started: bool,
}

/// Joins two pieces.
struct Between<R, T> {
    /// If positions are not known, the element, and what joins it to the left.
    between: Option<(R, T)>,
    reducer: R,
}

impl<T: Send, C: Consumer<T>> Reducer<Piece<C, C::Result>> for Between<C::Reducer, T> {
    fn reduce(self, left: Piece<C, C::Result>, right: Piece<C, C::Result>) -> Piece<C, C::Result> {
        let Piece { before, mut result, started } = left;
        if let Some((place, (reducer, element))) = right.before.zip(self.between) {
            let wanted = started && right.started && !place.full();
            // Not at the end: a panic of its drop there would leak what is returned.
            let element = Some(element).filter(|_| wanted);
            result = reducer.reduce(result, place.into_folder().consume_iter(element).complete());
        }
        let result = self.reducer.reduce(result, right.result);
        Piece { before, result, started: started || right.started }
    }
}

impl<T: Clone + Send, C: UnindexedConsumer<T>> Consumer<T> for Spreading<C, T> {
    type Folder = SpreadingFolder<C, C::Folder, T>;
    type Reducer = Between<C::Reducer, T>;
    type Result = Piece<C, C::Result>;

    const PAUSES: bool = C::PAUSES;

    fn split_at(self, index: usize) -> (Self, Self, Self::Reducer) {
        if !self.by_position {
            let (left, reducer) = (self.split_off_left(), self.to_reducer());
            return (left, self, reducer);
        }
        let Spreading { base, element, started, .. } = self;
        let started = started.get();
        // The first of all items has nothing before it.
        let places = index.saturating_mul(2).saturating_sub(usize::from(!started));
        let (left, right, reducer) = base.split_at(places);
        let left = Spreading::new(left, element.clone(), true, started);
        let right = Spreading::new(right, element, true, started || index > 0);
        let reducer = right.between(reducer);
        (left, right, reducer)
    }

    fn into_folder(self) -> Self::Folder {
        let Spreading { before, base, element, by_position, started } = self;
        let (before, started) = (before.into_inner(), started.into_inner());
        SpreadingFolder { before, base: base.into_folder(), element, by_position, started }
    }

    fn full(&self) -> bool {
        self.base.full()
    }

    fn pause(folder: Self::Folder) -> (Self::Result, Self, Self::Reducer) {
        let SpreadingFolder { before, base, element, by_position, started } = folder;
        let (result, base, reducer) = C::pause(base);
        let rest = Spreading::new(base, element, by_position, started);
        let reducer = rest.between(reducer);
        (Piece { before, result, started }, rest, reducer)
    }
}

impl<T: Clone + Send, C: UnindexedConsumer<T>> UnindexedConsumer<T> for Spreading<C, T> {
    fn split_off_left(&self) -> Self {
        assert!(!self.by_position, "an iterator that knows its length is driven by position");
        // In this order: what comes before the left piece, its items, what comes before this.
        let before = self.before.take();
        let left = self.base.split_off_left();
        self.before.set(Some(self.base.split_off_left()));
        let (element, started) = (self.element.clone(), Cell::new(false));
        Spreading { before: Cell::new(before), base: left, element, by_position: false, started }
    }

    fn to_reducer(&self) -> Self::Reducer {
        self.between(self.base.to_reducer())
    }
}

struct SpreadingFolder<C, F, T> {
    before: Option<C>,
    base: F,
    element: T,
    by_position: bool,
    started: bool,
}

impl<C, F: Folder<T>, T: Clone> Folder<T> for SpreadingFolder<C, F, T> {
    type Result = Piece<C, F::Result>;

    const ASK_EACH: bool = F::ASK_EACH;
    const FILLS: bool = F::FILLS;
    const KEEPS_STATE: bool = F::KEEPS_STATE;

    fn consume(self, item: T) -> Self {
        self.consume_iter(iter::once(item))
    }

    fn consume_iter<I: IntoIterator<Item = T>>(mut self, iter: I) -> Self {
        let (element, started) = (&self.element, &mut self.started);
        self.base = self.base.consume_iter(iter.into_iter().flat_map(|item| {
            let between = mem::replace(started, true).then(|| element.clone());
            between.into_iter().chain(iter::once(item))
        }));
        self
    }

    fn complete(self) -> Self::Result {
        let SpreadingFolder { before, base, element, started, .. } = self;
        // As in `Between::reduce`.
        drop(element);
        Piece { before, result: base.complete(), started }
    }

    fn full(&self) -> bool {
        self.base.full()
    }
}
