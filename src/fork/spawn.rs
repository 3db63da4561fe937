//! `spawn`: tasks that belong to nobody but their pool.

use std::sync::Arc;
use std::{fmt, thread};

use crate::deterministic;
use crate::job::NO_ROOT;
use crate::job::outcome::Payload;
use crate::job::task::{Handle, Home, Kept, new_task};
use crate::pool::{Registry, with_current};
use crate::worker::Worker;

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
        by_task(kept).0
    }

    fn claim_panic(self, kept: Kept) {
        let (payload, registry) = by_task(kept);
        registry.handlers().take_panic(payload);
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
    let (job, handle) = unsafe { new_task(f, PoolHome, registry, NO_ROOT) };
    registry.submit(spawner, job);
    JoinHandle { handle }
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
    pub fn join(self) -> thread::Result<T> {
        self.handle.join()
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        deterministic::point();
        self.handle.is_finished()
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("is_finished", &self.is_finished()).finish()
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
/// For a worker that waits for something this crate knows nothing of.
pub fn yield_now() -> Option<Yield> {
    deterministic::point();
    Worker::current().map(yield_on)
}

pub(crate) fn yield_on(worker: &Worker) -> Yield {
    if worker.run_one() { Yield::Executed } else { Yield::Idle }
}
