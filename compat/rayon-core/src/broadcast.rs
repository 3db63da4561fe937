//! `broadcast`: one closure, once on every thread of a pool.

use std::fmt;
use std::marker::PhantomData;

use crate::global::{global, is_inside};

/// What the closure of a [`broadcast()`] is told.
pub struct BroadcastContext<'a> {
    context: filch::BroadcastContext,
    /// Neither `Send` nor `Sync`.
    thread: PhantomData<&'a mut dyn Fn()>,
}

impl BroadcastContext<'_> {
    /// The closure for the runtime that calls `op`.
    pub(crate) fn adapt<R>(
        op: impl Fn(BroadcastContext<'_>) -> R,
    ) -> impl Fn(filch::BroadcastContext) -> R {
        move |context| op(BroadcastContext { context, thread: PhantomData })
    }

    /// The thread's index, from 0.
    #[inline]
    pub fn index(&self) -> usize {
        self.context.index()
    }

    /// The number of threads in the pool, each of which runs the closure once.
    #[inline]
    pub fn num_threads(&self) -> usize {
        self.context.num_threads()
    }
}

impl fmt::Debug for BroadcastContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastContext")
            .field("index", &self.index())
            .field("num_threads", &self.num_threads())
            .finish()
    }
}

/// Runs `op` once on every thread of the pool that the caller is in, else of the global one, and
/// returns the results by the threads' indices.
///
/// A thread does it when it has run what is queued there, before it steals from others.
///
/// # Panics
/// When `op` does on some thread, with the first such payload, when all have ended. When the
/// global pool is needed and cannot be built.
///
/// ```
/// let indices = rayon_core::broadcast(|context| context.index());
/// assert_eq!(indices, (0..rayon_core::current_num_threads()).collect::<Vec<_>>());
/// ```
pub fn broadcast<OP, R>(op: OP) -> Vec<R>
where
    OP: Fn(BroadcastContext<'_>) -> R + Sync,
    R: Send,
{
    let op = BroadcastContext::adapt(op);
    if is_inside() { filch::broadcast(op) } else { global().broadcast(op) }
}

/// Like [`broadcast()`], but returns at once.
///
/// # Panics
/// When the global pool is needed and cannot be built. A panic of `op` goes to the pool's panic
/// handler; without one it aborts the process.
pub fn spawn_broadcast<OP>(op: OP)
where
    OP: Fn(BroadcastContext<'_>) + Send + Sync + 'static,
{
    let op = BroadcastContext::adapt(op);
    if is_inside() { filch::spawn_broadcast(op) } else { global().spawn_broadcast(op) }
}
