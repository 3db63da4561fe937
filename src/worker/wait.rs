//! A worker that waits for something runs other work meanwhile; which, is decided here.
//!
//! # What a waiting worker runs
//! First what serves the wait: its own tasks, and what it can steal back from the worker that
//! runs what it waits for (*leapfrogging*: that is part of it). Then anybody's work. That foreign
//! work runs on top of the waiting frame, which cannot go on before it has ended; hence two
//! limits, both by *isolation tags* (`job::Header`):
//!
//! - **Inside a task that somebody may wait for by a handle**, a wait runs jobs of the same tag
//!   only, and, where it waits for a task by its handle, that and jobs of it. Otherwise it could
//!   run, on top of task A, a task that waits for A by its handle: a deadlock. With the limit,
//!   whatever stands on top of A is part of A or of what A waits for, and what waits for A is
//!   neither.
//! - **Deeper than [`MOST_FOREIGN`] jobs** on top of each other, the next job without a tag is
//!   given one of its own, with the same effect: from there on the stack grows by the work's own
//!   recursion only. So is any job inside a task with a tag that is no part of that, nor of what is
//!   waited for (pinned jobs, yields): what it belongs to may have another job that waits for this
//!   task.
//!
//! Waits of `join` and `scope` need no such limit to be free of deadlock: a frame waits only for
//! jobs that began after it, and what runs on top of a frame began after it, too; so along a
//! chain of waits the jobs get younger, and it cannot close to a cycle.
//!
//! A *pinned* job (of a broadcast) is for one worker alone, which runs it in any wait.
//!
//! # Other pools
//! A wait for another pool runs none of this pool's jobs but pinned ones and *guests*: what
//! workers of other pools ask this one for. So it begins none of the pool's other jobs. Guests are
//! 1. what a worker of another pool hands over and waits for (`install` and its like);
//! 2. the tasks that it spawns here, and all tasks of a scope for which it waits;
//! 3. tasks that it joins by their handles and that have not begun, by their tickets
//!    (`task/request.rs`).
//!
//! They have a queue of their own, and every wait sees to it, but for those of
//! `WaitPolicy::OwnDescendants` for their own pool. Where the limits above allow a guest on top of
//! the wait, the worker runs it there. Else it hands off its core (`hand_off.rs`) to a spare
//! thread, which runs guests and pinned jobs only; when there are none left, that one passes the
//! core on to a thread that waits without it. Where that must not be (see below), or no spare
//! thread can be had, the guest runs on top of the wait all the same.
//!
//! **No deadlock.** Consider waits that are never over. (Each is for a job, of this pool or
//! another.)
//! - *A job that is a guest has begun*: some worker of its pool waits, else one comes to the bottom
//!   of its stack, and either takes guests.
//! - *A job of one's own pool, for which a wait is that still has its core, has begun*: that wait
//!   could run it. A worker that waits for another pool keeps no tasks from it: it reinjects them
//!   before it sleeps. What stands in the way on the same stack, stands there by the limits above.
//! - *A thread that waits for its own pool may be without its core*: because another wanted the
//!   core back, or for a guest. What it waits for may then be any job which nobody else may run. So
//!   as long as there is such a thread, spare threads of its pool run any job, and where every
//!   worker is in a restricted wait and there is work, one hands off its core for that.
//!
//! So each such wait is for a job that has begun and waits in turn, and that is no cycle: by the
//! limits above, as in a single pool.
//!
//! What can still stop for ever:
//! - pools that wait for each other by locks, by channels, or by `is_finished` in a loop: such
//!   waits ask for nothing;
//! - where a guest stands on a wait that it should not be on, what it waits for may stand below it:
//!   with `OwnDescendants`, in pools with threads of the user's making, where no thread can be had,
//!   and where the pool has as many spare threads as it may. A dump tells of such a wait;
//! - `OwnDescendants`, where all workers of a pool wait for that pool and a guest comes.
//!
//! # Own descendants only
//! That is the default. A pool may be built for `WaitPolicy::OwnDescendants`: then a wait is served
//! by descendants of what it is for and by pinned jobs only. There everything that can be waited
//! for is the tag of what is inside it: the stolen side of a join, a scope, a task with a handle. A
//! job's tag, the tag of that, and so on, are its *ancestors* (`job::ancestors`). A wait for
//! another pool runs guests there, too, or two pools of one worker that wait for each other would
//! stop. No core is ever handed off: the thread that wants it back may want a lock that the holder
//! has, which keeps the core as long as it waits for work of its own.
//!
//! A worker that takes a job which it may not run *reinjects* it: gives it to the injector, where
//! every other looks. Most waits are over soon, and to reinject all that is queued in each of them
//! would make a chain of tasks cost the square of its length: so a look reinjects a few jobs only,
//! and the last one before the worker sleeps all others, unless the wait is over meanwhile. A
//! worker under such a limit is not woken for just any work, which it might not be able to run, but
//! for what has it among its ancestors (`sleep/mod.rs`).
//!
//! # What it is worth
//! What a row takes without it, as a multiple of what it takes with it: medians by
//! `benches/ablation/run`, on two shared virtual cores.
//!
//! | without | row | threads | time |
//! | --- | --- | ---: | ---: |
//! | `in-a-row`: own tasks without a look at all else | skynet of scopes | 2 | 1.14 |
//! |  | flat scope | 2 | 1.08 |
#![deny(unsafe_code)]

