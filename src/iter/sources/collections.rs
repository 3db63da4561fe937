//! The standard collections. If a collection can only be walked serially, its items, or references
//! to them, are first collected into a vector.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::ops::RangeBounds;

use super::delegate::{into_par_iter, named};
use super::{slice, vec};
use crate::iter::{
    Chain, IntoParallelIterator, ParallelDrainFull, ParallelDrainRange, ParallelIterator,
};

/// Declares a module with the parallel iterators of a collection, which wrap others.
macro_rules! collections {
    ($(
        $(#[$module_doc:meta])*
        mod $module:ident {$(
            $name:ident<$($a:lifetime,)? $($T:ident),+> [$($bounds:tt)*] $(<$S:ident>)?
                of $collection:ty => $item:ty, $base:ty, |$self:ident| $other:expr;
        )*}
    )*) => {$(
        $(#[$module_doc])*
        pub mod $module {
            use super::*;

            named! {$(
                #[doc = concat!("An iterator over the items of `", stringify!($collection), "`.")]
                $name<$($a,)? $($T),+> [$($bounds)*] $base => $item;
            )*}

            into_par_iter! {$(
                [$($a,)? $($bounds)* $(, $S)?] $collection => $item, $name<$($a,)? $($T),+>,
                |$self| $name($other.into_par_iter());
            )*}
        }
    )*};
}

collections! {
    /// Parallel iterators over heaps, in no particular order.
    mod binary_heap {
        IntoIter<T> [T: Send]
            of BinaryHeap<T> => T, vec::IntoIter<T>, |self| self.into_vec();
        Iter<'a, T> [T: Sync]
            of &'a BinaryHeap<T> => &'a T, slice::Iter<'a, T>, |self| self.as_slice();
    }

    /// Parallel iterators over ordered maps, whose items are first collected into a vector.
    mod btree_map {
        IntoIter<K, V> [K: Send, V: Send]
            of BTreeMap<K, V> => (K, V), vec::IntoIter<(K, V)>, |self| Vec::from_iter(self);
        Iter<'a, K, V> [K: Sync, V: Sync]
            of &'a BTreeMap<K, V> => (&'a K, &'a V), vec::IntoIter<(&'a K, &'a V)>,
            |self| Vec::from_iter(self);
        IterMut<'a, K, V> [K: Sync, V: Send]
            of &'a mut BTreeMap<K, V> => (&'a K, &'a mut V), vec::IntoIter<(&'a K, &'a mut V)>,
            |self| Vec::from_iter(self);
    }

    /// Parallel iterators over ordered sets, whose items are first collected into a vector.
    mod btree_set {
        IntoIter<T> [T: Send]
            of BTreeSet<T> => T, vec::IntoIter<T>, |self| Vec::from_iter(self);
        Iter<'a, T> [T: Sync]
            of &'a BTreeSet<T> => &'a T, vec::IntoIter<&'a T>, |self| Vec::from_iter(self);
    }

    /// Parallel iterators over hash maps, whose items are first collected into a vector.
    mod hash_map {
        IntoIter<K, V> [K: Send, V: Send] <S>
            of HashMap<K, V, S> => (K, V), vec::IntoIter<(K, V)>, |self| Vec::from_iter(self);
        Iter<'a, K, V> [K: Sync, V: Sync] <S>
            of &'a HashMap<K, V, S> => (&'a K, &'a V), vec::IntoIter<(&'a K, &'a V)>,
            |self| Vec::from_iter(self);
        IterMut<'a, K, V> [K: Sync, V: Send] <S>
            of &'a mut HashMap<K, V, S> => (&'a K, &'a mut V), vec::IntoIter<(&'a K, &'a mut V)>,
            |self| Vec::from_iter(self);
    }

    /// Parallel iterators over hash sets, whose items are first collected into a vector.
    mod hash_set {
        IntoIter<T> [T: Send] <S>
            of HashSet<T, S> => T, vec::IntoIter<T>, |self| Vec::from_iter(self);
        Iter<'a, T> [T: Sync] <S>
            of &'a HashSet<T, S> => &'a T, vec::IntoIter<&'a T>, |self| Vec::from_iter(self);
    }

    /// Parallel iterators over linked lists, whose items are first collected into a vector.
    mod linked_list {
        IntoIter<T> [T: Send]
            of LinkedList<T> => T, vec::IntoIter<T>, |self| Vec::from_iter(self);
        Iter<'a, T> [T: Sync]
            of &'a LinkedList<T> => &'a T, vec::IntoIter<&'a T>, |self| Vec::from_iter(self);
        IterMut<'a, T> [T: Send]
            of &'a mut LinkedList<T> => &'a mut T, vec::IntoIter<&'a mut T>,
            |self| Vec::from_iter(self);
    }

    /// Parallel iterators over deques. `IntoIter` first moves the items into one row if the deque's
    /// memory wraps around.
    mod vec_deque {
        IntoIter<T> [T: Send]
            of VecDeque<T> => T, vec::IntoIter<T>, |self| Vec::from(self);
        Iter<'a, T> [T: Sync]
            of &'a VecDeque<T> => &'a T, Chain<slice::Iter<'a, T>, slice::Iter<'a, T>>,
            |self| {
                let (front, back) = self.as_slices();
                front.into_par_iter().chain(back)
            };
        IterMut<'a, T> [T: Send]
            of &'a mut VecDeque<T> => &'a mut T,
            Chain<slice::IterMut<'a, T>, slice::IterMut<'a, T>>,
            |self| {
                let (front, back) = self.as_mut_slices();
                front.into_par_iter().chain(back)
            };
    }
}

/// Collections that can be emptied.
macro_rules! drained {
    ($([$($generics:tt)*] $collection:ty, $item:ty;)*) => {$(
        impl<$($generics)*> ParallelDrainFull for &mut $collection {
            type Iter = vec::IntoIter<$item>;
            type Item = $item;

            /// Moves the items into a vector. The collection is empty at once, and keeps its
            /// memory.
            fn par_drain(self) -> vec::IntoIter<$item> {
                self.drain().collect::<Vec<_>>().into_par_iter()
            }
        }
    )*};
}

drained! {
    [T: Send] BinaryHeap<T>, T;
    [T: Send, S] HashSet<T, S>, T;
    [K: Send, V: Send, S] HashMap<K, V, S>, (K, V);
}

impl<T: Send> ParallelDrainRange<usize> for &mut VecDeque<T> {
    type Iter = vec::IntoIter<T>;
    type Item = T;

    /// Moves the items into a vector. They are removed at once, and the deque keeps its memory.
    fn par_drain<R: RangeBounds<usize>>(self, range: R) -> vec::IntoIter<T> {
        self.drain(range).collect::<Vec<_>>().into_par_iter()
    }
}
