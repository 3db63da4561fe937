//! Dumps: what the workers of a pool do, for the engineer who looks at a process that hangs.
//!
//! A dump takes no lock that a worker could hold, and stops no thread. So if the pool is busy, the
//! parts of its dump may be from slightly different moments.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::context::name_at;
use crate::job::Priority;
use crate::latch::Awaited;
use crate::os::thread;
use crate::sim::Simulated;
use crate::sleep::Counts;
use crate::worker::Worker;
use crate::worker::counters::WorkerCounters;
use crate::worker::pools;
use crate::worker::shared::Registry;
use crate::worker::times::{Activity, Spent};

/// The state of one pool or of all pools of the process: see [`dump`] and
/// [`ThreadPool::dump`](crate::ThreadPool::dump). Its `Display` is for reading. To tell pools
/// apart, give their threads names: a pool is shown with the name of its first thread, unless that
/// is `filch-0`. The text says of each worker:
///
/// - the state of its core: `busy`, `looking` for work, `parked`, `lent` to a thread from outside
///   (by the system's number, on Linux), `blocked` in a wait, or in a `restricted` wait, which may
///   run only some jobs;
/// - for how long the core has been in this state. (A search counts as busy, unless
///   [`worker_times`](crate::ThreadPoolBuilder::worker_times) is set);
/// - how many threads are `off its core`: they wait, for something or for the core (see
///   [`WaitPolicy`](crate::WaitPolicy));
/// - how many threads are blocked in [`blocking`](crate::blocking()), and for how long;
/// - how many jobs are on its stack;
/// - what the innermost running job is: the type of its closure, `a fork`, or the like, and the
///   [name](crate::TaskBuilder::name) of its task, if it has one;
/// - what the innermost wait is for: a `fork` (and the worker that has it), a `scope`, a `task`
///   (and what that is), or `another pool`;
/// - the name of its threads, and the system's number of the one that has the core (Linux);
/// - what is queued there: forks `hidden` from thieves and `public` ones, spawned `tasks`,
///   `batches` of up to 30 more, and jobs `pinned` to the worker;
/// - its [counters](WorkerCounters): tasks `expired` if a deadline had passed before they began.
///
/// On Linux, the dump also says if a thread that is in no wait of this crate sleeps. If that is in
/// a job on top of a wait, the waiting frame may hold the lock that the job needs: see [locks and
/// deadlocks](crate::guide::faq#locks-and-deadlocks).
///
/// The line of a pool says how many workers search and are parked, whether one is the `sentry`,
/// which wakes now and then to look for work, and how many jobs are `injected`, that is, queued
/// from outside. It also says how many spare threads the pool has, and how many threads are off
/// their cores. If a wait should have handed off its core but there was no spare thread, the dump
/// says so: that may be why two pools that wait for each other do not move.
#[derive(Clone, Debug)]
pub struct Dump {
    pools: Vec<Pool>,
    /// Whether the list of pools was locked.
    is_without_list: bool,
}

#[derive(Clone, Debug)]
struct Pool {
    /// The name of its first thread, if that was set.
    name: Option<String>,
    threads: Vec<Core>,
    injected: usize,
    oldest_wait: Option<Duration>,
    counts: Counts,
    spare_threads: usize,
    max_spare_threads: usize,
    refused_hand_offs: usize,
    ending: bool,
    is_lost: bool,
}

#[derive(Clone, Debug)]
struct Core {
    state: &'static str,
    /// For how long that has been so, if it is known.
    lasts: Option<Duration>,
    thread_name: Option<String>,
    thread_number: u32,
    jobs: u32,
    /// What the job that runs is.
    running: Option<&'static str>,
    /// The name of the task that it is part of.
    task: Option<Arc<str>>,
    /// What may be wrong if the thread sleeps, though it is in no wait of this crate.
    hint: Option<&'static str>,
    waits_for: Option<Awaited>,
    /// The name of the task that the wait is for.
    awaited_name: Option<Arc<str>>,
    off: u32,
    /// For how long calls of `blocking` have been blocked: those without the core, and those that
    /// have kept it.
    blocked: [Vec<Duration>; 2],
    hidden: usize,
    public: usize,
    tasks: usize,
    batches: usize,
    pinned: usize,
    counters: WorkerCounters,
}

