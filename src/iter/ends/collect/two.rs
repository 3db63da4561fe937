//! Extending two collections by one iterator: `unzip`, `partition`, `partition_map`.
//!
//! Each collection is extended by an iterator of its own. When the first is driven, it keeps the
//! consumer and extends the second collection. When the second is driven, it drives the real
//! iterator with both consumers.

use std::iter;

use super::super::super::plumbing::{Consumer, Folder, Reducer, UnindexedConsumer};
use super::super::super::{Either, ParallelExtend, ParallelIterator};

/// Deals the items out to the two collections.
pub(super) trait Deal<T>: Sync {
    /// The items of the first collection.
    type Left: Send;
    /// The items of the second collection.
    type Right: Send;

    /// Whether each item becomes one of both collections.
    const TO_BOTH: bool = false;

    /// Returns the items for the first and the second collection.
    fn deal(&self, item: T) -> (Option<Self::Left>, Option<Self::Right>);
}

/// Takes pairs apart.
pub(super) struct Apart;

impl<A: Send, B: Send> Deal<(A, B)> for Apart {
    type Left = A;
    type Right = B;

    const TO_BOTH: bool = true;

    #[inline]
    fn deal(&self, (a, b): (A, B)) -> (Option<A>, Option<B>) {
        (Some(a), Some(b))
    }
}

/// Deals the values of the `Left`s to the first collection.
pub(super) struct BySide;

impl<A: Send, B: Send> Deal<Either<A, B>> for BySide {
    type Left = A;
    type Right = B;

    #[inline]
    fn deal(&self, item: Either<A, B>) -> (Option<A>, Option<B>) {
        match item {
            Either::Left(a) => (Some(a), None),
            Either::Right(b) => (None, Some(b)),
        }
    }
}

/// Adds the items to two collections.
pub(super) fn extend_two<I, D, A, B>(left: &mut A, right: &mut B, base: I, deal: &D)
where
    I: ParallelIterator,
    D: Deal<I::Item>,
    A: ParallelExtend<D::Left> + Send,
    B: ParallelExtend<D::Right> + Send,
{
    left.par_extend(Lefts { base, deal, right });
}

/// The items of the left collection.
struct Lefts<'e, I, D, B> {
    base: I,
    deal: &'e D,
    right: &'e mut B,
}

/// Returns the length, if it is known and both collections get an item of each.
fn common_len<I: ParallelIterator, D: Deal<I::Item>>(base: &I) -> Option<usize> {
    if D::TO_BOTH { base.opt_len() } else { None }
}

impl<I, D, B> ParallelIterator for Lefts<'_, I, D, B>
where
    I: ParallelIterator,
    D: Deal<I::Item>,
    B: ParallelExtend<D::Right> + Send,
{
    type Item = D::Left;

    fn drive_unindexed<C: UnindexedConsumer<D::Left>>(self, left: C) -> C::Result {
        let Lefts { base, deal, right } = self;
        let mut result = None;
        right.par_extend(Rights { base, deal, left, result: &mut result });
        result.expect("`ParallelExtend` drives its iterator")
    }

    fn opt_len(&self) -> Option<usize> {
        common_len::<I, D>(&self.base)
    }
}

/// The items of the right collection.
struct Rights<'e, I, D, C, R> {
    base: I,
    deal: &'e D,
    /// The consumer of the left collection, and the place for its result.
    left: C,
    result: &'e mut Option<R>,
}

impl<I, D, CL> ParallelIterator for Rights<'_, I, D, CL, CL::Result>
where
    I: ParallelIterator,
    D: Deal<I::Item>,
    CL: UnindexedConsumer<D::Left>,
{
    type Item = D::Right;

    fn drive_unindexed<C: UnindexedConsumer<D::Right>>(self, right: C) -> C::Result {
        let Rights { base, deal, left, result } = self;
        let (left, right) = base.drive_unindexed(Two { left, right, deal });
        *result = Some(left);
        right
    }

    fn opt_len(&self) -> Option<usize> {
        common_len::<I, D>(&self.base)
    }
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

impl<'e, T, L, R, D> Consumer<T> for Two<'e, L, R, D>
where
    D: Deal<T>,
    L: Consumer<D::Left>,
    R: Consumer<D::Right>,
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

impl<T, L, R, D> UnindexedConsumer<T> for Two<'_, L, R, D>
where
    D: Deal<T>,
    L: UnindexedConsumer<D::Left>,
    R: UnindexedConsumer<D::Right>,
{
    fn split_off_left(&self) -> Self {
        let (left, right) = (self.left.split_off_left(), self.right.split_off_left());
        Two { left, right, deal: self.deal }
    }

    fn to_reducer(&self) -> Self::Reducer {
        JoinTwo(self.left.to_reducer(), self.right.to_reducer())
    }
}

impl<T, L, R, D> Folder<T> for Two<'_, L, R, D>
where
    D: Deal<T>,
    L: Folder<D::Left>,
    R: Folder<D::Right>,
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
            let (to_left, to_right) = deal.deal(item);
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
