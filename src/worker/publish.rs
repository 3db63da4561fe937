//! How a worker queues its own forks and tasks, and wakes other workers for them.

use std::ptr;

use super::ambient::ContextRef;
use super::shared::{JobRef, JoinHeader, Worker};
#[cfg(feature = "futures")]
use crate::job::ANY_TAG;
use crate::job::ancestors;
use crate::queue::{Popped, TaskQueue};
use crate::sim;
use crate::sync::Ordering;

impl Worker {
    /// Makes `job` pending after the front of the queue refused it, and returns its slot.
    #[inline]
    pub(crate) fn fork_slow(&self, job: ptr::NonNull<JoinHeader>) -> usize {
        let (slot, published) = self.forks.push_slow(job, |job| self.publish(job));
        self.published_forks(published);
        if published > 0 && self.forks.is_in_demand() {
            self.wake_ahead();
        }
        sim::point();
        self.serve_late_callers();
        slot
    }

    /// Ends a fork after the front of the queue refused it: takes back the newest pending job,
    /// which is `job`. Returns `false` if a thief has it.
    pub(crate) fn unfork_slow(&self, slot: usize, job: ptr::NonNull<JoinHeader>) -> bool {
        sim::point();
        let (popped, published) = self.forks.pop_slow(slot, job, |job| self.publish(job));
        self.published_forks(published);
        if popped == Popped::Stolen {
            // An older job may have been taken out and put back.
            self.notify_of_forks();
            return false;
        }
        // The next fork serves the late caller. This call does not: `job` is no longer queued, so
        // no thief could take it meanwhile.
        if self.registry().is_late() {
            self.forks.recheck();
        }
        true
    }

    /// Publishes all private forks, before the worker runs other work on top of them.
    pub(crate) fn flush_forks(&self) {
        let published = self.forks.flush(|job| self.publish(job));
        self.published_forks(published);
    }

    /// Publishes all private forks if another worker is idle, before work that may take long.
    #[inline]
    pub(crate) fn share_forks(&self) {
        if self.forks.hides_work() && self.sees_idlers() {
            self.flush_forks();
            self.wake_ahead();
        }
    }

    /// Step (c) of publishing (`sleep/mod.rs`).
    fn published_forks(&self, published: usize) {
        if published > 0 {
            self.counters.forks_published.add(published);
            self.notify_of_forks();
        }
    }

    fn notify_of_forks(&self) {
        self.mark_forks();
        self.notify(self.tag());
    }

    /// Step (c) of publishing jobs of `tag`, which this worker's present job has or keeps alive.
    #[inline]
    pub(super) fn notify(&self, tag: usize) {
        self.sleep().notify_from_worker(tag);
        if self.waits_for_own_work() {
            self.notify_ancestors(tag);
        }
    }

    #[cold]
    fn notify_ancestors(&self, tag: usize) {
        // SAFETY: the worker's present job has the tag, or keeps the scope or set whose tag it is.
        unsafe { ancestors(tag) }.skip(1).for_each(|tag| self.sleep().notify_restricted(tag));
    }

    fn publish(&self, job: ptr::NonNull<JoinHeader>) -> JobRef {
        self.publish_under(self.inherited_context(), job)
    }

    pub(super) fn publish_under(
        &self,
        context: ContextRef,
        job: ptr::NonNull<JoinHeader>,
    ) -> JobRef {
        // SAFETY: the queue calls this for forks of this worker that no other thread has seen.
        unsafe { JoinHeader::publish(job, self.word(), context) }
    }

    /// Queues a task at this worker, and wakes another worker for it if none is searching.
    #[inline]
    pub(crate) fn push_task(&self, job: JobRef) {
        self.push_to(&self.tasks, job);
    }

    #[inline]
    pub(super) fn push_to(&self, tasks: &TaskQueue<JobRef>, job: JobRef) {
        match tasks.push_alone(job) {
            Ok(()) => sim::point(),
            Err(job) => self.push_and_notify(tasks, job),
        }
    }

