//! `TaskSet`: any number of tasks, whose results come in the order in which the tasks end.

use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::tickets::{Closure, Shared};
use crate::context::CancelReason;
use crate::job::outcome;
use crate::os::generation;
use crate::pool::{ThreadPool, with_current};
use crate::sim;
use crate::sleep::Sleeper;
use crate::task::{JoinError, Waiting};
use crate::worker::Worker;
use crate::worker::event::Awaitable;
use crate::worker::shared::{Registry, RegistryRef};

/// Any number of tasks of one pool, whose results come in the order in which the tasks end.
///
/// Tasks begin in the order in which they were spawned. [`max_running`](Self::max_running) limits
/// how many run at a time. [`join_next`](Self::join_next) waits for the next result,
/// [`try_join_next`](Self::try_join_next) does not wait, and
/// [`join_next_async`](Self::join_next_async) is a future. Dropping the set
/// [cancels](Self::cancel_all) the tasks that have not begun, and detaches the others.
///
/// The set's tasks run in the pool that was current when the set was made, else in the global one.
/// The set may outlive that pool: tasks that are spawned after the pool's end are cancelled.
///
/// A task costs two allocations and about half a microsecond, so it should run for some
/// microseconds. If the tasks borrow, use a [`scope`](crate::scope). If you want all results in
/// order, use a loop.
///
/// ```
/// let mut set = filch::TaskSet::new();
/// for text in ["12", "7", "one", "3"] {
///     set.spawn(move || text.parse::<u32>());
/// }
/// let mut sum = 0;
/// while let Some(result) = set.join_next() {
///     match result.unwrap() {
///         Ok(number) => sum += number,
///         Err(error) => assert_eq!(error.to_string(), "invalid digit found in string"),
///     }
/// }
/// assert_eq!(sum, 22);
/// ```
pub struct TaskSet<T> {
    shared: Arc<Shared<T>>,
    /// The pool. `None` only while the set is dropped.
    registry: RegistryRef,
}

// A panic in a closure, a drop or a waker happens while no lock is held and nothing is half done.
impl<T> UnwindSafe for TaskSet<T> {}
impl<T> RefUnwindSafe for TaskSet<T> {}
impl<T> Unpin for TaskSet<T> {}

