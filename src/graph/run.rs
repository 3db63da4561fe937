//! A run of a graph.
//!
//! # States
//! Each task has a counter of its predecessors (the tasks directly before it) that have not ended.
//! A task is *ready* when its counter reaches zero. The worker that ends the last predecessor then
//! takes the task on, or spawns a task of the scope for it. The bit [`SKIP`] of the counter says
//! that a predecessor failed or was skipped. (The counter of a task with one predecessor is not
//! decremented: the task is ready when that predecessor has ended.)
//!
//! If the graph has costs, ready tasks are in a heap, by the longest path to the end, and workers
//! take on and spawn *tickets* instead: a worker that runs a ticket takes the best task in the
//! heap.
//!
//! # Invariant
//! Each task is taken on once in a run: a source at the start, and any other task by the worker
//! that ended its last predecessor. There are as many tickets as tasks in the heap.
//!
//! # Lemmas
//! 1. *A task begins after its predecessors have ended, and sees what they wrote.* The worker that
//!    ends a predecessor then decrements the counter. The decrements are one release sequence, and
//!    the last one acquires it. (The worker that ends the only predecessor of a task runs the task
//!    itself, or spawns it.)
//! 2. *A run ends.* The graph has no cycle, so each task becomes ready in turn. The scope waits for
//!    every spawned task, and for each retry that is not due yet (`Scope::defer`).
//! 3. *A task is skipped if and only if a predecessor failed or was skipped, or the run was
//!    cancelled before a try of the task.* `SKIP` is set before the decrement, so that the last
//!    decrement finds it.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use super::owner::{Limits, Owner};
use super::plan::Plan;
use super::report::{Cause, Outcome, TaskFailure};
use super::slot::{Body, Owned};
use super::timer;
use crate::context::{CancelToken, Stop};
use crate::fork::Scope;
use crate::job::outcome;
use crate::os::clock::ticks;
use crate::sync::Mutex;
use crate::worker::is_simulated;

/// In a counter: a task before it failed or was skipped.
const SKIP: u32 = 1 << 31;
/// With fewer tasks, no counter reaches `SKIP`.
pub(super) const MOST_TASKS: usize = SKIP as usize;

/// By their numbers in `Task::outcome`.
const OUTCOMES: [Outcome; 4] = [Outcome::Ran, Outcome::Replaced, Outcome::Failed, Outcome::Skipped];

/// Calls the user's fallback with the failure, and stores its result.
pub(super) type Fallback<'env> = Box<dyn FnMut(&TaskFailure) + Send + 'env>;

/// A task of a graph, with its state in the current or last run. Small, since cache misses dominate
/// a run of tiny tasks.
pub(super) struct Task<'env> {
    /// Used by the worker that has taken the task on.
    body: Owned<dyn Body<Cause> + 'env>,
    missing: AtomicU32,
    outcome: AtomicU8,
}

/// The fallbacks of the tasks that have one, each used by the worker that has taken its task on.
#[derive(Default)]
pub(super) struct Fallbacks<'env>(BTreeMap<usize, UnsafeCell<Fallback<'env>>>);

// SAFETY: a fallback is used by one thread at a time: in a run, by the worker that has taken its
// task on, which happens once (the module's invariant), and between runs by exclusive reference. It
// is `Send`.
unsafe impl Sync for Fallbacks<'_> {}

impl<'env> Task<'env> {
    pub(super) fn new(body: Owned<dyn Body<Cause> + 'env>) -> Self {
        Task { body, missing: AtomicU32::new(0), outcome: AtomicU8::new(Outcome::Skipped as u8) }
    }

    pub(super) fn reset(&mut self, missing: u32) {
        *self.missing.get_mut() = missing;
        *self.outcome.get_mut() = Outcome::Skipped as u8;
    }

    /// Returns the outcome in the last run.
    pub(super) fn outcome(&self) -> Outcome {
        // Relaxed: read after the end of the run.
        OUTCOMES[usize::from(self.outcome.load(Ordering::Relaxed))]
    }

    pub(super) fn has_result(&self) -> bool {
        matches!(self.outcome(), Outcome::Ran | Outcome::Replaced)
    }
}

impl<'env> Fallbacks<'env> {
    pub(super) fn set(&mut self, task: usize, fallback: Fallback<'env>) {
        self.0.insert(task, UnsafeCell::new(fallback));
    }
}

/// Ready tasks, the one with the longest path to the end on top.
type Heap = Mutex<BinaryHeap<(u64, u32)>>;

/// What the workers of a run share.
pub(super) struct Run<'r, 'env> {
    pub(super) plan: &'r Plan,
    pub(super) tasks: &'r [Task<'env>],
    pub(super) fallbacks: &'r Fallbacks<'env>,
    /// The limits of the tasks that have some.
    pub(super) limits: &'r BTreeMap<usize, Limits>,
    /// Knows the tasks' names.
    pub(super) owner: &'r Owner,
    /// The ready tasks by the longest path to the end, and those paths, if the graph has costs.
    pub(super) heap: Option<(Heap, &'r [u64])>,
    /// How many ticks each task took, if the run measures that. Else empty.
    pub(super) took: &'r [AtomicU64],
    pub(super) token: Option<&'r CancelToken>,
    pub(super) failures: Mutex<Vec<TaskFailure>>,
}

