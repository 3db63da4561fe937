//! What a worker runs while it waits, and why that cannot deadlock.
//!
//! # States
//! A wait is one of three kinds:
//! - *Free*: it may run any job. The worker first takes its own tasks, then pinned jobs, then a
//!   fork of the worker that runs what it waits for (*leapfrogging*), then others. (The wait counts
//!   as restricted while another thread waits without this core: lemma 2 of `hand_off.rs`.)
//! - *Restricted*: it may run only jobs with the isolation tag that the worker runs under at that
//!   point (`job::Header`). A wait for a task's handle may also run that task, and the jobs whose
//!   tag is that task. The wait at the end of a scope may also run the tasks that
//!   `spawn_for_others` has queued. A wait inside a task that has a handle is restricted.
//! - *For another pool*: of this pool's jobs, it runs only pinned ones and *cross-pool jobs*.
//!
//! A wait for a completer (`task/completer.rs`) is *external*: any job may be what ends it. It is
//! free or restricted like others. If it is restricted, the waiter hands off its core before it
//! sleeps, even if there is no work yet. In a pool that has ended, no thread would take the core.
//! There the waiter runs any job, and sleeps as in a free wait.
//!
//! A *pinned* job (of a broadcast or a gang) is for one worker alone.
//!
//! A *cross-pool job* is a job that a thread W of another pool asks this pool to run:
//! 1. a job that W hands over and waits for (`install` and similar calls);
//! 2. a task that W spawns in this pool, and each task of a scope for which W waits;
//! 3. a task that W joins by its handle before the task has begun. W sends a request for it
//!    (`task/request.rs`).
//!
//! Cross-pool jobs have queues of their own, one for each priority. Every wait looks at the first
//! jobs of these and at the worker's first pinned job. (Under `WaitPolicy::OwnDescendants`, a wait
//! for the worker's own pool takes only cross-pool jobs that are descendants of what it waits for.)
//! If the rules for other jobs allow such a job to run on top of the wait, the worker runs it
//! there. If not, the job stays in its place, since jobs of one spawner begin in order. The worker
//! then hands off its core to a spare thread (`hand_off.rs`) before it sleeps. For a pinned job,
//! which no other worker can run, it also does so after every `injector_interval` other jobs. The
//! spare thread runs such jobs, and then passes the core on to a thread that waits without it.
//!
//! # Invariant
//! If a frame waits inside a task A that has a handle, every job on top of that frame is part of A,
//! or part of what A waits for. A job gets a tag of its own in four cases:
//! - It runs on top of a frame without a tag, and more than `MOST_STACKED` jobs are on top of each
//!   other. From there on the stack grows only by the recursion of that job's own work.
//! - It runs on top of a task with a tag without being part of that task: `yield_now` runs it, or
//!   the core cannot be handed off for it. With its old tag, its waits might run a job that waits
//!   for that task.
//! - It begins at the bottom of a stack, on a core that another thread waits for (lemma 2 of
//!   `hand_off.rs`). What it waits for then keeps no unrelated job on that stack.
//! - A detached task or a handler of another pool hands it over and waits for it. A drop of that
//!   pool waits for the task or handler as if by a handle (`job::AWAITED_BY_END`).
//!
//! # Lemmas
//! 1. *Waits of `join` and `scope` do not deadlock.* A frame waits only for jobs that began after
//!    it, and what runs on top of a frame began after it. So along a chain of waits the jobs get
//!    younger, and the chain cannot close to a cycle.
//! 2. *Waits for handles do not deadlock.* A task on top of A that waits for A would be such a
//!    cycle. By the invariant, what is on top of A is part of A or of what A waits for. What waits
//!    for A is neither. This also holds for each poll of a future that A waits for, since a poll
//!    that is queued or has begun ends before the future does. A job that drops a pool likewise
//!    waits for all of that pool's tasks. The jobs that these tasks give other pools have tags.
//! 3. *A job that a thread waits for begins.*
//!    - A cross-pool job: some worker of its pool waits, or returns to the bottom of its stack. In
//!      either case that worker takes cross-pool jobs. Likewise a pinned job, for its worker.
//!    - A job of the waiter's own pool, if the waiter has its core: the waiter itself can run it.
//!      A worker that waits for another pool reinjects its own tasks before it sleeps.
//!    - A job of the waiter's own pool, if the waiter is without its core: another thread wanted
//!      the core back, or has it for a cross-pool job. The waiter gets the core and runs the job
//!      itself (lemma 3 of `hand_off.rs`). It knows the job by its address or its tag. The tasks of
//!      a scope whose wait is free have the scope's own tag for that until they begin.
//!    - An external wait may need any job. If it is free, it runs any. If not, the waiter hands off
//!      its core. Model: `a_job_that_completes_finds_a_worker`. While there is such a waiter, spare
//!      threads run any job; and if all workers are in restricted waits and there is work, one of
//!      them hands off its core to a thread that does the work. The same holds while a thread
//!      without its core is in `blocking`, or a thread of another pool joins a future of this one.
//! 4. *Waits between pools do not deadlock.* By 3, a wait that is never over is for a job that has
//!    begun and waits in turn. As in 1 and 2, such waits form no cycle.
//!
//! loom cannot run unbounded chains of waits. The tests `waiting`, `chains` and `hand_off` do, on
//! deterministic pools, seed by seed.
//!
//! These can still wait for ever:
//! - pools that wait for each other by locks, channels, completers or `block_on`, or by
//!   `is_finished` in a loop, since such waits ask for nothing;
//! - a job that runs on top of a frame and waits for a completer that only this frame would
//!   complete, just as for a lock that the frame holds;
//! - with `OwnDescendants`, a wait for a completer that only a task of the same pool would
//!   complete, if all workers wait;
//! - a cross-pool job or a pinned job that runs on top of a wait where it should not, because the
//!   core cannot be handed off: with `OwnDescendants`, in a pool whose threads the user starts, if
//!   the system refuses to start a thread, or if the limit of spare threads is reached. A dump
//!   reports such a wait. A gang's member that waits at a barrier waits as for another pool, so
//!   with `OwnDescendants` a cross-pool job that joins the task of the gang may run on top of it;
//! - a task that has handed off its core, if a job that runs on the core meanwhile blocks, by a
//!   lock or a channel, until the task goes on. Such a job may be a pinned or a cross-pool job, one
//!   that goes on after `blocking`, or one that `yield_now` runs. It may be any job if the wait is
//!   external, or if all workers are in restricted waits while a thread is in `blocking`, in an
//!   external wait without its core, or in another pool where it joins a future of this one;
//! - at the limit of spare threads, a thread without its core, if all workers are in
//!   restricted waits: no core can be handed off for the job that the thread waits for (lemma 3);
//! - with `OwnDescendants`, a cross-pool job of a pool whose workers all wait for that pool;
//! - a job that drops a pool, on top of work for which an exit handler of that pool waits, or the
//!   destructor of a thread-local of one of its threads.
//!
//! # `WaitPolicy::OwnDescendants`
//! In such a pool a wait runs only descendants of what it waits for, and pinned jobs. Everything
//! that can be waited for has a tag there: the stolen side of a join, a scope, a task with a
//! handle. A job's *ancestors* are its tag, the tag of that tag, and so on (`job::ancestors`). A
//! wait for another pool also runs cross-pool jobs. Without that, two pools of one worker each
//! would stop if they wait for each other. No core is handed off for work: the thread that wants
//! its core back may need a lock that the core's holder has, and the holder keeps the core as long
//! as it waits for its own work.
//!
//! A worker that takes a job which it may not run *reinjects* it: it gives the job to the injector,
//! where every worker looks. If each wait reinjected everything that is queued, a chain of tasks
//! would take quadratic time. So a look reinjects only a few jobs. The last look before the worker
//! sleeps reinjects all others, unless the wait is over.
//!
//! # What it is worth
//! A row's time without a mechanism, divided by its time with it: medians by
//! `benches/ablation/run`, on two shared virtual cores.
//!
//! | without | row | threads | time |
//! | --- | --- | ---: | ---: |
//! | `in-a-row`: own tasks run one after the other | skynet of scopes | 2 | 1.14 |
//! |  | flat scope | 2 | 1.08 |
#![deny(unsafe_code)]

