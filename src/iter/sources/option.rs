//! One item or none: options, `once`, `empty`.

use std::marker::PhantomData;
use std::{fmt, iter, option};

use super::delegate::{named, own_producer};
use crate::iter::IntoParallelIterator;
use crate::iter::plumbing::Producer;

/// One item, or none.
#[derive(Clone, Debug)]
pub(super) struct Few<T>(pub(super) Option<T>);

impl<T> Few<T> {
    fn items(&self) -> usize {
        usize::from(self.0.is_some())
    }
}

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

own_producer!([T: Send] Few<T>, T);

named! {
    /// An iterator over what is in an option, by value.
    value IntoIter<T> [T: Send] Few<T> => T;

    /// An iterator over what is in an option, by reference.
    shared Iter<'a, T> [T: Sync] Few<&'a T> => &'a T;

    /// An iterator over what is in an option, by exclusive reference.
    exclusive IterMut<'a, T> [T: Send] Few<&'a mut T> => &'a mut T;

    /// An iterator over one item. Returned by [`once`].
    value Once<T> [T: Send] Few<T> => T;
}

/// Makes an option, or a result, or a reference to it, a parallel iterator.
macro_rules! few {
    ($(
        [$($generics:tt)*] $option:ty => $item:ty, $iter:ident<$($param:tt),+>,
        |$self:ident| $items:expr;
    )*) => {$(
        impl<$($generics)*> IntoParallelIterator for $option {
            type Iter = $iter<$($param),+>;
            type Item = $item;

            fn into_par_iter($self) -> Self::Iter {
                $iter(Few($items))
            }
        }
    )*};
}

pub(super) use few;

few! {
    [T: Send] Option<T> => T, IntoIter<T>, |self| self;
    ['a, T: Sync] &'a Option<T> => &'a T, Iter<'a, T>, |self| self.as_ref();
    ['a, T: Send] &'a mut Option<T> => &'a mut T, IterMut<'a, T>, |self| self.as_mut();
}

/// Returns a parallel iterator over one item.
///
/// ```
/// use filch::prelude::*;
///
/// assert_eq!(filch::iter::once(5).map(|n| n + 1).collect::<Vec<_>>(), [6]);
/// ```
pub fn once<T: Send>(item: T) -> Once<T> {
    Once(Few(Some(item)))
}

/// An iterator over nothing. Returned by [`empty`].
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

/// Returns a parallel iterator over nothing.
///
/// ```
/// use filch::prelude::*;
///
/// assert_eq!(filch::iter::empty::<i32>().count(), 0);
/// ```
pub fn empty<T: Send>() -> Empty<T> {
    Empty(PhantomData)
}

impl<T> Empty<T> {
    fn items(&self) -> usize {
        0
    }
}

impl<T: Send> Producer for Empty<T> {
    type Item = T;
    type IntoIter = iter::Empty<T>;

    fn into_iter(self) -> Self::IntoIter {
        iter::empty()
    }

    fn split_at(self, _index: usize) -> (Self, Self) {
        (self.clone(), self)
    }
}

own_producer!([T: Send] Empty<T>, T);
