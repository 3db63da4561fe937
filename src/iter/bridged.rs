//! Indexed iterators that hand their items over through their producer.

/// The methods by which such an iterator does that.
macro_rules! driven_by_bridge {
    (unindexed $item:ty) => {
        #[inline]
        fn drive_unindexed<C>(self, consumer: C) -> C::Result
        where
            C: $crate::iter::plumbing::UnindexedConsumer<$item>,
        {
            $crate::iter::plumbing::bridge(self, consumer)
        }

        fn opt_len(&self) -> Option<usize> {
            Some($crate::iter::IndexedParallelIterator::len(self))
        }
    };
    (indexed $item:ty) => {
        #[inline]
        fn drive<C>(self, consumer: C) -> C::Result
        where
            C: $crate::iter::plumbing::Consumer<$item>,
        {
            $crate::iter::plumbing::bridge(self, consumer)
        }
    };
}
pub(super) use driven_by_bridge;
