//! The metrics of a pool: a snapshot, and what has changed from one to the next.

use std::fmt;
use std::iter::{FusedIterator, Sum};
use std::ops::Add;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Histogram;
use crate::job::Priority;
use crate::worker::counters::WorkerCounters;
use crate::worker::shared::{Registry, RegistryRef};
use crate::worker::task_times::{LiveHistogram, TaskTimes};
use crate::worker::times::Activity;
use crate::worker::{Worker, pools};

/// The metrics of a pool at one moment, since it was built, or [over an
/// interval](Self::intervals).
///
/// To take them stops no worker. So those of a busy pool may be from slightly different moments.
///
/// ```
/// let pool = filch::ThreadPoolBuilder::new().num_threads(2).task_times(1).build()?;
/// let mut intervals = pool.metrics().intervals();
/// pool.spawn(|| 6 * 7).join().unwrap();
/// let interval = intervals.next().expect("the pool exists");
/// assert_eq!(interval.total().counters.tasks_run, 1);
/// assert!(interval.to_string().contains("           1 tasks run\n"));
/// assert_eq!(interval.run_times.expect("they are measured").count(), 1);
/// # Ok::<(), filch::ThreadPoolBuildError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Metrics {
    /// A number of the pool that no other pool of the process has.
    pub pool: usize,
    /// The name of the pool's first thread.
    pub name: String,
    /// For how long the pool has existed, or the length of the interval.
    pub elapsed: Duration,
    /// The metrics of each worker, in the order of their indices.
    pub workers: Vec<WorkerMetrics>,
    /// The tasks that are queued, by priority: the most urgent first.
    pub queues: Vec<QueueMetrics>,
    /// The longest [`oldest_wait`](QueueMetrics::oldest_wait) of all these.
    pub oldest_wait: Option<Duration>,
    /// How many spare threads the pool has: see [`WaitPolicy`](crate::WaitPolicy).
    pub spare_threads: usize,
    /// How many threads have handed off their core in a wait, and do not have it back.
    pub threads_off_core: usize,
    /// How many calls of [`blocking`](crate::blocking()) have not returned.
    pub threads_blocking: usize,
    /// For how long tasks were queued, if the pool [measures](crate::ThreadPoolBuilder::task_times)
    /// that.
    pub queue_waits: Option<Histogram>,
    /// For how long tasks ran, if the pool measures that. What a worker runs on top of a task that
    /// waits counts as part of the task.
    pub run_times: Option<Histogram>,
    source: Weak<Registry>,
}

/// The metrics of one worker, or the [sum](Metrics::total) of several.
///
/// The four times add up to the time for which the pool has existed, or to the length of the
/// interval. If a user's thread [is a worker](crate::ThreadPoolBuilder::use_current_thread), it
/// counts as busy while it does something else.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WorkerMetrics {
    /// What was counted.
    pub counters: WorkerCounters,
    /// How long jobs ran.
    pub busy: Duration,
    /// How long the worker searched for work. 0 unless the pool
    /// [measures](crate::ThreadPoolBuilder::worker_times) that.
    pub searching: Duration,
    /// How long the worker slept because there was no work.
    pub parked: Duration,
    /// How long the worker slept in waits, for lack of work that it may run meanwhile.
    pub blocked: Duration,
    /// Second closures of joins that are pending here now, public or not.
    pub forks: usize,
    /// About how many tasks are queued here now.
    pub tasks: usize,
    /// Jobs that are pinned to this worker now, such as its part of a broadcast.
    pub pinned: usize,
}

/// The queued tasks of one [priority](crate::Priority).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QueueMetrics {
    /// `high`, `normal` or `low`.
    pub class: &'static str,
    /// About how many tasks are queued now, at the workers and for any of them.
    pub depth: usize,
    /// For how long the oldest has been queued, of those whose times are
    /// [measured](crate::ThreadPoolBuilder::task_times). `None` if there is none.
    pub oldest_wait: Option<Duration>,
}

impl Metrics {
    pub(crate) fn of(registry: &Registry) -> Self {
        let workers = registry.workers().iter();
        let times = || registry.workers().iter().filter_map(|worker| worker.task_times.as_deref());
        let histogram = |of: fn(&TaskTimes) -> &LiveHistogram| {
            let mut sum = Histogram::new();
            times().for_each(|times| sum.add(of(times)));
            times().next().map(|_| sum)
        };
        let queues = queues(registry);
        Metrics {
            pool: registry.number,
            name: registry.name(0),
            elapsed: registry.age(),
            workers: workers.map(|worker| WorkerMetrics::of(worker)).collect(),
            oldest_wait: queues.iter().filter_map(|queue| queue.oldest_wait).max(),
            queues,
            spare_threads: registry.counts.spare_threads(),
            threads_off_core: threads_off(registry),
            threads_blocking: registry.counts.threads_blocking.load(Ordering::Relaxed),
            queue_waits: histogram(|times| &times.waited),
            run_times: histogram(|times| &times.ran),
            source: registry.downgrade(),
        }
    }

    /// Returns the sum over all workers.
    pub fn total(&self) -> WorkerMetrics {
        self.workers.iter().cloned().sum()
    }

