//! Results: iterators over at most one item.

use super::delegate::{into_par_iter, named};
use super::option::Few;

named! {
    /// An iterator over the value of a result, by value.
    IntoIter<T> [T: Send] Few<T> => T;

    /// An iterator over the value of a result, by reference.
    Iter<'a, T> [T: Sync] Few<&'a T> => &'a T;

    /// An iterator over the value of a result, by exclusive reference.
    IterMut<'a, T> [T: Send] Few<&'a mut T> => &'a mut T;
}

into_par_iter! {
    [T: Send, E] Result<T, E> => T, IntoIter<T>, |self| IntoIter(Few(self.ok()));
    ['a, T: Sync, E] &'a Result<T, E> => &'a T, Iter<'a, T>, |self| Iter(Few(self.as_ref().ok()));
    ['a, T: Send, E] &'a mut Result<T, E> => &'a mut T, IterMut<'a, T>,
        |self| IterMut(Few(self.as_mut().ok()));
}
