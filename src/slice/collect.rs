//! Vectors whose parts are filled in parallel.

// Values are written to where a vector will have them.
#![allow(unsafe_code)]

use std::mem;
use std::ptr;

use super::bits::Room;
use crate::fork::join;

/// Makes a vector of `len` values, which `fill` writes to its places.
pub(super) fn collect<R>(
    len: usize,
    fill: impl for<'a> FnOnce(&'a mut Room<R>) -> Filled<'a, R>,
) -> Vec<R> {
    let mut values = Vec::with_capacity(len);
    let start = values.as_ptr();
    let filled = fill(&mut values.spare_capacity_mut()[..len]);
    assert!(ptr::eq(start, filled.room.as_ptr().cast()));
    filled.keep(len);
    // SAFETY: they are filled.
    unsafe { values.set_len(len) };
    values
}

/// Places whose first ones are filled. Dropped, it drops the values.
pub(super) struct Filled<'a, R> {
    room: &'a mut Room<R>,
    /// How many of them are filled.
    len: usize,
}

impl<'a, R> Filled<'a, R> {
    /// Nothing is filled.
    pub(super) fn new(room: &'a mut Room<R>) -> Filled<'a, R> {
        Filled { room, len: 0 }
    }

    /// Fills places up to the last one, or to the last value.
    #[inline]
    pub(super) fn extend(mut self, values: impl IntoIterator<Item = R>) -> Filled<'a, R> {
        let mut count = self.len;
        for (place, value) in self.room[self.len..].iter_mut().zip(values) {
            place.write(value);
            count += 1;
            if mem::needs_drop::<R>() {
                self.len = count;
            }
        }
        // What is never dropped is not counted one by one, which the compiler can vectorize.
        self.len = count;
        self
    }

    /// Fills the other places by what `next` makes of the value before each and of an input, one
    /// for each place.
    ///
    /// # Panics
    /// When there is no value before.
    #[inline]
    pub(super) fn scan<T>(mut self, inputs: &[T], next: impl Fn(&R, &T) -> R) -> Filled<'a, R> {
        let start = self.len;
        assert!(start > 0 && self.room.len() - start == inputs.len());
        for (i, input) in inputs.iter().enumerate() {
            // SAFETY: the first places are filled, and then one after the other.
            let last = unsafe { self.room.get_unchecked(start + i - 1).assume_init_ref() };
            let value = next(last, input);
            // SAFETY: there are as many places as inputs.
            unsafe { self.room.get_unchecked_mut(start + i) }.write(value);
            if mem::needs_drop::<R>() {
                self.len = start + i + 1;
            }
        }
        self.len = start + inputs.len();
        self
    }

    /// Has the places up to `middle` filled by `left`, and the others by `right`, in parallel.
    pub(super) fn in_two(
        room: &'a mut Room<R>,
        middle: usize,
        left: impl for<'b> FnOnce(&'b mut Room<R>) -> Filled<'b, R> + Send,
        right: impl for<'b> FnOnce(&'b mut Room<R>) -> Filled<'b, R> + Send,
    ) -> Filled<'a, R>
    where
        R: Send,
    {
        let len = room.len();
        let (left_room, right_room) = room.split_at_mut(middle);
        let starts = (left_room.as_ptr(), right_room.as_ptr());
        let (left, right) = join(|| left(left_room), || right(right_room));
        assert!(ptr::eq(starts.0, left.room.as_ptr()) && ptr::eq(starts.1, right.room.as_ptr()));
        assert!(left.len == middle && right.len == len - middle, "a part was not filled");
        left.keep(middle);
        right.keep(len - middle);
        Filled { room, len }
    }

    /// Leaves its values where they are: all of its `len` places must be filled.
    fn keep(self, len: usize) {
        assert!(self.len == len && self.room.len() == len, "a part was not filled");
        mem::forget(self);
    }
}

impl<R> Drop for Filled<'_, R> {
    fn drop(&mut self) {
        let filled = &mut self.room[..self.len];
        // SAFETY: these are filled, and nobody else's.
        unsafe { ptr::drop_in_place(ptr::from_mut(filled) as *mut [R]) };
    }
}
