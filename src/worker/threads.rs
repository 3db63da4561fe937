//! How many threads a pool has started, and how many have ended.

use std::collections::BTreeMap;

use crate::os::thread::Thread;

#[derive(Default)]
pub(super) struct Threads {
    /// How many `ThreadBuilder`s were made, less those that were dropped without a run.
    pub(super) started: usize,
    /// How many of those were run.
    pub(super) running: usize,
    /// The spare threads, to be joined.
    pub(super) spare: Vec<Thread>,
    /// The name of each worker's threads.
    pub(super) names: BTreeMap<usize, String>,
    /// How many threads, spare ones included, have ended.
    pub(super) done: usize,
    /// Whether no further `ThreadBuilder` may run.
    pub(super) is_closed: bool,
    /// The worker of the first `ThreadBuilder` that was dropped without a run.
    pub(super) refused: Option<usize>,
    /// Whether a thread waits until all have ended.
    pub(super) awaited: bool,
}