/// Returns the state of all pools of this process.
///
/// Any thread may call it at any time. With the feature `debugger`, a debugger can do that in a
/// process that hangs: the C function `filch_dump_0_1` (named by the crate's version, without
/// arguments) writes the dump to standard error, for example by `call (void)filch_dump_0_1()` in
/// gdb.
///
/// ```
/// let pool = filch::ThreadPoolBuilder::new().num_threads(3).build()?;
/// assert!(filch::dump().to_string().contains("a pool of 3"));
/// # Ok::<(), filch::ThreadPoolBuildError>(())
/// ```
pub fn dump() -> Dump {
    let list = all_pools();
    let is_without_list = list.is_none();
    Dump {
        pools: list.iter().flatten().filter_map(|it| Registry::with(it, Pool::of)).collect(),
        is_without_list,
    }
}

/// The pools of this process, unless their list is locked.
pub(super) fn all_pools() -> Option<Vec<Weak<Registry>>> {
    // This may make the list of pools, of which a child needs one of its own.
    Worker::watch_forks();
    // Another thread holds the lock for a moment, unless a debugger has stopped it.
    let list = (0..100).find_map(|_| {
        let list = pools::POOLS.get().try_lock();
        if list.is_none() {
            std::thread::yield_now();
        }
        list
    });
    // Without the lock: this may drop the last reference to a pool, whose captures may take it.
    list.map(|list| list.clone())
}

impl Dump {
    pub(crate) fn of(registry: &Registry) -> Self {
        Dump { pools: vec![Pool::of(registry)], is_without_list: false }
    }

    /// Whether a job is queued or has not ended.
    pub(crate) fn is_pending(&self) -> bool {
        let begun = |core: &Core| {
            core.jobs + core.off > 0 || core.state == "lent" || core.waits_for.is_some()
        };
        self.is_queued() || self.cores().any(begun)
    }

    pub(crate) fn is_queued(&self) -> bool {
        let is_queued =
            |core: &Core| core.hidden + core.public + core.tasks + core.batches + core.pinned > 0;
        self.pools.iter().any(|pool| pool.injected > 0) || self.cores().any(is_queued)
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.pools.iter().any(|pool| pool.ending)
    }

    fn cores(&self) -> impl Iterator<Item = &Core> {
        self.pools.iter().flat_map(|pool| &pool.threads)
    }

    /// Whether no job has begun, ended or moved between `before` and this.
    pub(crate) fn is_still(&self, before: &Dump) -> bool {
        let done = |dump: &Dump| -> Vec<_> {
            let cores = dump.pools.iter().flat_map(|pool| &pool.threads);
            let done = |core: &Core| (core.counters.tasks_run, core.counters.forks_published);
            cores.map(|core| (done(core), core.jobs, core.hidden, core.public)).collect()
        };
        done(self) == done(before)
    }
}

impl Pool {
    fn of(registry: &Registry) -> Self {
        let mut names = registry.names();
        let name = names.values().next().cloned().filter(|name| name != "filch-0");
        let core = |worker: &Worker| Core::of(worker, names.remove(&worker.index()));
        Pool {
            name,
            threads: registry.workers().iter().map(|worker| &**worker).map(core).collect(),
            injected: registry.injected_len(),
            oldest_wait: oldest_wait(registry),
            counts: registry.sleep().counts(),
            spare_threads: registry.counts.spare_threads(),
            max_spare_threads: registry.settings.max_spare_threads,
            refused_hand_offs: registry.counts.refused_hand_offs.load(Ordering::Relaxed),
            ending: registry.is_ending(),
            is_lost: registry.is_lost(),
        }
    }
}

