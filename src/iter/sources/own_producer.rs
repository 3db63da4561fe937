//! Sources that are their own producers.

/// Makes `$name`, which implements `Producer` and has a method `items`, its number of items, a
/// parallel iterator.
macro_rules! own_producer {
    ([$($generics:tt)*] $name:ty, $item:ty $(, where $($bounds:tt)*)?) => {
        impl<$($generics)*> $crate::iter::ParallelIterator for $name $(where $($bounds)*)? {
            type Item = $item;

            #[inline]
            fn drive_unindexed<C>(self, consumer: C) -> C::Result
            where
                C: $crate::iter::plumbing::UnindexedConsumer<$item>,
            {
                $crate::iter::plumbing::bridge(self, consumer)
            }

            fn opt_len(&self) -> Option<usize> {
                Some(self.items())
            }
        }

        impl<$($generics)*> $crate::iter::IndexedParallelIterator for $name $(where $($bounds)*)? {
            #[inline]
            fn drive<C>(self, consumer: C) -> C::Result
            where
                C: $crate::iter::plumbing::Consumer<$item>,
            {
                $crate::iter::plumbing::bridge(self, consumer)
            }

            fn len(&self) -> usize {
                self.items()
            }

            #[inline]
            fn with_producer<CB>(self, callback: CB) -> CB::Output
            where
                CB: $crate::iter::plumbing::ProducerCallback<$item>,
            {
                callback.callback(self)
            }
        }
    };
}

pub(crate) use own_producer;