use super::Worker;
use super::idle::{ROUNDS, pause};
use crate::job::{NO_TAG, outcome};
use crate::latch::Wait;
use crate::sim;
use crate::sleep::{Kind, Look};
use crate::sync::Ordering;
use crate::worker::{JobRef, Tag};

/// How many foreign jobs may run on top of each other in waits. (A guess.)
const MOST_FOREIGN: u32 = 16;
/// How many jobs that it may not run a wait reinjects at a look, but for the last before it sleeps.
/// (A guess: few, as most waits are over soon, and what is reinjected comes behind all the rest.)
const MOST_REINJECTED: usize = 8;

impl Worker {
    /// Runs other work until `wait` is over; sleeps where there is none.
    pub(crate) fn wait_until(&self, wait: &impl Wait) {
        if !wait.done() {
            // What is waited for is written to frames below, and this thread may be away from its
            // core.
            outcome::run_or_abort(|| self.work_until(wait));
        }
    }

    fn work_until(&self, wait: &impl Wait) {
        self.flush_forks();
        let _awaits = sim::awaits(wait.elsewhere().unwrap_or(self.registry().address()));
        let outer = self.waits_for.load(Ordering::Relaxed);
        self.waits_for.store(wait.what().to_code(), Ordering::Relaxed);
        let mut searching = false;
        let mut round = 0;
        let mut hosting = Hosting::default();
        while !wait.done() {
            self.registry().abort_if_lost();
            sim::point();
            if self.is_wanted() {
                self.stop_searching_if(&mut searching);
                self.wait_off_core(wait, false);
                continue;
            }
            let found = self.find_in_wait(wait, searching, MOST_REINJECTED);
            if let Some(job) = found.or_else(|| self.guest_in_wait(wait, &mut hosting)) {
                self.stop_searching_if(&mut searching);
                self.run_in_wait(job, wait, || self.next_own_task(wait));
                round = 0;
            } else if round < ROUNDS {
                if wait.is_elsewhere() {
                    self.stop_searching_if(&mut searching);
                } else {
                    searching = searching || self.sleep().start_searching();
                }
                pause(round, || wait.done());
                round += 1;
            } else if self.may_run_any(wait) {
                searching = self.sleep_in_wait(wait, searching);
                round = 0;
            } else {
                self.stop_searching_if(&mut searching);
                searching = self.sleep_restricted(wait, &mut hosting);
            }
        }
        self.stop_searching_if(&mut searching);
        if hosting.is_refused {
            self.registry().count_refused_hand_off(false);
        }
        if hosting.passed_by && !self.registry().guests().is_empty() {
            self.registry().sleep().notify_of_guest();
        }
        self.waits_for.store(outer, Ordering::Relaxed);
    }