impl Core {
    fn of(worker: &Worker, thread_name: Option<String>) -> Self {
        let (hidden, public) = worker.forks_pending();
        let (tasks, batches) = worker.tasks_pending();
        let state = worker.sleep().state_name(worker.index());
        let (jobs, waits_for) = (worker.jobs_on_stack(), worker.waits_for());
        let borrower = worker.lent_to().filter(|_| state == "busy");
        let is_lent = borrower.is_some();
        let thread_number = borrower.unwrap_or_else(|| worker.thread_number());
        let blocked = worker.sleep().in_blocking(worker.index()).unwrap_or_default();
        let is_said_to_sleep = waits_for.is_some() || !blocked[1].is_empty();
        let is_busy = state == "busy" && !worker.registry().is_simulated();
        Core {
            state: if is_lent { "lent" } else { state },
            lasts: lasts(state, worker.time_spent()).filter(|_| !is_lent),
            // A core that was lent has a thread that is not the worker's.
            thread_name: thread_name.filter(|_| !is_lent),
            thread_number,
            jobs,
            running: worker.name_of_running().filter(|_| jobs > 0).map(name_of_carried),
            task: name_at(worker.context().addr()),
            // What a borrower runs at the bottom of its stack is not counted as a job.
            hint: hint(jobs + u32::from(is_lent))
                .filter(|_| is_busy && !is_said_to_sleep && thread::is_asleep(thread_number)),
            waits_for,
            awaited_name: match waits_for {
                Some(Awaited::Task(Some(task))) => name_at(task.context),
                _ => None,
            },
            off: worker.threads_off(),
            blocked,
            hidden,
            public,
            tasks,
            batches,
            pinned: worker.pinned.len(),
            counters: worker.counters.snapshot(),
        }
    }
}

/// Returns what may be wrong if a thread with this number of jobs on its stack sleeps.
fn hint(jobs: u32) -> Option<&'static str> {
    match jobs {
        0 => None,
        1 => Some("outside filch: in a lock, a channel, a foreign `block_on` or the like"),
        _ => Some(
            "in a job that runs on top of a wait: if that is for a lock, the waiting frame may \
             hold it",
        ),
    }
}

#[cfg(feature = "deterministic")]
fn is_queued(registry: &Registry) -> bool {
    let has_work = |worker: &Worker| worker.has_own_work() || worker.forks_pending() != (0, 0);
    registry.injected_len() > 0 || registry.workers().iter().any(|worker| has_work(worker))
}

/// For how long a core has had a state. The two may be from different moments.
fn lasts(state: &str, spent: Spent) -> Option<Duration> {
    let is_same = match spent.now {
        Activity::Busy => state == "busy" || state == "looking",
        Activity::Searching => state == "looking",
        Activity::Parked => state == "parked",
        Activity::Blocked => state == "blocked" || state == "restricted",
    };
    is_same.then_some(spent.lasts)
}

impl Simulated for Registry {
    #[cfg(feature = "deterministic")]
    fn has_work(self: Arc<Self>, has_turn: bool) -> bool {
        // A pool does not end while its own task has the turn.
        let ends = self.is_ending() && !has_turn;
        let has_work = ends || self.has_ended() || is_queued(&self);
        // This is not the last reference, since a waiting thread has one. If it were, dropping it
        // here could run closures of the user.
        if let Some(last) = Arc::into_inner(self) {
            std::mem::forget(last);
        }
        has_work
    }
}

