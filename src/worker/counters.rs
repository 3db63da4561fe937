//! The public counters of the workers, which are always on.

use std::iter::Sum;
use std::ops::Add;

use crate::sync::{AtomicUsize, Ordering};

/// The counters of one worker since its pool was built.
///
/// Each number wraps around at `usize::MAX`. They are not read at one instant, so those of a busy
/// pool may not fit together exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerCounters {
    /// Tasks run: spawned tasks, broadcasts, installs, and stolen closures of joins. A closure of a
    /// join that was not stolen is not counted.
    pub tasks_run: usize,
    /// Forks that were made public, for thieves.
    pub forks_published: usize,
    /// Attempts to steal from a queue that did not look empty.
    pub steals_tried: usize,
    /// Attempts that took a job.
    pub steals_won: usize,
    /// Times the worker went to sleep.
    pub parks: usize,
    /// Times another thread woke it.
    pub wakes: usize,
}

impl Add for WorkerCounters {
    type Output = WorkerCounters;

    fn add(self, other: WorkerCounters) -> WorkerCounters {
        WorkerCounters {
            tasks_run: self.tasks_run.wrapping_add(other.tasks_run),
            forks_published: self.forks_published.wrapping_add(other.forks_published),
            steals_tried: self.steals_tried.wrapping_add(other.steals_tried),
            steals_won: self.steals_won.wrapping_add(other.steals_won),
            parks: self.parks.wrapping_add(other.parks),
            wakes: self.wakes.wrapping_add(other.wakes),
        }
    }
}

impl Sum for WorkerCounters {
    fn sum<I: Iterator<Item = WorkerCounters>>(parts: I) -> WorkerCounters {
        parts.fold(WorkerCounters::default(), Add::add)
    }
}

/// The counters of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// The counters of each worker, in the order of their indices.
    pub workers: Vec<WorkerCounters>,
    /// How many spare threads the pool has started, which end with it: see
    /// [`WaitPolicy`](crate::WaitPolicy) and [`blocking`](crate::blocking()).
    pub spare_threads: usize,
    /// How many threads have handed off their core, in a wait or in
    /// [`blocking`](crate::blocking()), and do not have it back.
    pub threads_off_core: usize,
    /// How many calls of [`blocking`](crate::blocking()) workers are in.
    pub threads_blocking: usize,
    /// How many calls of [`blocking`](crate::blocking()) workers have begun.
    pub blocking_calls: usize,
    /// How many of these have kept the core, because there was no spare thread, or by the pool's
    /// settings.
    pub blocking_calls_on_core: usize,
}

impl Counters {
    /// The sum over all workers.
    ///
    /// ```
    /// let before = filch::counters().total().tasks_run;
    /// filch::spawn(|| ()).join().unwrap();
    /// assert!(filch::counters().total().tasks_run > before);
    /// ```
    pub fn total(&self) -> WorkerCounters {
        self.workers.iter().copied().sum()
    }
}

/// A counter that any thread reads. Either one thread at a time [adds](Counter::add) to it, or any
/// thread [counts](Counter::count).
pub(crate) struct Counter(AtomicUsize);

impl Counter {
    fn new() -> Self {
        Counter(AtomicUsize::new(0))
    }

    /// Adds `n` (writer only: a load and a store, no read-modify-write).
    #[inline]
    pub(crate) fn add(&self, n: usize) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Adds one, on any thread.
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A worker's counters, with the fields of [`WorkerCounters`].
pub(crate) struct LiveCounters {
    pub(crate) tasks_run: Counter,
    pub(crate) forks_published: Counter,
    pub(crate) steals_tried: Counter,
    pub(crate) steals_won: Counter,
    pub(crate) parks: Counter,
    pub(crate) wakes: Counter,
}

impl LiveCounters {
    pub(crate) fn new() -> Self {
        LiveCounters {
            tasks_run: Counter::new(),
            forks_published: Counter::new(),
            steals_tried: Counter::new(),
            steals_won: Counter::new(),
            parks: Counter::new(),
            wakes: Counter::new(),
        }
    }

    pub(crate) fn snapshot(&self) -> WorkerCounters {
        WorkerCounters {
            tasks_run: self.tasks_run.get(),
            forks_published: self.forks_published.get(),
            steals_tried: self.steals_tried.get(),
            steals_won: self.steals_won.get(),
            parks: self.parks.get(),
            wakes: self.wakes.get(),
        }
    }
}
