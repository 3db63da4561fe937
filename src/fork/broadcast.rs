//! `broadcast`: one closure, once on every worker.

use std::sync::Arc;

use super::spawn::{NEVER, PoolHome};
use super::tasks::Tasks;
use crate::job::AWAITED_BY_END;
use crate::job::outcome;
use crate::pool::with_current;
use crate::sleep::Relay;
use crate::task::new_task;
use crate::worker::shared::Registry;
use crate::worker::{Worker, share_current, with_span};

/// Tells the closure of a [`broadcast`] on which worker it runs.
#[derive(Clone, Copy, Debug)]
pub struct BroadcastContext {
    index: usize,
    num_threads: usize,
}

impl BroadcastContext {
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
        Parts { op, relay: Relay::new((0..registry.workers().len()).collect()) }
    }

    /// Wakes all workers. A part was pinned to each of them.
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
/// results in the order of the workers' indices.
///
/// A worker runs `op` before it steals, and now and then before its own tasks, or while it waits.
/// If a thread from outside has borrowed the worker's core (see [`join`](crate::join)), that thread
/// runs it.
///
/// If the worker waits in a task that `op` may join, a spare thread takes its core and runs `op`:
/// see [`WaitPolicy`](crate::WaitPolicy), which also says when there is none. Then `op` runs on top
/// of that task, and must not join it.
///
/// # Panics
/// If `op` panics, the first panic is resumed when all calls have ended. Also panics if the global
/// pool is needed and cannot be built.
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

pub(super) fn broadcast_in<R: Send>(
    registry: &Registry,
    op: impl Fn(BroadcastContext) -> R + Sync,
) -> Vec<R> {
    // The parts inherit the context with the span.
    with_span(|| {
        let mut results: Vec<Option<R>> = registry.workers().iter().map(|_| None).collect();
        let tasks = Tasks::new(registry, registry.expect_worker(), false);
        let parts = Parts::new(registry, op);
        outcome::run_or_abort(|| {
            for (context, result) in BroadcastContext::all(registry).zip(&mut results) {
                let parts = &parts;
                let run = move || {
                    let value = parts.run(context);
                    // As in `Worker::run_users`, but before this write.
                    registry.abort_if_lost();
                    *result = Some(value);
                };
                // SAFETY: `parts` and `results` outlive the wait below, which a panic cannot skip;
                // the handle is dropped here.
                unsafe {
                    tasks.spawn(run, |_, spawner, job, handle| {
                        drop(handle);
                        tasks.pin(spawner, job, context.index);
                    });
                }
            }
            parts.start(registry);
            tasks.wait();
        });
        // If this panics, the results are dropped.
        drop(parts);
        // Unless a task panicked, each has written its result.
        tasks.result(results).into_iter().flatten().collect()
    })
}

/// Like [`broadcast`], but returns at once.
///
/// # Panics
/// Panics if the global pool is needed and cannot be built. A panic of `op` goes to the pool's
/// panic handler.
pub fn spawn_broadcast<OP>(op: OP)
where
    OP: Fn(BroadcastContext) + Send + Sync + 'static,
{
    with_current(|registry| spawn_broadcast_in(registry, op));
}

pub(super) fn spawn_broadcast_in(
    registry: &Registry,
    op: impl Fn(BroadcastContext) + Send + Sync + 'static,
) {
    let spawner = registry.expect_worker();
    let parts = Arc::new(Parts::new(registry, op));
    for (context, worker) in BroadcastContext::all(registry).zip(registry.workers()) {
        let own = parts.clone();
        let run = move || own.run(context);
        // SAFETY: pinned to a worker of this registry; `op` is `'static` and may be shared.
        let (job, handle) = unsafe {
            new_task(run, PoolHome::<NEVER>::of(share_current()), registry, AWAITED_BY_END, None)
        };
        drop(handle);
        Worker::pass_priority(spawner, &job);
        worker.pinned.push(job);
    }
    parts.start(registry);
    outcome::discard(parts);
}
