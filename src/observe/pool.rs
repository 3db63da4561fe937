//! The methods of `ThreadPool` that show its state.

use std::sync::atomic::Ordering;

use super::metrics::threads_off;
use super::{Dump, Metrics};
use crate::pool::{ThreadPool, with_current};
use crate::worker::counters::Counters;
use crate::worker::shared::Registry;

impl ThreadPool {
    /// Returns the counters of the workers.
    pub fn counters(&self) -> Counters {
        counters_of(self.registry())
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

/// Returns the counters of the workers of the current pool, else of the global one.
///
/// # Panics
/// Panics if the global pool is needed and cannot be built.
pub fn counters() -> Counters {
    with_current(counters_of)
}

fn counters_of(registry: &Registry) -> Counters {
    let (counts, relaxed) = (&registry.counts, Ordering::Relaxed);
    Counters {
        workers: registry.workers().iter().map(|worker| worker.counters.snapshot()).collect(),
        spare_threads: counts.spare_threads(),
        threads_off_core: threads_off(registry),
        threads_blocking: counts.threads_blocking.load(relaxed),
        blocking_calls: counts.blocking_calls.load(relaxed),
        blocking_calls_on_core: counts.blocking_calls_on_core.load(relaxed),
    }
}
