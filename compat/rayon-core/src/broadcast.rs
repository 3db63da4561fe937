//! `broadcast`: runs a closure once on every thread of a pool.

use std::fmt;
use std::marker::PhantomData;

use crate::global::{global, is_inside};

/// Passed to the closure of a [`broadcast()`]: the index of its thread, and the number of threads.
pub struct BroadcastContext<'a> {
    context: filch::BroadcastContext,
    /// Makes the context neither `Send` nor `Sync`.
    thread: PhantomData<&'a mut dyn Fn()>,
}

impl BroadcastContext<'_> {
    /// Wraps `op` as the closure that filch's `broadcast` takes.
    pub(crate) fn adapt<R>(
        op: impl Fn(BroadcastContext<'_>) -> R,
    ) -> impl Fn(filch::BroadcastContext) -> R {
        move |context| op(BroadcastContext { context, thread: PhantomData })
    }

    /// Returns the index of the thread that runs the closure, from 0.
    #[inline]
    pub fn index(&self) -> usize {
        self.context.index()
    }

    /// Returns the number of threads in the pool. Each runs the closure once.
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

/// Runs `op` once on every thread of the caller's pool, and returns the results in the order of the
/// threads' indices. If the caller is in no pool, `op` runs in the global pool.
///
/// A thread runs `op` once its own queue is empty, before it steals from other threads.
///
/// # Panics
/// If `op` panics, the panic is resumed once every thread has run `op`. If several threads panic,
/// the first payload is resumed.
///
/// Panics if the global pool is needed and cannot be built.
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

/// Like [`broadcast()`], but does not wait for the threads to run `op`.
///
/// # Panics
/// Panics if the global pool is needed and cannot be built. A panic of `op` goes to the pool's
/// panic handler. Without a panic handler, it aborts the process.
pub fn spawn_broadcast<OP>(op: OP)
where
    OP: Fn(BroadcastContext<'_>) + Send + Sync + 'static,
{
    let op = BroadcastContext::adapt(op);
    if is_inside() { filch::spawn_broadcast(op) } else { global().spawn_broadcast(op) }
}
