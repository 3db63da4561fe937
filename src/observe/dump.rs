//! Dumps: what the workers of a pool do, for the engineer who looks at a process that hangs.
//!
//! A dump takes no lock that a worker could hold, and stops no thread. So if the pool is busy, the
//! parts of its dump may be from slightly different moments.

use std::fmt::{self, Write};
#[cfg(feature = "deterministic")]
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::metrics::threads_off;
use crate::context::name_at;
use crate::job::Priority;
use crate::latch::Awaited;
use crate::os::thread;
use crate::sim::Simulated;
use crate::worker::counters::WorkerCounters;
use crate::worker::shared::{Registry, RegistryRef};
use crate::worker::times::{Activity, Spent};
use crate::worker::{Worker, pools};

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
#[derive(Clone, Debug, Default)]
pub struct Dump {
    text: String,
    /// What changes at each worker when something moves: the tasks that it has run, the forks that
    /// it has published, the jobs on its stack, its forks hidden and public.
    pub(super) progress: Vec<[usize; 5]>,
    /// Whether a job is queued or has not ended.
    pub(super) is_pending: bool,
    pub(super) is_ending: bool,
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
    let mut dump = Dump::default();
    match pools::all() {
        Some(list) => {
            list.iter().filter_map(RegistryRef::upgrade).for_each(|it| _ = dump.add(&it));
        }
        None => {
            dump.text = "the list of pools is locked, so none is shown; try again\n".into();
        }
    }
    dump
}

impl Dump {
    pub(crate) fn of(registry: &Registry) -> Self {
        let mut dump = Dump::default();
        let _ = dump.add(registry);
        dump
    }

    fn add(&mut self, registry: &Registry) -> fmt::Result {
        let f = &mut self.text;
        let (mut names, injected) = (registry.names(), registry.injected_len());
        self.is_ending |= registry.is_ending();
        self.is_pending |= injected > 0;
        write!(f, "a pool of {}", registry.workers().len())?;
        if let Some(name) = names.values().next().filter(|name| *name != "filch-0") {
            write!(f, " (`{name}`)")?;
        }
        write!(f, ": {:?}; {injected} injected", registry.sleep().counts())?;
        // For how long the oldest of all timed tasks has been queued.
        if let Some(wait) =
            Priority::ALL.into_iter().filter_map(|it| registry.oldest_wait(it)).max()
        {
            write!(f, "; a task has been queued for {wait:.1?}")?;
        }
        let (spare, most) = (registry.counts.spare_threads(), registry.settings.max_spare_threads);
        if spare > 0 {
            let off = threads_off(registry);
            write!(f, "; {spare} spare threads of at most {most}, {off} threads off their cores")?;
        }
        let refused = registry.counts.refused_hand_offs.load(Ordering::Relaxed);
        if refused > 0 {
            write!(f, "; {refused} waits keep their cores for want of a spare thread")?;
            write!(f, ", of which there may be {most}: what runs on top may wait for them")?;
        }
        let ending = if registry.is_ending() { ", ending" } else { "" };
        let lost = if registry.is_lost() { ", lost by a fork()" } else { "" };
        writeln!(f, "{ending}{lost}")?;
        let mut workers = registry.workers().iter();
        workers.try_for_each(|worker| self.add_worker(worker, names.remove(&worker.index())))
    }

    fn add_worker(&mut self, worker: &Worker, thread_name: Option<String>) -> fmt::Result {
        let f = &mut self.text;
        let state = worker.sleep().state_name(worker.index());
        let (jobs, off, waits_for) =
            (worker.jobs_on_stack(), worker.threads_off(), worker.waits_for());
        let borrower = worker.lent_to().filter(|_| state == "busy");
        let thread_number = borrower.unwrap_or_else(|| worker.thread_number());
        let blocked = worker.sleep().in_blocking(worker.index()).unwrap_or_default();

        write!(f, "  worker {}: ", worker.index())?;
        match borrower {
            Some(0) => write!(f, "lent to a thread outside the pool")?,
            Some(number) => write!(f, "lent to thread {number} outside the pool")?,
            None => write_state(f, state, worker.time_spent())?,
        }
        write!(f, ", {jobs} {} on its stack", if jobs == 1 { "job" } else { "jobs" })?;
        write_awaited(f, waits_for)?;
        if let Some(job) = worker.name_of_running().filter(|_| jobs > 0) {
            write!(f, ", runs `{}`", name_of_carried(job))?;
            write_name(f, worker.context().addr())?;
        }
        // A core that was lent has a thread that is not the worker's.
        if let Some(name) = thread_name.filter(|_| borrower.is_none()) {
            write!(f, "; thread `{name}`")?;
            if thread_number != 0 {
                write!(f, " ({thread_number})")?;
            }
        }
        if off > 0 {
            write!(f, "; {off} threads off its core")?;
        }
        for (times, place) in blocked.iter().zip(["off its core", "on its core"]) {
            if !times.is_empty() {
                write!(f, "; {} blocked in `blocking` {place}, for {times:.1?}", times.len())?;
            }
        }
        self.is_pending |= jobs + off > 0 || borrower.is_some() || waits_for.is_some();
        self.add_queued(worker, jobs)?;
        let is_said_to_sleep = waits_for.is_some() || !blocked[1].is_empty();
        let is_busy = state == "busy" && !worker.registry().is_simulated();
        // What a borrower runs at the bottom of its stack is not counted as a job.
        let hint = hint(jobs + u32::from(borrower.is_some()))
            .filter(|_| is_busy && !is_said_to_sleep && thread::is_asleep(thread_number));
        writeln!(self.text, "{}", hint.unwrap_or_default())
    }

