//! What a graph and its handles share: the edges, and what was set for tasks.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use crate::os::generation::PerProcess;
use crate::sync::{Mutex, MutexGuard};

/// The settings of graphs that are no more, for new graphs. They are never freed, so handles need
/// not count: a graph of tiny tasks is built in two thirds of the time.
static UNUSED: PerProcess<Mutex<Vec<&'static Mutex<Settings>>>> = PerProcess::new();

/// What a graph and its handles share. The pair is also the identity of the graph.
#[derive(Clone, Copy)]
pub struct Owner {
    settings: &'static Mutex<Settings>,
    /// How many graphs had these settings before.
    earlier: u64,
}

/// That of a live graph, which gives the settings back with its end.
pub(super) struct Live(Owner);

/// The edges of a graph, and what was set by the handles of its tasks.
#[derive(Default)]
pub(super) struct Settings {
    /// How many graphs had these settings before this one.
    earlier: u64,
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
