//! The main loop of a worker's thread, and how a worker runs a job.

use std::ptr;
use std::sync::Arc;

use super::current::Acting;
use super::settings::WaitPolicy;
use super::shared::{JobRef, Worker};
use crate::job::outcome::{self, Payload};
use crate::job::{NO_TAG, Priority, tag_of};
use crate::sim;
use crate::sleep::CoreThread;
use crate::sync::Ordering;

impl Worker {
    /// The body of the worker's thread `me`, which has the core at first unless it `is_spare`.
    /// Returns `false` if it never had the core.
    pub(crate) fn main_loop(&self, me: &Arc<CoreThread>, is_spare: bool) -> bool {
        if is_spare {
            if !self.wait_for_core(me) {
                return false;
            }
            self.stop_searching();
        }
        let _acting = Acting::start(self);
        Self::mark_pools_thread();
        self.set_thread(true);
        self.note_awake(false);
        self.handle(|| self.registry().handlers.call(|it| &it.start, self.index));
        self.work(me);
        true
    }

    /// The main loop. Returns when the pool has ended.
    pub(crate) fn work(&self, me: &Arc<CoreThread>) {
        while self.step(me) {}
    }

    /// One step of the loop: runs a job, or waits for one. Returns `false` if the pool has ended.
    #[inline]
    pub(super) fn step(&self, me: &Arc<CoreThread>) -> bool {
        sim::looks(true);
        if self.is_wanted() {
            return self.pass_on(me);
        }
        let cross_only = self.runs_cross_jobs_only();
        let job = match cross_only {
            true => self.pop_pinned().or_else(|| self.cross_job()),
            false => self.find(),
        };
        let Some(job) = job else {
            return match self.runs_cross_jobs_only() {
                true => self.pass_on(me),
                false => self.idle(me),
            };
        };
        self.stop_searching();
        sim::looks(false);
        self.run(job, cross_only);
        sim::looks(true);
        sim::point();
        true
    }

    /// Runs a job at the bottom of the stack. If it `is_apart`, its waits run no other work, on top
    /// of which the core could not be passed on.
    pub(super) fn run(&self, job: JobRef, is_apart: bool) {
        // Forks on the stacks of threads that have handed off the core keep their slots.
        if self.threads_off() == 0 {
            self.forks.rewind();
        }
        self.jobs.store(1, Ordering::Relaxed);
        if is_apart {
            self.execute_isolated(job);
        } else {
            self.set_word(job.word());
            self.execute(job);
        }
        self.set_word(NO_TAG);
        self.jobs.store(0, Ordering::Relaxed);
    }

    pub(super) fn execute(&self, job: JobRef) {
        self.note_running(ptr::from_ref(job.table()).cast_mut());
        outcome::run_or_abort(|| job.execute(self));
    }

    /// Calls code of the user that is part of a job. If that code calls `fork()`, the child is
    /// aborted here. In the child, the job could use the frame of a thread that does not exist, and
    /// the worker's other jobs belong to the parent.
    #[inline]
    pub(crate) fn run_users<R>(&self, f: impl FnOnce() -> R) -> Result<R, Payload> {
        let result = outcome::run(f);
        self.registry().abort_if_lost();
        result
    }

    #[inline]
    pub(crate) fn count_task(&self) {
        self.counters.tasks_run.add(1);
    }

    #[cold]
    pub(crate) fn count_panicked(&self) {
        self.counters.tasks_panicked.add(1);
    }

    #[cold]
    pub(crate) fn count_cancelled(&self, is_expired: bool) {
        self.counters.tasks_cancelled.add(1);
        self.counters.tasks_expired.add(is_expired.into());
    }

    pub(crate) fn tag(&self) -> usize {
        tag_of(self.word())
    }

    /// The priority of the job that runs. (Relaxed: to other workers, it is a hint.)
    #[inline]
    pub(crate) fn priority(&self) -> Priority {
        Priority::of(self.word())
    }

    #[inline]
    pub(super) fn is_normal(&self) -> bool {
        Priority::bits_of(self.word()) == 0
    }

    /// The isolation tag of the job that runs, with the bits of its priority: what a job inherits.
    #[inline]
    pub(crate) fn word(&self) -> usize {
        self.tag.load(Ordering::Relaxed)
    }

    pub(crate) fn runs_in_order(&self) -> bool {
        self.tasks.in_order
    }

    /// Whether a wait for a task of this pool may run any other: it is free, and no other thread
    /// waits without this core.
    pub(crate) fn may_run_any_task(&self) -> bool {
        self.waits_freely() && !self.sleep().is_awaited(self.index)
    }

    pub(super) fn waits_freely(&self) -> bool {
        self.tag() == NO_TAG && !self.waits_for_own_work()
    }

    pub(crate) fn waits_for_own_work(&self) -> bool {
        self.registry().settings.wait_policy == WaitPolicy::OwnDescendants
    }

    /// Calls `f` under the isolation tag `tag`. `f` must not unwind.
    pub(crate) fn within<R>(&self, tag: usize, f: impl FnOnce() -> R) -> R {
        let outer = self.enter_tag(tag);
        let result = f();
        self.set_word(outer);
        result
    }

    /// Sets the isolation tag of what this worker runs, and keeps the priority. Returns the word
    /// that it replaces, for `set_word`.
    pub(crate) fn enter_tag(&self, tag: usize) -> usize {
        let outer = self.word();
        self.set_word(tag | Priority::bits_of(outer));
        outer
    }

    #[inline]
    pub(crate) fn set_word(&self, word: usize) {
        self.tag.store(word, Ordering::Relaxed);
    }
}
