//! `spawn`, `spawn_fifo` and `yield_now`: tasks whose home is their pool.

use std::ptr;
use std::sync::Arc;

use super::handle::JoinHandle;
use crate::context::{CancelReason, Context, spans_are_on};
use crate::job::outcome::{self, Payload};
use crate::job::{AWAITED_BY_END, Priority};
use crate::pool::with_current;
use crate::sim;
use crate::sleep::Event;
use crate::task::{Home, Kept, new_task};
use crate::worker::bound::Bound;
use crate::worker::shared::Registry;
use crate::worker::{ContextRef, JobRef, Worker, current_context, share_current};

/// The home of tasks that are in no scope: the pool. Has a reference to the task's context, which
/// is released when the task ends. `DROPS` says why the task may be dropped before it begins.
#[derive(Clone, Copy)]
pub(super) struct PoolHome<const DROPS: u8 = SPAWNED>(ContextRef);

/// Never.
pub(super) const NEVER: u8 = 0;
/// If its token is cancelled.
pub(super) const BY_TOKEN: u8 = 1;
/// If its token is cancelled, or after `ThreadPool::shutdown_now`.
pub(super) const SPAWNED: u8 = 2;

// SAFETY: contexts may be shared and sent.
unsafe impl<const DROPS: u8> Send for PoolHome<DROPS> {}

impl PoolHome {
    /// The home of one task, which inherits the current context. `caller` is the worker as which
    /// this thread acts. It may be `None` if the caller does not know.
    #[inline]
    pub(super) fn of_current(caller: Option<&Worker>) -> Self {
        let context = caller.map_or_else(current_context, Worker::context);
        let is_none = context.is_null() && !spans_are_on();
        if is_none { PoolHome(context) } else { Self::of_shared() }
    }

    #[cold]
    #[inline(never)]
    fn of_shared() -> Self {
        Self::of(share_current())
    }
}

impl<const DROPS: u8> PoolHome<DROPS> {
    /// The home of one task under `context`.
    pub(super) fn of(context: Option<Arc<Context>>) -> Self {
        PoolHome(context.map_or(ptr::null(), Arc::into_raw))
    }

    /// A home that is never told of an end, and whose user has the reference to `context`.
    #[cfg(feature = "futures")]
    pub(super) fn lent(context: Option<&Arc<Context>>) -> Self {
        PoolHome(context.map_or(ptr::null(), Arc::as_ptr))
    }
}

#[cold]
fn release(context: ContextRef) {
    // SAFETY: it is the one of `PoolHome::of`.
    let context = unsafe { Arc::from_raw(context) };
    // What is in it may be the user's.
    outcome::discard(context);
}

impl<const DROPS: u8> Home for PoolHome<DROPS> {
    const HAS_TAG: bool = false;

    #[inline]
    fn context(self) -> ContextRef {
        self.0
    }

    #[inline]
    fn cancelled(self, context: ContextRef, registry: &Registry) -> Option<CancelReason> {
        if DROPS == SPAWNED && registry.is_shut_down() {
            return Some(CancelReason::Shutdown);
        }
        // SAFETY: the task has not ended.
        let context = unsafe { context.as_ref() }?;
        if DROPS == NEVER { None } else { context.cancelled() }
    }

    fn task_stopped(self, _: CancelReason) {}

    fn take_panic(self, payload: Payload, registry: &Registry) {
        registry.handlers.take_panic(payload);
    }

    fn keep_panic(self, payload: Payload, registry: &Registry) -> Kept {
        // SAFETY: the task has not ended.
        let context = unsafe { self.0.as_ref() };
        let name = context.and_then(|context| context.name.clone());
        Kept::ByTask(Box::new(((payload, name), registry.share())))
    }

    #[inline]
    fn task_ended(self, _: &Worker) {
        if !self.0.is_null() {
            release(self.0);
        }
    }
}

/// Spawns a task in the current pool, else in the global one, and returns a handle to its result.
///
/// Task and result share one allocation. If the handle is dropped, the task runs all the same, at
/// the latest when its pool is dropped. (The global pool is never dropped: a task that has not
/// begun when the process ends does not run.)
///
/// # Panics
/// Panics if the global pool is needed and cannot be built. The handle returns a panic of the task.
/// If the handle was dropped, the panic goes to the pool's panic handler.
///
/// ```
/// let answer = filch::spawn(|| 6 * 7);
/// assert_eq!(answer.join().unwrap(), 42);
/// ```
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    with_current(|registry| spawn_at(PoolHome::of_current, None, registry, f))
}

/// Spawns a task that is at `home`, and of `priority` or else of the one that it inherits.
#[inline]
pub(super) fn spawn_at<T: Send + 'static>(
    home: impl FnOnce(Option<&Worker>) -> PoolHome,
    priority: Option<Priority>,
    registry: &Registry,
    f: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let spawner = registry.expect_worker();
    match &registry.bound {
        None => queue(home, priority, registry, spawner, f),
        Some(bound) => spawn_bounded(home, priority, registry, bound, spawner, f),
    }
}

#[inline]
pub(super) fn queue<T: Send + 'static>(
    home: impl FnOnce(Option<&Worker>) -> PoolHome,
    priority: Option<Priority>,
    registry: &Registry,
    spawner: Option<&Worker>,
    f: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    // SAFETY: submitted to this registry, which runs everything before it ends; closure and
    // result are `'static` and may be sent.
    let (job, handle) = unsafe { new_task(f, home(spawner), registry, AWAITED_BY_END, priority) };
    match priority {
        None => registry.submit(spawner, job),
        Some(_) => registry.submit_prioritized(spawner, job),
    }
    JoinHandle::new(handle)
}

