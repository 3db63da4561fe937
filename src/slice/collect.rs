//! Vectors whose parts are filled in parallel.

// Unsafe, because places are filled before the length of the vector includes them.
#![allow(unsafe_code)]

use std::mem;
use std::ptr;

use super::bits::Room;
use crate::fork::join_erased as join;

/// Returns a vector of `len` values, whose places `fill` fills.
pub(super) fn collect<R>(
    len: usize,
    fill: impl for<'a> FnOnce(&'a mut Room<R>) -> Filled<'a, R>,
) -> Vec<R> {
    let mut values = Vec::with_capacity(len);
    let start = values.as_ptr();
    let filled = fill(&mut values.spare_capacity_mut()[..len]);
    assert!(ptr::eq(start, filled.room.as_ptr().cast()));
    filled.keep(len);
    // SAFETY: all `len` places are filled.
    unsafe { values.set_len(len) };
    values
}

/// Places of which the first are filled. Its drop drops their values.
pub(super) struct Filled<'a, R> {
    room: &'a mut Room<R>,
    /// The number of filled places.
    len: usize,
}

impl<'a, R> Filled<'a, R> {
    /// No place is filled.
    pub(super) fn new(room: &'a mut Room<R>) -> Filled<'a, R> {
        Filled { room, len: 0 }
    }

    /// Fills places until there are no more places or values.
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
        // Values without a drop are counted at the end, so that the loop can be vectorized.
        self.len = count;
        self
    }

    /// Fills the other places, one for each input: `next` makes a value of the one before and the
    /// input.
    ///
    /// # Panics
    /// If no place is filled, or there are more or fewer inputs than places.
    #[inline]
    pub(super) fn scan<T>(mut self, inputs: &[T], next: impl Fn(&R, &T) -> R) -> Filled<'a, R> {
        let start = self.len;
        assert!(start > 0 && self.room.len() - start == inputs.len());
        for (i, input) in inputs.iter().enumerate() {
            // SAFETY: all places before this one are filled.
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

    /// Fills the places before `middle` by `left` and the others by `right`, in parallel.
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

    /// Leaves the values in their `len` places, all of which must be filled.
    fn keep(self, len: usize) {
        assert!(self.len == len && self.room.len() == len, "a part was not filled");
        mem::forget(self);
    }
}

impl<R> Drop for Filled<'_, R> {
    fn drop(&mut self) {
        let filled = &mut self.room[..self.len];
        // SAFETY: these places are filled, and this owns their values.
        unsafe { ptr::drop_in_place(ptr::from_mut(filled) as *mut [R]) };
    }
}