    fn stop_searching_if(&self, searching: &mut bool) {
        if std::mem::take(searching) {
            self.stop_searching();
        }
    }

    /// Runs one job that is in sight, whichever it is. Returns whether there was one.
    pub(crate) fn run_one(&self) -> bool {
        outcome::run_or_abort(|| self.make_way());
        // What runs on top has a tag of its own, and must not publish the caller's forks under it.
        self.flush_forks();
        let job = self.pop_pinned().or_else(|| self.newest_task());
        let job = job.or_else(|| self.stolen(|| false, Some)).or_else(|| self.guest());
        let job = job.or_else(|| self.injected());
        job.map(|job| self.run_on_top(job, |_| false, || None)).is_some()
    }

    /// Runs a job from the injector, if a caller from outside has waited for long: amid work that
    /// goes on for as long as it likes.
    #[inline]
    pub(crate) fn serve_late_callers(&self) {
        if self.registry().is_late() {
            self.serve_late_caller();
        }
    }

    #[cold]
    #[inline(never)]
    fn serve_late_caller(&self) {
        // Not on top of a task that the job may wait for.
        if !self.may_run_any_task() || self.jobs_on_stack() > MOST_FOREIGN {
            return;
        }
        self.flush_forks();
        if let Some(job) = self.injected() {
            self.run_on_top(job, |_| false, || None);
        }
    }

    /// Runs one job that is queued at this worker. Returns whether there was one.
    pub(crate) fn run_own(&self) -> bool {
        outcome::run_or_abort(|| self.make_way());
        self.flush_forks();
        let job = self.pop_pinned().or_else(|| self.newest_task());
        let job = job.or_else(|| self.newest_public_fork());
        job.map(|job| self.run_on_top(job, |_| false, || None)).is_some()
    }

    /// Runs a job on top of a frame that waits for `wait`, and then those that `next` gives. They
    /// may wait in turn, and so on: where this has used up its part of the stack, it goes on on a
    /// further one.
    #[inline]
    fn run_in_wait(&self, job: JobRef, wait: &impl Wait, next: impl Fn() -> Option<JobRef>) {
        self.run_in_place(|| self.run_on_top(job, |job| is_awaited(job, wait), next));
    }

    /// Runs a job on top of a frame that waits, and then those that `next` gives, one by one.
    #[inline]
    fn run_on_top(
        &self,
        mut job: JobRef,
        is_awaited: impl Fn(&JobRef) -> bool,
        next: impl Fn() -> Option<JobRef>,
    ) {
        let (jobs, tag) = (self.jobs.load(Ordering::Relaxed), self.tag());
        let waits_for = self.waits_for.load(Ordering::Relaxed);
        self.jobs.store(jobs + 1, Ordering::Relaxed);
        self.waits_for.store(0, Ordering::Relaxed);
        loop {
            let own_tag = Tag::new(job.tag());
            let is_foreign = match job.tag() {
                NO_TAG => jobs > MOST_FOREIGN || tag != NO_TAG,
                other => tag != NO_TAG && other != tag && !is_awaited(&job),
            };
            self.enter_tag(if is_foreign { own_tag.address() } else { job.tag() });
            self.execute(job);
            self.leave_tag(tag);
            match next() {
                Some(another) => job = another,
                None => break,
            }
        }
        self.jobs.store(jobs, Ordering::Relaxed);
        self.waits_for.store(waits_for, Ordering::Relaxed);
    }

    /// What a wait that goes on runs after one of this worker's tasks, unless a thread may want the
    /// core.
    #[inline]
    fn next_own_task(&self, wait: &impl Wait) -> Option<JobRef> {
        sim::point();
        let stops = wait.done() || wait.is_elsewhere() || self.threads_off() > 0;
        if stops { None } else { self.own_task(wait, MOST_REINJECTED) }
    }

