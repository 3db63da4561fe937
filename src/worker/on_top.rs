//! Runs jobs on top of a frame that waits or yields. Decides which of these jobs get an isolation
//! tag of their own (the invariant of `wait.rs`).
#![deny(unsafe_code)]

use std::ptr;

use super::{JobRef, Tag, Worker};
use crate::job::{NO_TAG, Priority, outcome, tag_of};
use crate::latch::Wait;
use crate::sync::Ordering;

/// How many jobs may be on one stack before the next one on a frame without a tag gets a tag of its
/// own. (A guess.)
pub(super) const MOST_STACKED: u32 = 16;

impl Worker {
    /// Runs any one job. Returns whether it found one.
    pub(crate) fn run_one(&self) -> bool {
        outcome::run_or_abort(|| self.make_way());
        // The job on top may have another tag, and must not publish the caller's forks under that.
        self.flush_forks();
        let normal = || {
            let own = self.newest_task().or_else(|| self.stolen(|| false, Some));
            own.or_else(|| self.cross_job_of(Priority::Normal)).or_else(|| self.injected())
        };
        let job = self.pop_pinned().or_else(|| self.any_by_priority(normal));
        job.map(|job| self.run_on_top(job, |_| false, || None)).is_some()
    }

    /// Runs a job that was not queued, on top of the caller.
    pub(crate) fn run_at_once(&self, job: JobRef) {
        self.flush_forks();
        self.run_in_place(|| self.run_on_top(job, |_| false, || None));
    }

    /// `run_one` in a wait. Also runs the worker's own forks, since there may be no other worker
    /// left to steal them.
    pub(super) fn run_one_in_place(&self) -> bool {
        let mut has_run = false;
        self.run_in_place(|| has_run = self.run_one() || self.run_own());
        has_run
    }

    /// Called by long work now and then. If a thread that wants the core back or a caller from
    /// outside has waited for long, makes way for that thread and runs a job from the injector.
    #[inline]
    pub(crate) fn serve_late_callers(&self) {
        if self.registry().is_late() {
            self.serve_late_caller();
        }
    }

    #[cold]
    #[inline(never)]
    fn serve_late_caller(&self) {
        outcome::run_or_abort(|| self.make_way());
        // The job must not run on top of a task that it may wait for.
        if !self.may_run_any_task() || self.jobs_on_stack() > MOST_STACKED {
            return;
        }
        self.flush_forks();
        if let Some(job) = self.injected_for_late() {
            self.run_on_top(job, |_| false, || None);
        }
    }

    /// Runs one of the jobs that are queued at this worker. Returns whether it found one.
    pub(crate) fn run_own(&self) -> bool {
        outcome::run_or_abort(|| self.make_way());
        self.flush_forks();
        let job = self.pop_pinned().or_else(|| self.newest_of_any());
        let job = job.or_else(|| self.forks.pop_newest_public());
        job.map(|job| self.run_on_top(job, |_| false, || None)).is_some()
    }

    /// Runs a job, and then those that `next` returns, on top of a frame that waits for `wait`.
    /// These jobs may wait in turn, so they nest. When nested jobs have used up their room on the
    /// stack, the next one runs on a further stack (`in_place.rs`), unless it `is_prompt`.
    #[inline]
    pub(super) fn run_in_wait(
        &self,
        job: JobRef,
        wait: &impl Wait,
        next: impl Fn() -> Option<JobRef>,
    ) {
        let is_prompt = job.is_prompt();
        let run = || self.run_on_top(job, |job| is_awaited(job, wait), next);
        if is_prompt { run() } else { self.run_in_place(run) }
    }

    /// Runs a job, and then those that `next` returns one by one, on top of a frame that waits or
    /// yields. Restores the worker's state for that frame.
    #[inline]
    fn run_on_top(
        &self,
        mut job: JobRef,
        is_awaited: impl Fn(&JobRef) -> bool,
        next: impl Fn() -> Option<JobRef>,
    ) {
        let (jobs, word) = (self.jobs.load(Ordering::Relaxed), self.word());
        let tag = tag_of(word);
        let waits_for = self.waits_for.load(Ordering::Relaxed);
        self.jobs.store(jobs + 1, Ordering::Relaxed);
        self.waits_for.store(0, Ordering::Relaxed);
        let running = self.running();
        // Each job enters its own context. (No fork is private here: invariant 2 of
        // `ambient.rs`.)
        let context = self.context();
        self.set_context(ptr::null());
        let is_foreign = |job: &JobRef| match job.tag() {
            _ if tag == NO_TAG => jobs > MOST_STACKED,
            NO_TAG => true,
            other => other != tag && !is_awaited(job),
        };
        loop {
            if is_foreign(&job) {
                self.execute_isolated(job);
            } else {
                self.set_word(job.word());
                self.execute(job);
                self.set_word(word);
            }
            match next() {
                Some(another) => job = another,
                None => break,
            }
        }
        self.set_context(context);
        self.jobs.store(jobs, Ordering::Relaxed);
        self.waits_for.store(waits_for, Ordering::Relaxed);
        self.note_running(running);
    }

    /// Calls `op` without a context and under an isolation tag of its own, which has no ancestors.
    /// `op` is no part of the present job, and does not unwind.
    pub(super) fn run_apart<R>(&self, op: impl FnOnce() -> R) -> R {
        self.flush_forks();
        let (word, context, running) = (self.word(), self.context(), self.running());
        let own_tag = Tag::new(NO_TAG);
        self.set_context(ptr::null());
        self.set_word(own_tag.address() | Priority::bits_of(word));
        let result = op();
        // The tag ends here.
        self.set_word(word);
        self.set_context(context);
        self.note_running(running);
        result
    }

    /// Runs a job with an isolation tag of its own.
    #[cold]
    pub(super) fn execute_isolated(&self, job: JobRef) {
        let outer = self.word();
        let own_tag = Tag::new(job.tag());
        self.set_word(own_tag.address() | Priority::bits_of(job.word()));
        self.execute(job);
        // The tag ends here.
        self.set_word(outer);
    }
}

/// Returns whether `wait` is for this job, or for work that the job is part of.
pub(super) fn is_awaited(job: &JobRef, wait: &impl Wait) -> bool {
    wait.tag().is_some_and(|it| it == job.tag() || it == job.address())
}
