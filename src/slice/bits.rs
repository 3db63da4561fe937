//! Moving the bits of elements, in parallel.

// Elements are moved without their types' leave.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use crate::fork::join;

/// Places, some of which may hold values.
pub(super) type Room<T> = [MaybeUninit<T>];

/// Slices up to this many bytes are copied by one thread: some 10 us.
const GRAIN: usize = 128 * 1024;

/// Copies the bits of a slice to another one, as long.
pub(super) fn copy<T>(from: &mut Room<T>, to: &mut Room<T>) {
    assert_eq!(from.len(), to.len());
    // SAFETY: both are as long, and nobody else's. Bits are no values.
    unsafe { to.as_mut_ptr().copy_from_nonoverlapping(from.as_ptr(), from.len()) };
}

/// [`copy`], in parallel.
pub(super) fn par_copy<T: Send>(from: &mut Room<T>, to: &mut Room<T>) {
    if size_of_val(from) <= GRAIN {
        return copy(from, to);
    }
    let middle = from.len() / 2;
    let (from_left, from_right) = from.split_at_mut(middle);
    let (to_left, to_right) = to.split_at_mut(middle);
    join(|| par_copy(from_left, to_left), || par_copy(from_right, to_right));
}

/// The places of a slice.
///
/// # Safety
/// Nothing uninitialized is written to them, and no element is left twice or dropped, when the
/// borrow ends.
pub(super) unsafe fn as_room<T>(v: &mut [T]) -> &mut Room<T> {
    // SAFETY: the same slice, with more values allowed; the caller does not write them.
    unsafe { std::slice::from_raw_parts_mut(v.as_mut_ptr().cast(), v.len()) }
}
