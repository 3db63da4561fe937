//! Finding work: in the worker's own queues, in those of other workers, and in the injector.
//!
//! # What it is worth
//! A row's time without a mechanism, divided by its time with it: medians by
//! `benches/ablation/run`, on two shared virtual cores.
//!
//! | without | row | threads | time | CPU time |
//! | --- | --- | ---: | ---: | ---: |
//! | `theft-delay` | scopes of three tasks | 2 | 2.25 | – |
//! |  | two nested joins of empty closures | 2 | 1.93 | – |
//! |  | nested loops, 100 of 1,000 | 2 | 1.42 | – |
//! | `leaves-one`: the only task left | chain of tasks | 2 | 1.46 | – |
//! | `woken-two`: a second one woken | scope of 16 that sleep | 16 | 1.07 | 1.34 |
//! | `silence`: a look for silent owners | join tree of 16 that sleep | 16 | 1.07 | 1.24 |

#![deny(unsafe_code)]

use super::shared::{IS_LATE, JobRef, USES_PRIORITIES, Worker};
use crate::job::{ANY_TAG, NO_TAG, Priority};
use crate::latch::Wait;
use crate::os::clock::{TICKS_PER_MICROSECOND, ticks};
use crate::queue::{TaskQueue, until_sure};
use crate::sim;
use crate::sleep::{Look, Moment};
use crate::sync::{AtomicUsize, Ordering, spin_loop, spin_or_yield};

/// About what a steal costs the owner and the thief. A thief whose last stolen job ran for less
/// delays its steals: it takes only a fork that stays public for that long. (With 2 us, a scope of
/// two tasks of 1 us takes 1.3 times as long on two threads.)
const STEAL_COST: u64 = TICKS_PER_MICROSECOND;
/// The most steals in a row that such a thief skips. (Where every fork is public, an owner that
/// forks often publishes more forks during `lasts` than are public at its end. Without this bound,
/// a tree sum of 1,023 nodes takes 2.0 times as long there, on two threads.)
const MOST_FORKS_SKIPPED: u32 = 32;
/// How many times in a row such a thief leaves a victim its only task, each time after a wait that
/// may be a microsecond longer.
const MOST_TASKS_SKIPPED: u32 = if cfg!(loom) { 0 } else { 8 };

/// Where a worker looks for work before it takes its own newest task.
#[must_use]
pub(super) enum Aside {
    Nowhere,
    /// At pinned jobs, cross-pool jobs and the injector, so that they do not starve.
    FromOutside,
    /// At jobs of high or low priority: see `priorities.rs`.
    ByPriority {
        /// Whether `FromOutside` comes before the worker's own tasks of normal priority.
        from_outside: bool,
    },
}

impl Worker {
    /// Finds a job for the main loop: own tasks, pinned jobs, cross-pool jobs, the injector, the
    /// queues of others; or in another order, if `looks_aside` says so.
    pub(super) fn find(&self) -> Option<JobRef> {
        match self.looks_aside() {
            Aside::Nowhere => self.newest_task().or_else(|| self.find_beyond_own()),
            Aside::FromOutside => self.find_normal(true),
            Aside::ByPriority { from_outside } => self.find_by_priority(from_outside),
        }
    }

    /// Finds a job of normal priority, or a fork that is not of low priority.
    pub(super) fn find_normal(&self, from_outside: bool) -> Option<JobRef> {
        if from_outside {
            let normal = || self.cross_job_of(Priority::Normal).or_else(|| self.submitted());
            let job = self.pop_pinned().or_else(normal);
            if job.is_some() {
                return job;
            }
        }
        self.newest_task().or_else(|| self.find_beyond_own())
    }

    fn find_beyond_own(&self) -> Option<JobRef> {
        self.registry().abort_if_lost();
        self.pop_pinned()
            .or_else(|| self.cross_job_of(Priority::Normal))
            .or_else(|| self.injected_batch())
            .or_else(|| self.stolen(|| false, Some))
            .or_else(|| self.forced(|_| true, Some))
    }

