//! `task`: a task, or a whole `install`, with settings of its own.

use std::fmt;

use super::handle::JoinHandle;
use super::spawn::spawn_at;
use crate::job::Priority;
use crate::pool::{ThreadPool, with_current};
use crate::worker::shared::Registry;

/// Settings of a task, which are made before the task is spawned: see [`task`].
#[derive(Clone, Copy)]
#[must_use = "it spawns a task only if `spawn` or `install` is called"]
pub struct TaskBuilder<'p> {
    /// `None`: the current pool, else the global one.
    pool: Option<&'p ThreadPool>,
    /// `None`: that of the caller.
    priority: Option<Priority>,
}

/// Returns a builder of a task in the current pool, else in the global one.
///
/// ```
/// use filch::Priority;
///
/// let report = filch::task().priority(Priority::Low).spawn(|| (1..=100_u64).sum::<u64>());
/// assert_eq!(report.join().unwrap(), 5_050);
/// ```
pub fn task() -> TaskBuilder<'static> {
    TaskBuilder { pool: None, priority: None }
}

impl ThreadPool {
    /// [`task`] in this pool.
    pub fn task(&self) -> TaskBuilder<'_> {
        TaskBuilder { pool: Some(self), ..task() }
    }
}

impl TaskBuilder<'_> {
    /// Sets how urgent the task is. By default it is as urgent as the task that spawns it, and
    /// [`Priority::Normal`] outside of all tasks.
    ///
    /// A worker that takes a job takes one of the highest priority that is queued anywhere in its
    /// pool. Each 64th job that it takes is of the lowest instead, so that no priority starves.
    /// Tasks of one high or low priority begin in about the order in which they were spawned, but
    /// those that a task of this priority spawns come before older ones, the newest first.
    ///
    /// A task that has begun is never interrupted. So a task of high priority begins as soon as a
    /// worker ends a job, at the latest: keep the jobs short that it should not wait for.
    ///
    /// What the task spawns and forks inherits its priority: the closures of a
    /// [`join`](crate::join()), the tasks of a scope, the pieces of a parallel iterator, and what
    /// it installs or spawns in other pools. A worker that joins a task runs it at the higher of
    /// both priorities, if the task has not begun.
    ///
    /// A worker that waits takes jobs as always, those of a lower priority than its own only if
    /// there is nothing else to do. Broadcasts go before all priorities. What workers of other
    /// pools wait for goes between high and normal, whatever its priority.
    ///
    /// A pool that never gets a task of another priority than normal pays nothing for priorities.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use filch::Priority;
    ///
    /// let pool = filch::ThreadPoolBuilder::new().num_threads(1).build()?;
    /// let order = Arc::new(Mutex::new(Vec::new()));
    /// pool.install(|| {
    ///     for priority in [Priority::Low, Priority::Normal, Priority::High] {
    ///         let order = order.clone();
    ///         pool.task().priority(priority).spawn(move || order.lock().unwrap().push(priority));
    ///     }
    /// });
    /// drop(pool);
    /// assert_eq!(*order.lock().unwrap(), [Priority::High, Priority::Normal, Priority::Low]);
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Spawns the task: see [`spawn`](crate::spawn()).
    ///
    /// # Panics
    /// Like [`spawn`](crate::spawn()).
    pub fn spawn<F, T>(self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.with_registry(|registry| spawn_at(registry, self.priority, f))
    }

    /// Runs `op` on one of the pool's own threads, and returns its result: see
    /// [`ThreadPool::install`]. A worker of the pool calls `op` itself.
    ///
    /// A caller from outside waits until a worker begins `op`, in the order of the priorities.
    ///
    /// # Panics
    /// Resumes a panic of `op`. Also panics if the global pool is needed and cannot be built.
    ///
    /// ```
    /// use filch::Priority;
    /// use filch::prelude::*;
    ///
    /// let pool = filch::ThreadPoolBuilder::new().num_threads(2).build()?;
    /// // The pieces of the loop are of high priority, like the whole.
    /// let sum: u64 = pool
    ///     .task()
    ///     .priority(Priority::High)
    ///     .install(|| (1..=1_000_u64).into_par_iter().sum());
    /// assert_eq!(sum, 500_500);
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn install<OP, R>(self, op: OP) -> R
    where
        OP: FnOnce() -> R + Send,
        R: Send,
    {
        self.with_registry(|registry| match self.priority {
            Some(priority) => registry.on_thread_at(priority, op),
            None => registry.on_thread(|_| op()),
        })
    }

    fn with_registry<R>(self, f: impl FnOnce(&Registry) -> R) -> R {
        match self.pool {
            Some(pool) => f(pool.registry()),
            None => with_current(f),
        }
    }
}

impl fmt::Debug for TaskBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskBuilder").field("priority", &self.priority).finish_non_exhaustive()
    }
}
