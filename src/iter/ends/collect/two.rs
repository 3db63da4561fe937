//! Extending two collections by one iterator: `unzip`, `partition`, `partition_map`.
//!
//! `ParallelExtend` hands over its consumer only inside of a call, so two calls have to nest. The
//! first collection is extended by `Lefts`, which keeps the consumer and extends the second
//! collection by `Rights`, which drives the real iterator with both consumers.

use std::iter;

use super::super::super::implement::parallel;
use super::super::super::plumbing::{Consumer, Folder, Reducer, UnindexedConsumer};
use super::super::super::{ParallelExtend, ParallelIterator};

/// Calls `deal` with each item, and adds the values to two collections. `len` may be the number of
/// items if each gives a value to both.
pub(super) fn extend_two<I, D, A, B, ToA, ToB>(
    to: &mut (ToA, ToB),
    base: I,
    len: Option<usize>,
    deal: &D,
) where
    I: ParallelIterator,
    D: Fn(I::Item) -> (Option<A>, Option<B>) + Sync,
    A: Send,
    B: Send,
    ToA: ParallelExtend<A>,
    ToB: ParallelExtend<B> + Send,
{
    to.0.par_extend(Lefts { base, len, deal, right: &mut to.1 });
}

/// The items of the left collection.
struct Lefts<'e, I, D, ToB> {
    base: I,
    len: Option<usize>,
    deal: &'e D,
    right: &'e mut ToB,
}

parallel! {
    ['e, I: ParallelIterator, D, A: Send, B: Send, ToB] Lefts<'e, I, D, ToB>
    where {
        D: Fn(I::Item) -> (Option<A>, Option<B>) + Sync,
        ToB: ParallelExtend<B> + Send,
    } => A,
    |self, left| {
        let Lefts { base, len, deal, right } = self;
        let mut result = None;
        right.par_extend(Rights { base, len, deal, left, result: &mut result });
        result.expect("a `ParallelExtend` returned without driving its iterator")
    },
    opt_len |self| self.len
}

/// The items of the right collection.
struct Rights<'e, I, D, L, R> {
    base: I,
    len: Option<usize>,
    deal: &'e D,
    /// The consumer of the left collection, and the place for its result.
    left: L,
    result: &'e mut Option<R>,
}

parallel! {
    ['e, I: ParallelIterator, D, A, B: Send, L: UnindexedConsumer<A>]
    Rights<'e, I, D, L, L::Result>
    where { D: Fn(I::Item) -> (Option<A>, Option<B>) + Sync } => B,
    |self, right| {
        let Rights { base, deal, left, result, .. } = self;
        let (left, right) = base.drive_unindexed(Two { left, right, deal });
        *result = Some(left);
        right
    },
    opt_len |self| self.len
}

/// A consumer or folder for both.
struct Two<'e, L, R, D> {
    left: L,
    right: R,
    deal: &'e D,
}

/// Joins the results of both.
struct JoinTwo<L, R>(L, R);

impl<A, B, L: Reducer<A>, R: Reducer<B>> Reducer<(A, B)> for JoinTwo<L, R> {
    fn reduce(self, left: (A, B), right: (A, B)) -> (A, B) {
        (self.0.reduce(left.0, right.0), self.1.reduce(left.1, right.1))
    }
}

impl<'e, T, A, B, L, R, D> Consumer<T> for Two<'e, L, R, D>
where
    D: Fn(T) -> (Option<A>, Option<B>) + Sync,
    L: Consumer<A>,
    R: Consumer<B>,
{
    type Folder = Two<'e, L::Folder, R::Folder, D>;
    type Reducer = JoinTwo<L::Reducer, R::Reducer>;
    type Result = (L::Result, R::Result);

    const PAUSES: bool = L::PAUSES && R::PAUSES;

    fn split_at(self, index: usize) -> (Self, Self, Self::Reducer) {
        let deal = self.deal;
        let (left, left_rest, left_reducer) = self.left.split_at(index);
        let (right, right_rest, right_reducer) = self.right.split_at(index);
        let rest = Two { left: left_rest, right: right_rest, deal };
        (Two { left, right, deal }, rest, JoinTwo(left_reducer, right_reducer))
    }

    fn into_folder(self) -> Self::Folder {
        let Two { left, right, deal } = self;
        Two { left: left.into_folder(), right: right.into_folder(), deal }
    }

    fn full(&self) -> bool {
        self.left.full() && self.right.full()
    }

    fn pause(folder: Self::Folder) -> (Self::Result, Self, Self::Reducer) {
        let Two { left, right, deal } = folder;
        let (left_result, left, left_reducer) = L::pause(left);
        let (right_result, right, right_reducer) = R::pause(right);
        let rest = Two { left, right, deal };
        ((left_result, right_result), rest, JoinTwo(left_reducer, right_reducer))
    }
}

impl<T, A, B, L, R, D> UnindexedConsumer<T> for Two<'_, L, R, D>
where
    D: Fn(T) -> (Option<A>, Option<B>) + Sync,
    L: UnindexedConsumer<A>,
    R: UnindexedConsumer<B>,
{
    fn split_off_left(&self) -> Self {
        let (left, right) = (self.left.split_off_left(), self.right.split_off_left());
        Two { left, right, deal: self.deal }
    }

    fn to_reducer(&self) -> Self::Reducer {
        JoinTwo(self.left.to_reducer(), self.right.to_reducer())
    }
}

impl<T, A, B, L, R, D> Folder<T> for Two<'_, L, R, D>
where
    D: Fn(T) -> (Option<A>, Option<B>),
    L: Folder<A>,
    R: Folder<B>,
{
    type Result = (L::Result, R::Result);

    const ASK_EACH: bool = L::ASK_EACH && R::ASK_EACH;
    const FILLS: bool = L::FILLS && R::FILLS;
    const KEEPS_STATE: bool = L::KEEPS_STATE || R::KEEPS_STATE;

    fn consume(self, item: T) -> Self {
        self.consume_iter(iter::once(item))
    }

    fn consume_iter<I: IntoIterator<Item = T>>(self, iter: I) -> Self {
        // In two local variables, so that they stay in registers.
        let Two { mut left, mut right, deal } = self;
        for item in iter {
            let (to_left, to_right) = deal(item);
            if let Some(item) = to_left {
                left = left.consume(item);
            }
            if let Some(item) = to_right {
                right = right.consume(item);
            }
            if Self::ASK_EACH && left.full() && right.full() {
                break;
            }
        }
        Two { left, right, deal }
    }

    fn complete(self) -> Self::Result {
        (self.left.complete(), self.right.complete())
    }

    fn full(&self) -> bool {
        self.left.full() && self.right.full()
    }
}
