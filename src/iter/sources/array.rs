//! Arrays, by value.
//!
//! Unsafe, because items are moved out of the array one by one.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;

use super::delegate::into_par_iter;
use super::vec::Items;
use crate::iter::implement::bridged;

/// An iterator over the items of an array, by value.
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct IntoIter<T, const N: usize>([T; N]);

into_par_iter! {
    [T: Send, const N: usize] [T; N] => T, IntoIter<T, N>, |self| IntoIter(self);
}

bridged!([T: Send, const N: usize] IntoIter<T, N> => T, len |self| N, |self, callback| {
    let mut items = ManuallyDrop::new(self.0);
    // SAFETY: the array neither drops nor uses its items.
    let items = unsafe { Items::of(items.as_mut_slice()) };
    callback.callback(items)
});