    /// Adds what is queued at a worker, and what it has done.
    fn add_queued(&mut self, worker: &Worker, jobs: u32) -> fmt::Result {
        let (hidden, public) = worker.forks_pending();
        let (tasks, batches) = worker.tasks_pending();
        let pinned = worker.pinned.len();
        self.is_pending |= hidden + public + tasks + batches + pinned > 0;
        let f = &mut self.text;
        write!(f, "; queued: {hidden} forks hidden, {public} public, ")?;
        write!(f, "{tasks} tasks and {batches} batches, {pinned} pinned; ")?;
        let counters = worker.counters.snapshot();
        let WorkerCounters { tasks_run, tasks_panicked, tasks_cancelled, .. } = counters;
        write!(f, "{tasks_run} tasks run, {tasks_panicked} panicked, ")?;
        let WorkerCounters { tasks_expired, forks_published, .. } = counters;
        write!(f, "{tasks_cancelled} cancelled, {tasks_expired} expired, ")?;
        let WorkerCounters { steals_tried, steals_won, parks, wakes, .. } = counters;
        write!(
            f,
            "{forks_published} forks published, {steals_won} of {steals_tried} steals won, "
        )?;
        self.progress.push([tasks_run, forks_published, jobs as usize, hidden, public]);
        write!(self.text, "{parks} parks, {wakes} wakes")
    }
}

/// Returns what may be wrong if a thread with this number of jobs on its stack sleeps, though it is
/// in no wait of this crate.
fn hint(jobs: u32) -> Option<&'static str> {
    match jobs {
        0 => None,
        1 => Some(
            "\n    its thread sleeps outside filch: in a lock, a channel, a foreign `block_on` or \
             the like",
        ),
        _ => Some(
            "\n    its thread sleeps in a job that runs on top of a wait: if that is for a lock, \
             the waiting frame may hold it",
        ),
    }
}

impl Simulated for Registry {
    #[cfg(feature = "deterministic")]
    fn has_work(self: Arc<Self>, has_turn: bool) -> bool {
        // A pool does not end while its own task has the turn.
        let ends = self.is_ending() && !has_turn;
        let is_queued = |it: &Worker| it.has_own_work() || it.forks_pending() != (0, 0);
        let are_queued = || self.workers().iter().any(|worker| is_queued(worker));
        let has_work = ends || self.has_ended() || self.injected_len() > 0 || are_queued();
        // This is not the last reference, since a waiting thread has one. If it were, dropping it
        // here could run closures of the user.
        if let Some(last) = Arc::into_inner(self) {
            std::mem::forget(last);
        }
        has_work
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Writes the state of a core, and for how long it has been so, if that is known. The two may be
/// from different moments.
fn write_state(f: &mut String, state: &str, spent: Spent) -> fmt::Result {
    let is_same = match spent.now {
        Activity::Busy => state == "busy" || state == "looking",
        Activity::Searching => state == "looking",
        Activity::Parked => state == "parked",
        Activity::Blocked => state == "blocked" || state == "restricted",
    };
    f.write_str(state)?;
    if is_same { write!(f, " for {:.1?}", spent.lasts) } else { Ok(()) }
}

fn write_awaited(f: &mut String, waits_for: Option<Awaited>) -> fmt::Result {
    match waits_for {
        None => Ok(()),
        Some(Awaited::Fork(Some(runner))) => write!(f, ", waits for a fork at worker {runner}"),
        Some(Awaited::Fork(None)) => write!(f, ", waits for a fork"),
        Some(Awaited::Scope) => write!(f, ", waits for a scope"),
        Some(Awaited::Task(None)) => write!(f, ", waits for a task"),
        Some(Awaited::Task(Some(task))) => {
            write!(f, ", waits for a task: `{}`", name_of_carried((task.name)()))?;
            write_name(f, task.context)
        }
        Some(Awaited::OtherPool) => write!(f, ", waits for another pool"),
    }
}

/// Writes the name of the task that has the context at this address, if it has a name.
fn write_name(f: &mut String, context: usize) -> fmt::Result {
    name_at(context).map_or(Ok(()), |task| write!(f, " of task `{task}`"))
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