use super::Worker;
use super::find::Aside;
use super::hand_off::HandOffFor;
use super::idle::{FEWEST_ROUNDS, pause};
use super::on_top::is_awaited;
use super::shared::ROUNDS;
use super::times::Activity;
use crate::job::{NO_TAG, Priority, outcome};
use crate::latch::{EXTERNAL, Wait};
use crate::sim;
use crate::sleep::{Kind, Look};
use crate::sync::Ordering;
use crate::worker::JobRef;

/// The most jobs that a wait reinjects in one look, except in the last before it sleeps. (A guess.
/// It is low because most waits are short, and a reinjected job is queued behind all others.)
const MOST_REINJECTED: usize = 8;

impl Worker {
    /// Runs other work until `wait` is over, and sleeps if there is none.
    pub(crate) fn wait_until(&self, wait: &impl Wait) {
        if !wait.done() {
            // A panic must not unwind out of frames that a thief writes to, or while this thread is
            // without its core.
            outcome::run_or_abort(|| self.work_until(wait));
        }
    }

    fn work_until(&self, wait: &impl Wait) {
        self.flush_forks();
        let external = wait.is_external().then_some(EXTERNAL);
        let pool = wait.other_pool().or(external).unwrap_or(self.registry().address());
        let _awaits = sim::awaits(pool);
        let outer = self.waits_for();
        self.set_waits_for(Some(wait.what()));
        let (mut round, mut rounds, mut jobs) = (0, ROUNDS, 0);
        let mut is_refused = false;
        while !wait.done() {
            self.registry().abort_if_lost();
            sim::point();
            if self.is_wanted() {
                self.stop_searching();
                self.wait_off_core(wait, HandOffFor::Returning);
            } else if jobs >= self.registry().settings.injector_interval && self.has_left(wait) {
                jobs = 0;
                self.serve_pinned(wait, &mut is_refused);
            } else if let Some(job) = self.job_in_wait(wait, round < rounds, is_refused) {
                self.stop_searching();
                let takes_any = self.may_run_any(wait);
                self.run_in_wait(job, wait, || self.next_own_task(wait, takes_any));
                (round, rounds, jobs) = (0, (rounds * 2).min(ROUNDS), jobs.saturating_add(1));
            } else if round < rounds {
                self.pause_in_wait(wait, round);
                round += 1;
            } else if self.may_run_any(wait) {
                self.sleep_in_wait(wait);
                // Each sleep shortens the next look of this wait, and each job that is found makes
                // it longer. (With equal looks, and a sentry where nobody forks, a bridge over a
                // channel takes 1.2 times the processor time.)
                (round, rounds) = (0, (rounds / 2).max(FEWEST_ROUNDS));
            } else if self.is_alone_in(wait) {
                self.stop_searching();
                // Any job wakes it, and then the next round runs that job.
                if !self.run_one_in_place() {
                    self.sleep_in_wait(wait);
                }
            } else {
                self.stop_searching();
                self.sleep_restricted(wait, &mut is_refused);
            }
        }
        self.stop_searching();
        if is_refused {
            self.registry().counts.refused_hand_offs.fetch_sub(1, Ordering::Relaxed);
        }
        self.set_waits_for(outer);
    }