#[cold]
#[inline(never)]
fn spawn_bounded<T: Send + 'static>(
    home: impl FnOnce(Option<&Worker>) -> PoolHome,
    priority: Option<Priority>,
    registry: &Registry,
    bound: &Arc<Bound>,
    spawner: Option<&Worker>,
    f: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let Some(worker) = spawner else {
        let (place, begun) = bound.take(registry.address(), !Worker::is_on_pools_thread());
        let priority = Some(priority.unwrap_or_else(Worker::current_priority));
        // SAFETY: as in `queue`.
        let (job, handle) = unsafe {
            new_task(place.carried_by(f), home(None), registry, AWAITED_BY_END, priority)
        };
        inject(registry, job, begun.as_deref());
        return JoinHandle::new(handle);
    };
    let beyond = || (!worker.has_room()).then(|| bound.take_at_once().0);
    if let Some(place) = bound.try_take().or_else(beyond) {
        return queue(home, priority, registry, spawner, place.carried_by(f));
    }
    let priority = priority.unwrap_or(worker.priority());
    // SAFETY: run below; the rest as in `queue`.
    let (job, handle) =
        unsafe { new_task(f, home(spawner), registry, AWAITED_BY_END, Some(priority)) };
    worker.run_at_once(job);
    JoinHandle::new(handle)
}

/// Queues a task for a thread that is no worker of the pool. If the pool has no room for it, but a
/// worker may wait for the thread, waits until the task has `begun`.
fn inject(registry: &Registry, job: JobRef, begun: Option<&Event>) {
    registry.inject(job);
    if let Some(begun) = begun {
        begun.wait(|| true);
    }
}

/// Like [`spawn`], but tasks that one worker spawns by this function begin in the order in which it
/// spawned them. Returns no handle.
///
/// # Panics
/// Panics if the global pool is needed and cannot be built. A panic of the task goes to the pool's
/// panic handler.
///
/// ```
/// let (sender, receiver) = std::sync::mpsc::channel();
/// let pool = filch::ThreadPoolBuilder::new().num_threads(1).build()?;
/// pool.install(|| {
///     for i in 0..4 {
///         let sender = sender.clone();
///         filch::spawn_fifo(move || sender.send(i).unwrap());
///     }
/// });
/// drop((pool, sender));
/// assert_eq!(receiver.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
/// # Ok::<(), filch::ThreadPoolBuildError>(())
/// ```
pub fn spawn_fifo<F>(f: F)
where
    F: FnOnce() + Send + 'static,
{
    with_current(|registry| spawn_fifo_in(registry, f))
}

pub(super) fn spawn_fifo_in(registry: &Registry, f: impl FnOnce() + Send + 'static) {
    let spawner = registry.expect_worker();
    let in_order = |job| registry.in_order(spawner, job, &registry.fifos);
    let Some(bound) = &registry.bound else {
        return registry.submit(spawner, in_order(detached(registry, spawner, f)));
    };
    let Some(worker) = spawner else {
        let (place, begun) = bound.take(registry.address(), !Worker::is_on_pools_thread());
        let job = detached(registry, None, place.carried_by(f));
        Worker::pass_priority(None, &job);
        return inject(registry, job, begun.as_deref());
    };
    let (place, is_full) = bound.take_at_once();
    let job = in_order(detached(registry, spawner, place.carried_by(f)));
    if is_full && worker.has_room() {
        // The placeholder of the task runs the oldest one.
        worker.run_at_once(job);
    } else {
        registry.submit(spawner, job);
    }
}

#[inline]
fn detached(
    registry: &Registry,
    spawner: Option<&Worker>,
    f: impl FnOnce() + Send + 'static,
) -> JobRef {
    // SAFETY: as in `queue`: each caller submits or runs it.
    let (job, handle) =
        unsafe { new_task(f, PoolHome::of_current(spawner), registry, AWAITED_BY_END, None) };
    handle.detach(job)
}

/// What [`yield_now`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yield {
    /// It ran a job.
    Executed,
    /// It found none.
    Idle,
}

impl Yield {
    pub(super) fn of(has_run: bool) -> Self {
        if has_run { Yield::Executed } else { Yield::Idle }
    }
}

/// Runs one job of the current pool on top of the caller, if it finds one. Returns `None` on a
/// thread that is no worker.
///
/// Use it to wait for something that this crate does not know of. The job may be any job of the
/// pool. If it waits for the caller (by a handle, a lock or a message), it waits for ever. If it
/// yields in turn, the next job runs on top of both, so many jobs that yield may need much stack.
pub fn yield_now() -> Option<Yield> {
    sim::poll();
    Worker::current().map(|worker| Yield::of(worker.run_one()))
}

/// Like [`yield_now`], but looks only at the queues of this worker: what it has forked and spawned,
/// and broadcasts.
pub fn yield_local() -> Option<Yield> {
    sim::poll();
    Worker::current().map(|worker| Yield::of(worker.run_own()))
}

/// Returns whether a fork or task of the calling worker is pending, or `None` on a thread that is
/// no worker.
pub fn current_thread_has_pending_tasks() -> Option<bool> {
    Worker::current().map(|worker| !worker.is_bare())
}
