//! The standard collections. Those that can only be walked serially have their items, or references
//! to them, put into a vector first: that costs an allocation of that size, and a walk.

use std::collections::{
    BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque, vec_deque as deque,
};
use std::fmt;
use std::ops::{Range, RangeBounds};

use super::delegate::{named, own_producer};
use super::{slice, vec};
use crate::iter::plumbing::Producer;
use crate::iter::{IntoParallelIterator, ParallelDrainFull, ParallelDrainRange};

impl<T: Send> IntoParallelIterator for Box<[T]> {
    type Iter = vec::IntoIter<T>;
    type Item = T;

    fn into_par_iter(self) -> Self::Iter {
        self.into_vec().into_par_iter()
    }
}

impl<'a, T: Sync> IntoParallelIterator for &'a Box<[T]> {
    type Iter = slice::Iter<'a, T>;
    type Item = &'a T;

    fn into_par_iter(self) -> Self::Iter {
        (**self).into_par_iter()
    }
}

impl<'a, T: Send> IntoParallelIterator for &'a mut Box<[T]> {
    type Iter = slice::IterMut<'a, T>;
    type Item = &'a mut T;

    fn into_par_iter(self) -> Self::Iter {
        (**self).into_par_iter()
    }
}

/// Declares a module with the parallel iterators of a collection: those over what it is made into.
macro_rules! collections {
    ($(
        $(#[$module_doc:meta])*
        mod $module:ident {$(
            $(#[$doc:meta])*
            $kind:ident $name:ident<$($a:lifetime,)? $($T:ident),+> [$($bounds:tt)*] $(<$S:ident>)?
                of $collection:ty => $item:ty, $base:ty, |$self:ident| $other:expr;
        )*}
    )*) => {$(
        $(#[$module_doc])*
        pub mod $module {
            use super::*;

            named! {$(
                $(#[$doc])*
                $kind $name<$($a,)? $($T),+> [$($bounds)*] $base => $item;
            )*}

            $(
                impl<$($a,)? $($bounds)* $(, $S)?> IntoParallelIterator for $collection {
                    type Iter = $name<$($a,)? $($T),+>;
                    type Item = $item;

                    fn into_par_iter($self) -> Self::Iter {
                        $name($other.into_par_iter())
                    }
                }
            )*
        }
    )*};
}

/// The items that are walked over.
fn walked<T>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    items.into_iter().collect()
}

collections! {
    /// Parallel iterators over heaps, in no particular order.
    mod binary_heap {
        /// An iterator over the items of a heap, by value.
        value IntoIter<T> [T: Send]
            of BinaryHeap<T> => T, vec::IntoIter<T>, |self| self.into_vec();

        /// An iterator over the items of a heap, by reference.
        shared Iter<'a, T> [T: Sync]
            of &'a BinaryHeap<T> => &'a T, slice::Iter<'a, T>, |self| self.as_slice();
    }

    /// Parallel iterators over ordered maps, which are walked into a vector first.
    mod btree_map {
        /// An iterator over the entries of a map, by value.
        value IntoIter<K, V> [K: Send, V: Send]
            of BTreeMap<K, V> => (K, V), vec::IntoIter<(K, V)>, |self| walked(self);

        /// An iterator over the entries of a map, by reference.
        shared Iter<'a, K, V> [K: Sync, V: Sync]
            of &'a BTreeMap<K, V> => (&'a K, &'a V), vec::IntoIter<(&'a K, &'a V)>,
            |self| walked(self);

        /// An iterator over the entries of a map, the values by exclusive reference.
        exclusive IterMut<'a, K, V> [K: Sync, V: Send]
            of &'a mut BTreeMap<K, V> => (&'a K, &'a mut V), vec::IntoIter<(&'a K, &'a mut V)>,
            |self| walked(self);
    }

    /// Parallel iterators over ordered sets, which are walked into a vector first.
    mod btree_set {
        /// An iterator over the items of a set, by value.
        value IntoIter<T> [T: Send]
            of BTreeSet<T> => T, vec::IntoIter<T>, |self| walked(self);

        /// An iterator over the items of a set, by reference.
        shared Iter<'a, T> [T: Sync]
            of &'a BTreeSet<T> => &'a T, vec::IntoIter<&'a T>, |self| walked(self);
    }

    /// Parallel iterators over hash maps, which are walked into a vector first.
    mod hash_map {
        /// An iterator over the entries of a map, by value.
        value IntoIter<K, V> [K: Send, V: Send] <S>
            of HashMap<K, V, S> => (K, V), vec::IntoIter<(K, V)>, |self| walked(self);

        /// An iterator over the entries of a map, by reference.
        shared Iter<'a, K, V> [K: Sync, V: Sync] <S>
            of &'a HashMap<K, V, S> => (&'a K, &'a V), vec::IntoIter<(&'a K, &'a V)>,
            |self| walked(self);

        /// An iterator over the entries of a map, the values by exclusive reference.
        exclusive IterMut<'a, K, V> [K: Sync, V: Send] <S>
            of &'a mut HashMap<K, V, S> => (&'a K, &'a mut V), vec::IntoIter<(&'a K, &'a mut V)>,
            |self| walked(self);
    }

    /// Parallel iterators over hash sets, which are walked into a vector first.
    mod hash_set {
        /// An iterator over the items of a set, by value.
        value IntoIter<T> [T: Send] <S>
            of HashSet<T, S> => T, vec::IntoIter<T>, |self| walked(self);

        /// An iterator over the items of a set, by reference.
        shared Iter<'a, T> [T: Sync] <S>
            of &'a HashSet<T, S> => &'a T, vec::IntoIter<&'a T>, |self| walked(self);
    }

    /// Parallel iterators over linked lists, which are walked into a vector first.
    mod linked_list {
        /// An iterator over the items of a list, by value.
        value IntoIter<T> [T: Send]
            of LinkedList<T> => T, vec::IntoIter<T>, |self| walked(self);

        /// An iterator over the items of a list, by reference.
        shared Iter<'a, T> [T: Sync]
            of &'a LinkedList<T> => &'a T, vec::IntoIter<&'a T>, |self| walked(self);

        /// An iterator over the items of a list, by exclusive reference.
        exclusive IterMut<'a, T> [T: Send]
            of &'a mut LinkedList<T> => &'a mut T, vec::IntoIter<&'a mut T>, |self| walked(self);
    }

    /// Parallel iterators over deques.
    mod vec_deque {
        /// An iterator over the items of a deque, by value. Items that go around the deque's end
        /// are moved into one row first.
        value IntoIter<T> [T: Send]
            of VecDeque<T> => T, vec::IntoIter<T>, |self| Vec::from(self);

        /// An iterator over the items of a deque, by reference.
        shared Iter<'a, T> [T: Sync]
            of &'a VecDeque<T> => &'a T, Deque<'a, T>,
            |self| Deque { deque: self, range: 0..self.len() };

        /// An iterator over the items of a deque, by exclusive reference. Items that go around the
        /// deque's end are moved into one row first.
        exclusive IterMut<'a, T> [T: Send]
            of &'a mut VecDeque<T> => &'a mut T, slice::IterMut<'a, T>,
            |self| self.make_contiguous();
    }
}

/// Collections that can be emptied.
macro_rules! drained {
    ($([$($generics:tt)*] $collection:ty, $item:ty;)*) => {$(
        impl<$($generics)*> ParallelDrainFull for &mut $collection {
            type Iter = vec::IntoIter<$item>;
            type Item = $item;

            /// Moves the items into a vector first; the collection is empty at once, and keeps its
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

    /// Moves the items into a vector first; the deque is without them at once, and keeps its
    /// memory.
    fn par_drain<R: RangeBounds<usize>>(self, range: R) -> vec::IntoIter<T> {
        self.drain(range).collect::<Vec<_>>().into_par_iter()
    }
}

/// The items of a deque, by reference.
struct Deque<'data, T> {
    deque: &'data VecDeque<T>,
    range: Range<usize>,
}

impl<T> Clone for Deque<'_, T> {
    fn clone(&self) -> Self {
        Deque { deque: self.deque, range: self.range.clone() }
    }
}

impl<T: fmt::Debug> fmt::Debug for Deque<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.deque.range(self.range.clone())).finish()
    }
}

impl<T> Deque<'_, T> {
    fn items(&self) -> usize {
        self.range.len()
    }
}

impl<'data, T: Sync> Producer for Deque<'data, T> {
    type Item = &'data T;
    type IntoIter = deque::Iter<'data, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.deque.range(self.range)
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let Deque { deque, range: Range { start, end } } = self;
        let middle = start + index;
        (Deque { deque, range: start..middle }, Deque { deque, range: middle..end })
    }
}

own_producer!(['data, T: Sync] Deque<'data, T>, &'data T);