impl<T: Send + 'static> TaskSet<T> {
    /// Returns an empty set for the current pool, else for the global one.
    ///
    /// # Panics
    /// Panics if the global pool is needed and cannot be built.
    #[must_use]
    pub fn new() -> Self {
        with_current(Self::of)
    }

    /// Returns an empty set for tasks of `pool`.
    ///
    /// ```
    /// let pool = filch::ThreadPoolBuilder::new().num_threads(2).build()?;
    /// let mut set = filch::TaskSet::new_in(&pool);
    /// set.spawn(filch::current_num_threads);
    /// assert_eq!(set.join_next().unwrap().unwrap(), 2);
    /// drop(pool);
    /// set.spawn(|| unreachable!("the pool has ended"));
    /// assert!(set.join_next().unwrap().unwrap_err().is_cancelled());
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn new_in(pool: &ThreadPool) -> Self {
        Self::of(pool.registry())
    }

    fn of(registry: &Registry) -> Self {
        TaskSet { shared: Shared::new(usize::MAX), registry: registry.share() }
    }

    /// Sets how many of the set's tasks may run at a time. The others wait in the set. By default
    /// there is no limit.
    ///
    /// # Panics
    /// Panics if `tasks` is zero.
    ///
    /// ```
    /// let mut downloads = filch::TaskSet::new().max_running(2);
    /// (0..10).for_each(|page| downloads.spawn(move || page * page));
    /// let mut pages = 0;
    /// while let Some(page) = downloads.join_next() {
    ///     pages += page.unwrap();
    /// }
    /// assert_eq!(pages, 285);
    /// ```
    #[track_caller]
    pub fn max_running(self, tasks: usize) -> Self {
        assert!(tasks != 0, "max_running: the limit is 0; accepted: 1 or more");
        self.registry.expect_threads_or_end();
        let mut state = self.shared.state.lock();
        state.most = tasks;
        let mut tickets = 0;
        while state.needs_ticket() {
            tickets += 1;
        }
        drop(state);
        (0..tickets).for_each(|_| self.submit_ticket());
        self
    }

    /// Spawns a task. Its closure waits in the set until a worker begins it.
    ///
    /// If the pool has ended, the task is cancelled: its closure is dropped.
    ///
    /// # Panics
    /// Panics if the pool was built before a `fork()` and this process is the child, or if the pool
    /// is deterministic and belongs to another thread.
    pub fn spawn<F>(&mut self, f: F)
    where
        F: FnOnce() -> T + Send + 'static,
    {
        // First, since it may panic.
        self.registry.expect_threads_or_end();
        let closure = Closure::new(Box::new(f));
        let mut state = self.shared.state.lock();
        state.queue.push_back(closure);
        let needs_ticket = state.needs_ticket();
        drop(state);
        if needs_ticket {
            self.submit_ticket();
        }
    }

    /// Queues a ticket that is already counted, from any thread. If the pool has ended, cancels all
    /// closures.
    fn submit_ticket(&self) {
        if !self.queue_counted_ticket(false) {
            self.cancel_queued(CancelReason::Shutdown);
        }
    }

    /// Waits until a task of the set ends, and returns its result. Returns `None` if the set is
    /// empty.
    ///
    /// Meanwhile, a worker of the set's pool runs tasks of the set that have not begun, and any
    /// worker runs what its [`WaitPolicy`](crate::WaitPolicy) allows. Other threads sleep.
    ///
    /// # Errors
    /// The result is a [`JoinError`] if the task panicked or was [cancelled](Self::cancel_all). The
    /// error does not say which task that was.
    ///
    /// # Panics
    /// Panics in the child of a `fork()` if a task of the parent has not ended.
    pub fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        if let Poll::Ready(next) = self.next_if_known() {
            return next;
        }
        // Drops the waker of an earlier poll. Amid the wait, a panic of that drop would abort.
        self.shared.forget_waiting();
        if Worker::is_on_other_pools_thread(&*self.registry) {
            self.request();
        }
        self.wait_for();
        self.try_join_next()
    }

    /// Requests that the set's pool begin one closure. All workers of that pool may be waiting for
    /// the caller's pool, and then run only cross-pool jobs: lemma 4 of `tickets.rs`.
    fn request(&self) {
        let mut state = self.shared.state.lock();
        let is_needed = state.running == 0 && !state.queue.is_empty();
        state.tickets += usize::from(is_needed);
        drop(state);
        // (If the pool has ended meanwhile, it has run all tickets, and so the closure.)
        if is_needed {
            self.queue_counted_ticket(true);
        }
    }

    /// Queues a ticket that is already counted. Returns `false` if the pool has ended.
    fn queue_counted_ticket(&self, is_cross_job: bool) -> bool {
        let registry = &*self.registry;
        let keeper = registry.keep();
        match keeper {
            Some(_) => self.shared.queue_ticket(registry, is_cross_job),
            None => self.shared.state.lock().tickets -= 1,
        }
        keeper.is_some()
    }

    /// Returns the result of a task that has ended, if there is one.
    ///
    /// # Errors
    /// As [`join_next`](Self::join_next).
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        sim::poll_for(self.registry.address());
        self.shared.state.lock().ended.pop_front()
    }

    /// What `join_next` returns, unless it has to wait.
    fn next_if_known(&mut self) -> Poll<Option<Result<T, JoinError>>> {
        let next = self.try_join_next();
        if next.is_some() || self.is_empty() {
            return Poll::Ready(next);
        }
        if self.registry.is_lost() {
            generation::refuse();
        }
        Poll::Pending
    }

    /// Returns a future that gives what [`join_next`](Self::join_next) returns, on any executor.
    ///
    /// Dropping the future loses nothing: a result stays in the set until it is taken.
    ///
    /// ```
    /// async fn sum() -> u64 {
    ///     let mut set = filch::TaskSet::new();
    ///     (0..10_u64).for_each(|n| set.spawn(move || n * n));
    ///     let mut sum = 0;
    ///     while let Some(square) = set.join_next_async().await {
    ///         sum += square.unwrap();
    ///     }
    ///     sum
    /// }
    /// assert_eq!(pollster::block_on(sum()), 285);
    /// ```
    pub fn join_next_async(&mut self) -> JoinNext<'_, T> {
        JoinNext(self)
    }

    /// Polls for what [`join_next`](Self::join_next) returns. When a task ends, the waker of the
    /// most recent call is woken.
    pub fn poll_join_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<T, JoinError>>> {
        let next = self.next_if_known();
        if next.is_ready() {
            return next;
        }
        if self.shared.register_future(context.waker()) {
            return Poll::Pending;
        }
        Poll::Ready(self.try_join_next())
    }

    /// Cancels the tasks that have not begun, and returns their number. Their closures are dropped
    /// before this returns. Their results, which say [cancelled](JoinError::is_cancelled), are
    /// queued behind those of the tasks that have ended. Tasks that have begun go on.
    ///
    /// # Panics
    /// Resumes the first panic of a closure's drop. All tasks are cancelled
    /// regardless.
    ///
    /// ```
    /// let pool = filch::ThreadPoolBuilder::new().num_threads(1).build()?;
    /// let (sender, receiver) = std::sync::mpsc::channel::<()>();
    /// drop(pool.spawn(move || receiver.recv()));
    /// let mut set = filch::TaskSet::new_in(&pool);
    /// (0..100).for_each(|_| set.spawn(|| unreachable!("it is cancelled")));
    /// assert_eq!(set.cancel_all(), 100);
    /// assert!(set.join_next().unwrap().unwrap_err().is_cancelled());
    /// # drop(sender);
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn cancel_all(&mut self) -> usize {
        self.cancel_queued(CancelReason::Requested)
    }

    fn cancel_queued(&self, reason: CancelReason) -> usize {
        let mut state = self.shared.state.lock();
        let closures = mem::take(&mut state.queue);
        let cancelled = closures.len();
        state.ended.extend((0..cancelled).map(|_| Err(JoinError::cancelled(reason))));
        let waiting = if cancelled > 0 { state.waiting.take() } else { None };
        drop(state);
        let woken = outcome::run(|| waiting.into_iter().for_each(Waiting::wake));
        let dropped = outcome::run(|| outcome::drop_all(closures));
        outcome::resume_first([dropped, woken].into_iter());
        cancelled
    }

    /// Detaches all tasks and leaves the set empty. Tasks that have not begun will still run. All
    /// results are dropped.
    pub fn detach_all(&mut self) {
        let most = self.shared.state.lock().most;
        let old = mem::replace(&mut self.shared, Shared::new(most));
        old.close(&self.registry);
    }
}