    /// Spins or yields in a round without a job. If the wait is for this pool, the worker searches.
    fn pause_in_wait(&self, wait: &impl Wait, round: u32) {
        let sleep = self.sleep();
        if wait.is_for_other_pool() {
            self.stop_searching();
        } else if !sleep.is_searcher(self.index) && sleep.start_searching(self.index) {
            self.note_search(true);
        }
        pause(round, || wait.done());
    }

    /// Finds a job for this wait, of a lower priority only if the worker would sleep otherwise.
    #[inline]
    fn job_in_wait(&self, wait: &impl Wait, looks_on: bool, is_refused: bool) -> Option<JobRef> {
        let found = self.find_in_wait(wait, MOST_REINJECTED, is_refused);
        let found = found.or_else(|| self.cross_job_in_wait(wait, is_refused));
        found.or_else(|| if looks_on { None } else { self.lower_in_wait(wait) })
    }

    /// Returns the next of this worker's tasks that the wait may run. If `takes_any`, the wait may
    /// run every task. Returns `None` if the wait is over, a thread may want the core, or the wait
    /// has left a pinned job in its queue.
    #[inline]
    fn next_own_task(&self, wait: &impl Wait, takes_any: bool) -> Option<JobRef> {
        sim::point();
        let ends = wait.done() || wait.is_for_other_pool() || self.threads_off() > 0;
        if ends || !takes_any && self.has_left(wait) {
            return None;
        }
        self.own_task(wait, MOST_REINJECTED, takes_any)
    }

