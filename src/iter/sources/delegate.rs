//! Declares sources that are their own producers, or other parallel iterators under a new name.

/// Makes a type that implements `Producer` a parallel iterator of `$len` items.
macro_rules! own_producer {
    ([$($generics:tt)*] $name:ty => $item:ty, |$self:ident| $len:expr) => {
        $crate::iter::implement::bridged!(
            [$($generics)*] $name => $item, len |$self| $len,
            |self, callback| callback.callback(self)
        );
    };
}

/// Implements `IntoParallelIterator`: `$iter` is made of a value of `$from`.
macro_rules! into_par_iter {
    ($([$($generics:tt)*] $from:ty => $item:ty, $iter:ty, |$self:ident| $make:expr;)*) => {$(
        impl<$($generics)*> $crate::iter::IntoParallelIterator for $from {
            type Iter = $iter;
            type Item = $item;

            fn into_par_iter($self) -> Self::Iter {
                $make
            }
        }
    )*};
}

/// Declares types that wrap other parallel iterators.
macro_rules! named {
    ($(
        $(#[$doc:meta])*
        $name:ident<$($a:lifetime,)? $($T:ident),+> [$($bounds:tt)*]
            $base:ty => $item:ty;
    )*) => {$(
        $(#[$doc])*
        #[must_use = "parallel iterators do nothing until they are driven"]
        #[derive(Debug)]
        pub struct $name<$($a,)? $($T),+>(pub(super) $base);

        impl<$($a,)? $($T),+> Clone for $name<$($a,)? $($T),+>
        where
            $base: Clone,
        {
            fn clone(&self) -> Self {
                $name(self.0.clone())
            }
        }

        $crate::iter::implement::delegate!(
            [$($a,)? $($bounds)*] $name<$($a,)? $($T),+> => $item,
            len |self| $crate::iter::IndexedParallelIterator::len(&self.0), |self| self.0
        );
    )*};
}

pub(crate) use {into_par_iter, named, own_producer};
