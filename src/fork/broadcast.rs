//! `broadcast`: one closure, once on every worker.

use std::sync::Arc;

use super::scope::Tasks;
use super::spawn::PoolHome;
use crate::job::NO_TAG;
use crate::job::outcome;
use crate::pool::with_current;
use crate::sleep::Relay;
use crate::task::new_task;
use crate::worker::Worker;
use crate::worker::shared::Registry;

/// What the closure of a [`broadcast`] is told.
#[derive(Clone, Copy, Debug)]
pub struct BroadcastContext {
    index: usize,
    num_threads: usize,
}

impl BroadcastContext {
    /// Those of all calls.
    pub(super) fn all(registry: &Registry) -> impl Iterator<Item = Self> {
        let num_threads = registry.workers().len();
        (0..num_threads).map(move |index| BroadcastContext { index, num_threads })
    }

    /// The worker's index, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The number of workers in the pool, each of which runs the closure once.
    pub fn num_threads(&self) -> usize {
        self.num_threads
    }
}

/// The closure of a broadcast, and which workers are to be woken for it.
pub(super) struct Parts<OP> {
    op: OP,
    relay: Relay,
}

impl<OP> Parts<OP> {
    pub(super) fn new(registry: &Registry, op: OP) -> Self {
        Parts { op, relay: Relay::new(registry.workers().len()) }
    }

    /// Wakes all workers, after a part was pinned to each.
    pub(super) fn start(&self, registry: &Registry) {
        registry.wake_for_pinned(&self.relay);
    }

    /// Runs one part, on a worker of the pool.
    pub(super) fn run<R>(&self, context: BroadcastContext) -> R
    where
        OP: Fn(BroadcastContext) -> R,
    {
        if let Some(worker) = Worker::current() {
            self.relay.pass_on(worker.sleep());
        }
        (self.op)(context)
    }
}

/// Runs `op` once on every worker of the current pool, else of the global one, and returns the
/// results by the workers' indices.
///
/// A worker does it when it has run the tasks that are queued there (a long queue does not keep it
/// from doing it in between), before it steals any; or while it waits. Where a thread from outside
/// has borrowed a worker's core (see [`join`](crate::join)), that thread does it.
///
/// A worker that waits does it on top of what waits: so `op` must not itself wait for a task that
/// may be waiting (by its handle, a lock or a message), or it may wait for ever, for what stands
/// below it.
///
/// # Panics
/// When `op` does on some worker, with the first such payload, when all have ended. When the
/// global pool is needed and cannot be built.
///
/// ```
/// let indices = filch::broadcast(|context| context.index());
/// assert_eq!(indices, (0..filch::current_num_threads()).collect::<Vec<_>>());
/// ```
pub fn broadcast<OP, R>(op: OP) -> Vec<R>
where
    OP: Fn(BroadcastContext) -> R + Sync,
    R: Send,
{
    with_current(|registry| broadcast_in(registry, op))
}

pub(crate) fn broadcast_in<OP, R>(registry: &Registry, op: OP) -> Vec<R>
where
    OP: Fn(BroadcastContext) -> R + Sync,
    R: Send,
{
    let mut results: Vec<Option<R>> = registry.workers().iter().map(|_| None).collect();
    let tasks = Tasks::new(registry, registry.expect_worker());
    let parts = Parts::new(registry, op);
    outcome::run_or_abort(|| {
        for (context, result) in BroadcastContext::all(registry).zip(&mut results) {
            let parts = &parts;
            let run = move || {
                let value = parts.run(context);
                // As in `Worker::run_users`, which comes too late for this write.
                registry.abort_if_lost();
                *result = Some(value);
            };
            // SAFETY: `parts` and `results` are used and dropped after the wait below only, which a
            // panic cannot skip; the handle is dropped here.
            drop(unsafe {
                tasks.spawn(run, |registry, _, job| registry.workers()[context.index].pin(job))
            });
        }
        parts.start(registry);
        tasks.wait();
    });
    // A panic of its drop leaves the results to be dropped.
    drop(parts);
    // Each is there: without a panic every task has written its own.
    tasks.result(results).into_iter().flatten().collect()
}

/// Like [`broadcast`], but returns at once.
///
/// # Panics
/// When the global pool is needed and cannot be built. A panic of `op` goes to the pool's panic
/// handler.
pub fn spawn_broadcast<OP>(op: OP)
where
    OP: Fn(BroadcastContext) + Send + Sync + 'static,
{
    with_current(|registry| spawn_broadcast_in(registry, op));
}

pub(crate) fn spawn_broadcast_in<OP>(registry: &Registry, op: OP)
where
    OP: Fn(BroadcastContext) + Send + Sync + 'static,
{
    registry.expect_worker();
    let parts = Arc::new(Parts::new(registry, op));
    for (context, worker) in BroadcastContext::all(registry).zip(registry.workers()) {
        let own = parts.clone();
        let run = move || own.run(context);
        // SAFETY: given to a worker of this registry; `op` is `'static` and may be shared.
        let (job, handle) = unsafe { new_task(run, PoolHome, registry, NO_TAG) };
        worker.pin(job);
        drop(handle);
    }
    parts.start(registry);
    outcome::discard(parts);
}