    /// Returns where to look before the own tasks.
    #[inline]
    pub(super) fn looks_aside(&self) -> Aside {
        let left = self.looks_left.get().checked_sub(1);
        self.looks_left.set(left.unwrap_or_else(|| self.registry().settings.injector_interval - 1));
        // Relaxed: see `Registry::uses_priorities`. A late caller repeats its request.
        let signals = self.registry().signals.load(Ordering::Relaxed);
        let from_outside = left.is_none() || signals & IS_LATE != 0;
        match (signals & USES_PRIORITIES != 0, from_outside) {
            (true, from_outside) => Aside::ByPriority { from_outside },
            (false, true) => Aside::FromOutside,
            (false, false) => Aside::Nowhere,
        }
    }

    /// Takes the newest of this worker's tasks, else the oldest that it has fetched from the
    /// injector.
    #[inline]
    pub(super) fn newest_task(&self) -> Option<JobRef> {
        self.tasks.pop(|| self.share_rest())
    }

    /// Takes the oldest job from outside: from the injected batch, else from the injector. (In a
    /// pool that runs tasks in order, the injected batch is among the worker's tasks.)
    pub(super) fn submitted(&self) -> Option<JobRef> {
        let fetched = if self.runs_in_order() { None } else { self.tasks.pop_from_outside() };
        fetched.or_else(|| self.injected())
    }

    pub(super) fn pop_pinned(&self) -> Option<JobRef> {
        self.pop_pinned_if(|_| true)
    }

    /// Takes the first pinned job, if `may_take` returns `true` for it.
    pub(super) fn pop_pinned_if(&self, may_take: impl Fn(&JobRef) -> bool) -> Option<JobRef> {
        self.pinned.pop_if(1, &may_take).or_else(|| self.pop_stray_pinned(may_take))
    }

    pub(super) fn cross_job_of(&self, priority: Priority) -> Option<JobRef> {
        self.registry().cross_jobs_of(priority).pop_if(1, |_| true)
    }

    pub(super) fn injected(&self) -> Option<JobRef> {
        let injector = &self.registry().injector;
        if injector.is_empty() {
            self.registry().withdraw_request();
            return None;
        }
        until_sure(|| injector.steal())
    }

    fn injected_batch(&self) -> Option<JobRef> {
        let injector = &self.registry().injector;
        if injector.is_empty() {
            return None;
        }
        let first = self.tasks.steal_injected(injector);
        self.share_rest();
        first
    }

    /// Steals from other workers: the [`root`](Self::root), then the others from a random one on.
    /// Prefers a fork to a task, since the fork's owner will wait for it. Returns the first job
    /// that `accept` returns. Stops if `is_over`.
    #[inline]
    pub(super) fn stolen(
        &self,
        is_over: impl Fn() -> bool,
        accept: impl Fn(JobRef) -> Option<JobRef>,
    ) -> Option<JobRef> {
        let uses_priorities = self.registry().uses_priorities();
        let steal_fork = |victim| match uses_priorities && self.passes_by(victim) {
            true => None,
            false => self.steal_fork(victim, &is_over),
        };
        let steal_task = |victim| if is_over() { None } else { self.steal_task(victim, &is_over) };
        let root = self.root();
        let others = self.others().filter(|other| root.is_none_or(|it| it.index != other.index));
        root.into_iter().chain(others).find_map(|victim| {
            let job = steal_fork(victim).or_else(|| steal_task(victim))?;
            accept(job)
        })
    }

    /// Steals a fork of `victim`, or asks it to publish.
    pub(super) fn steal_fork(&self, victim: &Worker, is_over: impl Fn() -> bool) -> Option<JobRef> {
        if victim.forks.is_empty() {
            victim.ask_for_forks();
            return None;
        }
        if self.delays_steals() && !self.lasts(victim, is_over) {
            return None;
        }
        self.forks_skipped.set(0);
        let stolen = self.count_steal(until_sure(|| victim.forks.steal()));
        if victim.forks.took_one() {
            self.registry().note_closed_gate();
        }
        let stolen = stolen?;
        // If its owner does not fork again, a private fork needs a worker that forces it: lemma 12
        // of `queue/join_queue.rs`. (A searcher looks when it stops searching.)
        if self.sleep().lacks_searchers() && self.registry().finds_hidden() {
            self.sleep().notify_from_worker(NO_TAG);
        }
        Some(stolen)
    }

