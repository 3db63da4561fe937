//! What a graph and its handles share: the edges, and what was set for tasks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::sync::{Mutex, MutexGuard};

/// What a graph and its handles share, which is also the identity of the graph.
#[derive(Clone)]
pub struct Owner(Arc<Mutex<Settings>>);

/// The edges of a graph, and what was set by the handles of its tasks.
#[derive(Default)]
pub(super) struct Settings {
    /// Pairs of tasks. The first comes directly before the second. A pair may occur twice.
    pub(super) edges: Vec<(u32, u32)>,
    /// A task for which `after` was given a task of another graph.
    pub(super) foreign: Option<usize>,
    pub(super) names: BTreeMap<usize, String>,
    pub(super) limits: BTreeMap<usize, Limits>,
    /// Whether anything was set since the last plan was made.
    pub(super) is_changed: bool,
}

/// The settings that a run uses.
#[derive(Clone, Copy, Default)]
pub(super) struct Limits {
    pub(super) cost: u64,
    pub(super) retries: u32,
    pub(super) delay: Duration,
}

impl Owner {
    pub(super) fn new() -> Self {
        Owner(Arc::default())
    }

    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.0.lock()
    }

    /// The name of a task.
    pub(super) fn name(&self, task: usize) -> String {
        let name = self.settings().names.get(&task).cloned();
        name.unwrap_or_else(|| format!("task {task}"))
    }
}

impl PartialEq for Owner {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owner")
    }
}