    /// Whether the wait seems to have left a pinned job in its queue.
    fn has_left(&self, wait: &impl Wait) -> bool {
        self.sees_pinned() && !self.may_run_any(wait)
    }

    /// Finds a job of this pool that the wait may run. In a wait for another pool, that is a pinned
    /// job. Reinjects the jobs that it may not run: at most `most` of the worker's own tasks, and
    /// as many from the injector.
    pub(super) fn find_in_wait(
        &self,
        wait: &impl Wait,
        most: usize,
        is_refused: bool,
    ) -> Option<JobRef> {
        if wait.is_for_other_pool() {
            return self.pinned_in_wait(wait, is_refused);
        }
        let own = self.own_task(wait, most, false);
        own.or_else(|| self.pinned_in_wait(wait, is_refused))
            .or_else(|| self.leapfrog(wait))
            .or_else(|| self.normal_cross_job(wait))
            .or_else(|| {
                let searches = self.sleep().is_searcher(self.index) || !self.may_run_any(wait);
                if searches { self.foreign(wait, most) } else { None }
            })
    }

    /// Whether the wait may need any job of a pool that has ended, which no spare thread will run.
    /// (The caller is a guest, or has taken over from one.)
    fn is_alone_in(&self, wait: &impl Wait) -> bool {
        wait.is_external() && !self.waits_for_own_work() && self.registry().has_ended()
    }

    /// Takes a cross-pool job of normal priority, if this wait may run any.
    fn normal_cross_job(&self, wait: &impl Wait) -> Option<JobRef> {
        if self.may_run_any(wait) { self.cross_job_of(Priority::Normal) } else { None }
    }

