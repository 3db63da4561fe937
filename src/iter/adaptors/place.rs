//! Loops in a given pool, and on a given number of workers.

use crate::ThreadPool;
use crate::iter::plumbing::{Consumer, LoopSettings, ProducerCallback, UnindexedConsumer};
use crate::iter::{IndexedParallelIterator, ParallelIterator};

adaptor! {
    /// An iterator whose loop runs in a given pool. Returned by [`ParallelIterator::with_pool`].
    WithPool<'p, I> { base: I, pool: &'p ThreadPool }
}

impl<I> WithPool<'_, I> {
    fn own_settings(&self) -> LoopSettings {
        LoopSettings::pool(self.pool.shared())
    }
}

adaptor! {
    /// An iterator whose loop a limited number of workers work on at a time. Returned by
    /// [`ParallelIterator::num_threads`].
    NumThreads<I> { base: I; threads: usize }
}

impl<I> NumThreads<I> {
    fn own_settings(&self) -> LoopSettings {
        LoopSettings::threads(self.threads)
    }
}

macro_rules! placed {
    ($($name:ident<$($a:lifetime,)? I>)*) => {$(
        impl<$($a,)? I: ParallelIterator> ParallelIterator for $name<$($a,)? I> {
            type Item = I::Item;

            fn drive_unindexed<C: UnindexedConsumer<I::Item>>(self, consumer: C) -> C::Result {
                self.loop_settings().run(|| self.base.drive_unindexed(consumer))
            }

            fn opt_len(&self) -> Option<usize> {
                self.base.opt_len()
            }

            fn loop_settings(&self) -> LoopSettings {
                self.base.loop_settings().or(self.own_settings())
            }
        }

        impl<$($a,)? I: IndexedParallelIterator> IndexedParallelIterator for $name<$($a,)? I> {
            fn drive<C: Consumer<I::Item>>(self, consumer: C) -> C::Result {
                self.loop_settings().run(|| self.base.drive(consumer))
            }

            fn len(&self) -> usize {
                self.base.len()
            }

            fn with_producer<CB: ProducerCallback<I::Item>>(self, callback: CB) -> CB::Output {
                // The code that drives the loop asks for the settings.
                self.base.with_producer(callback)
            }
        }
    )*};
}

placed! { WithPool<'p, I> NumThreads<I> }
