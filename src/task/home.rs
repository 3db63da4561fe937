//! The home of a task, which is the scope or pool that it belongs to, and what the home is told
//! when the task ends.

use std::mem;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::context::{CancelReason, Stop};
use crate::job::outcome::{self, Payload};
use crate::sync::Mutex;
use crate::worker::shared::{Registry, RegistryRef};
use crate::worker::{ContextRef, Worker};

pub(crate) trait Home: Copy {
    /// Whether the tag of the task belongs to the home.
    const HAS_TAG: bool;

    /// The context of the task, which is alive until `task_ended` is called.
    fn context(self) -> ContextRef;

    /// A task without a handle begins, or is dropped because it is cancelled. The home sets the
    /// isolation tag under which the task runs, if the tag that the task was queued with differs.
    fn detached_begins(self, _worker: &Worker) {}

    /// Returns why the task is to be dropped, not run, if the token of its `context` is cancelled
    /// or its pool was shut down.
    fn cancelled(self, context: ContextRef, registry: &Registry) -> Option<CancelReason>;

    /// The task was dropped, or has unwound by a `Stop`.
    fn task_stopped(self, reason: CancelReason);

    /// Takes a panic that no handle can ask for.
    fn take_panic(self, payload: Payload, registry: &Registry);

    /// Keeps a panic that a handle may still ask for.
    fn keep_panic(self, payload: Payload, registry: &Registry) -> Kept;

    /// Called when the task has ended. The home may be gone when this returns. If it has the task's
    /// tag, this may be called before the end of a task that is run for its joiner, which keeps the
    /// home from ending.
    fn task_ended(self, worker: &Worker);

    /// `task_ended`, of a task that was dropped before it began.
    fn task_dropped(self, worker: &Worker) {
        self.task_ended(worker);
    }
}

/// The payload of a panic, and the name of the task, if that has one.
pub(crate) type NamedPanic = (Payload, Option<Arc<str>>);

pub(super) enum Ended<T> {
    Value(T),
    Panic(Kept),
    Cancelled(CancelReason),
}

impl<T> Ended<T> {
    /// For a result that nobody asks for: a panic goes to the panic handler. Returns the value,
    /// whose drop may panic.
    pub(super) fn unwanted(self) -> Option<T> {
        match self {
            Ended::Value(value) => return Some(value),
            Ended::Panic(kept) => kept.claim(),
            Ended::Cancelled(_) => {}
        }
        None
    }
}

/// A panic that waits for its handle.
pub(crate) enum Kept {
    /// In the task's block, with the pool whose panic handler gets it if the handle is dropped.
    ByTask(Box<(NamedPanic, RegistryRef)>),
    /// In the scope, under this number. (Boxed, so that an `Ended` is as small as a task's.)
    ByScope(Box<(NonNull<Panics>, usize)>),
}

impl Kept {
    /// Returns the panic to the handle.
    ///
    /// # Safety
    /// If the task is in a scope, that has not ended.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn give(self) -> NamedPanic {
        match self {
            Kept::ByTask(kept) => kept.0,
            Kept::ByScope(kept) => {
                let (panics, number) = *kept;
                // SAFETY: the scope has not ended.
                (unsafe { panics.as_ref() }.take(number), None)
            }
        }
    }

    /// For a handle that was dropped without asking for the panic. A scope still has it.
    #[cold]
    fn claim(self) {
        if let Kept::ByTask(kept) = self {
            let ((payload, _), registry) = *kept;
            registry.handlers.take_panic(payload);
        }
    }
}

/// The panics of a scope's tasks in the order in which they came. `None`: a handle has taken it.
#[derive(Default)]
pub(crate) struct Panics(Mutex<Vec<Option<Payload>>>);

impl Panics {
    pub(crate) fn keep(&self, payload: Payload) -> usize {
        let mut kept = self.0.lock();
        kept.push(Some(payload));
        kept.len() - 1
    }

    fn take(&self, number: usize) -> Payload {
        let mut kept = self.0.lock();
        let Some(taken) = kept[number].take() else {
            unreachable!("a scope keeps panics to its end")
        };
        // A long scope may have very many panics.
        let len = kept.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        kept.truncate(len);
        taken
    }

    /// The first panic, for a caller that has seen all tasks end. Discards the others.
    pub(crate) fn first(&self) -> Option<Payload> {
        let mut kept = mem::take(&mut *self.0.lock()).into_iter().flatten();
        let first = kept.next();
        kept.for_each(outcome::discard);
        first
    }
}

/// Drops the closure of a detached task, under no context, so that no loop in it is stopped.
#[cold]
pub(super) fn drop_stopped<F>(closure: F, home: impl Home, reason: CancelReason, worker: &Worker) {
    if let Err(payload) = worker.run_users(|| drop(closure)) {
        take_panic(home, payload, worker);
    }
    dropped(home, reason, worker);
    home.task_dropped(worker);
}

/// Drops the closure of a claimed task, under no context, and returns the result of the task.
#[cold]
pub(super) fn stop_joinable<F, T>(
    closure: F,
    home: impl Home,
    reason: CancelReason,
    worker: &Worker,
) -> Ended<T> {
    let result = worker.under(ptr::null(), || worker.run_users(|| drop(closure)));
    dropped(home, reason, worker);
    match result {
        Ok(()) => Ended::Cancelled(reason),
        Err(payload) => Ended::Panic(home.keep_panic(payload, worker.registry())),
    }
}

fn dropped(home: impl Home, reason: CancelReason, worker: &Worker) {
    if reason == CancelReason::Shutdown && worker.registry().is_shut_down() {
        worker.registry().counts.dropped_tasks.fetch_add(1, Ordering::Relaxed);
    }
    stopped(home, reason, worker);
}

/// Counts a task that was dropped, or has unwound by a `Stop`, and tells the home.
#[cold]
pub(super) fn stopped(home: impl Home, reason: CancelReason, worker: &Worker) {
    worker.count_cancelled(reason == CancelReason::Deadline);
    home.task_stopped(reason);
}

/// Returns the result of a joinable task that has unwound.
#[cold]
pub(super) fn unwound<T>(payload: Payload, home: impl Home, worker: &Worker) -> Ended<T> {
    match Stop::reason(payload) {
        Ok(reason) => {
            stopped(home, reason, worker);
            Ended::Cancelled(reason)
        }
        Err(payload) => {
            worker.count_panicked();
            Ended::Panic(home.keep_panic(payload, worker.registry()))
        }
    }
}

/// Gives the home a panic that no handle can ask for, unless it is a `Stop`.
#[cold]
pub(super) fn take_panic(home: impl Home, payload: Payload, worker: &Worker) {
    match Stop::reason(payload) {
        Ok(reason) => stopped(home, reason, worker),
        Err(payload) => {
            worker.count_panicked();
            home.take_panic(payload, worker.registry());
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
