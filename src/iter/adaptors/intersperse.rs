//! Something between every two items.
//!
//! Where the positions are known, a piece knows whether something stands before it. Where they are
//! not (behind a `filter`, say), only the reducer knows whether both neighbours have items: so
//! each piece keeps a consumer in reserve, for what may come before its items.

use std::cell::Cell;
use std::fmt;
use std::iter;
use std::mem;

use crate::iter::plumbing::{Consumer, Folder, ProducerCallback, Reducer, UnindexedConsumer};
use crate::iter::{IndexedParallelIterator, ParallelIterator, repeat_n};

/// An iterator with an element between each two items. Returned by
/// [`ParallelIterator::intersperse`].
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone)]
pub struct Intersperse<I: ParallelIterator> {
    base: I,
    element: I::Item,
}

impl<I: ParallelIterator> Intersperse<I> {
    pub(crate) fn new(base: I, element: I::Item) -> Self {
        Intersperse { base, element }
    }
}

impl<I: ParallelIterator + fmt::Debug> fmt::Debug for Intersperse<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intersperse").field("base", &self.base).finish_non_exhaustive()
    }
}

/// How many there are with those between, if they can be counted.
fn count(items: usize) -> Option<usize> {
    items.checked_add(items.saturating_sub(1))
}

impl<I: ParallelIterator<Item: Clone>> ParallelIterator for Intersperse<I> {
    type Item = I::Item;

    fn drive_unindexed<C: UnindexedConsumer<I::Item>>(self, consumer: C) -> C::Result {
        let Intersperse { base, element } = self;
        match base.opt_len() {
            Some(_) => base.drive_unindexed(ByPosition::new(consumer, element)),
            None => {
                let reducer = consumer.to_reducer();
                let all = base.drive_unindexed(ByPiece::new(consumer, element));
                match all.before {
                    Some(before) => reducer.reduce(before.into_folder().complete(), all.result),
                    None => all.result,
                }
            }
        }
    }

    fn opt_len(&self) -> Option<usize> {
        count(self.base.opt_len()?)
    }
}

impl<I: IndexedParallelIterator<Item: Clone>> IndexedParallelIterator for Intersperse<I> {
    fn drive<C: Consumer<I::Item>>(self, consumer: C) -> C::Result {
        self.base.drive(ByPosition::new(consumer, self.element))
    }

    fn len(&self) -> usize {
        count(self.base.len()).expect("overflow: interspersed with too many items to count")
    }

    fn with_producer<CB: ProducerCallback<I::Item>>(self, callback: CB) -> CB::Output {
        let Intersperse { base, element } = self;
        let between = repeat_n(element, base.len().saturating_sub(1));
        base.interleave(between).with_producer(callback)
    }
}

/// The items of `iter`, with the element between any two, and before the first if something stands
/// there.
struct Spread<'a, It: Iterator> {
    iter: It,
    element: &'a It::Item,
    started: &'a mut bool,
    /// What comes behind the element that was given.
    next: Option<It::Item>,
}

fn spread<'a, I: IntoIterator>(
    iter: I,
    element: &'a I::Item,
    started: &'a mut bool,
) -> Spread<'a, I::IntoIter> {
    Spread { iter: iter.into_iter(), element, started, next: None }
}

impl<It: Iterator<Item: Clone>> Iterator for Spread<'_, It> {
    type Item = It::Item;

    fn next(&mut self) -> Option<It::Item> {
        if let Some(item) = self.next.take() {
            return Some(item);
        }
        let item = self.iter.next()?;
        if *self.started {
            self.next = Some(item);
            Some(self.element.clone())
        } else {
            *self.started = true;
            Some(item)
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.iter.size_hint().0, None)
    }

    /// Without a question between an element and what comes behind it.
    fn fold<B, F: FnMut(B, It::Item) -> B>(self, init: B, mut f: F) -> B {
        let Spread { iter, element, started, next } = self;
        let so_far = next.into_iter().fold(init, &mut f);
        iter.fold(so_far, |so_far, item| {
            let between = mem::replace(started, true);
            let so_far = if between { f(so_far, element.clone()) } else { so_far };
            f(so_far, item)
        })
    }
}

/// The consumer or folder `base`; whether something stands before its next item.
struct ByPosition<C, T> {
    base: C,
    element: T,
    started: Cell<bool>,
}

impl<C, T> ByPosition<C, T> {
    fn new(base: C, element: T) -> Self {
        ByPosition { base, element, started: Cell::new(false) }
    }
}

impl<T: Clone + Send, C: Consumer<T>> Consumer<T> for ByPosition<C, T> {
    type Folder = ByPosition<C::Folder, T>;
    type Reducer = C::Reducer;
    type Result = C::Result;

    const PAUSES: bool = C::PAUSES;

    fn split_at(self, index: usize) -> (Self, Self, C::Reducer) {
        let ByPosition { base, element, started } = self;
        // The first of all items has nothing before it.
        let places = (2 * index).saturating_sub(usize::from(!started.get()));
        let (left, right, reducer) = base.split_at(places);
        let right_started = Cell::new(started.get() || index > 0);
        (
            ByPosition { base: left, element: element.clone(), started },
            ByPosition { base: right, element, started: right_started },
            reducer,
        )
    }

    fn into_folder(self) -> Self::Folder {
        let ByPosition { base, element, started } = self;
        ByPosition { base: base.into_folder(), element, started }
    }

    fn full(&self) -> bool {
        self.base.full()
    }

    fn pause(folder: Self::Folder) -> (C::Result, Self, C::Reducer) {
        let ByPosition { base, element, started } = folder;
        let (result, base, reducer) = C::pause(base);
        (result, ByPosition { base, element, started }, reducer)
    }
}

