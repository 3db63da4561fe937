//! Sources that have rayon's traits.

use rayon::iter::{
    IndexedParallelIterator as TheirIndexed, IntoParallelIterator as IntoTheirs,
    ParallelIterator as Theirs,
};

use super::Across;
use crate::iter::bridged::bridged;
use crate::iter::plumbing::{Folder, UnindexedConsumer};
use crate::iter::{IntoParallelIterator, ParallelIterator};

/// Makes what has rayon's traits a parallel iterator of this crate.
///
/// It is implemented for each type that implements rayon's `IntoParallelIterator`: its parallel
/// iterators, and collections of other crates, by value or by reference.
///
/// Needs the feature `rayon`.
///
/// ```
/// use filch::prelude::*;
///
/// // A range of rayon stands for a crate that knows rayon only.
/// let theirs = rayon::iter::IntoParallelIterator::into_par_iter(0..1000_u32);
/// let sum: u32 = theirs.into_filch().map(|n| n * n).sum();
/// assert_eq!(sum, 332_833_500);
/// ```
pub trait IntoFilch: IntoTheirs + Sized {
    /// Makes an indexed parallel iterator of rayon one of this crate.
    ///
    /// This crate's engine takes the items from rayon's producer, on its own workers. Nothing runs
    /// in a pool of rayon, unless a closure of the iterator itself calls rayon. It costs what a
    /// source of this crate costs: the [guide](crate::guide::from_rayon#both-in-one-program) has
    /// measurements.
    ///
    /// Adaptors of rayon that make a state for each piece (`map_init`, `map_with`) make one for
    /// each *block* of a loop here, which is some microseconds of work. Call those of this crate
    /// instead, behind `into_filch`.
    fn into_filch(self) -> FromRayon<Self::Iter>
    where
        Self::Iter: TheirIndexed,
    {
        FromRayon(self.into_par_iter())
    }

    /// Makes any parallel iterator of rayon one of this crate. If it is indexed,
    /// [`into_filch`](Self::into_filch) is better.
    ///
    /// rayon shows the items of an unindexed iterator only to its own engine. So when the loop
    /// begins, **rayon collects all items into a vector**, in its pool, while the caller waits.
    /// Then this crate's engine runs the loop over the vector, on its own workers. This costs the
    /// memory for the items and one more pass, some 2 to 3 ns for each item: a loop that only adds
    /// up numbers takes 2.6 to 9.8 times as long, one of 20 ns for each item 1.2 times
    /// ([guide](crate::guide::from_rayon#both-in-one-program)). An iterator without end cannot be
    /// made one of this crate.
    ///
    /// Closures that are part of rayon's iterator run in rayon's pool. They must not wait for the
    /// pool of this crate in which the loop runs: its worker waits for them.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let theirs = rayon::iter::ParallelIterator::filter(
    ///     rayon::iter::IntoParallelIterator::into_par_iter(0..1000_u64),
    ///     |n| n % 2 == 0,
    /// );
    /// let halves: Vec<u64> = theirs.into_filch_unindexed().map(|n| n / 2).collect();
    /// assert_eq!(halves, (0..500).collect::<Vec<_>>());
    /// ```
    fn into_filch_unindexed(self) -> FromRayonUnindexed<Self::Iter> {
        FromRayonUnindexed(self.into_par_iter())
    }
}

impl<I: IntoTheirs> IntoFilch for I {}

/// An indexed parallel iterator of rayon as one of this crate. Returned by
/// [`IntoFilch::into_filch`].
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct FromRayon<I>(I);

bridged!([I: TheirIndexed] FromRayon<I>, I::Item, |self| self.0.len(), |callback| {
    self.0.with_producer(Across(callback))
});

/// A parallel iterator of rayon as one of this crate. Returned by
/// [`IntoFilch::into_filch_unindexed`].
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct FromRayonUnindexed<I>(I);

impl<I: Theirs> ParallelIterator for FromRayonUnindexed<I> {
    type Item = I::Item;

    fn drive_unindexed<C: UnindexedConsumer<I::Item>>(self, consumer: C) -> C::Result {
        if consumer.full() {
            drop(self);
            return consumer.into_folder().complete();
        }
        // Not by a consumer that wraps this one: then rayon's threads would run the closures behind
        // this, and while they wait for this crate's workers, those would wait for them.
        let items: Vec<I::Item> = self.0.collect();
        IntoParallelIterator::into_par_iter(items).drive_unindexed(consumer)
    }

    fn opt_len(&self) -> Option<usize> {
        self.0.opt_len()
    }
}
