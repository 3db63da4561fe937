//! Making the standard collections.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::rc::Rc;
use std::sync::Arc;

use super::super::super::{Either, FromParallelIterator, IntoParallelIterator, ParallelExtend};

/// Collections that begin empty and are then extended. (`extend.rs` has more.)
macro_rules! from_extended {
    ($([$($generics:tt)*] $collection:ty, $item:ty;)*) => {$(
        impl<$($generics)*> FromParallelIterator<$item> for $collection {
            /// Extends an empty collection.
            fn from_par_iter<I: IntoParallelIterator<Item = $item>>(par_iter: I) -> Self {
                let mut collection = Self::default();
                collection.par_extend(par_iter);
                collection
            }
        }
    )*};
}

pub(super) use from_extended;

from_extended! {
    [T: Send] Vec<T>, T;
    [T: Ord + Send] BTreeSet<T>, T;
    [K: Ord + Send, V: Send] BTreeMap<K, V>, (K, V);
    [T: Eq + Hash + Send, S: BuildHasher + Default + Send] HashSet<T, S>, T;
    [K: Eq + Hash + Send, V: Send, S: BuildHasher + Default + Send] HashMap<K, V, S>, (K, V);
    [] (), ();
}

/// Collections that are converted from others.
macro_rules! from_other {
    ($([$($generics:tt)*] $collection:ty, $item:ty, $other:ty;)*) => {$(
        impl<$($generics)*> FromParallelIterator<$item> for $collection {
            #[doc = concat!("Collects into a `", stringify!($other), "` and converts it.")]
            fn from_par_iter<I: IntoParallelIterator<Item = $item>>(par_iter: I) -> Self {
                <$other>::from_par_iter(par_iter).into()
            }
        }
    )*};
}

from_other! {
    [T: Send] Box<[T]>, T, Vec<T>;
    [T: Send] Rc<[T]>, T, Vec<T>;
    [T: Send] Arc<[T]>, T, Vec<T>;
    [T: Send] VecDeque<T>, T, Vec<T>;
    [T: Ord + Send] BinaryHeap<T>, T, Vec<T>;
    [] Box<str>, char, String;
    ['a] Box<str>, &'a char, String;
    ['a] Box<str>, &'a str, String;
    [] Box<str>, String, String;
    [] Box<str>, Box<str>, String;
    ['a] Box<str>, Cow<'a, str>, String;
}

impl<C, T> FromParallelIterator<T> for Cow<'_, C>
where
    C: ToOwned<Owned: FromParallelIterator<T>> + ?Sized,
    T: Send,
{
    /// Returns a `Cow::Owned`.
    fn from_par_iter<I: IntoParallelIterator<Item = T>>(par_iter: I) -> Self {
        Cow::Owned(C::Owned::from_par_iter(par_iter))
    }
}

/// Pairs of collections that are made in one loop.
macro_rules! from_pairs {
    ($($item:ty, $(#[$doc:meta])*;)*) => {$(
        impl<A, B, FromA, FromB> FromParallelIterator<$item> for (FromA, FromB)
        where
            A: Send,
            B: Send,
            FromA: FromParallelIterator<A> + Send,
            FromB: FromParallelIterator<B> + Send,
        {
            $(#[$doc])*
            fn from_par_iter<I: IntoParallelIterator<Item = $item>>(par_iter: I) -> Self {
                let mut two = (Made(None), Made(None));
                two.par_extend(par_iter);
                let (Made(Some(a)), Made(Some(b))) = two else { unreachable!("both are made") };
                (a, b)
            }
        }
    )*};
}

from_pairs! {
    (A, B), #[doc = "Collects the first and the second values, in one loop."];
    Either<A, B>, #[doc = "Collects the values of the `Left`s and of the `Right`s, in one loop."];
}

/// A collection that is made when it is "extended".
struct Made<C>(Option<C>);

impl<T: Send, C: FromParallelIterator<T>> ParallelExtend<T> for Made<C> {
    fn par_extend<I: IntoParallelIterator<Item = T>>(&mut self, par_iter: I) {
        self.0 = Some(C::from_par_iter(par_iter));
    }
}
