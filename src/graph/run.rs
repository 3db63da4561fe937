//! A run of a graph.
//!
//! # States
//! Each task has a counter of its predecessors (the tasks directly before it) that have not ended.
//! A task is *ready* when all have ended. The worker that ends the last one then runs the task
//! next, or spawns a task of the scope to run it. That worker need not decrement the counter, since
//! no thread reads the count any more. The bit [`SKIP`] of the counter says that a predecessor
//! failed or was skipped.
//!
//! If the graph has costs, ready tasks are in a heap, by the longest path to the end, and workers
//! run and spawn *tickets* instead: a worker that runs a ticket runs the best task in the heap.
//!
//! # Invariant
//! Each task becomes ready once in a run: a source at the start, any other when its last
//! predecessor ends. So it is *taken on* once, and one worker at a time runs it and its retries.
//! There are as many tickets as tasks in the heap.
//!
//! # Lemmas
//! 1. *A task begins after its predecessors have ended, and sees what they wrote.* The worker that
//!    ends a predecessor then decrements the counter, unless it is 1. The decrements are a release
//!    sequence, which the worker that finds the 1 acquires.
//! 2. *A run ends.* The graph has no cycle, so each task becomes ready in turn. The scope waits for
//!    every spawned task, and for each retry that is not due yet (`Scope::defer`).
//! 3. *A task is skipped if and only if a predecessor failed or was skipped, or the run was
//!    cancelled before a try of the task.* `SKIP` is set before the decrement, so that the
//!    worker that ends the last predecessor finds it.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::owner::{GraphRef, TaskSettings};
use super::plan::Lists;
use super::report::{Cause, Outcome, TaskFailure};
use super::slot::{Body, Owned};
use super::timer;
use crate::context::{CancelToken, Stop};
use crate::fork::Scope;
use crate::job::outcome;
use crate::os::clock::ticks;
use crate::sync::Mutex;
use crate::worker::is_simulated;

/// In a counter, and in the number of a ready task: a predecessor failed or was skipped.
const SKIP: u32 = 1 << 31;
/// With fewer tasks and edges than this, no counter reaches `SKIP`.
pub(super) const LIMIT: usize = SKIP as usize;

/// Calls the user's fallback with the failure, and stores its result.
pub(super) type Fallback<'env> = Box<dyn FnMut(&TaskFailure) + Send + 'env>;

/// A task of a graph. Used by the worker that has taken the task on.
pub(super) type Task<'env> = Owned<dyn Body<Box<Cause>> + 'env>;

/// The fallbacks of the tasks that have one, each used by the worker that has taken its task on.
#[derive(Default)]
pub(super) struct Fallbacks<'env>(BTreeMap<usize, UnsafeCell<Fallback<'env>>>);

// SAFETY: a fallback is used by one thread at a time: in a run, by the worker that has taken its
// task on, which happens once (the module's invariant), and between runs by exclusive reference. It
// is `Send`.
unsafe impl Sync for Fallbacks<'_> {}

impl<'env> Fallbacks<'env> {
    pub(super) fn set(&mut self, task: usize, fallback: Fallback<'env>) {
        self.0.insert(task, UnsafeCell::new(fallback));
    }
}

/// Ready tasks, the one with the longest path to the end on top.
type Heap = Mutex<BinaryHeap<(u64, u32)>>;

/// What the workers of a run share.
pub(super) struct Run<'r, 'env> {
    pub(super) tasks: &'r [Task<'env>],
    /// How many predecessors of each task have not ended, and `SKIP`.
    pub(super) missing: &'r [AtomicU32],
    pub(super) successors: &'r Lists,
    pub(super) fallbacks: &'r Fallbacks<'env>,
    /// What was set for tasks.
    pub(super) task_settings: &'r BTreeMap<usize, TaskSettings>,
    /// Knows the tasks' names.
    pub(super) owner: &'r GraphRef,
    /// The ready tasks, and the longest path from each task to the end, if the graph has costs.
    pub(super) heap: Option<(Heap, &'r [u64])>,
    /// How many ticks each task took. Empty if the run does not measure that.
    pub(super) took: &'r [AtomicU64],
    pub(super) token: Option<&'r CancelToken>,
    pub(super) failures: Mutex<Vec<TaskFailure>>,
    /// The outcomes other than `Ran`, by task.
    pub(super) others: Mutex<Vec<(usize, Outcome)>>,
}

impl Run<'_, '_> {
    /// Runs the graph. The run has ended when the scope `s` has.
    pub(super) fn start<'s, 'e>(&'e self, s: &'s Scope<'s, 'e>, sources: &[u32]) {
        let mut next = None;
        for &source in sources {
            self.ready(s, source, &mut next);
        }
        self.work(s, next, 0);
    }

