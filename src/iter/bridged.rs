//! Indexed iterators that are driven by their producer.

/// Implements both traits of such an iterator: `$len` is its number of items, and `$call` hands its
/// producer to `$callback`. An adaptor has the `$settings` of its bases.
macro_rules! bridged {
    (
        [$($generics:tt)*] $name:ty $(where { $($bounds:tt)* })?, $item:ty,
        $(settings |$this:ident| $settings:expr,)?
        |$self:ident| $len:expr, |$callback:ident| $call:expr
    ) => {
        impl<$($generics)*> $crate::iter::ParallelIterator for $name $(where $($bounds)*)? {
            type Item = $item;

            #[inline]
            fn drive_unindexed<Co>(self, consumer: Co) -> Co::Result
            where
                Co: $crate::iter::plumbing::UnindexedConsumer<$item>,
            {
                $crate::iter::plumbing::bridge(self, consumer)
            }

            fn opt_len(&self) -> Option<usize> {
                Some($crate::iter::IndexedParallelIterator::len(self))
            }

            $(
                fn loop_settings(&$this) -> $crate::iter::plumbing::LoopSettings {
                    $settings
                }
            )?
        }

        impl<$($generics)*> $crate::iter::IndexedParallelIterator for $name
        $(where $($bounds)*)?
        {
            #[inline]
            fn drive<Co>(self, consumer: Co) -> Co::Result
            where
                Co: $crate::iter::plumbing::Consumer<$item>,
            {
                $crate::iter::plumbing::bridge(self, consumer)
            }

            fn len(&$self) -> usize {
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
pub(super) use bridged;
