//! `spawn_future`: futures that workers poll.
//!
//! Each wake-up of a future queues a detached task that polls the future once. async-task ensures
//! that there is at most one such task at a time. The handle that the caller gets is that of a
//! completer, which is stored in the future. So if the future is dropped before it ends, because it
//! was cancelled or because the pool has ended, the handle is completed as cancelled.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::mem::{self, ManuallyDrop};
use std::panic::{RefUnwindSafe, UnwindSafe, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use async_task::{Runnable, ScheduleInfo, WithInfo};

use super::completer::completer;
use super::handle::JoinHandle;
use super::spawn::{BY_TOKEN, PoolHome};
use crate::context::Context;
use crate::job::outcome::{self, Payload};
use crate::job::{NO_TAG, Priority};
use crate::os::generation::{self, Generation};
use crate::pool::{ThreadPool, with_current};
use crate::task::{JoinError, new_task};
use crate::worker::attached::Place;
use crate::worker::shared::Registry;
use crate::worker::{Tag, Worker, pools, share_current};

/// Spawns a future in the current pool, else in the global one, and returns a handle to its output.
/// Workers poll the future as they run tasks. Any thread may wake it.
///
/// If the handle is dropped, the future goes on. A future that wakes itself while it is polled is
/// queued behind its worker's other work. When the pool is dropped, its workers still poll the
/// futures that were woken. Then the pool drops the futures that still wait, and their handles
/// report [cancelled](JoinError::is_cancelled).
///
/// filch has no reactor and no timers. To wait for a socket or a deadline, run tokio or smol
/// alongside the pool. A future of the pool can await their handles, and their futures can await
/// the pool's.
///
/// A future costs a few allocations and two locks of its pool, and each poll costs a task. A
/// wake-up by a thread that is no worker of the pool also takes a lock of the process.
///
/// Needs the feature `futures`.
///
/// # Panics
/// Panics if the global pool is needed and cannot be built. If the future panics, the handle
/// returns that panic. If the handle was dropped, the pool's panic handler gets the panic. The
/// panic handler also gets a panic of the future's drop.
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
    let pool = Pool::of(registry);
    let (context, priority) = (share_current(), Worker::current_priority());
    let first_home = (PoolHome::of(context.clone()), priority);
    let schedule = WithInfo(move |runnable, info| {
        queue_poll(pool, (&context, priority), runnable, info);
    });
    // Attached before the first poll, which may be the last.
    let make = |place| {
        let attachment = Attachment { pool, place };
        let caught = Caught { future: ManuallyDrop::new(future), attachment };
        let reported = async move {
            // (The future is dropped here, before the handle is completed.)
            let result = caught.await;
            completer.complete(result);
        };
        let (runnable, task) = async_task::spawn(reported, schedule);
        ((runnable, attachment), task)
    };
    let (runnable, attachment) = registry.attached.attach(caller.map_or(0, Worker::index), make);
    // The caller keeps the pool from ending.
    submit(registry, first_home, move || poll_once(runnable), false);
    FutureHandle { handle, attachment }
}

/// The user's future. This wrapper catches the future's panics, since async-task aborts if a drop
/// panics. Its drop also removes the future from the pool's list.
struct Caught<F> {
    future: ManuallyDrop<F>,
    attachment: Attachment,
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, Panic>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        // SAFETY: nothing is moved out of this reference.
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

/// The panic of a future. It goes to the panic handler of the pool if the handle does not take it.
struct Panic {
    payload: Option<Payload>,
    pool: Pool,
}

// The payload is only moved out.
impl UnwindSafe for Panic {}
impl RefUnwindSafe for Panic {}
// SAFETY: a shared reference gives no access to the payload.
unsafe impl Sync for Panic {}

impl Panic {
    fn new(payload: Payload, attachment: &Attachment) -> Self {
        Panic { payload: Some(payload), pool: attachment.pool }
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
        if self.payload.is_none() {
            return;
        }
        let payload = &mut self.payload;
        self.pool.with(|registry| {
            if let Some(payload) = payload.take() {
                registry.handlers.take_panic(payload);
            }
        });
        outcome::discard(self.payload.take());
    }
}

/// A reference to a pool that may have ended.
///
/// (It is no `Weak`. Each copy of that would cost two writes to a count that all workers write to.)
#[derive(Clone, Copy)]
struct Pool {
    /// The address of the registry. Another pool may have this address after the end of this one.
    address: usize,
    number: usize,
    generation: Generation,
}

impl Pool {
    fn of(registry: &Registry) -> Self {
        let (address, number) = (registry.address(), registry.number);
        Pool { address, number, generation: Generation::current() }
    }

