//! Declares sources that are their own producers, or other parallel iterators under a new name.

/// Makes a type that implements `Producer` a parallel iterator of `$len` items.
macro_rules! own_producer {
    ([$($generics:tt)*] $name:ty, $item:ty, |$self:ident| $len:expr) => {
        $crate::iter::bridged::bridged!(
            [$($generics)*] $name, $item, |$self| $len, |callback| callback.callback($self)
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

/// Makes a type a parallel iterator of `$len` items that is driven as `$other`.
macro_rules! delegate {
    (
        [$($generics:tt)*] $name:ty, $item:ty, |$self:ident| $other:expr, len $len:expr
        $(, settings $settings:expr)?
    ) => {
        impl<$($generics)*> $crate::iter::ParallelIterator for $name {
            type Item = $item;

            #[inline]
            fn drive_unindexed<Co>($self, consumer: Co) -> Co::Result
            where
                Co: $crate::iter::plumbing::UnindexedConsumer<$item>,
            {
                $crate::iter::ParallelIterator::drive_unindexed($other, consumer)
            }

            fn opt_len(&$self) -> Option<usize> {
                Some($len)
            }

            $(
                fn loop_settings(&$self) -> $crate::iter::plumbing::LoopSettings {
                    $settings
                }
            )?
        }

        impl<$($generics)*> $crate::iter::IndexedParallelIterator for $name {
            #[inline]
            fn drive<Co>($self, consumer: Co) -> Co::Result
            where
                Co: $crate::iter::plumbing::Consumer<$item>,
            {
                $crate::iter::IndexedParallelIterator::drive($other, consumer)
            }

            fn len(&$self) -> usize {
                $len
            }

            #[inline]
            fn with_producer<CB>($self, callback: CB) -> CB::Output
            where
                CB: $crate::iter::plumbing::ProducerCallback<$item>,
            {
                $crate::iter::IndexedParallelIterator::with_producer($other, callback)
            }
        }
    };
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

        $crate::iter::sources::delegate::delegate!(
            [$($a,)? $($bounds)*] $name<$($a,)? $($T),+>, $item,
            |self| self.0, len $crate::iter::IndexedParallelIterator::len(&self.0)
        );
    )*};
}

pub(crate) use {delegate, into_par_iter, named, own_producer};
