//! A pool of threads.

use std::error::Error;
use std::fmt;

use crate::{BroadcastContext, Scope, ScopeFifo, Yield};

/// A pool of threads.
///
/// Most programs do not need to build one: the free functions of this crate use the pool that the
/// calling thread is in, or else the global pool.
///
/// Dropping a pool does not wait for its threads. They run the tasks already given to the pool, and
/// then end.
pub struct ThreadPool {
    /// `None` only during the drop.
    pool: Option<filch::ThreadPool>,
}

impl ThreadPool {
    /// Builds a pool.
    ///
    /// # Errors
    /// Returns the same errors as [`ThreadPoolBuilder::build`](crate::ThreadPoolBuilder::build).
    #[deprecated(note = "use `ThreadPoolBuilder::build`")]
    #[allow(deprecated)]
    pub fn new(configuration: crate::Configuration) -> Result<ThreadPool, Box<dyn Error>> {
        configuration.build()
    }

    pub(crate) fn of(pool: filch::ThreadPool) -> Self {
        ThreadPool { pool: Some(pool) }
    }

    fn inner(&self) -> &filch::ThreadPool {
        match &self.pool {
            Some(pool) => pool,
            None => unreachable!("the pool is only taken by the drop"),
        }
    }

    /// Runs `op` on a thread of the pool, and returns its result. Within `op`, the free functions
    /// of this crate use this pool.
    ///
    /// If the caller is a thread of the pool, it calls `op` directly. Otherwise it waits. If it is
    /// in another pool, it runs work of that pool while it waits.
    ///
    /// # Panics
    /// If `op` panics, the panic is resumed in the caller.
    ///
    /// ```
    /// let pool = rayon_core::ThreadPoolBuilder::new().num_threads(3).build()?;
    /// assert_eq!(pool.install(rayon_core::current_num_threads), 3);
    /// # Ok::<(), rayon_core::ThreadPoolBuildError>(())
    /// ```
    pub fn install<OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce() -> R + Send,
        R: Send,
    {
        self.inner().install(op)
    }

    /// Like [`broadcast`](crate::broadcast()), but in this pool.
    ///
    /// # Panics
    /// Panics as [`broadcast`](crate::broadcast()) does.
    pub fn broadcast<OP, R>(&self, op: OP) -> Vec<R>
    where
        OP: Fn(BroadcastContext<'_>) -> R + Sync,
        R: Send,
    {
        self.inner().broadcast(BroadcastContext::adapt(op))
    }

    /// Returns the number of the pool's threads.
    #[inline]
    pub fn current_num_threads(&self) -> usize {
        self.inner().current_num_threads()
    }

    /// Returns the index of the calling thread, from 0, or `None` if it is not in this pool.
    #[inline]
    pub fn current_thread_index(&self) -> Option<usize> {
        self.inner().current_thread_index()
    }

    /// Returns whether jobs are queued at the calling thread, or `None` if it is not in this pool.
    #[inline]
    pub fn current_thread_has_pending_tasks(&self) -> Option<bool> {
        self.inner().current_thread_has_pending_tasks()
    }

    /// Like [`join`](crate::join()), but in this pool.
    ///
    /// # Panics
    /// Panics as [`join`](crate::join()) does.
    pub fn join<A, B, RA, RB>(&self, oper_a: A, oper_b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        self.inner().join(oper_a, oper_b)
    }

    /// Like [`scope`](crate::scope()), but in this pool.
    ///
    /// # Panics
    /// Panics as [`scope`](crate::scope()) does.
    pub fn scope<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&Scope<'scope>) -> R + Send,
        R: Send,
    {
        self.inner().scope(|scope| Scope::enter(scope, op))
    }

    /// Like [`scope_fifo`](crate::scope_fifo), but in this pool.
    ///
    /// # Panics
    /// Panics as [`scope`](crate::scope()) does.
    pub fn scope_fifo<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&ScopeFifo<'scope>) -> R + Send,
        R: Send,
    {
        self.inner().scope(|scope| ScopeFifo::enter(scope, op))
    }

    /// Like [`in_place_scope`](crate::in_place_scope), but in this pool.
    ///
    /// # Panics
    /// Panics as [`scope`](crate::scope()) does.
    pub fn in_place_scope<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&Scope<'scope>) -> R,
    {
        self.inner().in_place_scope(|scope| Scope::enter(scope, op))
    }

    /// Like [`in_place_scope_fifo`](crate::in_place_scope_fifo), but in this pool.
    ///
    /// # Panics
    /// Panics as [`scope`](crate::scope()) does.
    pub fn in_place_scope_fifo<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&ScopeFifo<'scope>) -> R,
    {
        self.inner().in_place_scope(|scope| ScopeFifo::enter(scope, op))
    }

    /// Like [`spawn`](crate::spawn()), but in this pool.
    pub fn spawn<OP>(&self, op: OP)
    where
        OP: FnOnce() + Send + 'static,
    {
        drop(self.inner().spawn(op));
    }

    /// Like [`spawn_fifo`](crate::spawn_fifo), but in this pool.
    pub fn spawn_fifo<OP>(&self, op: OP)
    where
        OP: FnOnce() + Send + 'static,
    {
        self.inner().spawn_fifo(op);
    }

    /// Like [`spawn_broadcast`](crate::spawn_broadcast), but in this pool.
    pub fn spawn_broadcast<OP>(&self, op: OP)
    where
        OP: Fn(BroadcastContext<'_>) + Send + Sync + 'static,
    {
        self.inner().spawn_broadcast(BroadcastContext::adapt(op));
    }

    /// Like [`yield_now`](crate::yield_now), but returns `None` if the calling thread is not in
    /// this pool.
    pub fn yield_now(&self) -> Option<Yield> {
        self.inner().yield_now()
    }

    /// Like [`yield_local`](crate::yield_local), but returns `None` if the calling thread is not in
    /// this pool.
    pub fn yield_local(&self) -> Option<Yield> {
        self.inner().yield_local()
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.shutdown_background();
        }
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPool")
            .field("num_threads", &self.current_num_threads())
            .finish_non_exhaustive()
    }
}
