//! Sources that have rayon's traits.

use rayon::iter::{
    IndexedParallelIterator as TheirIndexed, IntoParallelIterator as IntoTheirs,
    ParallelIterator as Theirs,
};

use super::Across;
use crate::iter::IntoParallelIterator;
use crate::iter::implement::{bridged, parallel};
use crate::iter::plumbing::unwanted;

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
    /// This crate's engine takes the items from rayon's producer, on its own workers, and at the
    /// cost of a source of this crate. Nothing runs in rayon's pool, unless a closure calls rayon.
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
    /// begins, **rayon collects all items into a vector**, in its pool, while the caller waits:
    /// closures that are part of rayon's iterator must not wait for the pool of the loop. Then this
    /// crate's engine runs the loop over the vector. The
    /// [guide](crate::guide::from_rayon#both-in-one-program) says what this costs.
    fn into_filch_unindexed(self) -> FromRayonUnindexed<Self::Iter> {
        FromRayonUnindexed(self.into_par_iter())
    }
}

impl<I: IntoTheirs> IntoFilch for I {}

/// An indexed parallel iterator of rayon as one of this crate: see [`IntoFilch::into_filch`].
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct FromRayon<I>(I);

bridged!(
    [I: TheirIndexed] FromRayon<I> => I::Item, len |self| self.0.len(),
    |self, callback| self.0.with_producer(Across(callback))
);

/// A parallel iterator of rayon as one of this crate: see [`IntoFilch::into_filch_unindexed`].
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct FromRayonUnindexed<I>(I);

parallel! {
    [I: Theirs] FromRayonUnindexed<I> => I::Item,
    |self, consumer| {
        if consumer.full() {
            return unwanted(self, consumer);
        }
        // Not by a consumer that wraps this one: then rayon's threads would run the closures behind
        // this, and while they wait for this crate's workers, those would wait for them.
        let items: Vec<I::Item> = self.0.collect();
        IntoParallelIterator::into_par_iter(items).drive_unindexed(consumer)
    },
    opt_len |self| self.0.opt_len()
}