/// For how long the oldest of all timed tasks has been queued.
fn oldest_wait(registry: &Registry) -> Option<Duration> {
    Priority::ALL.into_iter().filter_map(|priority| registry.oldest_wait(priority)).max()
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_without_list {
            writeln!(f, "the list of pools is locked, so none is shown; try again")?;
        }
        self.pools.iter().try_for_each(|pool| write!(f, "{pool}"))
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = if self.ending { ", ending" } else { "" };
        let (counts, injected) = (self.counts, self.injected);
        let threads = self.threads.len();
        write!(f, "a pool of {threads}")?;
        if let Some(name) = &self.name {
            write!(f, " (`{name}`)")?;
        }
        write!(f, ": {counts:?}; {injected} injected")?;
        if let Some(wait) = self.oldest_wait {
            write!(f, "; a task has been queued for {wait:.1?}")?;
        }
        let (spare, most) = (self.spare_threads, self.max_spare_threads);
        if spare > 0 {
            let off: u32 = self.threads.iter().map(|core| core.off).sum();
            write!(f, "; {spare} spare threads of at most {most}, {off} threads off their cores")?;
        }
        if self.refused_hand_offs > 0 {
            let refused = self.refused_hand_offs;
            write!(f, "; {refused} waits keep their cores for want of a spare thread")?;
            write!(f, ", of which there may be {most}: what runs on top may wait for them")?;
        }
        let lost = if self.is_lost { ", lost by a fork()" } else { "" };
        writeln!(f, "{ending}{lost}")?;
        for (index, core) in self.threads.iter().enumerate() {
            writeln!(f, "  worker {index}: {core}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_state(f)?;
        self.write_awaited(f)?;
        if let Some(job) = self.running {
            write!(f, ", runs `{job}`")?;
            write_name(f, &self.task)?;
        }
        self.write_threads(f)?;
        write!(
            f,
            "; queued: {} forks hidden, {} public, {} tasks and {} batches, {} pinned; ",
            self.hidden, self.public, self.tasks, self.batches, self.pinned
        )?;
        let WorkerCounters { tasks_run, tasks_panicked, tasks_cancelled, .. } = self.counters;
        write!(f, "{tasks_run} tasks run, {tasks_panicked} panicked, ")?;
        let WorkerCounters { tasks_expired, forks_published, .. } = self.counters;
        write!(f, "{tasks_cancelled} cancelled, {tasks_expired} expired, ")?;
        let WorkerCounters { steals_tried, steals_won, parks, wakes, .. } = self.counters;
        write!(
            f,
            "{forks_published} forks published, {steals_won} of {steals_tried} steals won, "
        )?;
        write!(f, "{parks} parks, {wakes} wakes")?;
        match self.hint {
            Some(hint) => write!(f, "\n    its thread sleeps {hint}"),
            None => Ok(()),
        }
    }
}

impl Core {
    fn write_state(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.state)?;
        match (self.state, self.thread_number) {
            ("lent", 0) => write!(f, " to a thread outside the pool")?,
            ("lent", number) => write!(f, " to thread {number} outside the pool")?,
            _ => {}
        }
        if let Some(time) = self.lasts {
            write!(f, " for {time:.1?}")?;
        }
        let jobs = if self.jobs == 1 { "job" } else { "jobs" };
        write!(f, ", {} {jobs} on its stack", self.jobs)
    }

    fn write_awaited(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.waits_for {
            None => Ok(()),
            Some(Awaited::Fork(Some(runner))) => write!(f, ", waits for a fork at worker {runner}"),
            Some(Awaited::Fork(None)) => write!(f, ", waits for a fork"),
            Some(Awaited::Scope) => write!(f, ", waits for a scope"),
            Some(Awaited::Task(None)) => write!(f, ", waits for a task"),
            Some(Awaited::Task(Some(task))) => {
                let name = name_of_carried((task.name)());
                write!(f, ", waits for a task: `{name}`")?;
                write_name(f, &self.awaited_name)
            }
            Some(Awaited::OtherPool) => write!(f, ", waits for another pool"),
        }
    }

    /// Writes which thread has the core, and what other threads of the worker do.
    fn write_threads(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.thread_name {
            write!(f, "; thread `{name}`")?;
            if self.thread_number != 0 {
                write!(f, " ({})", self.thread_number)?;
            }
        }
        if self.off > 0 {
            write!(f, "; {} threads off its core", self.off)?;
        }
        for (times, place) in self.blocked.iter().zip(["off its core", "on its core"]) {
            if !times.is_empty() {
                write!(f, "; {} blocked in `blocking` {place}, for {times:.1?}", times.len())?;
            }
        }
        Ok(())
    }
}

fn write_name(f: &mut fmt::Formatter<'_>, task: &Option<Arc<str>>) -> fmt::Result {
    task.as_ref().map_or(Ok(()), |task| write!(f, " of task `{task}`"))
}

/// Returns the name of the program's own closure, given the name of one of the library's that may
/// carry it (`filch::worker::…::carried_by<F, T>::{{closure}}`).
fn name_of_carried(name: &str) -> &str {
    let Some((before, carried)) = name.split_once("::carried_by<") else { return name };
    if !before.starts_with("filch::worker::") {
        return name;
    }
    // `F` ends at the first comma that is in no brackets.
    let (mut depth, mut last) = (0, ' ');
    let end = carried.find(|next| {
        match next {
            '<' | '(' | '[' => depth += 1,
            '>' if last == '-' => {}
            '>' | ')' | ']' => depth -= 1,
            _ => {}
        }
        last = next;
        next == ',' && depth == 0
    });
    name_of_carried(&carried[..end.unwrap_or(carried.len())])
}
