//! The handle of a task of a graph, by which it is ordered and set up.

use std::fmt;
use std::time::Duration;

use super::owner::{GraphRef, Settings};
use super::slot::Slot;

/// A task of a graph, and its result: see [`Graph::task`](super::Graph::task).
///
/// A node is a handle: clones refer to the same task, and a drop changes nothing. A setting that is
/// changed while the graph runs takes effect in the next run. Each setter returns the handle, so
/// calls can be chained where the task is added.
///
/// ```
/// use filch::graph::Graph;
///
/// let mut graph = Graph::new();
/// let load = graph.task((), |()| vec![3, 1, 2]).name("load");
/// let largest = graph.task(&load, |numbers| numbers.iter().copied().max());
/// graph.task((), |()| println!("loaded")).after(&load);
/// graph.run()?.success()?;
/// assert_eq!(graph.result(&largest), Some(&Some(3)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Node<T> {
    pub(super) owner: GraphRef,
    /// The index of the task among the graph's tasks.
    pub(super) index: usize,
    /// The place of the result.
    pub(super) slot: Slot<Option<T>>,
}

impl<T> Node<T> {
    fn set(&self, change: impl FnOnce(&mut Settings, usize)) -> Self {
        if let Some(mut settings) = self.owner.settings_if_live() {
            settings.is_changed = true;
            change(&mut settings, self.index);
        }
        self.clone()
    }

    /// Orders this task after `other`: it begins when `other` has ended. If `other` fails or is
    /// skipped, this task is skipped.
    ///
    /// Only this method can make a cycle. [`Graph::run`](super::Graph::run) refuses a graph that
    /// has one.
    pub fn after<U>(&self, other: &Node<U>) -> Self {
        self.set(|settings, task| match other.owner.graph == self.owner.graph {
            true => settings.edges.push((other.index as u32, task as u32)),
            false => _ = settings.foreign.get_or_insert(task),
        })
    }

    /// Sets the task's name in errors and in [`Graph::dot`](super::Graph::dot). By default it is
    /// `task` and the task's number in the graph, from 0.
    pub fn name(&self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.set(|settings, task| _ = settings.names.insert(task, name))
    }

    /// Sets how long the task takes, in a unit that all tasks of the graph share. If any task of a
    /// graph has a cost, the ready task with the longest path to the end of the graph runs first:
    /// see [`Graph::measure_costs`](super::Graph::measure_costs).
    pub fn cost(&self, cost: u64) -> Self {
        self.set(|settings, task| settings.of_tasks.entry(task).or_default().cost = cost)
    }

    /// If the task fails, runs it again, at most `times` times in a run, each time `delay` after
    /// the failure.
    ///
    /// The closure is called again with the same references: a cell holds what the failed call left
    /// in it. No worker waits for the delay. One thread waits for the retries of all graphs of the
    /// process, and ends when none is left. If the system refuses the thread, or the pool is
    /// deterministic, there is no delay.
    pub fn retry(&self, times: u32, delay: Duration) -> Self {
        self.set(|settings, task| {
            let own = settings.of_tasks.entry(task).or_default();
            (own.retries, own.delay) = (times, delay);
        })
    }
}

impl<T> Clone for Node<T> {
    fn clone(&self) -> Self {
        Node { ..*self }
    }
}

impl<T> fmt::Debug for Node<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.owner.name(self.index);
        f.debug_struct("Node").field("name", &name).finish_non_exhaustive()
    }
}
