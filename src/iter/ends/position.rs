//! Looking for the position of an item: any, the first, or the last. Consumers are cut by
//! position, so each knows its own.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::IndexedParallelIterator;
use super::super::plumbing::{Consumer, Folder, Reducer, UnindexedConsumer};

/// Which position is looked for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Which {
    Any,
    First,
    Last,
}

/// The position of the item for which `predicate` is true.
pub(crate) fn position<I, P>(iter: I, which: Which, predicate: P) -> Option<usize>
where
    I: IndexedParallelIterator,
    P: Fn(I::Item) -> bool + Sync,
{
    let none = if which == Which::Last { 0 } else { usize::MAX };
    let search = Search { which, predicate, best: AtomicUsize::new(none) };
    let len = iter.len();
    iter.drive(Seeker { search: &search, start: 0, end: len })
}

struct Search<P> {
    which: Which,
    predicate: P,
    /// The best position so far. (Relaxed: it only tells who needs not go on.) At the start, one
    /// that is as bad as the worst.
    best: AtomicUsize,
}

impl<P> Search<P> {
    /// Whether what is found from `start` on, before `end`, comes too late.
    fn has_lost(&self, start: usize, end: usize) -> bool {
        let best = self.best.load(Ordering::Relaxed);
        match self.which {
            Which::Any => best != usize::MAX,
            Which::First => best < start,
            // One behind, so that 0 means none.
            Which::Last => best > end,
        }
    }

    /// `position` is found.
    fn publish(&self, position: usize) {
        match self.which {
            Which::Any | Which::First => self.best.fetch_min(position, Ordering::Relaxed),
            Which::Last => self.best.fetch_max(position + 1, Ordering::Relaxed),
        };
    }

    /// The better one.
    fn choose(&self, left: Option<usize>, right: Option<usize>) -> Option<usize> {
        match self.which {
            Which::Any | Which::First => left.or(right),
            Which::Last => right.or(left),
        }
    }
}

/// Looks through the items from position `start` to before `end`.
struct Seeker<'s, P> {
    search: &'s Search<P>,
    start: usize,
    end: usize,
}

struct Chosen<'s, P>(&'s Search<P>);

impl<P> Reducer<Option<usize>> for Chosen<'_, P> {
    fn reduce(self, left: Option<usize>, right: Option<usize>) -> Option<usize> {
        self.0.choose(left, right)
    }
}

impl<'s, T, P: Fn(T) -> bool + Sync> Consumer<T> for Seeker<'s, P> {
    type Folder = Seeking<'s, P>;
    type Reducer = Chosen<'s, P>;
    type Result = Option<usize>;

    const PAUSES: bool = true;

    fn split_at(self, index: usize) -> (Self, Self, Self::Reducer) {
        let Seeker { search, start, end } = self;
        let middle = start + index;
        let left = Seeker { search, start, end: middle };
        (left, Seeker { search, start: middle, end }, Chosen(search))
    }

    fn into_folder(self) -> Seeking<'s, P> {
        Seeking { seeker: self, found: None }
    }

    fn full(&self) -> bool {
        self.search.has_lost(self.start, self.end)
    }

    fn pause(folder: Seeking<'s, P>) -> (Option<usize>, Self, Self::Reducer) {
        let Seeking { seeker, found } = folder;
        let search = seeker.search;
        (found, seeker, Chosen(search))
    }
}

impl<T, P: Fn(T) -> bool + Sync> UnindexedConsumer<T> for Seeker<'_, P> {
    fn split_off_left(&self) -> Self {
        unreachable!("a parallel iterator that knows its length is driven by position")
    }

    fn to_reducer(&self) -> Self::Reducer {
        Chosen(self.search)
    }
}

/// What a [`Seeker`], which starts at the next item, has found so far.
struct Seeking<'s, P> {
    seeker: Seeker<'s, P>,
    found: Option<usize>,
}

impl<T, P: Fn(T) -> bool> Folder<T> for Seeking<'_, P> {
    type Result = Option<usize>;

    const ASK_EACH: bool = false;

    fn consume(self, item: T) -> Self {
        self.consume_iter(std::iter::once(item))
    }

    fn consume_iter<I: IntoIterator<Item = T>>(mut self, iter: I) -> Self {
        let Search { which, ref predicate, .. } = *self.seeker.search;
        let mut position = self.seeker.start;
        let found = if which == Which::Last {
            let mut last = None;
            iter.into_iter().for_each(|item| {
                if predicate(item) {
                    last = Some(position);
                }
                position += 1;
            });
            last
        } else if self.found.is_some() {
            None
        } else {
            iter.into_iter().find_map(|item| {
                let here = position;
                position += 1;
                predicate(item).then_some(here)
            })
        };
        self.seeker.start = position;
        if let Some(position) = found {
            self.seeker.search.publish(position);
            self.found = found;
        }
        self
    }

    fn complete(self) -> Option<usize> {
        self.found
    }

    fn full(&self) -> bool {
        let Seeker { search, start, end } = self.seeker;
        self.found.is_some() && search.which != Which::Last || search.has_lost(start, end)
    }
}
