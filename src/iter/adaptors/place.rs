//! Loops in a given pool, and on a given number of workers.

use crate::ThreadPool;
use crate::iter::implement::{indexed, parallel};
use crate::iter::plumbing::LoopSettings;
use crate::iter::{IndexedParallelIterator, ParallelIterator};

macro_rules! placed {
    ($(
        $(#[$doc:meta])*
        $name:ident<$($a:lifetime,)? I> { $($fields:tt)* }, |$self:ident| $own_settings:expr;
    )*) => {$(
        adaptor! { $(#[$doc])* $name<$($a,)? I> { $($fields)* } }

        parallel! {
            [$($a,)? I: ParallelIterator] $name<$($a,)? I> => I::Item,
            |self, consumer| self.loop_settings().run(|| self.base.drive_unindexed(consumer)),
            opt_len |self| self.base.opt_len(),
            settings |$self| $self.base.loop_settings().or($own_settings)
        }

        indexed! {
            [$($a,)? I: IndexedParallelIterator] $name<$($a,)? I> => I::Item,
            drive |self, consumer| self.loop_settings().run(|| self.base.drive(consumer)),
            len |self| self.base.len(),
            // The code that drives the loop asks for the settings.
            |self, callback| self.base.with_producer(callback)
        }
    )*};
}

placed! {
    /// An iterator whose loop runs in a given pool: see [`ParallelIterator::with_pool`].
    WithPool<'p, I> { base: I, pool: &'p ThreadPool },
    |self| LoopSettings::pool(self.pool.registry().share());

    /// An iterator whose loop few workers work on: see [`ParallelIterator::num_threads`].
    NumThreads<I> { base: I; threads: usize },
    |self| LoopSettings::threads(self.threads);
}
