//! The handle of a task of a pool: to join it, to cancel it, or to await it as a future.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::job::outcome;
use crate::task::{Handle, JoinError};

/// The right to the result of a task: see [`spawn`](crate::spawn).
///
/// It is also a future, for any executor: `filch::spawn(f).await` gives what [`join`](Self::join)
/// returns. The worker that ends the task calls the future's waker. If the waker panics, the panic
/// goes to the pool's panic handler. Dropping the handle detaches the task, whether it was polled
/// or not.
///
/// On a worker, call `join`, not an executor that blocks the thread: `join` runs other work while
/// it waits.
///
/// ```
/// async fn answer() -> Result<u64, filch::JoinError> {
///     let product = filch::spawn(|| (1..=20).product::<u64>()).await?;
///     Ok(product % 1_000_007)
/// }
/// assert_eq!(pollster::block_on(answer()).unwrap(), 2_432_902_008_176_640_000 % 1_000_007);
/// ```
pub struct JoinHandle<T> {
    /// `None` once a poll has returned the result.
    handle: Option<Handle<T>>,
}

const COMPLETED: &str = "this `JoinHandle` was polled to completion and has no result any more";

impl<T> JoinHandle<T> {
    #[inline]
    pub(super) fn new(handle: Handle<T>) -> Self {
        JoinHandle { handle: Some(handle) }
    }

    #[cfg(feature = "futures")]
    pub(super) fn get(&self) -> Option<&Handle<T>> {
        self.handle.as_ref()
    }

    /// Waits for the task and returns its value.
    ///
    /// A worker of the task's pool runs the task itself if it has not begun. If it has, a worker
    /// runs other work meanwhile. Any other thread sleeps.
    ///
    /// So a chain of tasks that join each other nests on one stack. When the chain has used up a
    /// part of the worker's stack, a spare thread with a larger stack continues it. That thread
    /// acts as the same worker, and ends with the chain. There are no such threads if
    /// [`max_spare_threads`](crate::ThreadPoolBuilder::max_spare_threads) is 0, if a [spawn
    /// handler](crate::ThreadPoolBuilder::spawn_handler) makes the pool's threads, if the pool is
    /// deterministic, or if the system refuses a thread.
    ///
    /// # Errors
    /// Returns a [`JoinError`] if the task panicked or was [cancelled](Self::cancel).
    ///
    /// # Panics
    /// Panics if the caller is the task itself or part of it, or if the handle was polled as a
    /// future and has already given its result. (A task that waits for itself by `.await` or
    /// `block_on`, or for a thread that joins its handle, waits for ever.)
    pub fn join(self) -> Result<T, JoinError> {
        self.handle.expect(COMPLETED).join()
    }

    /// Like [`join`](Self::join), but waits for at most `limit`.
    ///
    /// A worker runs the task itself if it has not begun, and else runs other jobs while it waits.
    /// It looks at the clock only between jobs, so it may return much later than `limit`. With a
    /// `limit` of zero it runs nothing. If the task belongs to another pool, the worker does not
    /// ask that pool to begin it, unlike `join`. Before the worker first sleeps, it starts a thread
    /// that watches the clock. If the system refuses that thread, the handle comes back early.
    ///
    /// Inside a task that has a handle, do not poll with a `limit` of some microseconds: the worker
    /// returns before it hands off its core to other work. So if the handle is that of a future or
    /// a [completer](crate::completer), such a loop may never end.
    ///
    /// # Errors
    /// Returns the handle if the task has not ended in time.
    ///
    /// # Panics
    /// Panics if the handle was polled as a future and has already given its result.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// let task = filch::spawn(move || receiver.recv().unwrap());
    /// let task = task.join_timeout(Duration::from_millis(1)).unwrap_err();
    /// sender.send(7).unwrap();
    /// assert_eq!(task.join().unwrap(), 7);
    /// ```
    pub fn join_timeout(self, limit: Duration) -> Result<Result<T, JoinError>, Self> {
        self.handle.expect(COMPLETED).join_timeout(limit).map_err(JoinHandle::new)
    }

