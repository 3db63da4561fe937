//! Options, results, `once` and `empty`: iterators over at most one item.

use std::marker::PhantomData;
use std::{fmt, option};

use super::delegate::{into_par_iter, named, own_producer};
use crate::iter::implement::delegate;
use crate::iter::plumbing::Producer;

/// One item, or none.
#[derive(Clone, Debug)]
pub(super) struct Few<T>(Option<T>);

impl<T: Send> Producer for Few<T> {
    type Item = T;
    type IntoIter = option::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }

    fn split_at(self, index: usize) -> (Self, Self) {
        if index == 0 { (Few(None), self) } else { (self, Few(None)) }
    }
}

own_producer!([T: Send] Few<T> => T, |self| usize::from(self.0.is_some()));

named! {
    /// An iterator over the value of an option or a result, by value.
    IntoIter<T> [T: Send] Few<T> => T;

    /// An iterator over the value of an option or a result, by reference.
    Iter<'a, T> [T: Sync] Few<&'a T> => &'a T;

    /// An iterator over the value of an option or a result, by exclusive reference.
    IterMut<'a, T> [T: Send] Few<&'a mut T> => &'a mut T;

    /// An iterator over one item: see [`once`].
    Once<T> [T: Send] Few<T> => T;
}

into_par_iter! {
    [T: Send] Option<T> => T, IntoIter<T>, |self| IntoIter(Few(self));
    ['a, T: Sync] &'a Option<T> => &'a T, Iter<'a, T>, |self| Iter(Few(self.as_ref()));
    ['a, T: Send] &'a mut Option<T> => &'a mut T, IterMut<'a, T>,
        |self| IterMut(Few(self.as_mut()));
    [T: Send, E] Result<T, E> => T, IntoIter<T>, |self| IntoIter(Few(self.ok()));
    ['a, T: Sync, E] &'a Result<T, E> => &'a T, Iter<'a, T>, |self| Iter(Few(self.as_ref().ok()));
    ['a, T: Send, E] &'a mut Result<T, E> => &'a mut T, IterMut<'a, T>,
        |self| IterMut(Few(self.as_mut().ok()));
}

/// Returns a parallel iterator over one item.
///
/// ```
/// use filch::prelude::*;
/// assert_eq!(filch::iter::once(5).map(|n| n + 1).collect::<Vec<_>>(), [6]);
/// ```
pub fn once<T: Send>(item: T) -> Once<T> {
    Once(Few(Some(item)))
}

/// An iterator without items: see [`empty`].
#[must_use = "parallel iterators do nothing until they are driven"]
pub struct Empty<T>(PhantomData<fn() -> T>);

impl<T> Clone for Empty<T> {
    fn clone(&self) -> Self {
        Empty(PhantomData)
    }
}

impl<T> fmt::Debug for Empty<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Empty")
    }
}

/// Returns a parallel iterator without items.
///
/// ```
/// use filch::prelude::*;
/// assert_eq!(filch::iter::empty::<i32>().count(), 0);
/// ```
pub fn empty<T: Send>() -> Empty<T> {
    Empty(PhantomData)
}

delegate!([T: Send] Empty<T> => T, len |self| 0, |self| Few(None));
