//! `spawn_future`: futures that workers poll.
//!
//! Each wake-up of a future queues a detached task that polls the future once. async-task ensures
//! that there is at most one such task at a time. The handle that the caller gets is that of a
//! completer, which is stored in the future. So if the future is dropped before it ends, because it
//! was cancelled or because the pool has ended, the handle is completed as cancelled.

use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::{RefUnwindSafe, UnwindSafe, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{self, Poll};
use std::time::Duration;

use async_task::{Runnable, ScheduleInfo, WithInfo};

use super::completer::completer;
use super::handle::JoinHandle;
use super::spawn::{BY_TOKEN, PoolHome};
use crate::context::Context;
use crate::job::outcome::{self, Payload};
use crate::job::{NO_TAG, Priority};
use crate::os::generation;
use crate::pool::{ThreadPool, with_current};
use crate::task::{JoinError, new_task};
use crate::worker::attached::Place;
use crate::worker::shared::Registry;
use crate::worker::{Tag, Worker, share_current};

/// Spawns a future in the current pool, else in the global one, and returns a handle to its output.
/// Workers poll it, like tasks; any thread may wake it.
///
/// If the handle is dropped, the future goes on. A future that wakes itself while it is polled is
/// queued behind its worker's other work. When the pool is dropped, its workers still poll the
/// futures that were woken. Then the pool drops the futures that still wait, and their handles say
/// [cancelled](JoinError::is_cancelled).
///
/// filch has no reactor and no timers. To wait for a socket or a deadline, run tokio or smol
/// alongside the pool. A future of the pool can await their handles, and their futures can await
/// the pool's.
///
/// A future costs a few allocations and three locks of its pool, and each poll costs a task.
///
/// Needs the feature `futures`.
///
/// # Panics
/// Panics if the global pool is needed and cannot be built. If the future panics, the handle
/// returns that panic; if the handle was dropped, the pool's panic handler gets it. The panic
/// handler also gets a panic of the future's drop.
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

fn spawn_future_in<F>(registry: &Registry, future: F) -> FutureHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let caller = registry.expect_worker();
    let (completer, handle) = completer();
    let place = registry.attached.reserve(caller.map_or(0, Worker::index));
    let attachment = Attachment { pool: registry.downgrade(), place };
    let pool = attachment.pool.clone();
    let (context, priority) = (share_current(), Worker::current_priority());
    let first_home = (PoolHome::of(context.clone()), priority);
    let schedule = WithInfo(move |runnable, info| {
        queue_poll(&pool, (&context, priority), runnable, info);
    });
    let caught = Caught { future: ManuallyDrop::new(future), attachment: attachment.clone() };
    let reported = async move {
        // (The future is dropped here, before the handle is completed.)
        let result = caught.await;
        completer.complete(result);
    };
    let (runnable, task) = async_task::spawn(reported, schedule);
    // Before the first poll, which may be the last.
    registry.attached.attach(place, task);
    // The caller keeps the pool from ending.
    submit(registry, first_home, move || poll_once(runnable), false);
    FutureHandle { handle, attachment }
}

/// The user's future. Catches its panics, since async-task aborts if a drop panics. Its drop takes
/// the future from its pool's list.
struct Caught<F> {
    future: ManuallyDrop<F>,
    attachment: Attachment,
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, Panic>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        // SAFETY: this is not moved out.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: the future is pinned with this, and nothing moves it out.
        let future = unsafe { Pin::new_unchecked(&mut *this.future) };
        match outcome::run(|| future.poll(context)) {
            Ok(polled) => polled.map(Ok),
            Err(payload) => Poll::Ready(Err(Panic::new(payload, &this.attachment))),
        }
    }
}

impl<F> Drop for Caught<F> {
    fn drop(&mut self) {
        // SAFETY: the future is dropped in place, once.
        if let Err(payload) = outcome::run(|| unsafe { ManuallyDrop::drop(&mut self.future) }) {
            drop(Panic::new(payload, &self.attachment));
        }
        self.attachment.cancel();
    }
}

/// A panic, which goes to the panic handler of the pool if the handle does not take it.
struct Panic {
    payload: Option<Payload>,
    pool: Weak<Registry>,
}

// The payload is only moved out.
impl UnwindSafe for Panic {}
impl RefUnwindSafe for Panic {}
// SAFETY: a shared reference gives no access to the payload.
unsafe impl Sync for Panic {}

impl Panic {
    fn new(payload: Payload, attachment: &Attachment) -> Self {
        Panic { payload: Some(payload), pool: attachment.pool.clone() }
    }

    fn into_error(mut self) -> JoinError {
        match self.payload.take() {
            Some(payload) => JoinError::unwound(payload),
            None => unreachable!("it is taken once"),
        }
    }
}

impl Drop for Panic {
    fn drop(&mut self) {
        let Some(payload) = self.payload.take() else { return };
        match self.pool.upgrade() {
            Some(registry) => {
                registry.handlers.take_panic(payload);
                outcome::discard(registry);
            }
            None => outcome::discard(payload),
        }
    }
}

