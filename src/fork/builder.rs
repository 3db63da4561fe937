//! `task`: a task, or a whole `install`, with settings of its own.

use std::sync::Arc;

use super::handle::JoinHandle;
use super::region::with_current_token;
use super::spawn::{PoolHome, spawn_at};
use super::try_spawn::{TrySpawnError, try_spawn_at};
use crate::context::{CancelToken, Context};
use crate::job::Priority;
use crate::pool::{ThreadPool, with_current};
use crate::worker::shared::Registry;
use crate::worker::{Worker, share_current, under, with_current_context};

/// Settings of a task, which are made before it is spawned: see [`task`].
#[derive(Clone, Debug)]
#[must_use = "it spawns a task only if `spawn` or `install` is called"]
pub struct TaskBuilder<'p> {
    /// `None`: the current pool, else the global one.
    pool: Option<&'p ThreadPool>,
    name: Option<Arc<str>>,
    /// `None`: that of the caller.
    priority: Option<Priority>,
    /// Besides that of the caller.
    token: Option<CancelToken>,
}

/// Returns a builder of a task in the current pool, else in the global one.
///
/// ```
/// use filch::Priority;
///
/// let report = filch::task().name("report").priority(Priority::Low).spawn(|| 6 * 7);
/// assert_eq!(report.join().unwrap(), 42);
/// ```
pub fn task() -> TaskBuilder<'static> {
    TaskBuilder { pool: None, name: None, priority: None, token: None }
}

impl ThreadPool {
    /// [`task`] in this pool.
    pub fn task(&self) -> TaskBuilder<'_> {
        TaskBuilder { pool: Some(self), ..task() }
    }
}

impl TaskBuilder<'_> {
    /// Sets the name of the task, and of what it spawns and forks without a name of its own. A
    /// [dump](crate::dump()) shows the name of what runs and of what is waited for, and the
    /// [`JoinError`](crate::JoinError) of a panic says it. A name costs an allocation and a lock.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets how urgent the task is. By default it is as urgent as the task that spawns it, and
    /// [`Priority::Normal`] outside of all tasks.
    ///
    /// A worker takes a job of the highest priority that it finds, in its own queues or elsewhere
    /// in the pool. Each 64th job that it takes is of the lowest priority instead, so that none
    /// starves. Tasks of high or low priority begin in about the order in which they were spawned,
    /// but what a task of the same priority spawns goes first.
    ///
    /// A task that has begun is never interrupted. So a task of high priority begins when some
    /// worker ends a job, at the latest: keep the jobs short that it should not wait for.
    ///
    /// What the task spawns and forks inherits its priority, also in other pools. A worker that
    /// joins a task which has not begun runs it at the higher of both priorities. A worker that
    /// waits in a task takes a job of a lower priority than that task only if it would sleep
    /// otherwise. Priorities do not apply to broadcasts. They cost nothing until they are used.
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

    /// Sets a token for the task and for what it spawns and forks, beside the one that it inherits:
    /// if either is cancelled, the work stops as [`scope_with`](crate::scope_with()) says. The
    /// handle of a task that has not begun by then says
    /// [cancelled](crate::JoinError::is_cancelled).
    ///
    /// ```
    /// let token = filch::CancelToken::new();
    /// token.cancel();
    /// let task = filch::task().token(&token).spawn(|| unreachable!("it is not run"));
    /// assert!(task.join().unwrap_err().is_cancelled());
    /// ```
    pub fn token(mut self, token: &CancelToken) -> Self {
        self.token = Some(token.clone());
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
        let context = self.context();
        let home = |_: Option<&Worker>| PoolHome::of(context);
        self.with_registry(|registry| spawn_at(home, self.priority, registry, f))
    }

    /// Spawns the task if the pool has room for it, else returns the closure: see
    /// [`try_spawn`](crate::try_spawn).
    ///
    /// # Errors
    /// Like [`try_spawn`](crate::try_spawn).
    ///
    /// # Panics
    /// Like [`spawn`](crate::spawn()).
    pub fn try_spawn<F, T>(self, f: F) -> Result<JoinHandle<T>, TrySpawnError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let context = self.context();
        let home = |_: Option<&Worker>| PoolHome::of(context);
        self.with_registry(|registry| try_spawn_at(home, self.priority, registry, f))
    }

    /// Runs `op` on one of the pool's own threads, and returns its result: see
    /// [`ThreadPool::install`]. A worker of the pool calls `op` itself.
    ///
    /// # Panics
    /// Resumes a panic of `op`. Panics if a [token](Self::token) was set: `install` returns a plain
    /// `R`, so it could not say that the work was cancelled. Call `install` inside of
    /// [`CancelToken::run`] instead. Also panics if the global pool is needed and cannot be built.
    pub fn install<OP, R>(self, op: OP) -> R
    where
        OP: FnOnce() -> R + Send,
        R: Send,
    {
        assert!(
            self.token.is_none(),
            "install: a token is set; accepted: `install` within `CancelToken::run`"
        );
        let run = || self.with_registry(|registry| registry.on_thread(self.priority, op));
        if self.name.is_none() { run() } else { under(self.context().as_ref(), run) }
    }

    fn context(&self) -> Option<Arc<Context>> {
        if self.name.is_none() && self.token.is_none() {
            return share_current();
        }
        let mut context = with_current_context(|outer| outer.cloned().unwrap_or_default());
        context.name = self.name.clone().or(context.name);
        context.token = with_current_token(self.token.as_ref());
        Some(context.share())
    }

    fn with_registry<R>(&self, f: impl FnOnce(&Registry) -> R) -> R {
        match self.pool {
            Some(pool) => f(pool.registry()),
            None => with_current(f),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
