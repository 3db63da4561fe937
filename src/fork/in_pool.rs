//! The functions of this crate as methods of `ThreadPool`.

use super::broadcast::{broadcast_in, spawn_broadcast_in};
use super::join::join_context_in;
use super::scope::{in_place_scope_in, scope_in};
use super::spawn::{PoolHome, spawn_at, spawn_fifo_in};
use super::try_spawn::try_spawn_at;
use super::{BroadcastContext, FnContext, JoinHandle, Scope, TrySpawnError, Yield};
use crate::context::UNWINDS;
use crate::pool::ThreadPool;

impl ThreadPool {
    /// Runs `op` on one of the pool's own threads and returns its result. Inside `op`, the free
    /// functions of this crate act on this pool.
    ///
    /// The calling thread sleeps meanwhile. If it is a worker of another pool, it works for that
    /// pool, or hands its core to a spare thread that does: see [`WaitPolicy`](crate::WaitPolicy),
    /// also for what can deadlock. If it acts as a worker of this pool, it calls `op` itself. To
    /// run a `join` or a `scope` on this pool from outside, use [`ThreadPool::join`] and
    /// [`ThreadPool::scope`], which are faster, since they let the caller work.
    ///
    /// # Panics
    /// Resumes a panic of `op`.
    ///
    /// ```
    /// let pool = filch::ThreadPoolBuilder::new().num_threads(3).build()?;
    /// let index = pool.install(|| filch::current_thread_index());
    /// assert!(index.is_some_and(|index| index < 3));
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn install<OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce() -> R + Send,
        R: Send,
    {
        self.registry().on_thread(None, op)
    }

    /// [`join`](crate::join) in this pool.
    ///
    /// # Panics
    /// Like [`join`](crate::join).
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        join_context_in(self.registry(), move |_| a(), move |_| b())
    }

    /// [`join_context`](crate::join_context) in this pool.
    ///
    /// # Panics
    /// Like [`join`](crate::join).
    pub fn join_context<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce(FnContext) -> RA + Send,
        B: FnOnce(FnContext) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        join_context_in(self.registry(), a, b)
    }

    /// [`scope`](crate::scope) in this pool.
    ///
    /// # Panics
    /// Like [`scope`](crate::scope).
    pub fn scope<'env, F, R>(&self, f: F) -> R
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R + Send,
        R: Send,
    {
        scope_in(self.registry(), UNWINDS, f)
    }

    /// [`in_place_scope`](crate::in_place_scope) in this pool.
    ///
    /// # Panics
    /// Like [`scope`](crate::scope).
    pub fn in_place_scope<'env, F, R>(&self, f: F) -> R
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
    {
        in_place_scope_in(self.registry(), f)
    }

    /// [`spawn`](crate::spawn) in this pool.
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        spawn_at(PoolHome::of_current, None, self.registry(), f)
    }

    /// [`try_spawn`](crate::try_spawn) in this pool.
    ///
    /// # Errors
    /// Like [`try_spawn`](crate::try_spawn).
    pub fn try_spawn<F, T>(&self, f: F) -> Result<JoinHandle<T>, TrySpawnError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        try_spawn_at(PoolHome::of_current, None, self.registry(), f)
    }

    /// [`spawn_fifo`](crate::spawn_fifo) in this pool.
    pub fn spawn_fifo<F>(&self, f: F)
    where
        F: FnOnce() + Send + 'static,
    {
        spawn_fifo_in(self.registry(), f);
    }

    /// [`broadcast`](crate::broadcast) in this pool.
    ///
    /// # Panics
    /// Like [`broadcast`](crate::broadcast).
    pub fn broadcast<OP, R>(&self, op: OP) -> Vec<R>
    where
        OP: Fn(BroadcastContext) -> R + Sync,
        R: Send,
    {
        broadcast_in(self.registry(), op)
    }

    /// [`spawn_broadcast`](crate::spawn_broadcast) in this pool.
    pub fn spawn_broadcast<OP>(&self, op: OP)
    where
        OP: Fn(BroadcastContext) + Send + Sync + 'static,
    {
        spawn_broadcast_in(self.registry(), op);
    }

    /// [`yield_now`](crate::yield_now), if the calling thread is a worker of this pool.
    pub fn yield_now(&self) -> Option<Yield> {
        self.registry().current_worker().map(|worker| Yield::of(worker.run_one()))
    }

    /// [`yield_local`](crate::yield_local), if the calling thread is a worker of this pool.
    pub fn yield_local(&self) -> Option<Yield> {
        self.registry().current_worker().map(|worker| Yield::of(worker.run_own()))
    }

    /// [`current_thread_has_pending_tasks`](crate::current_thread_has_pending_tasks), if the
    /// calling thread is a worker of this pool.
    pub fn current_thread_has_pending_tasks(&self) -> Option<bool> {
        self.registry().current_worker().map(|worker| !worker.is_bare())
    }
}