/// Queues a poll of a future that was woken, on any thread. If the pool has ended, drops the
/// future.
fn queue_poll(
    pool: &Weak<Registry>,
    (context, priority): (&Option<Arc<Context>>, Priority),
    runnable: Runnable,
    info: ScheduleInfo,
) {
    with_pool(pool, |registry| {
        if registry.is_lost() {
            // In this child of a `fork()`, nothing that belongs to the pool is freed.
            std::mem::forget(runnable);
        } else if let Some(_keeper) = registry.keep() {
            let home = (PoolHome::of(context.clone()), priority);
            submit(registry, home, move || poll_once(runnable), info.woken_while_running);
        } else {
            drop(runnable);
        }
    });
}

/// Calls `act` with the pool. If the pool is gone, only drops `act`.
fn with_pool(pool: &Weak<Registry>, act: impl FnOnce(&Registry)) {
    let own = Worker::current().map(Worker::registry);
    match own.filter(|own| std::ptr::eq(*own, pool.as_ptr())) {
        // A worker's pool is there. To count one more reference would cost more than all the rest,
        // since all workers write to the count.
        Some(own) => act(own),
        None => {
            let Some(registry) = pool.upgrade() else { return };
            act(&registry);
            // This may be the last reference, whose drop drops the captures of the pool's handlers.
            outcome::discard(registry);
        }
    }
}

/// Queues a poll: behind the worker's other work if `is_last`.
fn submit(
    registry: &Registry,
    (home, priority): (PoolHome<BY_TOKEN>, Priority),
    poll: impl FnOnce() + Send + 'static,
    is_last: bool,
) {
    // SAFETY: queued below, in this registry, which the caller or a keeper keeps from ending; the
    // closure is `'static` and may be sent.
    let (job, handle) = unsafe { new_task(poll, home, registry, NO_TAG) };
    drop(handle);
    job.set_priority(priority);
    match (registry.current_worker(), priority) {
        (Some(worker), Priority::Normal) if is_last => worker.push_last(job),
        (Some(_), _) if is_last => registry.reinject(job),
        (caller, _) => registry.submit_as_it_is(caller, job),
    }
}

fn poll_once(runnable: Runnable) {
    let Some(worker) = Worker::current() else { unreachable!("a worker runs a task") };
    // The poll gets its own tag, like a task with a handle: a job may wait for this future.
    let tag = Tag::new(NO_TAG);
    let polled = worker.within(tag.address(), || worker.run_users(|| runnable.run()));
    if let Err(payload) = polled {
        resume_unwind(payload);
    }
}

/// The place of a future in the list of its pool.
#[derive(Clone)]
struct Attachment {
    pool: Weak<Registry>,
    place: Place,
}

impl Attachment {
    /// Cancels the future, unless it has ended or was cancelled. A worker drops the future, or this
    /// call does if the pool has ended.
    fn cancel(&self) {
        let mut task = None;
        with_pool(&self.pool, |registry| task = registry.attached.detach(self.place));
        drop(task);
    }

    /// # Panics
    /// Panics if the pool was built before a `fork()` and this process is the child.
    fn expect_pool(&self) {
        if let Some(registry) = self.pool.upgrade() {
            let is_lost = registry.is_lost();
            outcome::discard(registry);
            if is_lost {
                generation::refuse();
            }
        }
    }
}

/// The right to the output of a future: see [`spawn_future`].
///
/// It is itself a future, for any executor. Dropping it detaches the future, which goes on.
pub struct FutureHandle<T> {
    handle: JoinHandle<Result<T, Panic>>,
    attachment: Attachment,
}

// As for a `JoinHandle`.
impl<T> UnwindSafe for FutureHandle<T> {}
impl<T> RefUnwindSafe for FutureHandle<T> {}

impl<T> FutureHandle<T> {
    /// Waits for the future and returns its output. A worker runs other jobs meanwhile, by the
    /// rules for a [`completer`](crate::completer()). Any other thread sleeps.
    ///
    /// # Errors
    /// Returns a [`JoinError`] if the future panicked, was [cancelled](Self::cancel), or was still
    /// waiting when its pool ended.
    ///
    /// # Panics
    /// Panics if the handle was polled and has already given its result, and in the child of a
    /// `fork()`.
    pub fn join(self) -> Result<T, JoinError> {
        self.expect_end();
        flat(self.handle.join())
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
        let FutureHandle { handle, attachment } = self;
        match handle.join_timeout(limit) {
            Ok(result) => Ok(flat(result)),
            Err(handle) => Err(FutureHandle { handle, attachment }),
        }
    }

    /// Requests that the future be dropped, and does not wait for that. If the future is being
    /// polled, that poll is finished first. If the future has not ended by then, it is dropped, and
    /// its handle says [cancelled](JoinError::is_cancelled).
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
        self.attachment.cancel();
    }

    /// Returns whether the future has ended or was dropped.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    fn expect_end(&self) {
        if !self.is_finished() {
            self.attachment.expect_pool();
        }
    }
}

fn flat<T>(result: Result<Result<T, Panic>, JoinError>) -> Result<T, JoinError> {
    result.and_then(|result| result.map_err(Panic::into_error))
}

/// Gives what [`join`](FutureHandle::join) returns.
///
/// # Panics
/// Panics if it is polled again after it has returned the result, and in the child of a `fork()`.
impl<T> Future for FutureHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        self.expect_end();
        Pin::new(&mut self.handle).poll(context).map(flat)
    }
}

impl<T> fmt::Debug for FutureHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FutureHandle").field("is_finished", &self.is_finished()).finish()
    }
}