    /// Returns the counts and times since `before`, an earlier snapshot of the same pool. Values of
    /// the present, such as the number of queued tasks, stay as they are.
    ///
    /// # Panics
    /// Panics if `before` is of another pool.
    pub fn since(&self, before: &Metrics) -> Metrics {
        assert_eq!(
            self.pool, before.pool,
            "since: `before` is of another pool; accepted: an earlier snapshot of the same one"
        );
        let histogram = |now: &Option<Histogram>, before: &Option<Histogram>| {
            Some(now.as_ref()?.since(before.as_ref()?))
        };
        let workers = self.workers.iter().zip(&before.workers);
        Metrics {
            elapsed: self.elapsed.saturating_sub(before.elapsed),
            workers: workers.map(|(now, before)| now.since(before)).collect(),
            queue_waits: histogram(&self.queue_waits, &before.queue_waits),
            run_times: histogram(&self.run_times, &before.run_times),
            ..self.clone()
        }
    }

    /// Returns an iterator that takes a snapshot each time, and returns what has changed since the
    /// one before. The first one is this snapshot. The iterator ends when the pool has ended, and
    /// does not keep the pool alive.
    ///
    /// (The interface is that of tokio-metrics.)
    pub fn intervals(self) -> Intervals {
        Intervals { before: self }
    }
}

/// The pool, what is queued, and the sum over all workers, in a few lines.
impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (workers, total) = (self.workers.len(), self.total());
        writeln!(
            f,
            "pool {} (`{}`): {workers} workers, {:.1?}",
            self.pool, self.name, self.elapsed
        )?;
        for queue in &self.queues {
            writeln!(f, "{:>12} queued, {}", queue.depth, queue.class)?;
        }
        for (name, time) in total.times() {
            writeln!(f, "{:>12} {name}", format!("{time:.1?}"))?;
        }
        for (name, _, value) in total.counters.all() {
            writeln!(f, "{value:>12} {}", name.replace('_', " "))?;
        }
        Ok(())
    }
}

fn queues(registry: &Registry) -> Vec<QueueMetrics> {
    let classes = [(Priority::High, "high"), (Priority::Normal, "normal"), (Priority::Low, "low")];
    let queue = |(priority, class)| {
        let outside = registry.injector_for(priority).len();
        let workers = registry.workers().iter();
        let at_workers: usize = workers.map(|worker| worker.tasks_queued(priority)).sum();
        let cross = registry.cross_jobs_of(priority).len();
        let oldest_wait = registry.oldest_wait(priority);
        QueueMetrics { class, depth: outside + at_workers + cross, oldest_wait }
    };
    classes.into_iter().map(queue).collect()
}

impl WorkerMetrics {
    fn of(worker: &Worker) -> Self {
        let (private, public) = worker.forks_pending();
        let spent = worker.time_spent().times;
        WorkerMetrics {
            counters: worker.counters.snapshot(),
            busy: spent[Activity::Busy as usize],
            searching: spent[Activity::Searching as usize],
            parked: spent[Activity::Parked as usize],
            blocked: spent[Activity::Blocked as usize],
            forks: private + public,
            tasks: worker.public_tasks(),
            pinned: worker.pinned.len(),
        }
    }

    fn since(&self, before: &WorkerMetrics) -> WorkerMetrics {
        WorkerMetrics {
            counters: self.counters.since(before.counters),
            busy: self.busy.saturating_sub(before.busy),
            searching: self.searching.saturating_sub(before.searching),
            parked: self.parked.saturating_sub(before.parked),
            blocked: self.blocked.saturating_sub(before.blocked),
            ..*self
        }
    }

    pub(super) fn times(&self) -> [(&'static str, Duration); 4] {
        [
            ("busy", self.busy),
            ("searching", self.searching),
            ("parked", self.parked),
            ("blocked", self.blocked),
        ]
    }
}

impl Add for WorkerMetrics {
    type Output = WorkerMetrics;

    fn add(self, other: WorkerMetrics) -> WorkerMetrics {
        WorkerMetrics {
            counters: self.counters + other.counters,
            busy: self.busy + other.busy,
            searching: self.searching + other.searching,
            parked: self.parked + other.parked,
            blocked: self.blocked + other.blocked,
            forks: self.forks + other.forks,
            tasks: self.tasks + other.tasks,
            pinned: self.pinned + other.pinned,
        }
    }
}

impl Sum for WorkerMetrics {
    fn sum<I: Iterator<Item = WorkerMetrics>>(parts: I) -> WorkerMetrics {
        parts.fold(WorkerMetrics::default(), Add::add)
    }
}

/// What has changed in a pool since the call before: see [`Metrics::intervals`].
#[derive(Clone, Debug)]
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Intervals {
    before: Metrics,
}

impl Iterator for Intervals {
    type Item = Metrics;

    fn next(&mut self) -> Option<Metrics> {
        // (A handle or a set may keep the registry of a pool that has ended.)
        let live = RegistryRef::upgrade(&self.before.source).filter(|pool| !pool.has_ended());
        let now = Metrics::of(&*live?);
        let interval = now.since(&self.before);
        self.before = now;
        Some(interval)
    }
}

// A pool that has ended does not come back.
impl FusedIterator for Intervals {}

pub(super) fn all() -> Vec<Metrics> {
    pools::all()
        .iter()
        .flatten()
        .filter_map(RegistryRef::upgrade)
        .map(|it| Metrics::of(&it))
        .collect()
}

/// How many threads have handed off their cores, and do not have them back.
pub(super) fn threads_off(registry: &Registry) -> usize {
    registry.workers().iter().map(|worker| worker.threads_off() as usize).sum()
}