    /// A job to run, if one is in sight: of this pool, or pinned; in a wait for another pool, only
    /// pinned ones. Of its own tasks, and of those in the injector, this worker reinjects no more
    /// than `most` that it may not run.
    fn find_in_wait(&self, wait: &impl Wait, searching: bool, most: usize) -> Option<JobRef> {
        if wait.is_elsewhere() {
            return self.pop_pinned();
        }
        let guest = || if self.may_run_any(wait) { self.guest() } else { None };
        self.own_task(wait, most).or_else(|| self.leapfrog(wait)).or_else(guest).or_else(|| {
            if searching || !self.may_run_any(wait) { self.foreign(wait, most) } else { None }
        })
    }

    /// A guest that may stand on top of this wait.
    fn guest_in_wait(&self, wait: &impl Wait, hosting: &mut Hosting) -> Option<JobRef> {
        if self.waits_for_own_work() && !wait.is_elsewhere() {
            return self.own_guest(wait);
        }
        let job = self.guest()?;
        if self.may_host(&job, wait) || !self.may_hand_off(hosting) {
            return Some(job);
        }
        // Before it sleeps, it hands off its core for this one.
        self.registry().guests().push(job);
        hosting.passed_by = true;
        None
    }

    /// Whether a wait may hand off its core for work in sight: not where waits are served by their
    /// own descendants only.
    fn may_hand_off(&self, hosting: &Hosting) -> bool {
        !hosting.is_refused && !self.waits_for_own_work()
    }

    /// A guest that is a descendant of what is waited for.
    fn own_guest(&self, wait: &impl Wait) -> Option<JobRef> {
        let guests = self.registry().guests();
        (0..guests.len()).find_map(|_| {
            let job = self.guest()?;
            if self.may_run(&job, wait) {
                return Some(job);
            }
            self.registry().reinject_guest(job);
            None
        })
    }

    /// Whether a guest may stand on top of this wait: as any job in a wait for this pool.
    fn may_host(&self, job: &JobRef, wait: &impl Wait) -> bool {
        let is_free = self.tag() == NO_TAG && self.jobs_on_stack() <= MOST_FOREIGN;
        is_free || self.may_run_any(wait) || self.tag() == job.tag() || is_awaited(job, wait)
    }

    /// The newest of this worker's tasks that it may run, or, if there is none, a job pinned to it;
    /// now and then pinned jobs and those from outside first, so that neither can starve. What it
    /// may not run is left to other workers.
    #[inline]
    fn own_task(&self, wait: &impl Wait, most: usize) -> Option<JobRef> {
        if self.looks_elsewhere() {
            let guest = || if self.may_run_any(wait) { self.guest() } else { None };
            let job = self.pop_pinned().or_else(guest);
            if let Some(job) = job.or_else(|| self.accept(self.submitted()?, wait)) {
                return Some(job);
            }
        }
        self.accept_one(wait, most, || self.newest_task()).or_else(|| self.pop_pinned())
    }

    /// A fork of the worker that runs what is waited for.
    fn leapfrog(&self, wait: &impl Wait) -> Option<JobRef> {
        let runner = wait.runner().filter(|&runner| runner != self.index)?;
        let job = self.steal_fork(&self.registry().workers()[runner], || wait.done())?;
        self.accept(job, wait)
    }

    fn foreign(&self, wait: &impl Wait, most: usize) -> Option<JobRef> {
        if let Some(job) = self.stolen(|| wait.done(), |job| self.accept(job, wait)) {
            return Some(job);
        }
        // What a worker hides has the tag within which it runs (whose own ancestors others cannot
        // see).
        let may_have = |other: &Worker| {
            let tag = other.tag();
            let any = self.waits_for_own_work() || self.may_run_any(wait);
            !wait.done() && (any || tag == self.tag() || wait.tag() == Some(tag))
        };
        if let Some(job) = self.forced(may_have, |job| self.accept(job, wait)) {
            return Some(job);
        }
        let most = self.registry().injector().len().min(most);
        self.accept_one(wait, most, || self.injected()).or_else(|| self.own_fork(wait))
    }

    /// The first of the jobs that `next` gives which this worker may run. Those before it, `most`
    /// at most, and none once the wait is over, are reinjected.
    #[inline]
    fn accept_one(
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
        self.tag() == job.tag() || is_awaited(job, wait)
    }

