//! Parallel iterators with rayon's traits.

use rayon::iter::plumbing::{
    Consumer as TheirConsumer, Folder as TheirFolder, ProducerCallback as TheirCallback,
    Reducer as TheirReducer, UnindexedConsumer as TheirUnindexedConsumer,
};
use rayon::iter::{IndexedParallelIterator as TheirIndexed, ParallelIterator as Theirs};

use super::Across;
use crate::iter::plumbing::{Consumer, Folder, Reducer, UnindexedConsumer};
use crate::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

/// Makes a parallel iterator of this crate one of rayon, for what takes only those.
///
/// Needs the feature `rayon`.
///
/// ```
/// use filch::prelude::*;
///
/// // `par_extend` of rayon stands for a crate that knows rayon only.
/// let mut squares = vec![];
/// let ours = (0..5).into_par_iter().map(|n| n * n);
/// rayon::iter::ParallelExtend::par_extend(&mut squares, ours.into_rayon());
/// assert_eq!(squares, [0, 1, 4, 9, 16]);
/// ```
pub trait IntoRayon: IntoParallelIterator + Sized {
    /// Returns a parallel iterator with rayon's traits: `ParallelIterator`, and if this one is
    /// indexed, `IndexedParallelIterator`.
    ///
    /// Which engine runs it depends on what rayon makes of it:
    /// - **This crate's**, on its own workers, if rayon hands over a consumer. So do all ends
    ///   (`collect`, `sum`, `par_extend` of a collection, ...) and adaptors such as `map`, `filter`
    ///   and `fold`. rayon's consumers cannot [pause](crate::iter::plumbing::Consumer::pause), so
    ///   loops begin with eight pieces for each worker.
    /// - **rayon's**, in its pool, if rayon asks for the producer. So do the adaptors of rayon that
    ///   keep positions from both ends or of two iterators (`zip`, `rev`, `chunks`, ...). Call
    ///   those of this crate instead, before `into_rayon`.
    ///
    /// Either costs what the loop costs in its engine: see the
    /// [guide](crate::guide::from_rayon#both-in-one-program) for measurements. A loop within the
    /// loop runs in the pool of the crate that it belongs to, and the worker waits. So no closure
    /// there may wait for the pool of that worker.
    fn into_rayon(self) -> ToRayon<Self::Iter> {
        ToRayon(self.into_par_iter())
    }
}

impl<I: IntoParallelIterator> IntoRayon for I {}

/// A parallel iterator of this crate as one of rayon: see [`IntoRayon::into_rayon`].
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct ToRayon<I>(I);

impl<I: ParallelIterator> Theirs for ToRayon<I> {
    type Item = I::Item;

    fn drive_unindexed<C: TheirUnindexedConsumer<I::Item>>(self, consumer: C) -> C::Result {
        self.0.drive_unindexed(Taken(consumer))
    }

    fn opt_len(&self) -> Option<usize> {
        self.0.opt_len()
    }
}

impl<I: IndexedParallelIterator> TheirIndexed for ToRayon<I> {
    fn drive<C: TheirConsumer<I::Item>>(self, consumer: C) -> C::Result {
        self.0.drive(Taken(consumer))
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn with_producer<CB: TheirCallback<I::Item>>(self, callback: CB) -> CB::Output {
        self.0.with_producer(Across(callback))
    }
}

/// A consumer, folder or reducer of rayon as one of this crate.
struct Taken<C>(C);

impl<T, C: TheirConsumer<T>> Consumer<T> for Taken<C> {
    type Folder = Taken<C::Folder>;
    type Reducer = Taken<C::Reducer>;
    type Result = C::Result;

    fn split_at(self, index: usize) -> (Self, Self, Self::Reducer) {
        let (left, right, reducer) = self.0.split_at(index);
        (Taken(left), Taken(right), Taken(reducer))
    }

    fn into_folder(self) -> Self::Folder {
        Taken(self.0.into_folder())
    }

    fn full(&self) -> bool {
        self.0.full()
    }
}

impl<T, C: TheirUnindexedConsumer<T>> UnindexedConsumer<T> for Taken<C> {
    fn split_off_left(&self) -> Self {
        Taken(self.0.split_off_left())
    }

    fn to_reducer(&self) -> Self::Reducer {
        Taken(self.0.to_reducer())
    }
}

impl<T, F: TheirFolder<T>> Folder<T> for Taken<F> {
    type Result = F::Result;

    fn consume(self, item: T) -> Self {
        Taken(self.0.consume(item))
    }

    fn consume_iter<I: IntoIterator<Item = T>>(self, iter: I) -> Self {
        Taken(self.0.consume_iter(iter))
    }

    fn complete(self) -> F::Result {
        self.0.complete()
    }

    fn full(&self) -> bool {
        self.0.full()
    }
}

impl<R, B: TheirReducer<R>> Reducer<R> for Taken<B> {
    fn reduce(self, left: R, right: R) -> R {
        self.0.reduce(left, right)
    }
}
