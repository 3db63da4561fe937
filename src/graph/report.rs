//! The report on a run, and why a graph cannot run.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Mutex;

use super::node::Node;
use crate::job::outcome::{self, Payload};

/// The outcome of a task in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It ran, and has a result.
    Ran,
    /// It failed, and its [fallback](super::Graph::fallback) gave the result.
    Replaced,
    /// It failed. The failure is among those of the report.
    Failed,
    /// It did not run, since a task before it failed or was skipped, or the run was cancelled. Also
    /// a task that failed if the run was cancelled before its retry.
    Skipped,
}

/// The outcomes of the tasks in a run. Most tasks ran, so only the others are recorded.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcomes {
    /// The number of tasks of the run.
    tasks: usize,
    /// The tasks that have another outcome than `Ran`, in the order of their numbers.
    others: Vec<(usize, Outcome)>,
}

impl Outcomes {
    pub(super) fn new(tasks: usize, mut others: Vec<(usize, Outcome)>) -> Self {
        others.sort_unstable_by_key(|(task, _)| *task);
        Outcomes { tasks, others }
    }

    /// Returns `None` for a task that was added since.
    pub(super) fn of(&self, task: usize) -> Option<Outcome> {
        let other = self.others.binary_search_by_key(&task, |(task, _)| *task);
        (task < self.tasks).then(|| other.map_or(Outcome::Ran, |at| self.others[at].1))
    }

    pub(super) fn has_result(&self, task: usize) -> bool {
        matches!(self.of(task), Some(Outcome::Ran | Outcome::Replaced))
    }

    /// The first task that was skipped.
    pub(super) fn first_skipped(&self) -> Option<usize> {
        self.others.iter().find(|(_, outcome)| *outcome == Outcome::Skipped).map(|(task, _)| *task)
    }
}

/// The outcomes of the tasks in a run of a graph. Returned by [`Graph::run`](super::Graph::run).
#[must_use = "it says which tasks failed: call `success` to have that as an error"]
#[derive(Debug)]
pub struct Report {
    /// The number of the graph.
    pub(super) graph: u64,
    pub(super) outcomes: Outcomes,
    pub(super) failures: Vec<TaskFailure>,
    /// The name of a task that was skipped because the run was cancelled.
    pub(super) cancelled: Option<String>,
}

impl Report {
    /// Returns the outcome of a task. Returns `None` if the task belongs to another graph, or was
    /// added after the run.
    pub fn outcome<T>(&self, node: &Node<T>) -> Option<Outcome> {
        self.outcomes.of(node.index).filter(|_| node.owner.graph == self.graph)
    }

    /// Returns how many tasks had this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        let Outcomes { tasks, others } = &self.outcomes;
        match outcome {
            Outcome::Ran => tasks - others.len(),
            _ => others.iter().filter(|(_, other)| *other == outcome).count(),
        }
    }

    /// Returns the failures of the tasks whose outcome is [`Failed`](Outcome::Failed), in the order
    /// in which they occurred. A failure is left out if a retry or a fallback then gave a result.
    pub fn failures(&self) -> &[TaskFailure] {
        &self.failures
    }

    /// Returns `Ok` if each task has a result.
    ///
    /// # Errors
    /// Returns the first failure. If no task failed but the run was cancelled, returns a failure
    /// [that says so](TaskFailure::is_cancelled).
    pub fn success(mut self) -> Result<(), TaskFailure> {
        let mut failures = std::mem::take(&mut self.failures).into_iter();
        if let Some(first) = failures.next() {
            // The drops of their payloads may panic.
            failures.for_each(outcome::discard);
            return Err(first);
        }
        match self.cancelled.take() {
            Some(task) => Err(TaskFailure { task, cause: Box::new(Cause::Cancelled) }),
            None => Ok(()),
        }
    }
}

