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
use crate::iter::bridged::bridged;
use crate::iter::plumbing::Producer;

/// An iterator over the items of a vector, by value.
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct IntoIter<T>(Vec<T>);

into_par_iter! {
    [T: Send] Vec<T> => T, IntoIter<T>, |self| IntoIter(self);
    [T: Send] Box<[T]> => T, IntoIter<T>, |self| IntoIter(self.into_vec());
}

bridged!([T: Send] IntoIter<T>, T, |self| self.0.len(), |callback| {
    let mut vec = self.0;
    vec.par_drain(..).with_producer(callback)
});

/// An iterator that moves a range out of a vector. Returned by
/// [`par_drain`](ParallelDrainRange::par_drain).
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

bridged!(['data, T: Send] Drain<'data, T>, T, |self| self.end - self.start, |callback| {
    // SAFETY: this is shorter than before. The producer now owns the items of the range. Those
    // behind it are the vector's again when `self` is dropped.
    unsafe { self.vec.set_len(self.start) };
    let places = &mut self.vec.spare_capacity_mut()[..self.end - self.start];
    let items = ptr::slice_from_raw_parts_mut(places.as_mut_ptr().cast::<T>(), places.len());
    // SAFETY: the items of the range are initialized, and only the producer uses them. It ends
    // before `self` does.
    callback.callback(Items { items: unsafe { &mut *items } })
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
pub(crate) struct Items<'data, T> {
    items: &'data mut [T],
}

impl<'data, T> Items<'data, T> {
    /// # Safety
    /// The caller must never use or drop the items.
    pub(crate) unsafe fn of(items: &'data mut [T]) -> Self {
        Items { items }
    }
}

impl<T> Drop for Items<'_, T> {
    fn drop(&mut self) {
        let items = ptr::from_mut(mem::take(&mut self.items));
        // SAFETY: the producer owns the items, and none was taken.
        unsafe { ptr::drop_in_place(items) };
    }
}

impl<'data, T: Send> Producer for Items<'data, T> {
    type Item = T;
    type IntoIter = ItemsIter<'data, T>;

    fn into_iter(mut self) -> ItemsIter<'data, T> {
        ItemsIter(mem::take(&mut self.items).iter_mut())
    }

    fn split_at(mut self, index: usize) -> (Self, Self) {
        // Checked before `take`, so that a panic drops the items.
        assert!(index <= self.items.len(), "cut at {index}, of {} items", self.items.len());
        let (left, right) = mem::take(&mut self.items).split_at_mut(index);
        (Items { items: left }, Items { items: right })
    }
}

/// Moves items out of a slice.
pub(crate) struct ItemsIter<'data, T>(slice::IterMut<'data, T>);

/// # Safety
/// The caller must own the item, and must no longer use or drop it in its place.
unsafe fn take<T>(item: &mut T) -> T {
    // SAFETY: the caller's promise.
    unsafe { ptr::read(item) }
}

impl<T> Iterator for ItemsIter<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        // SAFETY: the iterator owns the items that it has not returned.
        self.0.next().map(|item| unsafe { take(item) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<T> DoubleEndedIterator for ItemsIter<'_, T> {
    #[inline]
    fn next_back(&mut self) -> Option<T> {
        // SAFETY: as in `next`.
        self.0.next_back().map(|item| unsafe { take(item) })
    }
}

impl<T> ExactSizeIterator for ItemsIter<'_, T> {}
impl<T> FusedIterator for ItemsIter<'_, T> {}

impl<T> Drop for ItemsIter<'_, T> {
    fn drop(&mut self) {
        let items = ptr::from_mut(mem::take(&mut self.0).into_slice());
        // SAFETY: the iterator owns the items that it has not returned.
        unsafe { ptr::drop_in_place(items) };
    }
}