    #[inline(never)]
    fn push_and_notify(&self, tasks: &TaskQueue<JobRef>, job: JobRef) {
        let tag = job.tag();
        tasks.push(job);
        if tasks.has_thieves() {
            self.notify(tag);
        }
        sim::point();
    }

    /// Queues a task of normal priority behind this worker's other tasks, and behind a job from
    /// outside: tasks that are queued again and again must not keep those waiting.
    #[cfg(feature = "futures")]
    pub(crate) fn push_last(&self, job: JobRef) {
        let from_outside = self.injected();
        let tag = if from_outside.is_some() { ANY_TAG } else { job.tag() };
        from_outside.into_iter().chain([job]).for_each(|job| self.tasks.push_moved(job));
        if self.tasks.has_thieves() {
            self.tasks.publish_moved();
            self.notify(tag);
        }
        sim::point();
    }

    /// Drops the empty entries at the newest end of the task queue, if the one at `address` is the
    /// newest.
    #[inline]
    pub(crate) fn drop_empty_entries(&self, address: usize, is_empty: impl Fn(&JobRef) -> bool) {
        let tasks = self.tasks_of(self.priority());
        if tasks.may_end_with(|newest| newest.address() == address) {
            self.drop_newest_entries(tasks, is_empty);
        }
    }

    fn drop_newest_entries(&self, tasks: &TaskQueue<JobRef>, is_empty: impl Fn(&JobRef) -> bool) {
        while let Some(job) = tasks.pop_newest(|| self.share_rest()) {
            if !is_empty(&job) {
                return self.push_back(tasks, job);
            }
            self.execute(job);
        }
    }

    /// Queues a task again that this worker has taken.
    fn push_back(&self, tasks: &TaskQueue<JobRef>, job: JobRef) {
        if !self.waits_for_own_work() {
            return self.push_to(tasks, job);
        }
        // Once the task is queued, it may run and be freed at any time, with all its ancestors. (It
        // need not be part of this worker's present job, which would keep them.)
        let (tag, above): (_, Vec<usize>) = (job.tag(), job.ancestors().skip(2).collect());
        tasks.push(job);
        if tasks.has_thieves() {
            self.sleep().notify_from_worker(tag);
            above.into_iter().for_each(|tag| self.sleep().notify_restricted(tag));
        }
        sim::point();
    }

    /// Takes a job pinned to a worker that has no thread, if some worker will never have one.
    pub(super) fn pop_stray_pinned(&self, may_take: impl Fn(&JobRef) -> bool) -> Option<JobRef> {
        if !self.registry().has_empty_cores() {
            return None;
        }
        self.without_thread().find_map(|other| other.pinned.pop_if(1, &may_take))
    }

    /// Whether a job is pinned to this worker, or is one that `pop_stray_pinned` takes.
    pub(super) fn sees_pinned(&self) -> bool {
        !self.pinned.is_empty() || self.sees_stray_pinned()
    }

    pub(super) fn sees_stray_pinned(&self) -> bool {
        self.registry().has_empty_cores()
            && self.without_thread().any(|other| !other.pinned.is_empty())
    }

    fn without_thread(&self) -> impl Iterator<Item = &Worker> {
        let workers = self.registry().workers().iter().map(|worker| &**worker);
        workers.filter(|worker| worker.has_thread.load(Ordering::Relaxed) == 0)
    }

    /// Notes that this worker has a thread, or that it never will.
    pub(crate) fn set_thread(&self, is_there: bool) {
        self.has_thread.store(is_there.into(), Ordering::Relaxed);
    }

    /// Whether this worker has a thread, or none of the pool's workers was refused one.
    pub(crate) fn may_have_thread(&self) -> bool {
        !self.registry().has_empty_cores() || self.has_thread.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn has_own_work(&self) -> bool {
        !self.has_no_task() || !self.pinned.is_empty()
    }
}