/// Why a task of a graph failed: its closure returned an error or panicked. [`Report::success`]
/// also returns one if the run was cancelled.
pub struct TaskFailure {
    pub(super) task: String,
    pub(super) cause: Box<Cause>,
}

pub(super) enum Cause {
    Error(Box<dyn Error + Send + Sync>),
    Panic {
        /// The panic's message, if the payload has one of the types that `panic!` makes.
        message: Option<String>,
        /// In a lock, since payloads are not `Sync`.
        payload: Mutex<Payload>,
    },
    Cancelled,
}

impl Cause {
    pub(super) fn error(error: impl Into<Box<dyn Error + Send + Sync>>) -> Box<Self> {
        Box::new(Cause::Error(error.into()))
    }

    pub(super) fn panic(payload: Payload) -> Box<Self> {
        let text = payload.downcast_ref::<&'static str>().map(|text| (*text).to_owned());
        let message = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Box::new(Cause::Panic { message, payload: Mutex::new(payload) })
    }

    /// Whether the task failed because a graph that it ran was cancelled.
    pub(super) fn is_cancelled(&self) -> bool {
        let Cause::Error(error) = self else { return false };
        error.downcast_ref().is_some_and(TaskFailure::is_cancelled)
    }
}

impl TaskFailure {
    /// Returns the name of the task: see [`Node::name`].
    pub fn task(&self) -> &str {
        &self.task
    }

    /// Returns whether the closure panicked.
    pub fn is_panic(&self) -> bool {
        matches!(*self.cause, Cause::Panic { .. })
    }

    /// Returns whether no task failed, but the run was [cancelled](super::Graph::cancel_with).
    pub fn is_cancelled(&self) -> bool {
        matches!(*self.cause, Cause::Cancelled)
    }

    /// Returns the payload of the panic, for example for
    /// [`resume_unwind`](std::panic::resume_unwind).
    ///
    /// # Errors
    /// Returns the failure itself if the closure returned an error, or the run was cancelled.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, TaskFailure> {
        match *self.cause {
            Cause::Panic { payload, .. } => {
                Ok(payload.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()))
            }
            _ => Err(self),
        }
    }
}

impl fmt::Display for TaskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = &self.task;
        match &*self.cause {
            Cause::Error(error) => write!(f, "`{task}` failed: {error}"),
            Cause::Panic { message: Some(message), .. } => {
                write!(f, "`{task}` panicked: {message}")
            }
            Cause::Panic { message: None, .. } => write!(f, "`{task}` panicked"),
            Cause::Cancelled => write!(f, "the run was cancelled before `{task}`"),
        }
    }
}

impl fmt::Debug for TaskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskFailure").field(&self.to_string()).finish()
    }
}

impl Error for TaskFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &*self.cause {
            Cause::Error(error) => Some(&**error),
            _ => None,
        }
    }
}

/// Why a graph cannot run. No task of it has run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GraphError {
    /// Tasks wait for each other in a cycle.
    #[non_exhaustive]
    Cycle {
        /// The names of the tasks of one cycle. Each comes before the next, and the last before
        /// the first.
        tasks: Vec<String>,
    },
    /// A task was given a cell or a task of another graph.
    #[non_exhaustive]
    Foreign {
        /// The name of the task.
        task: String,
    },
    /// A task writes a cell that it also reads, or writes it twice: its closure would get two
    /// references to one value, of which one is exclusive.
    #[non_exhaustive]
    Conflict {
        /// The name of the task.
        task: String,
    },
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GraphError::Cycle { tasks } => {
                write!(f, "a cycle: `{}` -> `{}`", tasks.join("` -> `"), tasks[0])
            }
            GraphError::Foreign { task } => {
                write!(f, "`{task}` was given a cell or a task of another graph")
            }
            GraphError::Conflict { task } => write!(
                f,
                "`{task}` writes a cell that it also reads or writes by another of its inputs"
            ),
        }
    }
}

impl Error for GraphError {}