impl<T: Send + 'static> Awaitable for TaskSet<T> {
    fn is_there(&self) -> bool {
        self.shared.has_result()
    }

    fn register_waker(&self, sleeper: Sleeper) -> bool {
        self.shared.register_waker(Waiting::Thread(sleeper))
    }

    fn pool(&self) -> usize {
        self.registry.address()
    }

    fn tag(&self) -> Option<usize> {
        Some(self.shared.tag.address())
    }
}

impl<T> TaskSet<T> {
    /// Returns the number of tasks whose results were not taken yet, whether they wait, run or have
    /// ended.
    pub fn len(&self) -> usize {
        let state = self.shared.state.lock();
        state.pending() + state.ended.len()
    }

    /// Returns whether [`len`](Self::len) is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Drop for TaskSet<T> {
    fn drop(&mut self) {
        let closures = mem::take(&mut self.shared.state.lock().queue);
        let closed = outcome::run(|| self.shared.close(&self.registry));
        let dropped = outcome::run(|| outcome::drop_all(closures));
        outcome::resume_first([closed, dropped].into_iter());
    }
}

impl<T: Send + 'static> Default for TaskSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for TaskSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSet").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The future of [`TaskSet::join_next_async`].
#[must_use = "futures do nothing unless they are polled"]
#[derive(Debug)]
pub struct JoinNext<'a, T>(&'a mut TaskSet<T>);

impl<T: Send + 'static> Future for JoinNext<'_, T> {
    type Output = Option<Result<T, JoinError>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_join_next(context)
    }
}

impl<T> Drop for JoinNext<'_, T> {
    fn drop(&mut self) {
        self.0.shared.forget_waiting();
    }
}
