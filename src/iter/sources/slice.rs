//! Slices, by reference.

use std::slice;

use super::delegate::own_producer;
use crate::iter::IntoParallelIterator;
use crate::iter::plumbing::Producer;

/// An iterator over the items of a slice, by reference. Returned by
/// [`par_iter`](crate::iter::IntoParallelRefIterator).
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Debug)]
pub struct Iter<'data, T>(pub(crate) &'data [T]);

impl<T> Clone for Iter<'_, T> {
    fn clone(&self) -> Self {
        Iter(self.0)
    }
}

impl<T> Iter<'_, T> {
    fn items(&self) -> usize {
        self.0.len()
    }
}

impl<'data, T: Sync> Producer for Iter<'data, T> {
    type Item = &'data T;
    type IntoIter = slice::Iter<'data, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let (left, right) = self.0.split_at(index);
        (Iter(left), Iter(right))
    }
}

own_producer!(['data, T: Sync] Iter<'data, T>, &'data T);

/// An iterator over the items of a slice, by exclusive reference. Returned by
/// [`par_iter_mut`](crate::iter::IntoParallelRefMutIterator).
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Debug)]
pub struct IterMut<'data, T>(pub(crate) &'data mut [T]);

impl<T> IterMut<'_, T> {
    fn items(&self) -> usize {
        self.0.len()
    }
}

impl<'data, T: Send> Producer for IterMut<'data, T> {
    type Item = &'data mut T;
    type IntoIter = slice::IterMut<'data, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter_mut()
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        let (left, right) = self.0.split_at_mut(index);
        (IterMut(left), IterMut(right))
    }
}

own_producer!(['data, T: Send] IterMut<'data, T>, &'data mut T);

impl<'data, T: Sync> IntoParallelIterator for &'data [T] {
    type Iter = Iter<'data, T>;
    type Item = &'data T;

    fn into_par_iter(self) -> Self::Iter {
        Iter(self)
    }
}

impl<'data, T: Send> IntoParallelIterator for &'data mut [T] {
    type Iter = IterMut<'data, T>;
    type Item = &'data mut T;

    fn into_par_iter(self) -> Self::Iter {
        IterMut(self)
    }
}