impl<T: Clone + Send, C: UnindexedConsumer<T>> UnindexedConsumer<T> for ByPosition<C, T> {
    fn split_off_left(&self) -> Self {
        unreachable!("a parallel iterator that knows its length is driven by position")
    }

    fn to_reducer(&self) -> C::Reducer {
        self.base.to_reducer()
    }
}

impl<T: Clone, F: Folder<T>> Folder<T> for ByPosition<F, T> {
    type Result = F::Result;

    const ASK_EACH: bool = F::ASK_EACH;
    const FILLS: bool = F::FILLS;
    const KEEPS_STATE: bool = F::KEEPS_STATE;

    fn consume(self, item: T) -> Self {
        self.consume_iter(iter::once(item))
    }

    fn consume_iter<I: IntoIterator<Item = T>>(mut self, iter: I) -> Self {
        let iter = spread(iter, &self.element, self.started.get_mut());
        self.base = self.base.consume_iter(iter);
        self
    }

    fn complete(self) -> F::Result {
        let ByPosition { base, element, .. } = self;
        // Not at the end: a panic there would leak what is returned.
        drop(element);
        base.complete()
    }

    fn full(&self) -> bool {
        self.base.full()
    }
}

/// `before` is for what may come before the items of the piece; it is always there. Without use for
/// it, too, it is completed: a fold that is paused leaves it what came before.
struct ByPiece<C, T> {
    before: Cell<Option<C>>,
    base: C,
    element: T,
}

impl<C, T> ByPiece<C, T> {
    fn new(base: C, element: T) -> Self
    where
        T: Send,
        C: UnindexedConsumer<T>,
    {
        ByPiece { before: Cell::new(Some(base.split_off_left())), base, element }
    }
}

/// What a piece comes to.
struct Piece<C, R> {
    before: Option<C>,
    result: R,
    /// Whether it has an item.
    started: bool,
}

struct PieceFolder<C, F, T> {
    before: Option<C>,
    base: F,
    element: T,
    started: bool,
}

/// Joins two pieces by what joins their results, and puts the element between.
struct Between<R, T> {
    reducers: (R, R),
    element: T,
}

impl<T: Send, C: Consumer<T>> Reducer<Piece<C, C::Result>> for Between<C::Reducer, T> {
    fn reduce(self, left: Piece<C, C::Result>, right: Piece<C, C::Result>) -> Piece<C, C::Result> {
        let Between { reducers, element } = self;
        let Piece { before, mut result, started } = left;
        if let Some(between) = right.before {
            let between = if started && right.started && !between.full() {
                between.into_folder().consume(element)
            } else {
                // As in `ByPosition::complete`.
                drop(element);
                between.into_folder()
            };
            result = reducers.0.reduce(result, between.complete());
        } else {
            drop(element);
        }
        let result = reducers.1.reduce(result, right.result);
        Piece { before, result, started: started || right.started }
    }
}

impl<T: Clone + Send, C: UnindexedConsumer<T>> Consumer<T> for ByPiece<C, T> {
    type Folder = PieceFolder<C, C::Folder, T>;
    type Reducer = Between<C::Reducer, T>;
    type Result = Piece<C, C::Result>;

    const PAUSES: bool = C::PAUSES;

    fn split_at(self, _index: usize) -> (Self, Self, Self::Reducer) {
        let (left, reducer) = (self.split_off_left(), self.to_reducer());
        (left, self, reducer)
    }

    fn into_folder(self) -> Self::Folder {
        let ByPiece { before, base, element } = self;
        PieceFolder { before: before.take(), base: base.into_folder(), element, started: false }
    }

    fn full(&self) -> bool {
        self.base.full()
    }

    fn pause(folder: Self::Folder) -> (Self::Result, Self, Self::Reducer) {
        let PieceFolder { before, base, element, started } = folder;
        let (result, base, reducer) = C::pause(base);
        let rest = ByPiece::new(base, element.clone());
        let reducers = (rest.base.to_reducer(), reducer);
        (Piece { before, result, started }, rest, Between { reducers, element })
    }
}

impl<T: Clone + Send, C: UnindexedConsumer<T>> UnindexedConsumer<T> for ByPiece<C, T> {
    fn split_off_left(&self) -> Self {
        // In this order: what comes before the left piece, its items, what comes before this.
        let before = self.before.take();
        let base = self.base.split_off_left();
        self.before.set(Some(self.base.split_off_left()));
        ByPiece { before: Cell::new(before), base, element: self.element.clone() }
    }

    fn to_reducer(&self) -> Self::Reducer {
        let reducers = (self.base.to_reducer(), self.base.to_reducer());
        Between { reducers, element: self.element.clone() }
    }
}

impl<C, F: Folder<T>, T: Clone> Folder<T> for PieceFolder<C, F, T> {
    type Result = Piece<C, F::Result>;

    const ASK_EACH: bool = F::ASK_EACH;
    const FILLS: bool = F::FILLS;
    const KEEPS_STATE: bool = F::KEEPS_STATE;

    fn consume(self, item: T) -> Self {
        self.consume_iter(iter::once(item))
    }

    fn consume_iter<I: IntoIterator<Item = T>>(mut self, iter: I) -> Self {
        let iter = spread(iter, &self.element, &mut self.started);
        self.base = self.base.consume_iter(iter);
        self
    }

    fn complete(self) -> Self::Result {
        let PieceFolder { before, base, element, started } = self;
        // As in `ByPosition::complete`.
        drop(element);
        Piece { before, result: base.complete(), started }
    }

    fn full(&self) -> bool {
        self.base.full()
    }
}
