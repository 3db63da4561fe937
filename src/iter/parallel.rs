//! Parallel iterators of any kind.

use std::marker::PhantomData;

use super::FromParallelIterator;
use super::adaptors::*;
use super::ends::end::run;
use super::ends::reduce;
use super::plumbing::UnindexedConsumer;

/// A parallel iterator.
pub trait ParallelIterator: Sized + Send {
    /// What it gives.
    type Item: Send;

    /// Feeds the items to `consumer`.
    fn drive_unindexed<C: UnindexedConsumer<Self::Item>>(self, consumer: C) -> C::Result;

    /// How many items there are, if the iterator drives its consumer by position.
    fn opt_len(&self) -> Option<usize> {
        None
    }

    // ---- adaptors ---------------------------------------------------------------------------

    /// Replaces each item by what `f` makes of it.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let squares: Vec<_> = (0..5).into_par_iter().map(|n| n * n).collect();
    /// assert_eq!(squares, [0, 1, 4, 9, 16]);
    /// ```
    fn map<F, R>(self, f: F) -> Map<Self, F>
    where
        F: Fn(Self::Item) -> R + Sync + Send,
        R: Send,
    {
        Adapted::new(self, MapBy(f))
    }

    /// Keeps the items for which `predicate` is true.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let even: Vec<_> = (0..10).into_par_iter().filter(|n| n % 2 == 0).collect();
    /// assert_eq!(even, [0, 2, 4, 6, 8]);
    /// ```
    fn filter<P>(self, predicate: P) -> Filter<Self, P>
    where
        P: Fn(&Self::Item) -> bool + Sync + Send,
    {
        Adapted::new(self, FilterBy(predicate))
    }

    // ---- ends -------------------------------------------------------------------------------

    /// Calls `f` with each item, in no order.
    ///
    /// # Panics
    /// When `f` does, when what has begun has ended.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let mut numbers = vec![1, 2, 3];
    /// numbers.par_iter_mut().for_each(|number| *number += 1);
    /// assert_eq!(numbers, [2, 3, 4]);
    /// ```
    fn for_each<F>(self, f: F)
    where
        F: Fn(Self::Item) + Sync + Send,
    {
        run(self, &reduce::ForEach(f));
    }

    /// The number of items.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!((0..100).into_par_iter().filter(|n| n % 3 == 0).count(), 34);
    /// ```
    fn count(self) -> usize {
        run(self, &reduce::Count)
    }

    /// The sum of the items, which are added in no particular order: floating-point sums may
    /// differ from run to run.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!((1..=100).into_par_iter().sum::<i32>(), 5050);
    /// ```
    fn sum<S>(self) -> S
    where
        S: Send + std::iter::Sum<Self::Item> + std::iter::Sum<S>,
    {
        run(self, &reduce::Sum(PhantomData))
    }

    /// Makes a collection of the items, in order.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let words: Vec<String> = (0..3).into_par_iter().map(|n| n.to_string()).collect();
    /// assert_eq!(words, ["0", "1", "2"]);
    /// ```
    fn collect<C: FromParallelIterator<Self::Item>>(self) -> C {
        C::from_par_iter(self)
    }
}
