//! The standard collections. Those that can only be walked serially have their items, or references
//! to them, put into a vector first: that costs an allocation of that size, and a walk.

use std::collections::{
    BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque, vec_deque,
};
use std::fmt;
use std::ops::{Range, RangeBounds};

use super::own_producer::own_producer;
use super::{slice, vec};
use crate::iter::plumbing::Producer;
use crate::iter::{IntoParallelIterator, ParallelDrainFull, ParallelDrainRange};

/// Collections whose items are given by another parallel iterator.
macro_rules! by_other {
    ($($(#[$doc:meta])* [$($generics:tt)*] $collection:ty, $item:ty, $iter:ty, |$self:ident| $other:expr;)*) => {$(
        impl<$($generics)*> IntoParallelIterator for $collection {
            type Iter = $iter;
            type Item = $item;

            $(#[$doc])*
            fn into_par_iter($self) -> $iter {
                $other.into_par_iter()
            }
        }
    )*};
}

by_other! {
    [T: Send] Box<[T]>, T, vec::IntoIter<T>, |self| self.into_vec();
    ['a, T: Sync] &'a Box<[T]>, &'a T, slice::Iter<'a, T>, |self| **self;
    ['a, T: Send] &'a mut Box<[T]>, &'a mut T, slice::IterMut<'a, T>, |self| **self;
    /// At no cost but, if its items go around its end, a move.
    [T: Send] VecDeque<T>, T, vec::IntoIter<T>, |self| Vec::from(self);
    /// If its items go around its end, they are moved into one row first.
    ['a, T: Send] &'a mut VecDeque<T>, &'a mut T, slice::IterMut<'a, T>,
        |self| self.make_contiguous();
    /// In no particular order.
    [T: Send] BinaryHeap<T>, T, vec::IntoIter<T>, |self| self.into_vec();
    /// In no particular order.
    ['a, T: Sync] &'a BinaryHeap<T>, &'a T, slice::Iter<'a, T>, |self| self.as_slice();
}

/// Collections that are walked into a vector.
macro_rules! by_vector {
    ($([$($generics:tt)*] $collection:ty, $item:ty;)*) => {$(
        impl<$($generics)*> IntoParallelIterator for $collection {
            type Iter = vec::IntoIter<$item>;
            type Item = $item;

            /// Puts what it gives into a vector first.
            fn into_par_iter(self) -> vec::IntoIter<$item> {
                self.into_iter().collect::<Vec<_>>().into_par_iter()
            }
        }
    )*};
}

by_vector! {
    [T: Send] LinkedList<T>, T;
    ['a, T: Sync] &'a LinkedList<T>, &'a T;
    ['a, T: Send] &'a mut LinkedList<T>, &'a mut T;
    [T: Send, S] HashSet<T, S>, T;
    ['a, T: Sync, S] &'a HashSet<T, S>, &'a T;
    [T: Send] BTreeSet<T>, T;
    ['a, T: Sync] &'a BTreeSet<T>, &'a T;
    [K: Send, V: Send, S] HashMap<K, V, S>, (K, V);
    ['a, K: Sync, V: Sync, S] &'a HashMap<K, V, S>, (&'a K, &'a V);
    ['a, K: Sync, V: Send, S] &'a mut HashMap<K, V, S>, (&'a K, &'a mut V);
    [K: Send, V: Send] BTreeMap<K, V>, (K, V);
    ['a, K: Sync, V: Sync] &'a BTreeMap<K, V>, (&'a K, &'a V);
    ['a, K: Sync, V: Send] &'a mut BTreeMap<K, V>, (&'a K, &'a mut V);
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
#[must_use = "parallel iterators do nothing until they are driven"]
pub struct DequeIter<'data, T> {
    deque: &'data VecDeque<T>,
    range: Range<usize>,
}

impl<'data, T: Sync> IntoParallelIterator for &'data VecDeque<T> {
    type Iter = DequeIter<'data, T>;
    type Item = &'data T;

    fn into_par_iter(self) -> DequeIter<'data, T> {
        DequeIter { deque: self, range: 0..self.len() }
    }
}

impl<T> Clone for DequeIter<'_, T> {
    fn clone(&self) -> Self {
        DequeIter { deque: self.deque, range: self.range.clone() }
    }
}

impl<T: fmt::Debug> fmt::Debug for DequeIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.deque.range(self.range.clone())).finish()
    }
}

impl<T> DequeIter<'_, T> {
    fn items(&self) -> usize {
        self.range.len()
    }
}

impl<'data, T: Sync> Producer for DequeIter<'data, T> {
    type Item = &'data T;
    type IntoIter = vec_deque::Iter<'data, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.deque.range(self.range)
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let DequeIter { deque, range: Range { start, end } } = self;
        let middle = start + index;
        (DequeIter { deque, range: start..middle }, DequeIter { deque, range: middle..end })
    }
}

own_producer!(['data, T: Sync] DequeIter<'data, T>, &'data T);