    /// Cancels the task if it has not begun. Returns whether the task was cancelled by this call.
    ///
    /// If it was, its closure is dropped before this returns, and [`join`](Self::join) returns an
    /// error that says [cancelled](JoinError::is_cancelled). A task that has begun goes on: to stop
    /// it, let it check a [`CancelToken`](crate::CancelToken). A cancelled task keeps its place in
    /// its queue until a worker comes to it.
    ///
    /// # Panics
    /// Resumes a panic of the closure's drop, or of the future's waker. The task is cancelled all
    /// the same. If both panic, the drop's panic is resumed, and the pool's panic handler gets that
    /// of the waker.
    ///
    /// ```
    /// let pool = filch::ThreadPoolBuilder::new().num_threads(1).build()?;
    /// let (sender, receiver) = std::sync::mpsc::channel::<()>();
    /// let first = pool.spawn(move || receiver.recv());
    /// let second = pool.spawn(|| unreachable!("it is cancelled"));
    /// assert!(second.cancel());
    /// drop(sender);
    /// assert!(second.join().unwrap_err().is_cancelled());
    /// # drop(first);
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.handle.as_ref().is_some_and(Handle::cancel)
    }

    /// Returns a handle that, when dropped, cancels the task if it has not begun.
    pub fn cancel_on_drop(self) -> CancelOnDrop<T> {
        CancelOnDrop(self)
    }

    /// Returns whether the task has ended or was cancelled.
    pub fn is_finished(&self) -> bool {
        self.handle.as_ref().is_none_or(Handle::poll_finished)
    }
}

/// Gives what [`join`](JoinHandle::join) returns.
///
/// # Panics
/// Panics if it is polled again after it has returned the result.
impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.handle.as_mut().expect(COMPLETED).poll_done(context.waker()) {
            return Poll::Pending;
        }
        let result = self.handle.take().expect(COMPLETED).try_take();
        result.map_or_else(|_| unreachable!("it is done"), Poll::Ready)
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_finished = self.handle.as_ref().is_none_or(Handle::is_finished);
        f.debug_struct("JoinHandle").field("is_finished", &is_finished).finish()
    }
}

/// A [`JoinHandle`] that [cancels](JoinHandle::cancel) its task when it is dropped: see
/// [`JoinHandle::cancel_on_drop`]. A task that has begun goes on, detached.
///
/// Like the handle, it is a future.
#[must_use = "if it is dropped at once, the task is cancelled"]
#[derive(Debug)]
pub struct CancelOnDrop<T>(JoinHandle<T>);

impl<T> CancelOnDrop<T> {
    /// Waits for the task: see [`JoinHandle::join`].
    ///
    /// # Errors
    /// As [`JoinHandle::join`].
    ///
    /// # Panics
    /// As [`JoinHandle::join`].
    pub fn join(self) -> Result<T, JoinError> {
        self.into_inner().join()
    }

    /// Returns the plain handle. Dropping that one does not cancel the task.
    pub fn into_inner(mut self) -> JoinHandle<T> {
        // `drop` then finds no handle, and cancels nothing.
        JoinHandle { handle: self.0.handle.take() }
    }
}

impl<T> Deref for CancelOnDrop<T> {
    type Target = JoinHandle<T>;

    fn deref(&self) -> &JoinHandle<T> {
        &self.0
    }
}

impl<T> Future for CancelOnDrop<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        // The waker is forgotten first, since cancelling the task would call it: an executor that
        // drops this future may hold a lock that the waker takes.
        let handle = &mut self.0.handle;
        let forgotten = outcome::run(|| handle.iter_mut().for_each(Handle::forget_waiting));
        let cancelled = outcome::run(|| _ = self.0.cancel());
        outcome::resume_first([cancelled, forgotten].into_iter());
    }
}

#[cfg(all(test, not(loom), feature = "deterministic"))]
mod tests;