    /// Waits for a moment. Returns whether a fork of `victim` has stayed public meanwhile. If its
    /// owner takes the fork back sooner, the fork is too short to be worth a steal, and the next
    /// ones may be as well. (The owner may also take back a long fork soon. So after some skipped
    /// steals this returns `true` at once.)
    fn lasts(&self, victim: &Worker, is_over: impl Fn() -> bool) -> bool {
        let skipped = self.forks_skipped.get();
        if skipped == MOST_FORKS_SKIPPED {
            return true;
        }
        let (published, start) = (victim.forks.published(), ticks());
        while ticks().wrapping_sub(start) < STEAL_COST {
            if is_over() {
                return false;
            }
            // No look at the queue: it would slow the owner down.
            spin_loop();
        }
        // The owner takes back its newest fork first, so if more are public than it has published
        // since, an older one is left.
        let lasts = victim.forks.public() > victim.forks.published().wrapping_sub(published);
        self.forks_skipped.set(skipped + 1);
        lasts
    }

    /// Returns whether to give owners time to run their jobs themselves, since the last steal was
    /// not worth its cost.
    fn delays_steals(&self) -> bool {
        let stolen = self.stolen.take();
        if stolen != 0 {
            self.last_steal_was_short.set(ticks().wrapping_sub(stolen) < STEAL_COST);
        }
        self.last_steal_was_short.get() && !self.registry().is_simulated()
    }

    fn steal_task(&self, victim: &Worker, is_over: impl Fn() -> bool) -> Option<JobRef> {
        if victim.tasks.is_empty() {
            return None;
        }
        let run = victim.counters.tasks_run.get();
        // In a chain, where each task spawns the next, the victim soon runs its only task.
        let moves_on = || victim.counters.tasks_run.get() != run;
        let leaves_one = || moves_on() && self.leaves_one(victim, &is_over);
        self.steal_task_from(&victim.tasks, &self.tasks, leaves_one)
    }

    pub(super) fn steal_task_from(
        &self,
        victim: &TaskQueue<JobRef>,
        own: &TaskQueue<JobRef>,
        leaves_one: impl Fn() -> bool,
    ) -> Option<JobRef> {
        loop {
            let delay = self.delays_steals();
            let first = self.count_steal(own.steal_from(victim, delay, &leaves_one));
            self.share_rest();
            // A restricted waiter sleeps if this finds nothing, so a task must not be missed.
            if first.is_some() || !self.sleep().is_restricted(self.index) || victim.is_empty() {
                return first;
            }
            spin_or_yield();
        }
    }

    /// Returns `true` to leave `victim` its only task. Before that, waits for a while, or until
    /// there is other work or `is_over`: each look slows the victim down. After
    /// [`MOST_TASKS_SKIPPED`] times it returns `false`, since the task may be a long one that the
    /// victim spawned before a chain and will run after it.
    fn leaves_one(&self, victim: &Worker, is_over: impl Fn() -> bool) -> bool {
        let skipped = self.tasks_skipped.get();
        if skipped >= MOST_TASKS_SKIPPED {
            self.tasks_skipped.set(0);
            return false;
        }
        self.tasks_skipped.set(skipped + 1);
        let (start, limit) = (ticks(), STEAL_COST * u64::from(skipped + 1));
        let others_show = |it: &Worker| it.index != victim.index && it.shows_work();
        let sees_work = || self.sees_own_work() || self.others().any(others_show);
        while ticks().wrapping_sub(start) < limit && !is_over() && !sees_work() {
            spin_or_yield();
        }
        true
    }

    /// Publishes the tasks that have moved here together with one that was taken: lemma 4 of
    /// `queue/spawn_queue.rs`.
    pub(super) fn share_rest(&self) {
        if !self.has_no_task() && self.tasks.has_thieves() {
            self.tasks.publish_moved();
            self.notify(ANY_TAG);
            self.wake_ahead();
        }
    }