    /// Puts a ready task, or a ticket for it, into `next` if that is empty, else spawns it. The
    /// task's number may have `SKIP`.
    fn ready<'s, 'e>(&'e self, s: &'s Scope<'s, 'e>, task: u32, next: &mut Option<u32>) {
        if let Some((heap, ranks)) = &self.heap {
            heap.lock().push((ranks[(task & !SKIP) as usize], task));
        }
        if next.is_none() {
            *next = Some(task);
        } else {
            s.spawn_detached(move || self.work(s, Some(task), 0));
        }
    }

    /// Runs a ready task, or the best one if there is a heap. Then runs one of the tasks that its
    /// end made ready, and so on. `tries`: how many times the first task has failed before.
    fn work<'s, 'e>(&'e self, s: &'s Scope<'s, 'e>, mut next: Option<u32>, mut tries: u32) {
        while let Some(given) = next.take() {
            // (A retry is in no heap.)
            let heap = self.heap.as_ref().filter(|_| tries == 0);
            let best = heap.and_then(|(heap, _)| heap.lock().pop());
            let task = best.map_or(given, |(_, task)| task);
            let (task, skips) = (task & !SKIP, task & SKIP != 0);
            let tries = std::mem::take(&mut tries);
            let outcome =
                if skips { Some(Outcome::Skipped) } else { self.try_task(s, task, tries) };
            let Some(outcome) = outcome else { return };
            if outcome != Outcome::Ran {
                self.others.lock().push((task as usize, outcome));
            }
            let fails = matches!(outcome, Outcome::Failed | Outcome::Skipped);
            for &later in self.successors.of(task as usize) {
                if let Some(later) = self.if_ready(later, fails) {
                    self.ready(s, later, &mut next);
                }
            }
        }
    }

    /// A predecessor of `task` has ended. If it was the last, returns the task, with its `SKIP`.
    #[inline]
    fn if_ready(&self, task: u32, fails: bool) -> Option<u32> {
        let missing = &self.missing[task as usize];
        if fails {
            // Relaxed: the decrement below orders it.
            missing.fetch_or(SKIP, Ordering::Relaxed);
        }
        // Acquire: matches the decrements of the other predecessors (lemma 1).
        let mut left = missing.load(Ordering::Acquire);
        if left & !SKIP > 1 {
            // Acquire: as above. Release: matches both.
            left = missing.fetch_sub(1, Ordering::AcqRel);
        }
        (left & !SKIP == 1).then_some(task | left & SKIP)
    }

    fn is_cancelled(&self) -> bool {
        self.token.is_some_and(CancelToken::is_cancelled)
    }

    /// Runs a task. Returns `None` if it failed and its retry is deferred.
    fn try_task<'s, 'e>(
        &'e self,
        s: &'s Scope<'s, 'e>,
        index: u32,
        mut tries: u32,
    ) -> Option<Outcome> {
        let task = &self.tasks[index as usize];
        loop {
            if self.is_cancelled() {
                return Some(Outcome::Skipped);
            }
            let begin = if self.took.is_empty() { 0 } else { ticks() };
            // SAFETY: this worker has taken the task on, which happens once in a run (the module's
            // invariant), and so is the only one that uses the closure and writes the result.
            let result = match outcome::run(|| unsafe { task.call() }) {
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
            let settings = self.task_settings.get(&(index as usize)).copied().unwrap_or_default();
            if tries == settings.retries {
                return Some(self.failed(index as usize, cause));
            }
            outcome::discard(cause);
            tries += 1;
            if !settings.delay.is_zero() && !is_simulated() {
                let retry = s.defer(move || self.work(s, Some(index), tries));
                timer::submit_after(settings.delay, retry);
                return None;
            }
        }
    }

    /// The task has failed and has no retry left: calls its fallback, or records the failure.
    #[cold]
    fn failed(&self, task: usize, cause: Box<Cause>) -> Outcome {
        let mut failure = TaskFailure { task: self.owner.name(task), cause };
        if let Some(fallback) = self.fallbacks.0.get(&task) {
            // SAFETY: this worker has taken the task on.
            let fallback = unsafe { &mut *fallback.get() };
            let Err(payload) = outcome::run(|| fallback(&failure)) else {
                outcome::discard(failure);
                return Outcome::Replaced;
            };
            outcome::discard(std::mem::replace(&mut failure.cause, Cause::panic(payload)));
        }
        self.failures.lock().push(failure);
        Outcome::Failed
    }
}
