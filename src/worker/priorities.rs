//! Jobs of high and of low priority: where they are queued, and in which order a worker takes jobs.
//!
//! A pool does none of this until it gets its first such job. From then on, each worker's search
//! looks at the queues below too. Jobs of normal priority stay in the queues where they were.
//!
//! # Where they are queued
//! A job's priority is in the word of its tag (`job/priority.rs`), so a job inherits it with the
//! tag, wherever it moves.
//! - A task that a worker spawns at the priority of its present job goes into the worker's *own
//!   queue* for that priority. That is a `TaskQueue`, as for normal tasks: the owner takes the
//!   newest, so a recursion of tasks needs memory for its depth only, and thieves take the oldest.
//! - Any other task or job of high or low priority goes into the pool's *injector* for that
//!   priority, the oldest first.
//! - Cross-pool jobs of each priority have a queue of their own, which comes before the injector
//!   for that priority.
//! - Forks and pinned jobs are queued as ever.
//!
//! # In which order they are found
//! High, then normal, then low. But each 64th job that a worker takes is of the lowest priority of
//! which there is a job, and each `injector_interval`-th look begins with pinned jobs. Within a
//! priority, the worker's own tasks come first, then the injector (which comes first for each 16th
//! job), then other workers: their tasks, and their forks if they run a job of this priority.
//!
//! To look at all other workers for each job would be slow. A worker that publishes work of high or
//! low priority sets a mark. A worker that finds nothing else of this priority looks at others only
//! if it sees the mark. It clears the mark first, so that no later work goes unseen, and sets it
//! again unless all others have run out of such work. The mark matters for the order only: a worker
//! that would be without work looks at all others, with a mark or without.
//!
//! A wait that may run any job goes by the same order, but takes a job of a lower priority than its
//! own only when it would otherwise sleep. Then it must: the job may be what the wait is for. A
//! restricted wait takes the jobs that it may run, and reinjects the others. A wait that takes only
//! cross-pool jobs takes these in the same order.
//!
//! # Sleeping
//! A worker looks at these queues too before it sleeps, and a publisher that pushes to one wakes a
//! worker: (a) to (c) of `sleep/mod.rs`. The flag that the pool has such jobs is set before the
//! first is pushed. So if a worker does not see the flag after its fence, the publisher sees that
//! worker.
//! Models: `a_job_of_low_priority_finds_a_worker`, `a_task_of_high_priority_finds_a_worker`,
//! `the_last_searcher_wakes_another_for_a_job_of_low_priority`.
#![deny(unsafe_code)]

use super::shared::{ClassQueue, JobRef, Registry, USES_PRIORITIES, Worker};
use crate::job::{Priority, origin_of, outcome};
use crate::latch::Wait;
use crate::queue::{Injector, JobQueue, TaskQueue, until_sure};
use crate::sync::Ordering;

/// One in this many of the jobs that a worker takes is of the lowest priority of which there is
/// a job.
const LOWEST: u32 = 64;
/// One in this many jobs of a priority is the oldest in its injector.
const INJECTED: u32 = 16;

impl Registry {
    /// Whether the pool has, or had, jobs of high or low priority.
    #[inline]
    pub(crate) fn uses_priorities(&self) -> bool {
        // Relaxed: the fences of a publisher and of a worker that parks order it.
        self.signals.load(Ordering::Relaxed) & USES_PRIORITIES != 0
    }

    /// Called before there is a job of high or low priority.
    pub(super) fn use_priorities(&self) {
        if !self.uses_priorities() {
            self.signals.fetch_or(USES_PRIORITIES, Ordering::Relaxed);
        }
    }

    fn class(&self, priority: Priority) -> &ClassQueue {
        &self.classes[usize::from(priority == Priority::Low)]
    }

    pub(crate) fn injector_for(&self, priority: Priority) -> &Injector<JobRef> {
        match priority {
            Priority::Normal => &self.injector,
            class => &self.class(class).injector,
        }
    }

    pub(crate) fn cross_jobs_of(&self, priority: Priority) -> &JobQueue<JobRef> {
        &self.cross_jobs[priority as usize]
    }

    pub(super) fn has_cross_job(&self) -> bool {
        self.cross_jobs.iter().any(|queue| !queue.is_empty())
    }

    /// How many jobs from outside are queued, of all priorities.
    pub(crate) fn injected_len(&self) -> usize {
        let classes = self.classes.iter().map(|class| class.injector.len());
        let others = self.cross_jobs.iter().map(JobQueue::len).chain(classes);
        self.injector.len() + others.sum::<usize>()
    }

