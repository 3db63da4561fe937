//! A pool of threads.

use std::error::Error;
use std::fmt;

use crate::{BroadcastContext, Scope, ScopeFifo, Yield};

/// A pool of threads.
///
/// Most programs need none of their own: the free functions of this crate use the pool that the
/// calling thread is in, else the global one.
///
/// Dropping a pool does not wait for its threads: they run what was given to it, then end by
/// themselves.
pub struct ThreadPool {
    /// There until the drop.
    pool: Option<filch::ThreadPool>,
}

impl ThreadPool {
    /// Builds a pool.
    ///
    /// # Errors
    /// As [`ThreadPoolBuilder::build`](crate::ThreadPoolBuilder::build).
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
            None => unreachable!("there until the drop"),
        }
    }

    /// Runs `op` on a thread of the pool and returns what it returns. Within `op`, the free
    /// functions of this crate act on this pool.
    ///
    /// A thread of the pool just calls `op`. Any other waits; if it is in another pool, it works
    /// for that one meanwhile.
    ///
    /// # Panics
    /// When `op` does, with its payload.
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

    /// [`broadcast`](crate::broadcast()) in this pool.
    ///
    /// # Panics
    /// As that.
    pub fn broadcast<OP, R>(&self, op: OP) -> Vec<R>
    where
        OP: Fn(BroadcastContext<'_>) -> R + Sync,
        R: Send,
    {
        self.inner().broadcast(BroadcastContext::adapt(op))
    }

    /// The number of the pool's threads.
    #[inline]
    pub fn current_num_threads(&self) -> usize {
        self.inner().current_num_threads()
    }

    /// The index of the calling thread, if it is in this pool, from 0.
    #[inline]
    pub fn current_thread_index(&self) -> Option<usize> {
        self.inner().current_thread_index()
    }

    /// Whether something is queued at the calling thread, if it is in this pool.
    #[inline]
    pub fn current_thread_has_pending_tasks(&self) -> Option<bool> {
        self.inner().current_thread_has_pending_tasks()
    }

    /// [`join`](crate::join()) in this pool.
    ///
    /// # Panics
    /// As that.
    pub fn join<A, B, RA, RB>(&self, oper_a: A, oper_b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        self.inner().join(oper_a, oper_b)
    }

    /// [`scope`](crate::scope()) in this pool.
    ///
    /// # Panics
    /// As that.
    pub fn scope<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&Scope<'scope>) -> R + Send,
        R: Send,
    {
        self.inner().scope(|scope| Scope::enter(scope, op))
    }

    /// [`scope_fifo`](crate::scope_fifo) in this pool.
    ///
    /// # Panics
    /// As [`scope`](crate::scope()).
    pub fn scope_fifo<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&ScopeFifo<'scope>) -> R + Send,
        R: Send,
    {
        self.inner().scope(|scope| ScopeFifo::enter(scope, op))
    }

    /// [`in_place_scope`](crate::in_place_scope) in this pool.
    ///
    /// # Panics
    /// As [`scope`](crate::scope()).
    pub fn in_place_scope<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&Scope<'scope>) -> R,
    {
        self.inner().in_place_scope(|scope| Scope::enter(scope, op))
    }

    /// [`in_place_scope_fifo`](crate::in_place_scope_fifo) in this pool.
    ///
    /// # Panics
    /// As [`scope`](crate::scope()).
    pub fn in_place_scope_fifo<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&ScopeFifo<'scope>) -> R,
    {
        self.inner().in_place_scope(|scope| ScopeFifo::enter(scope, op))
    }

    /// [`spawn`](crate::spawn()) in this pool.
    pub fn spawn<OP>(&self, op: OP)
    where
        OP: FnOnce() + Send + 'static,
    {
        drop(self.inner().spawn(op));
    }

    /// [`spawn_fifo`](crate::spawn_fifo) in this pool.
    pub fn spawn_fifo<OP>(&self, op: OP)
    where
        OP: FnOnce() + Send + 'static,
    {
        self.inner().spawn_fifo(op);
    }

    /// [`spawn_broadcast`](crate::spawn_broadcast) in this pool.
    pub fn spawn_broadcast<OP>(&self, op: OP)
    where
        OP: Fn(BroadcastContext<'_>) + Send + Sync + 'static,
    {
        self.inner().spawn_broadcast(BroadcastContext::adapt(op));
    }

    /// [`yield_now`](crate::yield_now), if the calling thread is in this pool.
    pub fn yield_now(&self) -> Option<Yield> {
        self.inner().yield_now()
    }

    /// [`yield_local`](crate::yield_local), if the calling thread is in this pool.
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
