//! Adding to the standard collections. If threads cannot fill a collection together, each piece
//! fills one of its own. These are then appended in order, or their items are added serially.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, Hash};

use super::super::super::{
    Either, FromParallelIterator, IntoParallelIterator, ParallelExtend, ParallelIterator,
};
use super::super::end::consumer_of;
use super::from::from_extended;
use super::in_place::append_known;
use super::pieces::{Part, ToPieces, VecList};
use super::two::extend_two;

/// Appends the items of `iter` to `to`, in order. Each piece fills a collection of its own.
fn append_unknown<T: Send, S: Part + Extend<T>>(to: &mut S, iter: impl ParallelIterator<Item = T>) {
    iter.drive_unindexed(consumer_of(&ToPieces::new())).append_to(to);
}

impl<T: Send> FromParallelIterator<T> for VecList<T> {
    /// One vector if the number of items is known, else one for each piece.
    fn from_par_iter<I: IntoParallelIterator<Item = T>>(par_iter: I) -> Self {
        let par_iter = par_iter.into_par_iter();
        let Some(len) = par_iter.opt_len() else {
            let pieces = ToPieces::<Vec<T>>::new();
            return VecList(par_iter.drive_unindexed(consumer_of(&pieces)).into_list());
        };
        let mut all = Vec::new();
        append_known(&mut all, len, |places| par_iter.drive_unindexed(places));
        VecList(LinkedList::from([all]))
    }
}

impl<T: Send> ParallelExtend<T> for Vec<T> {
    /// Fills the vector in place if the number of items is known.
    fn par_extend<I: IntoParallelIterator<Item = T>>(&mut self, par_iter: I) {
        let par_iter = par_iter.into_par_iter();
        match par_iter.opt_len() {
            Some(len) => append_known(self, len, |places| par_iter.drive_unindexed(places)),
            None => append_unknown(self, par_iter),
        }
    }
}

/// Collections that are extended serially, by `extend`, from vectors that were filled in parallel.
macro_rules! extend_serially {
    ($([$($generics:tt)*] $collection:ty, $item:ty $(, $reserve:ident)?;)*) => {$(
        impl<$($generics)*> ParallelExtend<$item> for $collection {
            /// Collects the items in parallel, then adds them serially.
            fn par_extend<I: IntoParallelIterator<Item = $item>>(&mut self, par_iter: I) {
                let pieces = par_iter.into_par_iter().collect_vec_list();
                $(self.$reserve(pieces.iter().map(Vec::len).sum());)?
                pieces.into_iter().for_each(|piece| self.extend(piece));
            }
        }
    )*};
}

extend_serially! {
    [T: Send] VecDeque<T>, T, reserve;
    [T: Ord + Send] BinaryHeap<T>, T, reserve;
    [T: Ord + Send] BTreeSet<T>, T;
    [K: Ord + Send, V: Send] BTreeMap<K, V>, (K, V);
    [T: Eq + Hash + Send, S: BuildHasher + Send] HashSet<T, S>, T;
    [K: Eq + Hash + Send, V: Send, S: BuildHasher + Send] HashMap<K, V, S>, (K, V);
}

/// Collections that are extended by references to items that can be copied.
macro_rules! extend_by_reference {
    ($([$($generics:tt)*] $collection:ty, $item:ty, |$reference:pat_param| $copy:expr;)*) => {$(
        impl<'a, $($generics)*> ParallelExtend<$item> for $collection {
            /// Adds copies.
            fn par_extend<I: IntoParallelIterator<Item = $item>>(&mut self, par_iter: I) {
                self.par_extend(par_iter.into_par_iter().map(|$reference| $copy));
            }
        }
    )*};
}

extend_by_reference! {
    [T: Copy + Send + Sync + 'a] Vec<T>, &'a T, |item| *item;
    [T: Copy + Send + Sync + 'a] VecDeque<T>, &'a T, |item| *item;
    [T: Copy + Send + Sync + 'a] LinkedList<T>, &'a T, |item| *item;
    [T: Copy + Ord + Send + Sync + 'a] BinaryHeap<T>, &'a T, |item| *item;
    [T: Copy + Ord + Send + Sync + 'a] BTreeSet<T>, &'a T, |item| *item;
    [T: Copy + Eq + Hash + Send + Sync + 'a, S: BuildHasher + Send]
        HashSet<T, S>, &'a T, |item| *item;
    [K: Copy + Ord + Send + Sync + 'a, V: Copy + Send + Sync + 'a]
        BTreeMap<K, V>, (&'a K, &'a V), |(key, value)| (*key, *value);
    [K: Copy + Eq + Hash + Send + Sync + 'a, V: Copy + Send + Sync + 'a, S: BuildHasher + Send]
        HashMap<K, V, S>, (&'a K, &'a V), |(key, value)| (*key, *value);
}

/// Collections that can be appended to each other.
macro_rules! extend_by_parts {
    ($([$($generics:tt)*] $collection:ty, $item:ty;)*) => {$(
        from_extended! { [$($generics)*] $collection, $item; }

        impl<$($generics)*> ParallelExtend<$item> for $collection {
            /// Each piece fills a collection of its own. These are then joined.
            fn par_extend<I: IntoParallelIterator<Item = $item>>(&mut self, par_iter: I) {
                append_unknown(self, par_iter.into_par_iter());
            }
        }
    )*};
}

extend_by_parts! {
    [T: Send] LinkedList<T>, T;
    [] String, char;
    ['a] String, &'a char;
    ['a] String, &'a str;
    [] String, String;
    [] String, Box<str>;
    ['a] String, Cow<'a, str>;
    ['a] OsString, &'a OsStr;
    [] OsString, OsString;
    ['a] OsString, Cow<'a, OsStr>;
}

impl ParallelExtend<()> for () {
    /// Runs the loop.
    fn par_extend<I: IntoParallelIterator<Item = ()>>(&mut self, par_iter: I) {
        par_iter.into_par_iter().for_each(|()| ());
    }
}

impl<A, B, FromA, FromB> ParallelExtend<(A, B)> for (FromA, FromB)
where
    A: Send,
    B: Send,
    FromA: ParallelExtend<A> + Send,
    FromB: ParallelExtend<B> + Send,
{
    /// Extends both collections in one loop.
    fn par_extend<I: IntoParallelIterator<Item = (A, B)>>(&mut self, par_iter: I) {
        let par_iter = par_iter.into_par_iter();
        let len = par_iter.opt_len();
        extend_two(self, par_iter, len, &|(a, b)| (Some(a), Some(b)));
    }
}

impl<L, R, A, B> ParallelExtend<Either<L, R>> for (A, B)
where
    L: Send,
    R: Send,
    A: ParallelExtend<L> + Send,
    B: ParallelExtend<R> + Send,
{
    /// Adds the values of the `Left`s to the first collection, and those of the `Right`s to the
    /// second.
    fn par_extend<I: IntoParallelIterator<Item = Either<L, R>>>(&mut self, par_iter: I) {
        let by_side = |item| match item {
            Either::Left(item) => (Some(item), None),
            Either::Right(item) => (None, Some(item)),
        };
        extend_two(self, par_iter.into_par_iter(), None, &by_side);
    }
}

impl<L: ParallelExtend<T>, R: ParallelExtend<T>, T: Send> ParallelExtend<T> for Either<L, R> {
    /// Extends the collection that is there.
    fn par_extend<I: IntoParallelIterator<Item = T>>(&mut self, par_iter: I) {
        match self {
            Either::Left(left) => left.par_extend(par_iter),
            Either::Right(right) => right.par_extend(par_iter),
        }
    }
}