    fn may_run_any(&self, wait: &impl Wait) -> bool {
        !wait.is_elsewhere() && self.may_run_any_task()
    }

    /// The job, or `None` if this worker may not run it now: then it is the injector's.
    fn accept(&self, job: JobRef, wait: &impl Wait) -> Option<JobRef> {
        if self.may_run(&job, wait) {
            return Some(job);
        }
        self.registry().reinject(job);
        None
    }

    /// Parks until work or the wait's end is in sight. Returns whether this worker is counted
    /// as a searcher.
    fn sleep_in_wait(&self, wait: &impl Wait, searching: bool) -> bool {
        if !wait.ask_wake() {
            return searching;
        }
        self.counters.parks.count();
        let sleep = self.sleep();
        // The holder of a busy core is never turned away.
        let _ = sleep.announce(self.index, Kind::Blocked, searching, true);
        let looks = || wait.done() || self.is_wanted();
        let over = looks() || self.announce_and_look() || looks();
        if !(over && sleep.leave(self.index, Kind::Blocked)) {
            sleep.sleep(
                self.index,
                Kind::Blocked,
                || if wait.done() { Look::Work } else { self.watch() },
                || wait.done() || self.announce_and_look_hard(),
            );
            self.counters.wakes.add(1);
        }
        true
    }

    /// Like `sleep_in_wait`, for a worker that may run only some of the work. Looking is not
    /// enough for it: it has to take a job to know.
    fn sleep_restricted(&self, wait: &impl Wait, hosting: &mut Hosting) -> bool {
        if wait.is_elsewhere() {
            self.reinject_tasks();
        }
        if !wait.ask_wake() {
            return false;
        }
        self.counters.parks.count();
        let sleep = self.sleep();
        if wait.is_elsewhere() {
            sleep.announce_restricted(self.index, [None, None], true);
        } else {
            // A waiter for its own work only must not be woken for what it would reinject at once.
            let own = (!self.waits_for_own_work()).then(|| self.tag());
            sleep.announce_restricted(self.index, [own, wait.tag()], own.is_some());
            // What is in sight may all be for others, and what it may run be hidden.
            self.announce_and_look();
            self.look_behind();
        }
        let looks = || wait.done() || self.is_wanted();
        let is_over = looks();
        let mut job = if is_over { None } else { self.find_in_wait(wait, true, usize::MAX) };
        let mut leaves = false;
        if !is_over && job.is_none() {
            job = self.guest_in_wait(wait, hosting);
            let is_called = hosting.passed_by && !self.registry().guests().is_empty();
            leaves = job.is_none() && self.may_hand_off(hosting) && (is_called || self.is_missed());
        }
        let again = !wait.is_elsewhere() && self.is_to_force();
        let mut woken = if job.is_some() || leaves || again || looks() {
            !sleep.leave_restricted(self.index)
        } else {
            sleep.sleep_restricted(self.index);
            self.counters.wakes.add(1);
            true
        };
        if let Some(job) = job {
            self.stop_searching_if(&mut woken);
            self.run_in_wait(job, wait, || None);
        } else if leaves {
            self.stop_searching_if(&mut woken);
            if !self.wait_off_core(wait, true) {
                hosting.is_refused = true;
                self.registry().count_refused_hand_off(true);
            }
        }
        woken
    }

    /// Whether there is work that a thread without a core may need, and no worker that could run it
    /// once this wait is restricted.
    fn is_missed(&self) -> bool {
        let sleep = self.sleep();
        sleep.some_wait_off() && sleep.all_are_restricted() && self.announce_and_look()
    }
}

/// How a wait deals with guests that must not run on top of it.
#[derive(Default)]
struct Hosting {
    /// That the core could not be handed off: then they run there all the same.
    is_refused: bool,
    /// That it has seen one which others are to run.
    passed_by: bool,
}

/// Whether the job is what is waited for, or part of it.
fn is_awaited(job: &JobRef, wait: &impl Wait) -> bool {
    wait.tag().is_some_and(|it| it == job.tag() || it == job.address())
}
