//! Restricted waits: the jobs that a wait leaves to other workers, and how it sleeps (`wait.rs`).
#![deny(unsafe_code)]

use super::hand_off::HandOffFor;
use super::on_top::{MOST_STACKED, is_awaited};
use super::times::Activity;
use super::{JobRef, Worker};
use crate::job::NO_TAG;
use crate::latch::Wait;
use crate::sleep::Kind;
use crate::sync::Ordering;

/// How many cross-pool jobs of each priority a wait looks at for one that may run on top of it. (A
/// guess. One is too few: a task of another pool is followed by the request of its joiner.)
const MOST_SEEN: usize = 16;

/// What a worker sees before it sleeps in a restricted wait.
enum Seen {
    Nothing,
    /// The wait is over, a thread wants the core, or there are forks to be taken by force.
    Reason,
    /// A job, which the worker has taken.
    Job(JobRef),
    /// Jobs that the worker must not run here. It hands off its core for them.
    OthersJob(HandOffFor),
}

impl Worker {
    /// Runs a pinned job on top of this wait, or hands off the core for it.
    pub(super) fn serve_pinned(&self, wait: &impl Wait, is_refused: &mut bool) {
        match self.pinned_in_wait(wait, *is_refused) {
            Some(job) => {
                self.stop_searching();
                self.run_in_wait(job, wait, || None);
            }
            None => self.leave_to_spare(wait, HandOffFor::CrossJobs, is_refused),
        }
    }

    /// Takes the next pinned job, if it may run on top of this wait or the core cannot be handed
    /// off for it. Otherwise the worker hands off its core before it sleeps, or earlier.
    pub(super) fn pinned_in_wait(&self, wait: &impl Wait, is_refused: bool) -> Option<JobRef> {
        let keeps_core = !self.may_hand_off(is_refused);
        self.pop_pinned_if(|job| keeps_core || self.may_run_on_top(job, wait))
    }

    /// Takes a cross-pool job by the same rule. It need not be the first in its queue. Under
    /// `OwnDescendants`, a wait for this pool takes only descendants of what it waits for.
    pub(super) fn cross_job_in_wait(&self, wait: &impl Wait, is_refused: bool) -> Option<JobRef> {
        if self.may_run_any(wait) {
            // `find_in_wait` and `lower_in_wait` take it, in the order of the priorities.
            None
        } else if self.waits_for_own_work() && !wait.is_for_other_pool() {
            self.cross_job_if(usize::MAX, |job| self.may_run(job, wait))
        } else {
            let near = self.cross_job_if(MOST_SEEN, |job| self.may_run_on_top(job, wait));
            near.or_else(|| if self.may_hand_off(is_refused) { None } else { self.cross_job() })
        }
    }

    fn may_hand_off(&self, is_refused: bool) -> bool {
        !is_refused && !self.waits_for_own_work()
    }

    /// Whether a cross-pool job or a pinned job may run on top of this wait, by the rules for a
    /// wait for this pool.
    fn may_run_on_top(&self, job: &JobRef, wait: &impl Wait) -> bool {
        let is_free = self.tag() == NO_TAG && self.jobs_on_stack() <= MOST_STACKED;
        let is_near = || self.tag() == job.tag() || is_awaited(job, wait);
        is_free || self.may_run_any(wait) || is_near() || job.is_empty()
    }

    /// Like `sleep_in_wait`, for a worker that may run only some jobs. The last look before the
    /// sleep has to take a job to see whether the worker may run it.
    pub(super) fn sleep_restricted(&self, wait: &impl Wait, is_refused: &mut bool) {
        if wait.is_for_other_pool() {
            self.reinject_tasks();
        }
        if !wait.register_waker() {
            return;
        }
        self.counters.parks.count();
        let (sleep, tags) = (self.sleep(), self.tags_in(wait));
        let takes_cross_jobs = wait.is_for_other_pool() || !self.waits_for_own_work();
        let kind = Kind::Restricted { tags, takes_cross_jobs };
        sleep.announce(self.index, kind, false);
        let seen = self.look_restricted(wait, *is_refused);
        if !matches!(seen, Seen::Nothing) {
            sleep.leave(self.index, kind);
        }
        match seen {
            Seen::Nothing if self.swap(wait, tags) => self.counters.wakes.add(1),
            Seen::Nothing => {
                self.note(Activity::Blocked);
                sleep.sleep(self.index, kind);
                self.note_awake(true);
                self.counters.wakes.add(1);
            }
            Seen::Job(job) => {
                self.stop_searching();
                self.run_in_wait(job, wait, || None);
            }
            Seen::OthersJob(purpose) => self.leave_to_spare(wait, purpose, is_refused),
            Seen::Reason => {}
        }
    }

    /// Hands off the core for jobs that must not run on top of this wait.
    fn leave_to_spare(&self, wait: &impl Wait, purpose: HandOffFor, is_refused: &mut bool) {
        self.stop_searching();
        if !self.wait_off_core(wait, purpose) {
            *is_refused = true;
            self.registry().counts.refused_hand_offs.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The isolation tags whose jobs wake a worker in this restricted wait.
    fn tags_in(&self, wait: &impl Wait) -> [Option<usize>; 2] {
        if wait.is_for_other_pool() {
            return [None, None];
        }
        // Under `OwnDescendants`, it must not be woken for jobs that it would reinject at once.
        [(!self.waits_for_own_work()).then(|| self.tag()), wait.tag()]
    }

    /// Step 2 of parking in this wait.
    fn look_restricted(&self, wait: &impl Wait, is_refused: bool) -> Seen {
        if !wait.is_for_other_pool() {
            // A job that this worker may run may be private, behind public ones that it may not
            // run. So it asks owners without public forks for the next, and prepares to force.
            self.others().for_each(|owner| _ = owner.shows_work());
            self.look_for_private();
        }
        if self.must_leave(wait) {
            return Seen::Reason;
        }
        let job = self.find_in_wait(wait, usize::MAX, is_refused);
        if let Some(job) = job.or_else(|| self.cross_job_in_wait(wait, is_refused)) {
            return Seen::Job(job);
        }
        let is_far = |job: &JobRef| !self.may_run_on_top(job, wait);
        let far_job_waits = || self.registry().cross_jobs.iter().any(|it| it.first_is(is_far));
        if self.may_hand_off(is_refused) {
            if !wait.is_external() && (far_job_waits() || self.sees_pinned()) {
                return Seen::OthersJob(HandOffFor::CrossJobs);
            }
            if wait.is_external() || self.is_missed() {
                return Seen::OthersJob(HandOffFor::AnyJob);
            }
            // A job that may run here is now first in its queue, though the look above did not take
            // it: it is new, has become empty, or was behind others. Jobs behind it may be older
            // than the announcement, so no publisher wakes this worker for them.
            if self.registry().has_cross_job() {
                return Seen::Reason;
            }
        }
        let forces_next = !wait.is_for_other_pool() && self.is_to_force();
        if forces_next { Seen::Reason } else { Seen::Nothing }
    }

    /// Returns whether there is work that a thread without a core may need, and that no worker will
    /// run once this one sleeps: lemma 6 of `sleep/mod.rs`.
    fn is_missed(&self) -> bool {
        let sleep = self.sleep();
        sleep.any_job_is_needed() && sleep.all_are_restricted(Some(self.index)) && self.sees_work()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
