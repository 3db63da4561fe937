//! Slices, by reference.

use std::slice;

use super::delegate::{into_par_iter, own_producer};
use crate::iter::plumbing::Producer;

/// Declares iterators over slices: the methods for the serial iterator and for cutting the slice.
macro_rules! slices {
    ($(
        $(#[$doc:meta])*
        $name:ident: [$($mut:tt)?] $bound:ident, $iter:ident, $split_at:ident;
    )*) => {$(
        $(#[$doc])*
        #[must_use = "parallel iterators do nothing until they are driven"]
        #[derive(Debug)]
        pub struct $name<'data, T>(pub(crate) &'data $($mut)? [T]);

        impl<'data, T: $bound> Producer for $name<'data, T> {
            type Item = &'data $($mut)? T;
            type IntoIter = slice::$name<'data, T>;

            fn into_iter(self) -> Self::IntoIter {
                self.0.$iter()
            }

            fn split_at(self, index: usize) -> (Self, Self) {
                let (left, right) = self.0.$split_at(index);
                ($name(left), $name(right))
            }
        }

        own_producer!(['data, T: $bound] $name<'data, T> => &'data $($mut)? T, |self| self.0.len());

        into_par_iter! {
            ['data, T: $bound] &'data $($mut)? [T] => &'data $($mut)? T, $name<'data, T>,
                |self| $name(self);
            ['data, T: $bound] &'data $($mut)? Vec<T> => &'data $($mut)? T, $name<'data, T>,
                |self| $name(self);
            ['data, T: $bound] &'data $($mut)? Box<[T]> => &'data $($mut)? T, $name<'data, T>,
                |self| $name(self);
            ['data, T: $bound, const N: usize] &'data $($mut)? [T; N] => &'data $($mut)? T,
                $name<'data, T>, |self| $name(self);
        }
    )*};
}

slices! {
    /// An iterator over a slice: see [`par_iter`](crate::iter::IntoParallelRefIterator).
    Iter: [] Sync, iter, split_at;
    /// An iterator over a slice: see [`par_iter_mut`](crate::iter::IntoParallelRefMutIterator).
    IterMut: [mut] Send, iter_mut, split_at_mut;
}

impl<T> Clone for Iter<'_, T> {
    fn clone(&self) -> Self {
        Iter(self.0)
    }
}