    /// Calls `act` with the pool. If the pool is gone, drops `act` without calling it. If the pool
    /// was built before a `fork()` and this process is the child, forgets `act`, so that nothing
    /// that belongs to the pool is freed. A worker of the pool always calls `act`.
    fn with(self, act: impl FnOnce(&Registry)) {
        let own = Worker::current().map(Worker::registry);
        if let Some(own) = own.filter(|own| own.number == self.number) {
            return act(own);
        }
        if self.generation.is_past() {
            return mem::forget(act);
        }
        let Some(registry) = pools::registry_at(self.address) else { return };
        if registry.number == self.number {
            act(&registry);
        }
        // This may be the last reference, whose drop drops the captures of the pool's handlers.
        outcome::discard(registry);
    }
}

/// Called on any thread when a future was woken. Queues a poll of the future, or drops the future
/// if the pool has ended.
fn queue_poll(
    pool: Pool,
    (context, priority): (&Option<Arc<Context>>, Priority),
    runnable: Runnable,
    info: ScheduleInfo,
) {
    if pool.generation.is_past() {
        // See `Pool::with`.
        return mem::forget(runnable);
    }
    let mut runnable = Some(runnable);
    pool.with(|registry| {
        let Some(_keeper) = registry.keep() else { return };
        if let Some(runnable) = runnable.take() {
            let home = (PoolHome::of(context.clone()), priority);
            submit(registry, home, move || poll_once(runnable), info.woken_while_running);
        }
    });
    runnable.into_iter().for_each(drop_in_turn);
}

thread_local! {
    /// While the thread drops a future in `drop_in_turn`, the futures that come next.
    static NEXT: RefCell<Option<Vec<Runnable>>> = const { RefCell::new(None) };
}

/// Drops a future of a pool that has ended. That may wake another such future, and so on. These are
/// dropped one after the other, so that no stack grows with their number.
fn drop_in_turn(future: Runnable) {
    let mut first = Some(future);
    let _ = NEXT.try_with(|next| match &mut *next.borrow_mut() {
        Some(next) => next.extend(first.take()),
        none => *none = Some(Vec::new()),
    });
    while let Some(future) = first {
        outcome::discard(future);
        first = NEXT.try_with(|next| next.borrow_mut().as_mut()?.pop()).ok().flatten();
        if first.is_none() {
            let _ = NEXT.try_with(|next| next.take());
        }
    }
}

/// Queues a poll. If `is_last`, it is queued behind the worker's other work.
fn submit(
    registry: &Registry,
    (home, priority): (PoolHome<BY_TOKEN>, Priority),
    poll: impl FnOnce() + Send + 'static,
    is_last: bool,
) {
    // SAFETY: queued below, in this registry, which the caller or a keeper keeps from ending; the
    // closure is `'static` and may be sent.
    let (job, handle) = unsafe { new_task(poll, home, registry, NO_TAG, Some(priority)) };
    drop(handle);
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

/// The place of a future in the lists of its pool.
#[derive(Clone, Copy)]
struct Attachment {
    pool: Pool,
    place: Place,
}

impl Attachment {
    /// Cancels the future, unless it has ended or was cancelled. A worker then drops the future. If
    /// the pool has ended, this call does.
    fn cancel(&self) {
        let mut task = None;
        self.pool.with(|registry| task = registry.attached.detach(self.place));
        drop(task);
    }

    /// # Panics
    /// Panics if the pool was built before a `fork()` and this process is the child.
    fn expect_pool(&self) {
        if self.pool.generation.is_past() {
            generation::refuse();
        }
    }
}

/// The handle to the output of a future: see [`spawn_future`].
///
/// The handle is itself a future, for any executor. If it is dropped, the future goes on, detached.
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
    /// Panics if the handle was polled and has already given its result. Also panics in the child
    /// of a `fork()` if the future had not ended before.
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
    /// its handle reports [cancelled](JoinError::is_cancelled).
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

/// Its output is what [`join`](FutureHandle::join) returns.
///
/// # Panics
/// Panics if it is polled again after it has returned the result. Also panics in the child of a
/// `fork()` if the future had not ended before.
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