    fn count_steal<T>(&self, stolen: Option<T>) -> Option<T> {
        self.counters.steals_tried.add(1);
        if stolen.is_some() {
            self.counters.steals_won.add(1);
            self.stolen.set(ticks());
        }
        stolen
    }

    /// Takes the newest of this worker's public forks, if the wait may run it.
    pub(super) fn own_fork(&self, wait: &impl Wait) -> Option<JobRef> {
        let job = self.forks.pop_newest_public()?;
        if self.may_run(&job, wait) {
            return Some(job);
        }
        sim::point();
        let ancestors: Vec<usize> = job.ancestors().collect();
        self.forks.push_newest_public(job);
        self.sleep().notify_from_worker(NO_TAG);
        ancestors.into_iter().for_each(|tag| self.sleep().notify_restricted(tag));
        None
    }

    /// Whether work is queued, here or at other workers. Takes nothing. Parked workers have none,
    /// and are left out.
    pub(crate) fn sees_work(&self) -> bool {
        self.sees_own_work() || self.others().any(Worker::shows_work)
    }

    /// Reinjects this worker's tasks, since it is about to wait and will not run them: that calls
    /// waiters without the core. (In a pool of one, the next holder finds them.)
    pub(super) fn reinject_tasks(&self) {
        while self.registry().workers().len() > 1 || self.threads_off() > 0 {
            match self.newest_of_any() {
                Some(empty) if empty.is_empty() => self.run_apart(|| self.execute(empty)),
                Some(job) => self.registry().queue_injected(job),
                None => break,
            }
        }
    }

    /// Returns whether other workers have private forks. If so, the next search forces them.
    pub(super) fn look_for_private(&self) -> bool {
        let forces = self.registry().finds_hidden();
        self.forces.store(forces.into(), Ordering::Relaxed);
        forces
    }

    /// Returns what a worker sees as its core parks. The last searcher, and one that was the
    /// sentry, also see private forks: lemma 12 of `queue/join_queue.rs`.
    pub(super) fn look(&self, moment: Moment) -> Look {
        let sees_private = || match moment {
            // If it searched, others relied on it until it announced this.
            Moment::Announced => self.sleep().lacks_searchers() && self.look_for_private(),
            Moment::OnWatch => false,
            Moment::Resigned => self.look_for_private(),
        };
        if self.sees_work() || sees_private() {
            Look::Work
        } else if moment == Moment::OnWatch && self.see_others_fork() {
            Look::OthersFork
        } else {
            Look::Quiet
        }
    }

    /// Whether other workers have published forks since the last call.
    pub(super) fn see_others_fork(&self) -> bool {
        let count = |sum: usize, other: &Worker| sum.wrapping_add(other.forks.published());
        let forks = self.all_from_random().fold(0, count);
        let before = self.forks_seen.load(Ordering::Relaxed);
        self.forks_seen.store(forks, Ordering::Relaxed);
        forks != before
    }

    /// Returns whether some worker has private forks, and has neither forked nor ended a fork since
    /// the last call. If so, the next search forces them. (Force takes some microseconds and
    /// interrupts every busy worker. An owner that forks at all answers sooner.)
    pub(super) fn sees_silent(&self) -> bool {
        let [index, head, top] = &self.suspect;
        let load = |word: &AtomicUsize| word.load(Ordering::Relaxed);
        let workers = self.registry().workers();
        let is_as_before = |suspect: &Worker| {
            suspect.forks.hides_work() && suspect.forks.progress() == (load(head), load(top))
        };
        let is_silent = workers.get(load(index)).is_some_and(|suspect| is_as_before(suspect));
        if !is_silent {
            let hider = self.hider();
            let (at, forked) =
                hider.map_or((usize::MAX, (0, 0)), |it| (it.index, it.forks.progress()));
            let words = [(index, at), (head, forked.0), (top, forked.1)];
            words.into_iter().for_each(|(word, value)| word.store(value, Ordering::Relaxed));
        }
        self.forces.store(is_silent.into(), Ordering::Relaxed);
        is_silent
    }

