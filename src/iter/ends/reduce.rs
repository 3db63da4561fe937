//! Ends that return one value: `for_each`, `sum`, `product`.

use std::iter;
use std::marker::PhantomData;

use super::end::{End, Join};

pub(crate) struct ForEach<F>(pub(crate) F);

impl<F: Sync> Join for ForEach<F> {
    type Result = ();

    fn start(&self) {}

    fn join(&self, (): (), (): ()) {}
}

impl<T, F: Fn(T) + Sync> End<T> for ForEach<F> {
    fn take(&self, (): (), iter: impl Iterator<Item = T>) {
        iter.for_each(&self.0);
    }
}

/// Declares ends that use a method of serial iterators for each piece, and to join their results.
macro_rules! sums {
    ($($name:ident, $method:ident;)*) => {$(
        pub(crate) struct $name<S>(pub(crate) PhantomData<fn() -> S>);

        impl<S: Send + iter::$name<S>> Join for $name<S> {
            type Result = S;

            fn start(&self) -> S {
                iter::empty::<S>().$method()
            }

            fn join(&self, left: S, right: S) -> S {
                [left, right].into_iter().$method()
            }
        }

        impl<T, S: Send + iter::$name<S> + iter::$name<T>> End<T> for $name<S> {
            fn take(&self, so_far: S, iter: impl Iterator<Item = T>) -> S {
                self.join(so_far, iter.$method())
            }
        }
    )*};
}

sums! {
    Sum, sum;
    Product, product;
}
