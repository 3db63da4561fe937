//! Counts of a pool as a whole. (`counters.rs` has those of each worker.)
#![deny(unsafe_code)]

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The counts of a pool. (Relaxed: they order nothing.)
#[derive(Default)]
pub(crate) struct PoolCounts {
    /// How many spare threads were started for waits.
    pub(super) spare_for_waits: AtomicUsize,
    /// How many spare threads were started for calls of `blocking`.
    pub(super) spare_for_blocking: AtomicUsize,
    /// How many waits keep their cores at present, because there is no spare thread.
    refused_hand_offs: AtomicUsize,
    /// How many calls of `blocking` have begun.
    blocking_calls: AtomicUsize,
    /// How many of these kept their core.
    blocking_calls_on_core: AtomicUsize,
    /// How many calls of `blocking` have not returned.
    threads_blocking: AtomicUsize,
    /// How many tasks were dropped before they began, because the pool was shut down.
    dropped_tasks: AtomicUsize,
}

impl PoolCounts {
    pub(crate) fn spare_threads(&self) -> usize {
        self.spare_for_waits.load(Relaxed) + self.spare_for_blocking.load(Relaxed)
    }

    /// If `is_refused`, counts a wait that keeps its core because there is no spare thread. If not,
    /// counts the end of such a wait.
    pub(super) fn count_refused_hand_off(&self, is_refused: bool) {
        let one = if is_refused { 1 } else { usize::MAX };
        self.refused_hand_offs.fetch_add(one, Relaxed);
    }

    pub(crate) fn refused_hand_offs(&self) -> usize {
        self.refused_hand_offs.load(Relaxed)
    }

    /// Counts a call of `blocking` that begins. `keeps` says whether it keeps its core.
    pub(super) fn count_blocking(&self, keeps: bool) {
        self.blocking_calls.fetch_add(1, Relaxed);
        self.blocking_calls_on_core.fetch_add(keeps.into(), Relaxed);
        self.threads_blocking.fetch_add(1, Relaxed);
    }

    pub(super) fn count_end_of_blocking(&self) {
        self.threads_blocking.fetch_sub(1, Relaxed);
    }

    /// Returns how many calls of `blocking` have begun, and how many of these kept their core.
    pub(crate) fn blocking_calls(&self) -> (usize, usize) {
        (self.blocking_calls.load(Relaxed), self.blocking_calls_on_core.load(Relaxed))
    }

    pub(crate) fn threads_blocking(&self) -> usize {
        self.threads_blocking.load(Relaxed)
    }

    pub(crate) fn count_dropped_task(&self) {
        self.dropped_tasks.fetch_add(1, Relaxed);
    }

    pub(crate) fn dropped_tasks(&self) -> usize {
        self.dropped_tasks.load(Relaxed)
    }
}
