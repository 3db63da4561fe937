//! Parallel iterators of any kind.

use std::cmp::Ordering;
use std::collections::LinkedList;
use std::marker::PhantomData;

use super::adaptors::*;
use super::ends::collect::{ByPredicate, BySide, extend_two, pieces_of};
use super::ends::end::run;
use super::ends::{find, reduce, tries};
use super::plumbing::UnindexedConsumer;
use super::tries::Try;
use super::{Either, FromParallelIterator, ParallelExtend};

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

    /// Calls `op` with each item, in no order, until it fails: then the others stop soon.
    ///
    /// If it fails more than once, the failure of one of those calls is returned, not always the
    /// first one's.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let check = |n: i32| if n < 50 { Ok(()) } else { Err(n) };
    /// assert_eq!((0..50).into_par_iter().try_for_each(check), Ok(()));
    /// assert_eq!((0..51).into_par_iter().try_for_each(check), Err(50));
    /// ```
    fn try_for_each<OP, R>(self, op: OP) -> R
    where
        OP: Fn(Self::Item) -> R + Sync + Send,
        R: Try<Output = ()> + Send,
    {
        run(self, &tries::TryForEach::new(op))
    }

    /// Joins all items to one by `op`, which must be associative. It begins each piece with an
    /// `identity`, and there may be any number of pieces.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let longest = ["one", "three", "five"]
    ///     .into_par_iter()
    ///     .reduce(|| "", |a, b| if b.len() > a.len() { b } else { a });
    /// assert_eq!(longest, "three");
    /// ```
    fn reduce<OP, ID>(self, identity: ID, op: OP) -> Self::Item
    where
        OP: Fn(Self::Item, Self::Item) -> Self::Item + Sync + Send,
        ID: Fn() -> Self::Item + Sync + Send,
    {
        run(self, &reduce::Reduce::new(identity, op))
    }

    /// Joins all items to one by `op`, which must be associative; `None` if there are none.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!((1..5).into_par_iter().reduce_with(|a, b| a * b), Some(24));
    /// assert_eq!((1..1).into_par_iter().reduce_with(|a, b| a * b), None);
    /// ```
    fn reduce_with<OP>(self, op: OP) -> Option<Self::Item>
    where
        OP: Fn(Self::Item, Self::Item) -> Self::Item + Sync + Send,
    {
        run(self, &reduce::ReduceWith::new(op))
    }

    /// Like [`reduce`](Self::reduce), of what the items hold; but an item or an `op` that fails
    /// ends it, and the others stop soon.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let sum = |numbers: &[i32]| {
    ///     numbers.par_iter().map(|&n| Some(n)).try_reduce(|| 0, |a, b| i32::checked_add(a, b))
    /// };
    /// assert_eq!(sum(&[1, 2, 3]), Some(6));
    /// assert_eq!(sum(&[1, i32::MAX]), None);
    /// ```
    fn try_reduce<T, OP, ID>(self, identity: ID, op: OP) -> Self::Item
    where
        OP: Fn(T, T) -> Self::Item + Sync + Send,
        ID: Fn() -> T + Sync + Send,
        Self::Item: Try<Output = T>,
    {
        run(self, &tries::TryReduce::new(identity, op))
    }

    /// Like [`reduce_with`](Self::reduce_with), of what the items hold; but an item or an `op`
    /// that fails ends it, and the others stop soon.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let numbers = ["1", "2", "x"].par_iter().map(|n| n.parse::<i32>().map_err(|_| *n));
    /// assert_eq!(numbers.clone().try_reduce_with(|a, b| Ok(a + b)), Some(Err("x")));
    /// ```
    fn try_reduce_with<T, OP>(self, op: OP) -> Option<Self::Item>
    where
        OP: Fn(T, T) -> Self::Item + Sync + Send,
        Self::Item: Try<Output = T>,
    {
        run(self, &tries::TryReduceWith::new(op))
    }

    /// The product of the items, which are multiplied in no particular order: those of
    /// floating-point numbers may differ from run to run.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!((1..=5).into_par_iter().product::<i32>(), 120);
    /// ```
    fn product<P>(self) -> P
    where
        P: Send + std::iter::Product<Self::Item> + std::iter::Product<P>,
    {
        run(self, &reduce::Product(PhantomData))
    }

    /// The least item, the first of several; `None` if there are none.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!([3, 1, 2].par_iter().min(), Some(&1));
    /// ```
    fn min(self) -> Option<Self::Item>
    where
        Self::Item: Ord,
    {
        self.reduce_with(Ord::min)
    }

    /// The greatest item, the last of several; `None` if there are none.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!([3, 1, 2].par_iter().max(), Some(&3));
    /// ```
    fn max(self) -> Option<Self::Item>
    where
        Self::Item: Ord,
    {
        self.reduce_with(Ord::max)
    }

    /// The item that `f` says is the least, the first of several; `None` if there are none.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let least = [2.5, -1.0, 0.0].par_iter().min_by(|a, b| f64::total_cmp(a, b));
    /// assert_eq!(least, Some(&-1.0));
    /// ```
    fn min_by<F>(self, f: F) -> Option<Self::Item>
    where
        F: Sync + Send + Fn(&Self::Item, &Self::Item) -> Ordering,
    {
        self.reduce_with(|a, b| if f(&a, &b).is_le() { a } else { b })
    }

    /// The item that `f` says is the greatest, the last of several; `None` if there are none.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let greatest = [2.5, -1.0, 0.0].par_iter().max_by(|a, b| f64::total_cmp(a, b));
    /// assert_eq!(greatest, Some(&2.5));
    /// ```
    fn max_by<F>(self, f: F) -> Option<Self::Item>
    where
        F: Sync + Send + Fn(&Self::Item, &Self::Item) -> Ordering,
    {
        self.reduce_with(|a, b| if f(&a, &b).is_gt() { a } else { b })
    }

    /// The item of which `f` makes the least key, the first of several; `None` if there are none.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!([3_i32, -1, 2].par_iter().min_by_key(|n| n.abs()), Some(&-1));
    /// ```
    fn min_by_key<K, F>(self, f: F) -> Option<Self::Item>
    where
        K: Ord + Send,
        F: Sync + Send + Fn(&Self::Item) -> K,
    {
        let keyed = self.map(|item| (f(&item), item));
        keyed.min_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, item)| item)
    }

    /// The item of which `f` makes the greatest key, the last of several; `None` if there are
    /// none.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!([1_i32, -3, 2].par_iter().max_by_key(|n| n.abs()), Some(&-3));
    /// ```
    fn max_by_key<K, F>(self, f: F) -> Option<Self::Item>
    where
        K: Ord + Send,
        F: Sync + Send + Fn(&Self::Item) -> K,
    {
        let keyed = self.map(|item| (f(&item), item));
        keyed.max_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, item)| item)
    }

    /// An item for which `predicate` is true, whichever is found first; the others stop soon.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let multiple = (1..1000).into_par_iter().find_any(|n| n % 7 == 0).unwrap();
    /// assert_eq!(multiple % 7, 0);
    /// ```
    fn find_any<P>(self, predicate: P) -> Option<Self::Item>
    where
        P: Fn(&Self::Item) -> bool + Sync + Send,
    {
        find::any(self, |item| Some(item).filter(&predicate))
    }

    /// The first item for which `predicate` is true. What is behind one that was found is left
    /// out, as far as nobody has begun with it.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!((1..1000).into_par_iter().find_first(|n| n % 7 == 0), Some(7));
    /// ```
    fn find_first<P>(self, predicate: P) -> Option<Self::Item>
    where
        P: Fn(&Self::Item) -> bool + Sync + Send,
    {
        find::first(self, |item| Some(item).filter(&predicate))
    }

    /// The last item for which `predicate` is true. What is before one that was found is left out,
    /// as far as nobody has begun with it.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert_eq!((1..1000).into_par_iter().find_last(|n| n % 7 == 0), Some(994));
    /// ```
    fn find_last<P>(self, predicate: P) -> Option<Self::Item>
    where
        P: Fn(&Self::Item) -> bool + Sync + Send,
    {
        find::last(self, |item| Some(item).filter(&predicate))
    }

    /// What `predicate` makes of an item of which it makes something, whichever is found first;
    /// the others stop soon.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let number = ["a", "2", "b"].par_iter().find_map_any(|word| word.parse::<i32>().ok());
    /// assert_eq!(number, Some(2));
    /// ```
    fn find_map_any<P, R>(self, predicate: P) -> Option<R>
    where
        P: Fn(Self::Item) -> Option<R> + Sync + Send,
        R: Send,
    {
        find::any(self, predicate)
    }

    /// What `predicate` makes of the first item of which it makes something.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let number = ["a", "2", "3"].par_iter().find_map_first(|word| word.parse::<i32>().ok());
    /// assert_eq!(number, Some(2));
    /// ```
    fn find_map_first<P, R>(self, predicate: P) -> Option<R>
    where
        P: Fn(Self::Item) -> Option<R> + Sync + Send,
        R: Send,
    {
        find::first(self, predicate)
    }

    /// What `predicate` makes of the last item of which it makes something.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let number = ["a", "2", "3"].par_iter().find_map_last(|word| word.parse::<i32>().ok());
    /// assert_eq!(number, Some(3));
    /// ```
    fn find_map_last<P, R>(self, predicate: P) -> Option<R>
    where
        P: Fn(Self::Item) -> Option<R> + Sync + Send,
        R: Send,
    {
        find::last(self, predicate)
    }

    /// Whether `predicate` is true for any item; once that is known, all stop soon.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert!((0..100).into_par_iter().any(|n| n == 40));
    /// assert!(!(0..0).into_par_iter().any(|_| true));
    /// ```
    fn any<P>(self, predicate: P) -> bool
    where
        P: Fn(Self::Item) -> bool + Sync + Send,
    {
        find::any(self, |item| predicate(item).then_some(())).is_some()
    }

    /// Whether `predicate` is true for all items; once it is false for one, all stop soon.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// assert!((0..100).into_par_iter().all(|n| n < 100));
    /// assert!((0..0).into_par_iter().all(|_| false));
    /// ```
    fn all<P>(self, predicate: P) -> bool
    where
        P: Fn(Self::Item) -> bool + Sync + Send,
    {
        !self.any(|item| !predicate(item))
    }

    /// Takes pairs apart, into two collections.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let (numbers, squares): (Vec<_>, Vec<_>) =
    ///     (0..4).into_par_iter().map(|n| (n, n * n)).unzip();
    /// assert_eq!(numbers, [0, 1, 2, 3]);
    /// assert_eq!(squares, [0, 1, 4, 9]);
    /// ```
    fn unzip<A, B, FromA, FromB>(self) -> (FromA, FromB)
    where
        Self: ParallelIterator<Item = (A, B)>,
        FromA: Default + Send + ParallelExtend<A>,
        FromB: Default + Send + ParallelExtend<B>,
        A: Send,
        B: Send,
    {
        let mut both = <(FromA, FromB)>::default();
        both.par_extend(self);
        both
    }

    /// Makes two collections: of the items for which `predicate` is true, and of the others.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let (even, odd): (Vec<_>, Vec<_>) = (0..6).into_par_iter().partition(|n| n % 2 == 0);
    /// assert_eq!(even, [0, 2, 4]);
    /// assert_eq!(odd, [1, 3, 5]);
    /// ```
    fn partition<A, B, P>(self, predicate: P) -> (A, B)
    where
        A: Default + Send + ParallelExtend<Self::Item>,
        B: Default + Send + ParallelExtend<Self::Item>,
        P: Fn(&Self::Item) -> bool + Sync + Send,
    {
        let (mut left, mut right) = <(A, B)>::default();
        extend_two(&mut left, &mut right, self, &ByPredicate(predicate));
        (left, right)
    }

    /// Makes two collections: of what `predicate` calls left, and of what it calls right.
    ///
    /// ```
    /// use filch::iter::Either;
    /// use filch::prelude::*;
    ///
    /// let (numbers, words): (Vec<_>, Vec<_>) =
    ///     ["1", "a", "2"].into_par_iter().partition_map(|word| match word.parse::<i32>() {
    ///         Ok(number) => Either::Left(number),
    ///         Err(_) => Either::Right(word),
    ///     });
    /// assert_eq!(numbers, [1, 2]);
    /// assert_eq!(words, ["a"]);
    /// ```
    fn partition_map<A, B, P, L, R>(self, predicate: P) -> (A, B)
    where
        A: Default + Send + ParallelExtend<L>,
        B: Default + Send + ParallelExtend<R>,
        P: Fn(Self::Item) -> Either<L, R> + Sync + Send,
        L: Send,
        R: Send,
    {
        let (mut left, mut right) = <(A, B)>::default();
        extend_two(&mut left, &mut right, self, &BySide(predicate));
        (left, right)
    }

    /// The items in a list of vectors, in order: the cheapest of all collections. How many there
    /// are is chance.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let list = (0..100).into_par_iter().filter(|n| n % 2 == 0).collect_vec_list();
    /// assert_eq!(list.iter().map(Vec::len).sum::<usize>(), 50);
    /// ```
    fn collect_vec_list(self) -> LinkedList<Vec<Self::Item>> {
        pieces_of(self)
    }
}
