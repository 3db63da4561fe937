//! The handle of a task of a graph, by which it is ordered and set up.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::slot::Slot;
use crate::sync::Mutex;

/// A task of a graph, and its result: see [`Graph::task`](super::Graph::task).
///
/// A node is a handle: clones refer to the same task. A setting that is changed while the graph
/// runs takes effect in the next run. Each setter returns the handle, so calls can be chained where
/// the task is added.
///
/// ```
/// use filch::graph::Graph;
///
/// let mut graph = Graph::new();
/// let load = graph.task((), |()| vec![3, 1, 2]).name("load");
/// let largest = graph.task(&load, |numbers| numbers.iter().copied().max());
/// let log = graph.task((), |()| println!("loaded")).after(&load);
/// graph.run()?.success()?;
/// assert_eq!(graph.result(&largest), Some(&Some(3)));
/// # drop(log);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Node<T> {
    pub(super) slot: Arc<Slot<Option<T>>>,
    pub(super) header: Arc<Header>,
}

/// What a task's handles and its graph share.
pub(super) struct Header {
    pub(super) owner: Owner,
    pub(super) index: u32,
    pub(super) settings: Mutex<Settings>,
}

/// The identity of a graph, which the graph and its handles share. The flag says whether any task
/// was changed since the graph's last plan was made.
#[derive(Clone, Debug)]
pub struct Owner(Arc<AtomicBool>);

impl Owner {
    pub(super) fn new() -> Self {
        Owner(Arc::new(AtomicBool::new(true)))
    }

    pub(super) fn set_changed(&self) {
        // Release: matches the Acquire in `take_changed`.
        self.0.store(true, Ordering::Release);
    }

    pub(super) fn take_changed(&self) -> bool {
        // Acquire: matches the Release in `set_changed`.
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Acquire)
    }
}

impl PartialEq for Owner {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

#[derive(Default)]
pub(super) struct Settings {
    pub(super) name: Option<String>,
    /// The tasks that `after` was given.
    pub(super) after: Vec<u32>,
    /// Whether `after` was given a task of another graph.
    pub(super) is_foreign: bool,
    pub(super) limits: Limits,
}

/// The settings that a run uses.
#[derive(Clone, Copy, Default)]
pub(super) struct Limits {
    pub(super) cost: u64,
    pub(super) retries: u32,
    pub(super) delay: Duration,
}

impl<T> Node<T> {
    pub(super) fn owner(&self) -> &Owner {
        &self.header.owner
    }

    pub(super) fn index(&self) -> u32 {
        self.header.index
    }

    fn set(&self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.header.settings.lock());
        self.owner().set_changed();
        self.clone()
    }

    /// Orders this task after `other`: it begins when `other` has ended. If `other` fails or is
    /// skipped, this task is skipped.
    ///
    /// Only this method can make a cycle. [`Graph::run`](super::Graph::run) refuses a graph that
    /// has one.
    pub fn after<U>(&self, other: &Node<U>) -> Self {
        self.set(|settings| match other.owner() == self.owner() {
            true => settings.after.push(other.index()),
            false => settings.is_foreign = true,
        })
    }

    /// Sets the task's name in errors and in [`Graph::dot`](super::Graph::dot). By default it is
    /// `task` and the task's number in the graph, from 0.
    pub fn name(&self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.set(|settings| settings.name = Some(name))
    }

    /// Sets how long the task takes, in a unit that all tasks of the graph share. If any task of a
    /// graph has a cost, the ready task with the longest path to the end of the graph runs first:
    /// see [`Graph::measure_costs`](super::Graph::measure_costs).
    pub fn cost(&self, cost: u64) -> Self {
        self.set(|settings| settings.limits.cost = cost)
    }

    /// If the task fails, runs it again, at most `times` times in a run, each time `delay` after
    /// the failure.
    ///
    /// The closure is called again with the same references: a cell holds what the failed call left
    /// in it. No worker waits for the delay. One thread waits for the retries of all graphs of the
    /// process, and ends when none is left. If the system refuses the thread, or the pool is
    /// deterministic, there is no delay.
    pub fn retry(&self, times: u32, delay: Duration) -> Self {
        self.set(|settings| {
            (settings.limits.retries, settings.limits.delay) = (times, delay);
        })
    }
}

impl<T> Clone for Node<T> {
    fn clone(&self) -> Self {
        Node { slot: self.slot.clone(), header: self.header.clone() }
    }
}

impl<T> fmt::Debug for Node<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("name", &self.header.name()).finish_non_exhaustive()
    }
}

impl Header {
    pub(super) fn name(&self) -> String {
        let name = self.settings.lock().name.clone();
        name.unwrap_or_else(|| format!("task {}", self.index))
    }
}