    /// Whether a job from outside is queued, of any priority.
    #[inline]
    pub(super) fn has_injected(&self) -> bool {
        let has_class = || self.classes.iter().any(|class| !class.injector.is_empty());
        !self.injector.is_empty() || self.has_cross_job() || self.uses_priorities() && has_class()
    }

    /// `submit`, for a caller that is no worker of this pool, or not at normal priority.
    #[cold]
    pub(super) fn submit_inherited(&self, caller: Option<&Worker>, job: JobRef) {
        if caller.is_none() && !Worker::is_on_pools_thread() {
            return self.inject_from_anywhere(job);
        }
        Worker::pass_priority(caller, &job);
        self.submit_prioritized(caller, job);
    }

    /// Queues a task whose priority is set: at `caller`, the calling worker of this pool. If there
    /// is none, or the task has another priority than the caller, in an injector or as a cross-pool
    /// job.
    pub(crate) fn submit_prioritized(&self, caller: Option<&Worker>, job: JobRef) {
        match (caller, job.priority()) {
            (Some(worker), Priority::Normal) => worker.push_task(job),
            (Some(worker), priority) if priority == worker.priority() => worker.push_own(job),
            (None, _) => self.inject(job),
            _ => self.inject_from_anywhere(job),
        }
    }

    fn mark(&self, priority: Priority) {
        // Release: matches the Acquire of the swap in `found_at_others`.
        self.class(priority).is_marked.store(true, Ordering::Release);
    }
}

impl Worker {
    /// Gives a new job the priority of its spawner: of the worker `spawner`, which is one of the
    /// job's pool, else of the calling thread.
    pub(crate) fn pass_priority(spawner: Option<&Worker>, job: &JobRef) {
        job.set_priority(spawner.map_or_else(Worker::current_priority, Worker::priority));
    }

    /// Queues a task of the worker's present priority, which is high or low.
    fn push_own(&self, job: JobRef) {
        let priority = job.priority();
        self.push_to(self.tasks_of(priority), job);
        self.registry().mark(priority);
    }

    /// Marks that this worker has forks of its present priority.
    #[inline]
    pub(super) fn mark_forks(&self) {
        let priority = self.priority();
        if priority != Priority::Normal {
            self.registry().mark(priority);
        }
    }

    /// The worker's own queue for tasks of `priority`.
    #[inline]
    pub(super) fn tasks_of(&self, priority: Priority) -> &TaskQueue<JobRef> {
        if priority == Priority::Normal { &self.tasks } else { self.tasks_of_class(priority) }
    }

    #[cold]
    fn tasks_of_class(&self, priority: Priority) -> &TaskQueue<JobRef> {
        self.registry().use_priorities();
        let make = || TaskQueue::new(!self.tasks.has_thieves(), self.tasks.in_order);
        let queues = self.own_queues.get_or_init(|| Box::new([make(), make()]));
        &queues[usize::from(priority == Priority::Low)]
    }

    /// `tasks_of`, if there has been such a task.
    fn queue_of(&self, priority: Priority) -> Option<&TaskQueue<JobRef>> {
        match priority {
            Priority::Normal => Some(&self.tasks),
            class => Some(&self.own_queues.get()?[usize::from(class == Priority::Low)]),
        }
    }

    fn class_queues(&self) -> impl Iterator<Item = &TaskQueue<JobRef>> {
        self.own_queues.get().into_iter().flat_map(|queues| queues.iter())
    }

    /// Whether no task is queued here, of any priority.
    #[inline]
    pub(super) fn has_no_task(&self) -> bool {
        self.tasks.is_empty() && self.class_queues().all(TaskQueue::is_empty)
    }

    pub(crate) fn tasks_queued(&self, priority: Priority) -> usize {
        self.queue_of(priority).map_or(0, TaskQueue::public)
    }

    /// How many tasks thieves could take, of all priorities.
    pub(crate) fn public_tasks(&self) -> usize {
        let others = self.class_queues().map(TaskQueue::public).sum::<usize>();
        self.tasks.public() + others
    }

    /// How many tasks are queued one by one, and how many batches, of all priorities.
    pub(crate) fn tasks_pending(&self) -> (usize, usize) {
        let others = self.class_queues().map(TaskQueue::pending);
        others.fold(self.tasks.pending(), |(tasks, batches), own| (tasks + own.0, batches + own.1))
    }

    fn newest_of(&self, priority: Priority) -> Option<JobRef> {
        self.queue_of(priority)?.pop(|| self.share_rest())
    }

