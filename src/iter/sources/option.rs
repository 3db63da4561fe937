//! One item or none: options, results, `once`, `empty`.

use std::{fmt, option};

use super::own_producer::own_producer;
use crate::iter::IntoParallelIterator;
use crate::iter::plumbing::Producer;

/// One item, or none.
#[must_use = "parallel iterators do nothing until they are driven"]
#[derive(Clone, Debug)]
pub struct Few<T>(Option<T>);

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

/// Options and results, by value and by reference.
macro_rules! options {
    ($([$($generics:tt)*] $option:ty, $item:ty, |$self:ident| $items:expr;)*) => {$(
        impl<$($generics)*> IntoParallelIterator for $option {
            type Iter = Few<$item>;
            type Item = $item;

            fn into_par_iter($self) -> Few<$item> {
                Few($items)
            }
        }
    )*};
}

options! {
    [T: Send] Option<T>, T, |self| self;
    ['a, T: Sync] &'a Option<T>, &'a T, |self| self.as_ref();
    ['a, T: Send] &'a mut Option<T>, &'a mut T, |self| self.as_mut();
    [T: Send, E] Result<T, E>, T, |self| self.ok();
    ['a, T: Sync, E] &'a Result<T, E>, &'a T, |self| self.as_ref().ok();
    ['a, T: Send, E] &'a mut Result<T, E>, &'a mut T, |self| self.as_mut().ok();
}

/// Gives `item`; of [`once`].
pub type Once<T> = Few<T>;

/// A parallel iterator over one item.
///
/// ```
/// use filch::prelude::*;
///
/// assert_eq!(filch::iter::once(5).map(|n| n + 1).collect::<Vec<_>>(), [6]);
/// ```
pub fn once<T: Send>(item: T) -> Once<T> {
    Few(Some(item))
}

/// Gives nothing; of [`empty`].
#[must_use = "parallel iterators do nothing until they are driven"]
pub struct Empty<T>(std::marker::PhantomData<fn() -> T>);

impl<T> Clone for Empty<T> {
    fn clone(&self) -> Self {
        empty_of()
    }
}

impl<T> fmt::Debug for Empty<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Empty")
    }
}

fn empty_of<T>() -> Empty<T> {
    Empty(std::marker::PhantomData)
}

/// A parallel iterator over nothing.
///
/// ```
/// use filch::prelude::*;
///
/// assert_eq!(filch::iter::empty::<i32>().count(), 0);
/// ```
pub fn empty<T: Send>() -> Empty<T> {
    empty_of()
}

impl<T> Empty<T> {
    fn items(&self) -> usize {
        0
    }
}

impl<T: Send> Producer for Empty<T> {
    type Item = T;
    type IntoIter = std::iter::Empty<T>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::empty()
    }

    fn split_at(self, _index: usize) -> (Self, Self) {
        (empty_of(), self)
    }
}

own_producer!([T: Send] Empty<T>, T);