impl Run<'_, '_> {
    /// Runs the graph to its end, in a scope of its own.
    pub(super) fn start<'s, 'e>(&'e self, s: &'s Scope<'s, 'e>) {
        let mut next = None;
        for &source in &self.plan.sources {
            self.ready(s, source, &mut next);
        }
        self.work(s, next, 0);
    }

    /// Takes a ready task on as the next one of this worker, or spawns a task or a ticket for it.
    fn ready<'s, 'e>(&'e self, s: &'s Scope<'s, 'e>, task: u32, next: &mut Option<u32>) {
        if let Some((heap, ranks)) = &self.heap {
            heap.lock().push((ranks[task as usize], task));
        }
        if next.is_none() {
            *next = Some(task);
        } else {
            drop(s.spawn(move || self.work(s, Some(task), 0)));
        }
    }

    /// Runs a ready task, or the best one if there is a heap. Then runs one of the tasks that are
    /// ready after it, and so on. `tries`: how many times the task has failed before.
    fn work<'s, 'e>(&'e self, s: &'s Scope<'s, 'e>, mut next: Option<u32>, mut tries: u32) {
        while let Some(given) = next.take() {
            // (A retry is in no heap.)
            let heap = self.heap.as_ref().filter(|_| tries == 0);
            let best = heap.and_then(|(heap, _)| heap.lock().pop());
            let task = best.map_or(given, |(_, task)| task);
            let Some(outcome) = self.try_task(s, task, std::mem::take(&mut tries)) else { return };
            self.tasks[task as usize].outcome.store(outcome as u8, Ordering::Relaxed);
            let fails = matches!(outcome, Outcome::Failed | Outcome::Skipped);
            for &later in self.plan.successors(task) {
                if self.is_ready(later, fails) {
                    self.ready(s, later, &mut next);
                }
            }
        }
    }

    /// A predecessor of `task` has ended. Returns whether it was the last.
    #[inline]
    fn is_ready(&self, task: u32, fails: bool) -> bool {
        let missing = &self.tasks[task as usize].missing;
        if fails {
            // Relaxed: the decrement below orders it.
            missing.fetch_or(SKIP, Ordering::Relaxed);
        }
        // With one predecessor, there is no other thread to synchronize with.
        if self.plan.before[task as usize] == 1 {
            return true;
        }
        // AcqRel: matches itself in the other predecessors (lemma 1).
        missing.fetch_sub(1, Ordering::AcqRel) & !SKIP == 1
    }

    fn is_cancelled(&self) -> bool {
        self.token.is_some_and(CancelToken::is_cancelled)
    }

    /// Runs a task. Returns `None` if it failed and is deferred.
    fn try_task<'s, 'e>(
        &'e self,
        s: &'s Scope<'s, 'e>,
        index: u32,
        mut tries: u32,
    ) -> Option<Outcome> {
        let task = &self.tasks[index as usize];
        loop {
            // Relaxed: see `is_ready`.
            let skips = task.missing.load(Ordering::Relaxed) & SKIP != 0;
            if skips || self.is_cancelled() {
                return Some(Outcome::Skipped);
            }
            let begin = if self.took.is_empty() { 0 } else { ticks() };
            // SAFETY: this worker has taken the task on, which happens once in a run (the module's
            // invariant), and so is the only one that uses the closure and writes the result.
            let result = match outcome::run(|| unsafe { task.body.call() }) {
                Ok(result) => result,
                // The token of the caller of the run is cancelled.
                Err(payload) if payload.is::<Stop>() => return Some(Outcome::Skipped),
                Err(payload) => Err(Cause::panic(payload)),
            };
            if let Some(place) = self.took.get(index as usize) {
                // (No schedule that a seed decides may depend on the time.)
                let took = if is_simulated() { 1 } else { ticks().wrapping_sub(begin) };
                place.store(took, Ordering::Relaxed);
            }
            let Err(cause) = result else { return Some(Outcome::Ran) };
            // A graph that the task has run was stopped by the same token.
            if cause.is_cancelled() && self.is_cancelled() {
                outcome::discard(cause);
                return Some(Outcome::Skipped);
            }
            let limits = self.limits.get(&(index as usize)).copied().unwrap_or_default();
            if tries == limits.retries {
                return Some(self.failed(index as usize, cause));
            }
            outcome::discard(cause);
            tries += 1;
            if !limits.delay.is_zero() && !is_simulated() {
                let retry = s.defer(move || self.work(s, Some(index), tries));
                timer::submit_after(limits.delay, retry);
                return None;
            }
        }
    }

    /// The task has failed and has no retry left: calls its fallback, or records the failure.
    #[cold]
    fn failed(&self, task: usize, cause: Cause) -> Outcome {
        let failure = TaskFailure { task: self.owner.name(task), cause };
        let Some(fallback) = self.fallbacks.0.get(&task) else {
            self.failures.lock().push(failure);
            return Outcome::Failed;
        };
        // SAFETY: this worker has taken the task on.
        let fallback = unsafe { &mut *fallback.get() };
        let replaced = outcome::run(|| fallback(&failure));
        outcome::discard(failure);
        let Err(payload) = replaced else { return Outcome::Replaced };
        let failure = TaskFailure { task: self.owner.name(task), cause: Cause::panic(payload) };
        self.failures.lock().push(failure);
        Outcome::Failed
    }
}
