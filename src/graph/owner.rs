//! What a graph and its handles share: the edges, and what was set for tasks.
//!
//! The [`Settings`] are never freed, so a handle needs no reference count, and a graph of tiny
//! tasks is built in two thirds of the time. A later graph uses them again. A counter in them tells
//! an old handle that its graph is gone.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use crate::os::generation::PerProcess;
use crate::sync::{Mutex, MutexGuard};

/// The settings of dropped graphs, for new graphs.
static UNUSED: PerProcess<Mutex<Vec<&'static Mutex<Settings>>>> = PerProcess::new();

/// The identity of a graph, and a reference to its settings. Each handle has a copy. Graphs
/// that use the same settings one after the other differ in `earlier`.
#[derive(Clone, Copy)]
pub struct Owner {
    settings: &'static Mutex<Settings>,
    /// How many graphs had these settings before.
    earlier: u64,
}

/// The [`Owner`] of a live graph. When the graph is dropped, a new graph may use the settings.
pub(super) struct Live(Owner);

/// The edges of a graph, and what its tasks' handles have set.
#[derive(Default)]
pub(super) struct Settings {
    /// How many graphs had these settings before this one.
    earlier: u64,
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

impl Owner {
    /// Returns `None` if the graph has been dropped.
    #[inline]
    pub(super) fn settings(&self) -> Option<MutexGuard<'static, Settings>> {
        Some(self.settings.lock()).filter(|settings| settings.earlier == self.earlier)
    }

    /// The name of a task.
    pub(super) fn name(&self, task: usize) -> String {
        let name = self.settings().and_then(|settings| settings.names.get(&task).cloned());
        name.unwrap_or_else(|| format!("task {task}"))
    }
}

impl PartialEq for Owner {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.settings, other.settings) && self.earlier == other.earlier
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owner")
    }
}

impl Live {
    pub(super) fn new() -> Self {
        let unused = UNUSED.get().lock().pop();
        let settings = unused.unwrap_or_else(|| Box::leak(Box::default()));
        let earlier = settings.lock().earlier;
        Live(Owner { settings, earlier })
    }

    pub(super) fn settings(&self) -> MutexGuard<'static, Settings> {
        self.settings.lock()
    }
}

impl Deref for Live {
    type Target = Owner;

    fn deref(&self) -> &Owner {
        &self.0
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let next = Settings { earlier: self.earlier + 1, ..Settings::default() };
        let past = std::mem::replace(&mut *self.settings(), next);
        UNUSED.get().lock().push(self.settings);
        drop(past);
    }
}