    /// Takes the newest of this worker's tasks, of any priority.
    #[inline]
    pub(super) fn newest_of_any(&self) -> Option<JobRef> {
        if self.registry().uses_priorities() { self.newest_of_each() } else { self.newest_task() }
    }

    #[cold]
    fn newest_of_each(&self) -> Option<JobRef> {
        Priority::ALL.into_iter().find_map(|priority| self.newest_of(priority))
    }

    fn injected_of(&self, priority: Priority) -> Option<JobRef> {
        let injector = self.registry().injector_for(priority);
        if injector.is_empty() { None } else { until_sure(|| injector.steal()) }
    }

    /// Takes a job from outside for a caller that is late.
    pub(super) fn injected_for_late(&self) -> Option<JobRef> {
        let is_used = self.registry().uses_priorities();
        let high = if is_used { self.injected_of(Priority::High) } else { None };
        high.or_else(|| self.injected())
    }

    /// Takes a job of high or low `priority`.
    fn of_priority(&self, priority: Priority) -> Option<JobRef> {
        let own = || self.newest_of(priority);
        let injected = || self.cross_job_of(priority).or_else(|| self.injected_of(priority));
        let job = match self.jobs_taken.get() % INJECTED {
            0 => injected().or_else(own),
            _ => own().or_else(injected),
        };
        job.or_else(|| self.found_at_others(priority))
    }

    /// Takes a job of high or low `priority` from another worker, if workers may have one.
    fn found_at_others(&self, priority: Priority) -> Option<JobRef> {
        let is_marked = &self.registry().class(priority).is_marked;
        // Acquire: matches the Release in `mark`. What was pushed before the mark is seen below.
        if !(is_marked.load(Ordering::Relaxed) && is_marked.swap(false, Ordering::Acquire)) {
            return None;
        }
        let job = self.stolen_of(priority);
        // A steal may fail beside another thief's, or be delayed.
        if job.is_some() || self.others().any(|other| other.shows_work_of(priority)) {
            self.registry().mark(priority);
        }
        job
    }

    fn shows_work_of(&self, priority: Priority) -> bool {
        let has_fork = self.priority() == priority && !self.forks.is_empty();
        has_fork || self.queue_of(priority).is_some_and(|tasks| !tasks.is_empty())
    }

    /// Steals a job of high or low `priority`.
    fn stolen_of(&self, priority: Priority) -> Option<JobRef> {
        self.others().find_map(|victim| {
            let runs_such = victim.priority() == priority;
            let fork = if runs_such { self.steal_fork(victim, || false) } else { None };
            fork.or_else(|| self.steal_task_of(priority, victim))
        })
    }

    fn steal_task_of(&self, priority: Priority, victim: &Worker) -> Option<JobRef> {
        let tasks = victim.queue_of(priority).filter(|tasks| !tasks.is_empty())?;
        self.steal_task_from(tasks, self.tasks_of(priority), || false)
    }

    /// Takes a job in the order of the priorities, or if `pinned_first`, a pinned one. `normal`
    /// finds one of normal priority, and `last` one that is wanted after all others.
    fn next_by_priority(
        &self,
        pinned_first: bool,
        normal: impl Fn() -> Option<JobRef>,
        last: impl Fn() -> Option<JobRef>,
    ) -> Option<JobRef> {
        let pinned = if pinned_first { self.pop_pinned() } else { None };
        let of = |priority| match priority {
            Priority::Normal => normal(),
            class => self.of_priority(class),
        };
        pinned.or_else(|| self.next_of(of, last))
    }

    /// Takes the next cross-pool job of any priority.
    pub(super) fn cross_job(&self) -> Option<JobRef> {
        self.cross_job_if(1, |_| true)
    }

    /// Takes a cross-pool job for which `may_take` returns `true`, if that is one of the first
    /// `most` of a priority.
    pub(super) fn cross_job_if(
        &self,
        most: usize,
        may_take: impl Fn(&JobRef) -> bool,
    ) -> Option<JobRef> {
        let of = |priority| self.registry().cross_jobs_of(priority).pop_if(most, &may_take);
        self.next_of(of, || of(Priority::Low))
    }

    /// `next_by_priority`, where `of` finds a job of a priority.
    fn next_of(
        &self,
        of: impl Fn(Priority) -> Option<JobRef>,
        last: impl Fn() -> Option<JobRef>,
    ) -> Option<JobRef> {
        let taken = self.jobs_taken.get().wrapping_add(1);
        // Each 64th time, low and normal come first.
        let lowest = if taken % LOWEST == 0 { 2 } else { 0 };
        let order = Priority::ALL.iter().rev().take(lowest).chain(&Priority::ALL[..2]);
        let job = order.copied().find_map(of).or_else(last)?;
        self.jobs_taken.set(taken);
        Some(job)
    }

