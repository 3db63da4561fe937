//! Vectors, by value, and parts of them.
//!
//! Unsafe, because items are moved out of the vector one by one.
#![allow(unsafe_code)]

use std::iter::FusedIterator;
use std::mem;
use std::ops::RangeBounds;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::{ptr, slice};

use super::delegate::into_par_iter;
use super::range::within;
use crate::iter::ParallelDrainRange;
use crate::iter::implement::bridged;
use crate::iter::plumbing::Producer;

/// An iterator over the items of a vector, by value.
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct IntoIter<T>(Vec<T>);

into_par_iter! {
    [T: Send] Vec<T> => T, IntoIter<T>, |self| IntoIter(self);
    [T: Send] Box<[T]> => T, IntoIter<T>, |self| IntoIter(self.into_vec());
}

bridged!([T: Send] IntoIter<T> => T, len |self| self.0.len(), |self, callback| {
    let mut vec = self.0;
    vec.par_drain(..).with_producer(callback)
});

/// An iterator that empties a part of a vector: see [`par_drain`](ParallelDrainRange::par_drain).
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Debug)]
pub struct Drain<'data, T: Send> {
    vec: &'data mut Vec<T>,
    start: usize,
    end: usize,
    /// The length of the vector with the range.
    len: usize,
}

// As std's: a drain that ends by a panic leaves a vector without the range.
impl<T: Send + RefUnwindSafe> UnwindSafe for Drain<'_, T> {}

impl<'data, T: Send> ParallelDrainRange<usize> for &'data mut Vec<T> {
    type Iter = Drain<'data, T>;
    type Item = T;

    fn par_drain<R: RangeBounds<usize>>(self, range: R) -> Drain<'data, T> {
        let len = self.len();
        let (start, end) = within(range, len);
        Drain { vec: self, start, end, len }
    }
}

bridged!(['data, T: Send] Drain<'data, T> => T, len |self| self.end - self.start, |self, callback| {
    // SAFETY: this is shorter than before. The producer now owns the items of the range. Those
    // behind it are the vector's again when `self` is dropped.
    unsafe { self.vec.set_len(self.start) };
    let places = &mut self.vec.spare_capacity_mut()[..self.end - self.start];
    let items = ptr::slice_from_raw_parts_mut(places.as_mut_ptr().cast::<T>(), places.len());
    // SAFETY: the items of the range are initialized, and only the producer uses them. It ends
    // before `self` does.
    callback.callback(unsafe { Items::of(&mut *items) })
});

impl<T: Send> Drop for Drain<'_, T> {
    fn drop(&mut self) {
        if self.vec.len() == self.len {
            // There was no producer.
            drop(self.vec.drain(self.start..self.end));
        } else if self.start == self.end {
            // SAFETY: nothing was taken out of the vector.
            unsafe { self.vec.set_len(self.len) };
        } else if self.end < self.len {
            let behind = self.len - self.end;
            let start = self.vec.as_mut_ptr();
            // SAFETY: both are within the vector's memory. The items behind the range move into
            // places that the producer has emptied.
            unsafe { ptr::copy(start.add(self.end), start.add(self.start), behind) };
            // SAFETY: as many items are there now.
            unsafe { self.vec.set_len(self.start + behind) };
        }
    }
}

/// Items of a slice that are to be moved out of it. They are owned by this.
pub(crate) struct Items<'data, T>(slice::IterMut<'data, T>);

impl<'data, T> Items<'data, T> {
    /// # Safety
    /// The caller must never use or drop the items.
    pub(crate) unsafe fn of(items: &'data mut [T]) -> Self {
        Items(items.iter_mut())
    }
}

impl<T> Drop for Items<'_, T> {
    fn drop(&mut self) {
        let items = ptr::from_mut(mem::take(&mut self.0).into_slice());
        // SAFETY: this owns the items that it has not returned.
        unsafe { ptr::drop_in_place(items) };
    }
}

impl<T: Send> Producer for Items<'_, T> {
    type Item = T;
    type IntoIter = Self;

    fn into_iter(self) -> Self {
        self
    }

    fn split_at(mut self, index: usize) -> (Self, Self) {
        // Checked before `take`, so that a panic drops the items.
        assert!(index <= self.0.len(), "cut at {index}, of {} items", self.0.len());
        let (left, right) = mem::take(&mut self.0).into_slice().split_at_mut(index);
        (Items(left.iter_mut()), Items(right.iter_mut()))
    }
}

/// # Safety
/// The caller must own the item, and must no longer use or drop it in its place.
unsafe fn take<T>(item: &mut T) -> T {
    // SAFETY: the caller's promise.
    unsafe { ptr::read(item) }
}

impl<T> Iterator for Items<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        // SAFETY: this owns the items that it has not returned.
        self.0.next().map(|item| unsafe { take(item) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T> DoubleEndedIterator for Items<'_, T> {
    #[inline]
    fn next_back(&mut self) -> Option<T> {
        // SAFETY: as in `next`.
        self.0.next_back().map(|item| unsafe { take(item) })
    }
}

impl<T> ExactSizeIterator for Items<'_, T> {}
impl<T> FusedIterator for Items<'_, T> {}
