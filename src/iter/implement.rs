//! Implements the traits of iterators by their expressions, without the signatures around these.

/// Implements `ParallelIterator` by how the iterator is driven.
macro_rules! parallel {
    (
        [$($generics:tt)*] $name:ty $(where { $($bounds:tt)* })? => $item:ty,
        |$self:ident, $consumer:ident| $drive:expr
        $(, opt_len |$len_self:ident| $opt_len:expr)?
        $(, settings |$settings_self:ident| $settings:expr)?
    ) => {
        impl<$($generics)*> $crate::iter::ParallelIterator for $name $(where $($bounds)*)? {
            type Item = $item;

            #[inline]
            fn drive_unindexed<Co>($self, $consumer: Co) -> Co::Result
            where
                Co: $crate::iter::plumbing::UnindexedConsumer<$item>,
            {
                $drive
            }

            $(
                fn opt_len(&$len_self) -> Option<usize> {
                    $opt_len
                }
            )?

            $(
                fn loop_settings(&$settings_self) -> $crate::iter::plumbing::LoopSettings {
                    $settings
                }
            )?
        }
    };
}

/// Implements `IndexedParallelIterator` by how the iterator is driven, by its length, and by how
/// its producer gets to a callback.
macro_rules! indexed {
    (
        [$($generics:tt)*] $name:ty $(where { $($bounds:tt)* })? => $item:ty,
        drive |$drive_self:ident, $consumer:ident| $drive:expr,
        len |$len_self:ident| $len:expr,
        |$self:ident, $callback:ident| $call:expr
    ) => {
        impl<$($generics)*> $crate::iter::IndexedParallelIterator for $name
        $(where $($bounds)*)?
        {
            #[inline]
            fn drive<Co>($drive_self, $consumer: Co) -> Co::Result
            where
                Co: $crate::iter::plumbing::Consumer<$item>,
            {
                $drive
            }

            fn len(&$len_self) -> usize {
                $len
            }

            #[inline]
            fn with_producer<Ca>($self, $callback: Ca) -> Ca::Output
            where
                Ca: $crate::iter::plumbing::ProducerCallback<$item>,
            {
                $call
            }
        }
    };
}

/// Implements both traits of an iterator that its producer drives.
macro_rules! bridged {
    (
        [$($generics:tt)*] $name:ty $(where { $($bounds:tt)* })? => $item:ty,
        $(settings |$settings_self:ident| $settings:expr,)?
        len |$len_self:ident| $len:expr, |$self:ident, $callback:ident| $call:expr
    ) => {
        $crate::iter::implement::parallel!(
            [$($generics)*] $name $(where { $($bounds)* })? => $item,
            |self, consumer| $crate::iter::plumbing::bridge(self, consumer),
            opt_len |self| Some($crate::iter::IndexedParallelIterator::len(self))
            $(, settings |$settings_self| $settings)?
        );
        $crate::iter::implement::indexed!(
            [$($generics)*] $name $(where { $($bounds)* })? => $item,
            drive |self, consumer| $crate::iter::plumbing::bridge(self, consumer),
            len |$len_self| $len,
            |$self, $callback| $call
        );
    };
}

/// Implements both traits of an iterator that is driven as `$other`.
macro_rules! delegate {
    (
        [$($generics:tt)*] $name:ty => $item:ty,
        $(settings |$settings_self:ident| $settings:expr,)?
        len |$len_self:ident| $len:expr, |$self:ident| $other:expr
    ) => {
        $crate::iter::implement::parallel!(
            [$($generics)*] $name => $item,
            |$self, consumer| $crate::iter::ParallelIterator::drive_unindexed($other, consumer),
            opt_len |$len_self| Some($len)
            $(, settings |$settings_self| $settings)?
        );
        $crate::iter::implement::indexed!(
            [$($generics)*] $name => $item,
            drive |$self, consumer| {
                $crate::iter::IndexedParallelIterator::drive($other, consumer)
            },
            len |$len_self| $len,
            |$self, callback| {
                $crate::iter::IndexedParallelIterator::with_producer($other, callback)
            }
        );
    };
}

/// Implements the traits of serial iterators for a type around `$inner`, of whose items `$map`
/// makes its own.
macro_rules! serial_around {
    ([$($generics:tt)*] $name:ty => $item:ty, |$self:ident| $inner:expr, $map:expr) => {
        impl<$($generics)*> Iterator for $name {
            type Item = $item;

            #[inline]
            fn next(&mut $self) -> Option<$item> {
                $inner.next().map($map)
            }

            fn size_hint(&$self) -> (usize, Option<usize>) {
                $inner.size_hint()
            }

            #[inline]
            fn nth(&mut $self, n: usize) -> Option<$item> {
                $inner.nth(n).map($map)
            }

            #[inline]
            fn fold<B, G: FnMut(B, $item) -> B>($self, init: B, fold: G) -> B {
                let map = $map;
                $inner.map(map).fold(init, fold)
            }
        }

        impl<$($generics)*> DoubleEndedIterator for $name {
            #[inline]
            fn next_back(&mut $self) -> Option<$item> {
                $inner.next_back().map($map)
            }

            #[inline]
            fn nth_back(&mut $self, n: usize) -> Option<$item> {
                $inner.nth_back(n).map($map)
            }

            #[inline]
            fn rfold<B, G: FnMut(B, $item) -> B>($self, init: B, fold: G) -> B {
                let map = $map;
                $inner.map(map).rfold(init, fold)
            }
        }

        impl<$($generics)*> ExactSizeIterator for $name {}
    };
}

pub(super) use {bridged, delegate, indexed, parallel, serial_around};
