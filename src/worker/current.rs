//! Which worker a thread acts as.

use std::cell;
use std::ptr;

use super::ambient::{self, ContextRef};
use super::shared::{Current, JoinHeader, Registry, Worker};
use crate::job::{NO_TAG, Priority};
use crate::os::{generation, thread};
use crate::queue::ForkFront;
use crate::sim;
use crate::sync::{Ordering, thread_local};

thread_local! {
    /// The worker whose core this thread holds, else `OUTSIDE`.
    static CURRENT: cell::Cell<Current> = const { cell::Cell::new(OUTSIDE) };
    /// The worker whose core this thread has handed off to call a closure that may block, else
    /// `OUTSIDE`.
    static BLOCKED: cell::Cell<Current> = const { cell::Cell::new(OUTSIDE) };
    /// The word (`Worker::word`) of the job that calls this closure.
    static WORD: cell::Cell<usize> = const { cell::Cell::new(NO_TAG) };
    /// Whether this is a thread that a pool has started.
    static IS_POOLS: cell::Cell<bool> = const { cell::Cell::new(false) };
}

/// Stands for a worker on a thread that is none.
#[cfg(not(loom))]
const OUTSIDE: Current = &raw const FRONT_OUTSIDE;
#[cfg(not(loom))]
static FRONT_OUTSIDE: ForkFront<JoinHeader> = ForkFront::closed();
/// In a model only workers fork.
#[cfg(loom)]
const OUTSIDE: Current = ptr::null();

impl Worker {
    /// The worker whose core this thread holds.
    #[inline(always)]
    pub(crate) fn current<'a>() -> Option<&'a Worker> {
        Self::of(CURRENT.get())
    }

    /// The worker in `BLOCKED`. Such a thread is no worker, but a task of the pool may wait for it.
    pub(crate) fn blocked<'a>() -> Option<&'a Worker> {
        Self::of(BLOCKED.get())
    }

    /// The isolation tag and the priority of what the calling thread runs, also in `blocking`.
    pub(crate) fn current_word() -> usize {
        Self::current().map_or_else(|| WORD.get(), Worker::word)
    }

    pub(crate) fn current_priority() -> Priority {
        Priority::of(Self::current_word())
    }

    /// Whether this thread acts as a worker, is in `blocking`, or is a pool's thread that is about
    /// to begin or end: a worker may wait for it.
    #[inline]
    pub(crate) fn is_on_pools_thread() -> bool {
        IS_POOLS.get() || Self::current().is_some() || Self::blocked().is_some()
    }

    /// Whether this is such a thread, but not of `pool`: the workers of `pool` may wait for it.
    pub(crate) fn is_on_other_pools_thread(pool: *const Registry) -> bool {
        let own = Self::current().or_else(Self::blocked);
        Self::is_on_pools_thread() && !own.is_some_and(|it| std::ptr::eq(it.registry(), pool))
    }

    /// Whether this is a thread that a pool has started.
    pub(super) fn is_on_own_thread() -> bool {
        IS_POOLS.get()
    }

    pub(crate) fn mark_pools_thread() {
        IS_POOLS.set(true);
    }

    /// Makes each later child of a `fork()` a new generation.
    pub(crate) fn watch_forks() {
        generation::watch(Self::leave_lost_pool);
    }

    /// In the child of a `fork()`, makes the only thread one that is no worker. Only frames from
    /// before the `fork()` still refer to a worker.
    extern "C" fn leave_lost_pool() {
        if let Some(worker) = Self::current() {
            worker.forks.forget_thief();
        }
        CURRENT.set(OUTSIDE);
        BLOCKED.set(OUTSIDE);
        WORD.set(NO_TAG);
        IS_POOLS.set(false);
        thread::forget_number();
        sim::leave();
    }

    #[inline(always)]
    pub(crate) fn of<'a>(current: Current) -> Option<&'a Worker> {
        if ptr::eq(current, OUTSIDE) {
            return None;
        }
        // SAFETY: any other front is the first field of a worker (`Acting`). The pointer is set
        // only while a frame below, or the thread itself (`pool/guest.rs`), keeps the worker
        // alive, and callers use the reference inside the present call only.
        Some(unsafe { &*current.cast::<Worker>() })
    }
}

impl Registry {
    /// Whether the pool's threads are in the parent of this `fork()`'s child.
    pub(crate) fn is_lost(&self) -> bool {
        self.generation.is_past()
    }

    /// Called before a thread that is no worker uses the pool.
    ///
    /// # Panics
    /// Panics if the pool is lost, has no thread left, or is a deterministic one of another thread.
    pub(crate) fn expect_threads(&self) {
        if self.is_lost() {
            generation::refuse();
        }
        // Relaxed: a caller who is told of the end of the last thread sees it.
        assert!(
            !self.is_deserted.load(Ordering::Relaxed),
            "this pool has no thread: each `ThreadBuilder` was dropped without running it, or the \
             only worker was the thread that built the pool, which has ended, and the system has \
             refused another thread"
        );
        assert!(
            !self.is_away_from_home(),
            "a deterministic pool can be used on the thread that it was built on, and by the \
             workers of deterministic pools that were built there, and on no other thread (with \
             FILCH_SEED, the global pool is built on the thread that uses it first)"
        );
    }

    /// The worker of this pool that the calling thread acts as.
    #[inline]
    pub(crate) fn current_worker(&self) -> Option<&Worker> {
        Worker::current().filter(|worker| std::ptr::eq(worker.registry(), self))
    }

    /// Returns the worker of this pool that the calling thread acts as. On any other thread, checks
    /// that it may use the pool.
    ///
    /// # Panics
    /// Like `expect_threads`.
    #[inline]
    pub(crate) fn expect_worker(&self) -> Option<&Worker> {
        let worker = self.current_worker();
        if worker.is_none() {
            self.expect_threads();
        }
        worker
    }
}

#[inline]
pub(crate) fn is_simulated() -> bool {
    Worker::current().is_some_and(|worker| worker.registry().is_simulated())
}

#[inline(always)]
pub(crate) fn current() -> Current {
    CURRENT.get()
}

/// The thread acts as the worker until this is dropped.
pub(crate) struct Acting {
    before: Current,
}

impl Acting {
    pub(crate) fn start(worker: &Worker) -> Self {
        Acting { before: CURRENT.replace(worker.as_current()) }
    }
}

/// The thread, which acts as the worker, acts as none until this is dropped.
pub(super) struct Blocked {
    /// The context that the thread had outside of workers. That of the worker replaces it.
    outer: ContextRef,
}

impl Blocked {
    /// `word` and `context` are those of the worker's job.
    pub(super) fn start(worker: &Worker, word: usize, context: ContextRef) -> Self {
        WORD.set(word);
        BLOCKED.set(worker.as_current());
        CURRENT.set(OUTSIDE);
        Blocked { outer: ambient::replace_outside(context) }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        ambient::replace_outside(self.outer);
        WORD.set(NO_TAG);
        CURRENT.set(BLOCKED.replace(OUTSIDE));
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}
