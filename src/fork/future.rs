//! `spawn_future`: futures that workers poll.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Duration;

use super::handle::JoinHandle;
use super::spawn::{BY_TOKEN, PoolHome};
use crate::os::generation;
use crate::pool::{ThreadPool, with_current};
use crate::task::{JoinError, future};
use crate::worker::shared::Registry;
use crate::worker::{Worker, share_current};

/// Spawns a future in the current pool, else in the global one, and returns a handle to its output.
/// Workers poll the future between other jobs. Any thread may wake it.
///
/// If the handle is dropped, the future goes on. A future that wakes itself while it is polled is
/// queued behind its worker's other work. When the pool is dropped, its workers still poll the
/// futures that were woken. Then the pool drops the futures that still wait, and their handles
/// report [cancelled](JoinError::is_cancelled).
///
/// filch has no reactor and no timers. To wait for a socket or a deadline, run tokio or smol
/// [alongside](crate::guide::cookbook#beside-tokio-or-smol) the pool.
///
/// A future costs one allocation, and two locks of its pool if it ever waits. A poll costs as much
/// as a task. A wake-up by a thread that is no worker of the pool takes a process-wide lock.
///
/// Needs the feature `futures`.
///
/// # Panics
/// Panics if the global pool is needed and cannot be built. If the future panics, the handle
/// returns that panic. If the handle was dropped, the pool's panic handler gets it. The handler
/// also gets a panic of the future's drop.
///
/// ```
/// let (completer, question) = filch::completer();
/// let answer = filch::spawn_future(async move {
///     let question: u32 = question.await.unwrap();
///     let half = filch::spawn(move || question / 2);
///     half.await.unwrap()
/// });
/// completer.complete(84);
/// assert_eq!(answer.join().unwrap(), 42);
/// ```
pub fn spawn_future<F>(future: F) -> FutureHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    with_current(|registry| spawn_future_in(registry, future))
}

impl ThreadPool {
    /// [`spawn_future`] in this pool.
    pub fn spawn_future<F>(&self, future: F) -> FutureHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn_future_in(self.registry(), future)
    }
}

fn spawn_future_in<F: Future<Output: Send + 'static> + Send + 'static>(
    registry: &Registry,
    future: F,
) -> FutureHandle<F::Output> {
    let caller = registry.expect_worker();
    let context = share_current();
    let home = PoolHome::<BY_TOKEN>::lent(context.as_ref());
    let priority = Worker::current_priority();
    let handle = future::spawn_future(future, (home, context), priority, registry, caller);
    FutureHandle { handle: JoinHandle::new(handle) }
}

/// The handle to the output of a future: see [`spawn_future`].
///
/// The handle is itself a future, for any executor. If it is dropped, the future goes on, detached.
pub struct FutureHandle<T> {
    handle: JoinHandle<T>,
}

impl<T> FutureHandle<T> {
    /// Waits for the future and returns its output. A worker runs other jobs meanwhile, by the
    /// rules for a [`completer`](crate::completer()). Any other thread sleeps.
    ///
    /// # Errors
    /// Returns a [`JoinError`] if the future panicked, was [cancelled](Self::cancel), or was still
    /// waiting when its pool ended.
    ///
    /// # Panics
    /// Panics if the handle was polled and has already given its result. Also panics in the child
    /// of a `fork()` if the future had not ended before.
    pub fn join(self) -> Result<T, JoinError> {
        self.expect_end();
        let _needs = self.needs_pool();
        self.handle.join()
    }

    /// Like [`join`](Self::join), but waits for at most `limit`: see
    /// [`JoinHandle::join_timeout`](crate::JoinHandle::join_timeout).
    ///
    /// # Errors
    /// Returns the handle if the future has not ended in time.
    ///
    /// # Panics
    /// Like [`join`](Self::join).
    pub fn join_timeout(self, limit: Duration) -> Result<Result<T, JoinError>, Self> {
        self.expect_end();
        let _needs = self.needs_pool();
        self.handle.join_timeout(limit).map_err(|handle| FutureHandle { handle })
    }

    /// Requests that the future be dropped, and does not wait for that. A poll that has begun is
    /// finished first. If the future has not ended by then, it is dropped, and its handle reports
    /// [cancelled](JoinError::is_cancelled).
    ///
    /// If the pool has ended, this call drops the future itself. A panic of the future's drop goes
    /// to the pool's panic handler in either case.
    ///
    /// ```
    /// let waits = filch::spawn_future(std::future::pending::<()>());
    /// waits.cancel();
    /// assert!(waits.join().unwrap_err().is_cancelled());
    /// ```
    pub fn cancel(&self) {
        if let Some(handle) = self.handle.get() {
            // SAFETY: it is a future's handle.
            unsafe { future::cancel_future(handle) };
        }
    }

    /// Returns whether the future has ended or was dropped.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    fn needs_pool(&self) -> Option<future::Needs> {
        // SAFETY: it is a future's handle.
        self.handle.get().and_then(|handle| unsafe { future::needs(handle) })
    }

    fn expect_end(&self) {
        // SAFETY: it is a future's handle.
        let is_past = self.handle.get().is_some_and(|handle| unsafe { future::is_past(handle) });
        if is_past && !self.is_finished() {
            generation::refuse();
        }
    }
}

/// Its output is what [`join`](FutureHandle::join) returns.
///
/// # Panics
/// Panics if it is polled again after it has returned the result. Also panics in the child of a
/// `fork()` if the future had not ended before.
impl<T> Future for FutureHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        self.expect_end();
        Pin::new(&mut self.handle).poll(context)
    }
}

impl<T> fmt::Debug for FutureHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FutureHandle").field("is_finished", &self.is_finished()).finish()
    }
}
