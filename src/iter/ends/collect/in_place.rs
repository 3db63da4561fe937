//! Collecting a known number of items: each is written directly to its place.
//!
//! Unsafe, because places are filled before the length of the vector includes them.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::mem::{self, MaybeUninit};
use std::ptr;

use super::super::super::plumbing::{Consumer, Folder, Reducer, UnindexedConsumer, drop_first};

/// Appends the `len` items of an iterator to `vec`. `drive` passes them to the places, which are a
/// consumer that is split by position.
///
/// # Panics
/// If the iterator yields more or fewer items.
pub(crate) fn append_known<T: Send>(
    vec: &mut Vec<T>,
    len: usize,
    drive: impl FnOnce(Places<'_, T>) -> Filled<'_, T>,
) {
    vec.reserve(len);
    let old = vec.len();
    let start = vec.spare_capacity_mut().as_mut_ptr();
    let filled = drive(Places::new(start, len));
    let given = filled.len;
    assert!(given == len, "expected {len} items of a parallel iterator, but got {given}");
    assert!(ptr::eq(start, filled.start), "a parallel iterator gave its items in another order");
    mem::forget(filled);
    // SAFETY: all `len` places behind the vector's items are filled, and `filled` no longer owns
    // their items.
    unsafe { vec.set_len(old + len) };
}

/// `len` filled places. This owns the items.
pub(crate) struct Filled<'c, T> {
    start: *mut MaybeUninit<T>,
    len: usize,
    slots: PhantomData<&'c mut [T]>,
}

// SAFETY: it owns items of type `T`, and does not share them.
unsafe impl<T: Send> Send for Filled<'_, T> {}

impl<T> Drop for Filled<'_, T> {
    fn drop(&mut self) {
        let items = ptr::slice_from_raw_parts_mut(self.start.cast::<T>(), self.len);
        // SAFETY: the places are filled, and this owns the items.
        unsafe { ptr::drop_in_place(items) };
    }
}

/// Joins neighbours.
pub(crate) struct Adjoin;

impl<'c, T> Reducer<Filled<'c, T>> for Adjoin {
    fn reduce(self, mut left: Filled<'c, T>, right: Filled<'c, T>) -> Filled<'c, T> {
        // If they are not adjacent, `right` is dropped, and `append_known` panics.
        if ptr::eq(left.start.wrapping_add(left.len), right.start) {
            left.len += right.len;
            mem::forget(right);
            left
        } else {
            drop_first(right, left)
        }
    }
}

/// The `len` places of a piece, and which of them are filled. No other piece has them.
pub(crate) struct Places<'c, T> {
    filled: Filled<'c, T>,
    len: usize,
}

impl<T> Places<'_, T> {
    /// No place is filled.
    fn new(start: *mut MaybeUninit<T>, len: usize) -> Self {
        Places { filled: Filled { start, len: 0, slots: PhantomData }, len }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Fills the places that are left, one for each input. `next` makes each value from the value
    /// before it and the input.
    ///
    /// # Panics
    /// If no place is filled, or there are more or fewer inputs than places.
    #[inline]
    pub(crate) fn scan<I>(mut self, inputs: &[I], next: impl Fn(&T, &I) -> T) -> Self {
        let filled = self.filled.len;
        assert!(filled > 0 && self.len - filled == inputs.len());
        let start = self.filled.start.wrapping_add(filled);
        for (at, input) in inputs.iter().enumerate() {
            let slot = start.wrapping_add(at);
            // SAFETY: the place before is filled.
            let value = next(unsafe { (*slot.wrapping_sub(1)).assume_init_ref() }, input);
            // SAFETY: only this piece has the places behind the filled ones, which are as many as
            // the inputs.
            unsafe { &mut *slot }.write(value);
            if mem::needs_drop::<T>() {
                self.filled.len = filled + at + 1;
            }
        }
        self.filled.len = self.len;
        self
    }
}

impl<'c, T: Send> Consumer<T> for Places<'c, T> {
    type Folder = Self;
    type Reducer = Adjoin;
    type Result = Filled<'c, T>;

    const PAUSES: bool = true;

    fn split_at(self, index: usize) -> (Self, Self, Adjoin) {
        let Places { filled: Filled { start, .. }, len } = self;
        assert!(index <= len, "a parallel iterator is longer than it said");
        let right = Places::new(start.wrapping_add(index), len - index);
        (Places::new(start, index), right, Adjoin)
    }

    fn into_folder(self) -> Self {
        self
    }

    fn full(&self) -> bool {
        false
    }

    fn pause(folder: Self) -> (Filled<'c, T>, Self, Adjoin) {
        let Places { filled, len } = folder;
        let rest = Places::new(filled.start.wrapping_add(filled.len), len - filled.len);
        (filled, rest, Adjoin)
    }
}

impl<T: Send> UnindexedConsumer<T> for Places<'_, T> {
    fn split_off_left(&self) -> Self {
        panic!("a parallel iterator that knows its length must split its consumer by position")
    }

    fn to_reducer(&self) -> Adjoin {
        Adjoin
    }
}

impl<'c, T: Send> Folder<T> for Places<'c, T> {
    type Result = Filled<'c, T>;

    const ASK_EACH: bool = false;
    const FILLS: bool = false;

    fn consume(mut self, item: T) -> Self {
        assert!(self.filled.len < self.len, "a parallel iterator has more items than it said");
        let slot = self.filled.start.wrapping_add(self.filled.len);
        // SAFETY: only this piece has the places behind the filled ones, and the slot is one of
        // them.
        unsafe { &mut *slot }.write(item);
        self.filled.len += 1;
        self
    }

    fn consume_iter<I: IntoIterator<Item = T>>(mut self, iter: I) -> Self {
        let iter = iter.into_iter();
        if size_of::<T>() == 0 && !mem::needs_drop::<T>() {
            // Nothing is written or dropped, so the compiler can remove the loop. `append_known`
            // checks the number of items. (Not by `Iterator::count`, which an iterator may
            // override: the vector would then have elements that were never made.)
            self.filled.len = iter.fold(self.filled.len, |len, item| {
                mem::forget(item);
                len + 1
            });
            return self;
        }
        let rest = self.len - self.filled.len;
        if iter.size_hint().1.is_none_or(|most| most > rest) {
            // There may be too many items, so each one is checked.
            return iter.fold(self, Self::consume);
        }
        let rest =
            ptr::slice_from_raw_parts_mut(self.filled.start.wrapping_add(self.filled.len), rest);
        // SAFETY: only this piece has the `rest` places behind the filled ones.
        let rest = unsafe { &mut *rest };
        for (slot, item) in rest.iter_mut().zip(iter) {
            slot.write(item);
            self.filled.len += 1;
        }
        self
    }

    fn complete(self) -> Filled<'c, T> {
        self.filled
    }

    fn full(&self) -> bool {
        false
    }
}