    /// Takes the newest of this worker's tasks that it may run. If `takes_any`, it may run every
    /// task. Every so often it takes injected jobs first, or if it may run any, pinned jobs and
    /// cross-pool jobs, so that these do not starve. Reinjects jobs that it may not run.
    #[inline(always)]
    fn own_task(&self, wait: &impl Wait, most: usize, takes_any: bool) -> Option<JobRef> {
        match self.looks_aside() {
            Aside::Nowhere if takes_any => self.newest_task(),
            Aside::Nowhere => self.own_newest_task(wait, most),
            Aside::FromOutside => self.own_normal_task(wait, most, true),
            Aside::ByPriority { from_outside } => {
                self.own_task_by_priority(wait, most, from_outside)
            }
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn own_normal_task(
        &self,
        wait: &impl Wait,
        most: usize,
        from_outside: bool,
    ) -> Option<JobRef> {
        if from_outside {
            let any = || self.pop_pinned().or_else(|| self.cross_job_of(Priority::Normal));
            let job = if self.may_run_any(wait) { any() } else { None };
            if let Some(job) = job.or_else(|| self.accept(self.submitted()?, wait)) {
                return Some(job);
            }
        }
        self.own_newest_task(wait, most)
    }

    #[inline]
    fn own_newest_task(&self, wait: &impl Wait, most: usize) -> Option<JobRef> {
        self.accept_one(wait, most, || self.newest_task())
    }

    /// Steals a fork of the worker that runs what is awaited.
    fn leapfrog(&self, wait: &impl Wait) -> Option<JobRef> {
        let runner = wait.runner().filter(|&runner| runner != self.index)?;
        let job = self.steal_fork(&self.registry().workers()[runner], || wait.done())?;
        self.accept(job, wait)
    }

    /// Finds a job that the wait may run at other workers, in the injector, or among this worker's
    /// public forks.
    fn foreign(&self, wait: &impl Wait, most: usize) -> Option<JobRef> {
        if let Some(job) = self.stolen(|| wait.done(), |job| self.accept(job, wait)) {
            return Some(job);
        }
        // A worker's private forks have the tag of the job that it runs. (Other threads cannot look
        // at that job's ancestors, which may end at any time.)
        let may_have = |other: &Worker| {
            let tag = other.tag();
            let any = self.waits_for_own_work() || self.may_run_any(wait);
            !wait.done() && (any || tag == self.tag() || wait.tag() == Some(tag))
        };
        if let Some(job) = self.forced(may_have, |job| self.accept(job, wait)) {
            return Some(job);
        }
        let (all, most) = (most, self.registry().injector.len().min(most));
        let job = self.accept_one(wait, most, || self.injected());
        job.or_else(|| self.own_fork(wait)).or_else(|| self.foreign_of_class(wait, all))
    }

    /// Returns the first job from `next` that this worker may run. Reinjects those before it, at
    /// most `most`, and none once the wait is over.
    #[inline(always)]
    pub(super) fn accept_one(
        &self,
        wait: &impl Wait,
        most: usize,
        next: impl Fn() -> Option<JobRef>,
    ) -> Option<JobRef> {
        for _ in 0..most {
            if let Some(job) = self.accept(next()?, wait) {
                return Some(job);
            }
            if wait.done() {
                break;
            }
        }
        None
    }

    pub(super) fn may_run(&self, job: &JobRef, wait: &impl Wait) -> bool {
        if self.may_run_any(wait) {
            return true;
        }
        if self.waits_for_own_work() {
            return wait.tag().is_some_and(|tag| job.ancestors().any(|above| above == tag));
        }
        let is_part = job.tag() != NO_TAG && self.tag() == job.tag();
        is_part || job.is_empty() || is_awaited(job, wait)
    }

    pub(super) fn may_run_any(&self, wait: &impl Wait) -> bool {
        !wait.is_for_other_pool() && self.may_run_any_task()
    }

    /// Returns the job, or reinjects it if this worker may not run it now.
    #[inline]
    pub(super) fn accept(&self, job: JobRef, wait: &impl Wait) -> Option<JobRef> {
        if self.may_run(&job, wait) {
            return Some(job);
        }
        self.registry().queue_injected(job);
        None
    }

    /// Whether a worker that is about to sleep in this wait must stay awake.
    pub(super) fn must_leave(&self, wait: &impl Wait) -> bool {
        wait.done() || self.is_wanted()
    }

    /// Parks until there is work or the wait is over. Then this worker is a searcher.
    fn sleep_in_wait(&self, wait: &impl Wait) {
        if !wait.register_waker() {
            return;
        }
        self.counters.parks.count();
        let look = |moment| if self.must_leave(wait) { Look::Work } else { self.look(moment) };
        let commit = || self.note(Activity::Blocked);
        let watches = self.may_watch();
        let parked = self.sleep().park(self.index, Kind::Blocked, watches, look, commit);
        self.counters.wakes.add(parked.into());
        self.note_awake(true);
    }
}
