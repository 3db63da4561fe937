//! Copying the bits of elements, in parallel.

// Unsafe, because elements that are not `Copy` are copied.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use crate::fork::join_erased as join;

/// Places, some of which may be initialized.
pub(super) type Room<T> = [MaybeUninit<T>];

/// One thread copies, checks or reverses slices of up to this many bytes, or of one element.
pub(super) const GRAIN: usize = 128 * 1024;

/// Copies the bits of a slice to another one of the same length.
pub(super) fn copy<T>(from: &mut Room<T>, to: &mut Room<T>) {
    assert_eq!(from.len(), to.len());
    // SAFETY: both have the same length and are exclusive. Uninitialized values are allowed.
    unsafe { to.as_mut_ptr().copy_from_nonoverlapping(from.as_ptr(), from.len()) };
}

/// [`copy`], in parallel.
pub(super) fn par_copy<T: Send>(from: &mut Room<T>, to: &mut Room<T>) {
    if size_of_val(from) <= GRAIN.max(size_of::<T>()) {
        return copy(from, to);
    }
    let middle = from.len() / 2;
    let (from_left, from_right) = from.split_at_mut(middle);
    let (to_left, to_right) = to.split_at_mut(middle);
    join(|| par_copy(from_left, to_left), || par_copy(from_right, to_right));
}

/// Returns the places of a slice.
///
/// # Safety
/// When the borrow ends, all places are initialized, and each element is there once.
pub(super) unsafe fn as_room<T>(v: &mut [T]) -> &mut Room<T> {
    // SAFETY: it is the same slice, and the caller leaves it initialized.
    unsafe { std::slice::from_raw_parts_mut(v.as_mut_ptr().cast(), v.len()) }
}