    pub(super) fn sees_hidden(&self) -> bool {
        self.hider().is_some()
    }

    /// Another worker that seems to have private forks.
    fn hider(&self) -> Option<&Worker> {
        self.others().find(|other| other.forks.hides_work())
    }

    /// Whether another worker is at work, and so may publish a job.
    pub(super) fn others_are_at_work(&self) -> bool {
        self.all_from_random().any(|other| self.sleep().is_at_work(other.index))
    }

    /// Whether a look has decided that the next search forces, and `forced` was not called since.
    pub(super) fn is_to_force(&self) -> bool {
        self.forces.load(Ordering::Relaxed) != 0
    }

    /// If a look has decided to force, takes the private forks of a worker that does not answer and
    /// that `may_have` forks for this one. Returns the oldest if it is accepted. The others become
    /// public tasks of this worker.
    pub(super) fn forced(
        &self,
        may_have: impl Fn(&Worker) -> bool,
        accept: impl Fn(JobRef) -> Option<JobRef>,
    ) -> Option<JobRef> {
        if !self.is_to_force() {
            return None;
        }
        self.forces.store(0, Ordering::Relaxed);
        let mut hiders = self.others().filter(|other| other.forks.hides_work() && may_have(other));
        hiders.find_map(|other| {
            let oldest = self.force(other);
            // The owner is in a slow path, or another thief forces. The next look tries again.
            if oldest.is_none() && other.forks.hides_work() {
                self.forces.store(1, Ordering::Relaxed);
                spin_loop();
            }
            accept(self.count_steal(oldest)?)
        })
    }

    /// Takes all private forks of `other`, returns the oldest and keeps the others here.
    fn force(&self, other: &Worker) -> Option<JobRef> {
        let mut oldest = None;
        let take = |job: JobRef| match oldest {
            None => oldest = Some(job),
            Some(_) => self.tasks_of(job.priority()).push_moved(job),
        };
        let publish = |job| other.publish_under(other.context(), job);
        // (Not while the lock is held: the owner would wait for it with the turn.)
        sim::point();
        let forced = other.forks.force(|| self.registry().heavy_fence(), publish, take);
        self.counters.forks_published.add(forced);
        self.share_rest();
        oldest
    }

    fn sees_own_work(&self) -> bool {
        self.registry().has_injected() || self.has_own_work() || self.sees_stray_pinned()
    }

    /// Whether a job can be stolen from this worker. If no fork can, asks it to publish.
    pub(super) fn shows_work(&self) -> bool {
        if self.forks.is_empty() {
            self.ask_for_forks();
            return !self.has_no_task();
        }
        true
    }

    /// Called by another thread: asks this worker to publish.
    pub(crate) fn ask_for_forks(&self) {
        if self.forks.raise_demand() {
            self.registry().note_closed_gate();
        }
    }

    /// All other workers that are not parked, from a random one on. (If a look stopped after 16 of
    /// them, the last of 64 and 128 scoped tasks that sleep would begin 1.2 and 1.35 times as late:
    /// medians, on two shared virtual cores.)
    pub(super) fn others(&self) -> impl Iterator<Item = &Worker> {
        let sleep = self.sleep();
        self.all_from_random().filter(move |other| !sleep.is_parked(other.index))
    }

    /// All other workers, from a random one on.
    fn all_from_random(&self) -> impl Iterator<Item = &Worker> {
        let workers = self.registry().workers();
        let (before, from) = workers.split_at(self.random() as usize % workers.len());
        let all = from.iter().chain(before).map(|worker| &**worker);
        all.filter(|other| other.index != self.index)
    }

    /// How many jobs can be stolen from this worker. If no fork can, asks it to publish.
    pub(super) fn public(&self) -> usize {
        let forks = self.forks.public();
        if forks == 0 {
            self.ask_for_forks();
        }
        forks + self.public_tasks()
    }

    /// Marsaglia's xorshift, 32 bits.
    fn random(&self) -> u32 {
        let mut x = self.rng.load(Ordering::Relaxed);
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.rng.store(x, Ordering::Relaxed);
        x
    }
}
