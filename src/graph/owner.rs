//! What a graph and its handles share: the edges, and what was set for tasks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::os::generation::PerProcess;
use crate::sync::{Mutex, MutexGuard};

/// The settings of graphs that were dropped, for new graphs to take. Settings are never freed, so a
/// handle can have a plain reference to them: with a counted one, building a graph of tiny tasks
/// took 1.5 times as long. (Each process has a list, since a `fork()` may find the lock held.)
static UNUSED: PerProcess<Mutex<Vec<&'static Mutex<Settings>>>> = PerProcess::new();

/// The number of the next graph.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Which graph owns a task, and where the settings of that graph are.
#[derive(Clone, Copy)]
pub(super) struct GraphRef {
    /// Those of a later graph once this one is dropped.
    settings: &'static Mutex<Settings>,
    /// The number of the graph: no other one ever has it.
    pub(super) graph: u64,
}

/// The edges of a graph, and what its tasks' handles have set.
#[derive(Default)]
pub(super) struct Settings {
    /// The number of the graph that has them, or 0.
    graph: u64,
    /// Pairs of tasks. The first comes directly before the second. A pair may occur twice.
    pub(super) edges: Vec<(u32, u32)>,
    /// A task for which `after` was given a task of another graph.
    pub(super) foreign: Option<usize>,
    pub(super) names: BTreeMap<usize, String>,
    pub(super) of_tasks: BTreeMap<usize, TaskSettings>,
    /// Whether anything was set since the last plan was made.
    pub(super) is_changed: bool,
}

/// What was set for one task and affects runs.
#[derive(Clone, Copy, Default)]
pub(super) struct TaskSettings {
    pub(super) cost: u64,
    pub(super) retries: u32,
    pub(super) delay: Duration,
}

impl GraphRef {
    /// Numbers a new graph, and finds settings for it.
    pub(super) fn new() -> Self {
        // Relaxed: only the number counts.
        let graph = NEXT.fetch_add(1, Ordering::Relaxed);
        let unused = UNUSED.get().lock().pop();
        let settings = unused.unwrap_or_else(|| Box::leak(Box::default()));
        settings.lock().graph = graph;
        GraphRef { settings, graph }
    }

    /// The graph is dropped: clears its settings, and leaves them to a later graph.
    pub(super) fn end(self) {
        *self.settings() = Settings::default();
        UNUSED.get().lock().push(self.settings);
    }

    /// The settings of the graph, which must not have been dropped.
    pub(super) fn settings(&self) -> MutexGuard<'static, Settings> {
        self.settings.lock()
    }

    /// Returns `None` if the graph has been dropped.
    #[inline]
    pub(super) fn settings_if_live(&self) -> Option<MutexGuard<'static, Settings>> {
        Some(self.settings()).filter(|settings| settings.graph == self.graph)
    }

    /// The name of a task.
    pub(super) fn name(&self, task: usize) -> String {
        let name = self.settings_if_live().and_then(|settings| settings.names.get(&task).cloned());
        name.unwrap_or_else(|| format!("task {task}"))
    }
}
