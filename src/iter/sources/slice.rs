//! Slices, by reference.

use std::slice;

use super::delegate::{into_par_iter, own_producer};
use crate::iter::plumbing::Producer;

/// An iterator over a slice: see [`par_iter`](crate::iter::IntoParallelRefIterator).
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Debug)]
pub struct Iter<'data, T>(pub(crate) &'data [T]);

impl<T> Clone for Iter<'_, T> {
    fn clone(&self) -> Self {
        Iter(self.0)
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

own_producer!(['data, T: Sync] Iter<'data, T> => &'data T, |self| self.0.len());

/// An iterator over a slice: see [`par_iter_mut`](crate::iter::IntoParallelRefMutIterator).
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Debug)]
pub struct IterMut<'data, T>(pub(crate) &'data mut [T]);

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

own_producer!(['data, T: Send] IterMut<'data, T> => &'data mut T, |self| self.0.len());

into_par_iter! {
    ['a, T: Sync] &'a [T] => &'a T, Iter<'a, T>, |self| Iter(self);
    ['a, T: Send] &'a mut [T] => &'a mut T, IterMut<'a, T>, |self| IterMut(self);
    ['a, T: Sync] &'a Vec<T> => &'a T, Iter<'a, T>, |self| Iter(self);
    ['a, T: Send] &'a mut Vec<T> => &'a mut T, IterMut<'a, T>, |self| IterMut(self);
    ['a, T: Sync] &'a Box<[T]> => &'a T, Iter<'a, T>, |self| Iter(self);
    ['a, T: Send] &'a mut Box<[T]> => &'a mut T, IterMut<'a, T>, |self| IterMut(self);
    ['a, T: Sync, const N: usize] &'a [T; N] => &'a T, Iter<'a, T>, |self| Iter(self);
    ['a, T: Send, const N: usize] &'a mut [T; N] => &'a mut T, IterMut<'a, T>, |self| IterMut(self);
}
