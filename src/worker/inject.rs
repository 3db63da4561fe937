//! How a job reaches the workers of a pool from outside, or from a worker that may not run it.

use std::time::Duration;

use super::Worker;
use super::callers::LATE;
use super::settings::WaitPolicy;
use super::shared::{IS_LATE, JobRef, Registry};
use crate::job::{ANY_TAG, Priority};
use crate::sim;
use crate::sleep::Relay;
use crate::sync::{Ordering, fence};
use crate::task::fifo::Fifos;

impl Registry {
    /// Queues a job from a thread that is no worker of this pool.
    pub(crate) fn inject(&self, job: JobRef) {
        if Worker::is_on_pools_thread() {
            return self.inject_cross_job(job);
        }
        self.inject_from_anywhere(job);
    }

    /// Queues a job in the injector. Any thread may call this.
    pub(super) fn inject_from_anywhere(&self, job: JobRef) {
        self.queue_injected(job);
        self.sleep.notify_all_restricted();
        sim::point();
    }

    /// Queues a job that a thread of another pool asks this pool to run.
    pub(crate) fn inject_cross_job(&self, job: JobRef) {
        let queue = self.cross_jobs_of(job.priority());
        self.queue(job, |job| queue.push(job));
        self.sleep.notify_of_cross_job();
        sim::point();
    }

    /// Requests that a worker take a job from the injector soon, or make way for a thread that
    /// wants its core back: between two jobs, between two blocks of a loop, or at its next fork.
    #[cold]
    pub(crate) fn request_injected(&self) {
        self.signals.fetch_or(IS_LATE, Ordering::Relaxed);
        // The next fork of each worker, or the next end of one, takes a slow path.
        self.workers.iter().for_each(|worker| worker.ask_for_forks());
    }

    /// Called by a caller from outside that has waited for [`LATE`]. If its job still `is_queued`,
    /// and not with a low `priority`, requests it, and returns when to call again.
    pub(crate) fn ask_for(&self, is_queued: bool, priority: Priority) -> Option<Duration> {
        let asks = is_queued && priority > Priority::Low;
        asks.then(|| {
            self.request_injected();
            LATE
        })
    }

    /// Returns whether a caller from outside has called `request_injected`.
    #[inline]
    pub(crate) fn is_late(&self) -> bool {
        self.signals.load(Ordering::Relaxed) & IS_LATE != 0
    }

    /// Withdraws the request, when a worker has looked at the injector. (A caller that still waits
    /// repeats its request.)
    pub(crate) fn withdraw_request(&self) {
        if self.is_late() {
            self.signals.fetch_and(!IS_LATE, Ordering::Relaxed);
        }
    }

    /// Queues a job in the injector for its priority. The job is new, or it is *reinjected* by a
    /// worker that found it and may not run it.
    pub(crate) fn queue_injected(&self, job: JobRef) {
        let queue = self.injector_for(job.priority());
        self.queue(job, |job| queue.push(job));
    }

    fn queue(&self, job: JobRef, push: impl FnOnce(JobRef)) {
        if job.priority() != Priority::Normal {
            self.use_priorities();
        }
        // In a simulation, a worker may here look for the job in vain and go to sleep.
        sim::point();
        // Once the job is queued, it may run and be freed at any time, with all its ancestors.
        let above: Vec<usize> = match self.settings.wait_policy {
            WaitPolicy::AnyWork => return self.push_and_notify(job, push),
            WaitPolicy::OwnDescendants => job.ancestors().skip(2).collect(),
        };
        self.push_and_notify(job, push);
        above.into_iter().for_each(|tag| self.sleep.notify_restricted(tag));
    }

    fn push_and_notify(&self, job: JobRef, push: impl FnOnce(JobRef)) {
        let (address, tag) = (job.address(), job.tag());
        push(job);
        self.sleep.notify_from_outside(tag);
        // Its joiner may be the only worker that may run it: lemma 4 of `sleep/mod.rs`.
        self.sleep.notify_restricted(address);
    }

    /// Queues a new task, which inherits the caller's priority. `caller` is the calling worker if
    /// that is one of this pool.
    #[inline]
    pub(crate) fn submit(&self, caller: Option<&Worker>, job: JobRef) {
        match caller {
            Some(worker) if worker.is_normal() => worker.push_task(job),
            _ => self.submit_inherited(caller, job),
        }
    }

    /// Queues a task as a cross-pool job, or else like `submit`.
    #[inline]
    pub(crate) fn submit_as(&self, is_cross_job: bool, caller: Option<&Worker>, job: JobRef) {
        match is_cross_job {
            true => {
                Worker::pass_priority(caller, &job);
                self.inject_cross_job(job);
            }
            false => self.submit(caller, job),
        }
    }

    /// Puts a task behind those that the caller has put into `fifos` before, and returns the task's
    /// placeholder. If the caller is not a worker, returns the task itself, since the injector
    /// keeps the order.
    pub(crate) fn in_order(
        &self,
        caller: Option<&Worker>,
        job: JobRef,
        fifos: &Fifos<Worker>,
    ) -> JobRef {
        match caller {
            Some(worker) => {
                Worker::pass_priority(caller, &job);
                fifos.push(self.workers.len(), worker.index(), job)
            }
            None => job,
        }
    }

    /// Wakes all workers, after a job was pinned to each.
    pub(crate) fn wake_for_pinned(&self, relay: &Relay) {
        relay.start(&self.sleep, 0);
        // Pairs with the fence in `notify_of_stray_pinned`: the workers that it wakes see the jobs,
        // or this thread sees the mark. (Helpers may have issued the fences of all wake-ups.)
        fence(Ordering::SeqCst);
        if self.has_empty_cores() {
            self.notify_of_stray_pinned();
        }
    }

    /// Wakes all workers, each of which may run jobs pinned to a worker without a thread.
    #[cold]
    pub(crate) fn notify_of_stray_pinned(&self) {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        self.sleep.wake_all();
        self.sleep.notify_restricted(ANY_TAG);
    }
}