    /// `find`, in a pool that uses priorities.
    #[cold]
    pub(super) fn find_by_priority(&self, from_outside: bool) -> Option<JobRef> {
        let normal = || self.find_normal(from_outside);
        self.next_by_priority(from_outside, normal, || self.last_resort())
    }

    /// Takes a job if there is none of normal priority: one of high priority at another worker,
    /// whose mark this worker has missed, else one of low priority.
    fn last_resort(&self) -> Option<JobRef> {
        let (high, low) = (Priority::High, Priority::Low);
        let high = self.stolen_of(high);
        high.or_else(|| self.of_priority(low)).or_else(|| self.stolen_of(low))
    }

    /// `own_task`, in a pool that uses priorities.
    #[cold]
    pub(super) fn own_task_by_priority(
        &self,
        wait: &impl Wait,
        most: usize,
        from_outside: bool,
    ) -> Option<JobRef> {
        let normal = || self.own_normal_task(wait, most, from_outside);
        if self.may_run_any(wait) {
            let is_low = self.priority() == Priority::Low;
            let low = || self.injected().or_else(|| self.newest_of(Priority::Low));
            let last = || if is_low { low() } else { None };
            return self.next_by_priority(from_outside, normal, last);
        }
        let own = |priority| self.accept_one(wait, most, || self.newest_of(priority));
        own(Priority::High).or_else(normal).or_else(|| own(Priority::Low))
    }

    /// The last step of `foreign`: finds a job of high or low priority in the injectors or at other
    /// workers.
    pub(super) fn foreign_of_class(&self, wait: &impl Wait, most: usize) -> Option<JobRef> {
        if !self.registry().uses_priorities() {
            return None;
        }
        if self.may_run_any(wait) {
            let is_low = self.priority() == Priority::Low;
            return if is_low { self.last_resort() } else { None };
        }
        [Priority::High, Priority::Low].into_iter().find_map(|priority| {
            let most = self.registry().injector_for(priority).len().min(most);
            let injected = || self.injected_of(priority);
            let steal = |victim| self.accept(self.steal_task_of(priority, victim)?, wait);
            self.accept_one(wait, most, injected).or_else(|| self.others().find_map(steal))
        })
    }

    /// Finds a job for a waiter that would otherwise sleep. The job may have a lower priority than
    /// the wait.
    pub(super) fn lower_in_wait(&self, wait: &impl Wait) -> Option<JobRef> {
        let looks = self.registry().uses_priorities() && self.may_run_any(wait);
        if looks { self.last_resort() } else { None }
    }

    /// Finds a job of any priority, for `run_one`. `normal` finds one of normal priority.
    pub(super) fn any_by_priority(&self, normal: impl Fn() -> Option<JobRef>) -> Option<JobRef> {
        match self.registry().uses_priorities() {
            true => self.next_by_priority(false, normal, || self.last_resort()),
            false => normal(),
        }
    }

    /// Whether this worker, as a thief, passes by the forks of `victim`: they are of low priority,
    /// and there may be other work.
    #[inline]
    pub(super) fn passes_by(&self, victim: &Worker) -> bool {
        victim.priority() == Priority::Low
            && self.priority() != Priority::Low
            && self.may_run_any_task()
    }

    /// Calls `f`, whose priority is `priority`.
    #[inline]
    pub(crate) fn at_priority<R>(&self, priority: Priority, f: impl FnOnce() -> R) -> R {
        if priority == self.priority() { f() } else { self.at_other_priority(priority, f) }
    }

    /// Calls `f` at the present priority, or at that in `word` if it is higher.
    #[inline]
    pub(crate) fn at_least<R>(&self, word: usize, f: impl FnOnce() -> R) -> R {
        let is_same = Priority::bits_of(word ^ self.word()) == 0;
        if is_same || Priority::of(word) < self.priority() {
            return f();
        }
        self.at_other_priority(Priority::of(word), f)
    }

    #[cold]
    fn at_other_priority<R>(&self, priority: Priority, f: impl FnOnce() -> R) -> R {
        self.registry().use_priorities();
        // The forks that are pending keep the outer priority.
        self.flush_forks();
        let outer = self.word();
        self.set_word(origin_of(outer) | priority.bits());
        let _restored = outcome::defer(|| self.set_word(outer));
        f()
    }
}
