//! The methods of `ThreadPool` that show its state.

use super::{Dump, Metrics};
use crate::pool::{ThreadPool, with_current};
use crate::worker::counters::Counters;

impl ThreadPool {
    /// Returns the counters of the workers.
    pub fn counters(&self) -> Counters {
        self.registry().counters()
    }

    /// Returns the metrics of the pool.
    pub fn metrics(&self) -> Metrics {
        Metrics::of(self.registry())
    }

    /// Returns what the workers do at the moment, for a process that hangs. See also
    /// [`watchdog`](crate::ThreadPoolBuilder::watchdog) and [`dump`](crate::dump()).
    pub fn dump(&self) -> Dump {
        Dump::of(self.registry())
    }
}

/// Returns the metrics of the current pool, else of the global one.
///
/// # Panics
/// Panics if the global pool is needed and cannot be built.
pub fn metrics() -> Metrics {
    with_current(Metrics::of)
}
