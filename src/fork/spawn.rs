//! `spawn`: tasks that belong to nobody but their pool.

use std::sync::Arc;
use std::{fmt, thread};

use crate::job::NO_TAG;
use crate::job::outcome::{self, Payload};
use crate::pool::with_current;
use crate::sim;
use crate::task::{Handle, Home, Kept, new_task};
use crate::worker::Worker;
use crate::worker::shared::Registry;

/// Where detached tasks belong: the pool itself.
#[derive(Clone, Copy)]
pub(super) struct PoolHome;

impl Home for PoolHome {
    fn take_panic(self, payload: Payload, registry: &Registry) {
        registry.handlers().take_panic(payload);
    }

    fn keep_panic(self, payload: Payload, registry: &Registry) -> Kept {
        Kept::ByTask(Box::new((payload, registry.share())))
    }

    fn give_panic(self, kept: Kept) -> Payload {
        let (payload, registry) = by_task(kept);
        // It may be the last that is left of the pool, whose handlers' captures may panic in their
        // drops.
        outcome::discard(registry);
        payload
    }

    fn claim_panic(self, kept: Kept) {
        let (payload, registry) = by_task(kept);
        registry.handlers().take_panic(payload);
        outcome::discard(registry);
    }

    fn task_ended(self, _: &Worker) {}
}

fn by_task(kept: Kept) -> (Payload, Arc<Registry>) {
    match kept {
        Kept::ByTask(kept) => *kept,
        Kept::ByScope(_) => unreachable!("what belongs to the pool is in no scope"),
    }
}

/// Gives a task to the current pool, else to the global one, and returns a handle to its result.
///
/// One allocation, which also holds the result. Dropping the handle detaches the task; it runs
/// all the same, at the latest while its pool is dropped. (The global pool is not dropped: what
/// has not run when the process ends does not run.)
///
/// # Panics
/// When the global pool is needed and cannot be built. A panic of the task is the handle's; if
/// that is gone, the pool's panic handler's.
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
    with_current(|registry| spawn_in(registry, f))
}

#[inline]
pub(crate) fn spawn_in<F, T>(registry: &Registry, f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let spawner = registry.expect_worker();
    // SAFETY: submitted to this registry, which runs everything before it ends; closure and
    // result are `'static` and may be sent.
    let (job, handle) = unsafe { new_task(f, PoolHome, registry, NO_TAG) };
    registry.submit(spawner, job);
    JoinHandle { handle }
}

/// Like [`spawn`], but the tasks that a worker spawns by this begin in the order in which it
/// spawned them, whoever runs them. There are no handles.
///
/// # Panics
/// When the global pool is needed and cannot be built. A panic of the task goes to the pool's panic
/// handler.
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

pub(crate) fn spawn_fifo_in<F>(registry: &Registry, f: F)
where
    F: FnOnce() + Send + 'static,
{
    let spawner = registry.expect_worker();
    // SAFETY: as in `spawn_in`.
    let (job, handle) = unsafe { new_task(f, PoolHome, registry, NO_TAG) };
    drop(handle);
    registry.submit(spawner, registry.in_order(spawner, job, registry.fifos()));
}

/// The right to the result of a task: see [`spawn`]. Dropping it detaches the task.
pub struct JoinHandle<T> {
    handle: Handle<T>,
}

impl<T> JoinHandle<T> {
    /// Waits for the task and returns its value, or the payload of its panic.
    ///
    /// A worker that waits runs the task itself, if nobody does yet, and other work, if somebody
    /// does. Any other thread sleeps.
    ///
    /// Tasks that join each other may so nest as deep as they form a chain. A worker's stack need
    /// not be large for that: what goes beyond a part of it runs on a larger stack, on a thread
    /// that acts as the same worker and ends with the chain. (Not in pools whose
    /// [`max_spare_threads`](crate::ThreadPoolBuilder::max_spare_threads) are 0, in those whose
    /// threads a [spawn handler](crate::ThreadPoolBuilder::spawn_handler) makes, in deterministic
    /// ones, or where the system gives no thread.)
    pub fn join(self) -> thread::Result<T> {
        self.handle.join()
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.poll_finished()
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_finished = self.handle.is_finished();
        f.debug_struct("JoinHandle").field("is_finished", &is_finished).finish()
    }
}

/// What [`yield_now`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yield {
    /// It ran a job.
    Executed,
    /// There was none in sight.
    Idle,
}

/// Runs one job of the current pool, if one is in sight, on top of the caller; `None` on a thread
/// that is no worker.
///
/// For a worker that waits for something this crate knows nothing of. What it runs may be
/// anybody's: if that waits for the caller (by its handle, a lock or a message), it waits for ever.
/// If that yields, too, the next one stands on both, and so on: many jobs that yield may need as
/// much stack together.
pub fn yield_now() -> Option<Yield> {
    sim::poll();
    Worker::current().map(yield_on)
}

pub(crate) fn yield_on(worker: &Worker) -> Yield {
    if worker.run_one() { Yield::Executed } else { Yield::Idle }
}

/// Like [`yield_now`], but looks only at what is queued at this worker: what it has forked and
/// spawned, or was given by a broadcast.
pub fn yield_local() -> Option<Yield> {
    sim::poll();
    Worker::current().map(yield_local_on)
}

pub(crate) fn yield_local_on(worker: &Worker) -> Yield {
    if worker.run_own() { Yield::Executed } else { Yield::Idle }
}

/// Whether something that the calling worker has forked or spawned is pending, and it, or another
/// that steals it, could run it; `None` on a thread that is no worker.
pub fn current_thread_has_pending_tasks() -> Option<bool> {
    Worker::current().map(|worker| !worker.is_bare())
}
