//! The current context: what tasks and forks inherit.
//!
//! It is saved and restored like the isolation tag, and is no part of it: a detached task has a
//! context but no tag, since a wait in it may run any job. So a region changes no wait, and what
//! `wait.rs` proves of waits holds in regions as well. Each kind of job enters its own context when
//! it runs: a fork that of its owner, a task that of its home, an installed closure its caller's.
//!
//! # Invariants
//! 1. The current context of a thread is null, or the pointer of an `Arc` that stays alive for as
//!    long as it is current: a frame below has it, or a job that the thread runs, or a frame that
//!    waits for that job.
//! 2. All private forks of a worker were made under its current context. So the thread that
//!    publishes them, the owner or a thief that forces, writes that context into them. A worker
//!    therefore flushes its forks before it changes its context: a flush excludes thieves (lemma 7
//!    of `queue/join_queue.rs`), and when a context is left, all forks made under it have ended.
#![allow(unsafe_code)]

use std::cell;
use std::ptr;
use std::sync::Arc;
use std::thread;

use super::Worker;
use crate::context::{Context, ContextSpan, Left, spans_are_on};
use crate::job::outcome;
use crate::sync::{Ordering, thread_local};

/// A pointer to a context that outlives its use, or null.
pub(crate) type ContextRef = *const Context;

thread_local! {
    /// The current context while the thread acts as no worker.
    static OUTSIDE: cell::Cell<ContextRef> = const { cell::Cell::new(ptr::null()) };
}

/// Sets the context of the calling thread for while it acts as no worker. Returns the one before.
pub(super) fn replace_outside(context: ContextRef) -> ContextRef {
    OUTSIDE.replace(context)
}

/// The current context. It stays valid while the caller's frame exists, unless a callee changes it.
#[inline]
pub(crate) fn current_context() -> ContextRef {
    Worker::current().map_or_else(|| OUTSIDE.get(), Worker::context)
}

/// The current context, for work on other threads that the caller waits for. A thread that unwinds
/// gives them none: were that work stopped, a destructor would panic during the unwinding.
#[inline]
pub(crate) fn inherited_context() -> ContextRef {
    without_if_unwinding(current_context())
}

#[inline]
fn without_if_unwinding(context: ContextRef) -> ContextRef {
    if !context.is_null() && thread::panicking() { ptr::null() } else { context }
}

/// Calls `op` with the current context.
#[inline]
pub(crate) fn with_current_context<R>(op: impl FnOnce(Option<&Context>) -> R) -> R {
    // SAFETY: invariant 1.
    op(unsafe { current_context().as_ref() })
}

/// Returns the current context, with the current span.
pub(crate) fn share_current() -> Option<Arc<Context>> {
    if let Some(context) = with_new_span() {
        return Some(context);
    }
    let context = current_context();
    if context.is_null() {
        return None;
    }
    // SAFETY: it is the pointer of an `Arc`, which is alive: invariant 1.
    unsafe { Arc::increment_strong_count(context) };
    // SAFETY: the count above is this reference's.
    Some(unsafe { Arc::from_raw(context) })
}

/// Returns a context with the current span, unless the current one has that.
#[inline]
fn with_new_span() -> Option<Arc<Context>> {
    if !spans_are_on() {
        return None;
    }
    let span = ContextSpan::current();
    let outer = with_current_context(|outer| outer.cloned().unwrap_or_default());
    (outer.span != span).then(|| Context { span, ..outer }.share())
}

/// Calls `op` under a context that also has the current span, so that what `op` queues inherits
/// that span.
#[inline]
pub(crate) fn with_span<R>(op: impl FnOnce() -> R) -> R {
    match with_new_span() {
        Some(context) => under(Some(&context), op),
        None => op(),
    }
}

/// Calls `op` under `context` instead of the current one. `op` may unwind.
pub(crate) fn under<R>(context: Option<&Arc<Context>>, op: impl FnOnce() -> R) -> R {
    let context = context.map_or(ptr::null(), Arc::as_ptr);
    let worker = Worker::current();
    let outer = match worker {
        Some(worker) => worker.enter_context(context),
        None => OUTSIDE.replace(context),
    };
    let _left = outcome::defer(|| match worker {
        // In the child of a `fork()`, the thread is no worker any more.
        Some(worker) if Worker::current().is_none_or(|it| !ptr::eq(it, worker)) => {}
        Some(worker) => worker.set_context(outer),
        None => OUTSIDE.set(outer),
    });
    op()
}

impl Worker {
    /// The context of what this worker runs.
    #[inline(always)]
    pub(crate) fn context(&self) -> ContextRef {
        self.context.load(Ordering::Relaxed)
    }

    /// The context for forks that this worker itself publishes.
    #[inline]
    pub(crate) fn inherited_context(&self) -> ContextRef {
        without_if_unwinding(self.context())
    }

    /// Calls `op`, which is a job that has begun, under `context` and in its span alone: the
    /// subscriber may wait, so the job must not be one that another thread could still begin, or
    /// that this thread has taken and not begun. `op` must not unwind.
    #[inline]
    pub(crate) fn under<R>(&self, context: ContextRef, op: impl FnOnce() -> R) -> R {
        let outer = self.context();
        if outer != context {
            self.enter_context(context);
        }
        let result = {
            let _left = Left::all();
            // SAFETY: invariant 1.
            let _in_span = unsafe { context.as_ref() }.map(|context| context.span.enter());
            op()
        };
        self.set_context(outer);
        result
    }

    /// Makes `context` the current one, and returns the one before, for `set_context`.
    #[cold]
    #[inline(never)]
    pub(crate) fn enter_context(&self, context: ContextRef) -> ContextRef {
        // Invariant 2.
        self.flush_forks();
        let outer = self.context();
        self.set_context(context);
        outer
    }

    /// Makes `outer` the current context. No fork made since `enter_context` is pending.
    #[inline]
    pub(crate) fn set_context(&self, outer: ContextRef) {
        // Relaxed: a thief that forces a fork has seen the push of that fork, which comes after
        // this store.
        self.context.store(outer.cast_mut(), Ordering::Relaxed);
    }
}
