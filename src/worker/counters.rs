//! The public counters of the workers, and counts of a pool as a whole. They are always on.
//!
//! Without them and without the clock of `times.rs`, rows of `benches/ablation` on one thread take
//! between 0.1 % fewer and 0.6 % more instructions, by callgrind.

use std::iter::Sum;
use std::ops::Add;
use std::sync::atomic::AtomicUsize as PlainUsize;

use crate::sync::{AtomicUsize, Ordering};

/// Defines the counters: the public numbers, and those that are counted in.
macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// The counters of one worker since its pool was built.
        ///
        /// Each number wraps around at `usize::MAX`. They are not read at one instant, so those of
        /// a busy pool may not fit together exactly.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct WorkerCounters {
            $($(#[doc = $doc])* pub $name: usize,)*
        }

        impl WorkerCounters {
            /// The name of each counter, what it counts, and its value.
            pub(crate) fn all(&self) -> Vec<(&'static str, &'static str, usize)> {
                vec![$((stringify!($name), concat!($($doc),*), self.$name)),*]
            }

            fn with(self, other: WorkerCounters, op: fn(usize, usize) -> usize) -> WorkerCounters {
                WorkerCounters { $($name: op(self.$name, other.$name)),* }
            }
        }

        /// A worker's counters, with the fields of [`WorkerCounters`].
        #[derive(Default)]
        pub(crate) struct LiveCounters {
            $(pub(crate) $name: Counter,)*
        }

        impl LiveCounters {
            pub(crate) fn snapshot(&self) -> WorkerCounters {
                WorkerCounters { $($name: self.$name.get()),* }
            }
        }
    };
}

counters! {
    /// Tasks run: spawned tasks, broadcasts, installs, and stolen closures of joins. A closure of a
    /// join that was not stolen is not counted.
    tasks_run,
    /// Spawned tasks whose closure panicked.
    tasks_panicked,
    /// Spawned tasks that were cancelled: before they began, or where they asked for it.
    tasks_cancelled,
    /// Those of them whose deadline had passed.
    tasks_expired,
    /// Forks that were made public, for thieves.
    forks_published,
    /// Attempts to steal from a queue that did not look empty.
    steals_tried,
    /// Attempts that took a job.
    steals_won,
    /// Times the worker went to sleep.
    parks,
    /// Times another thread woke it.
    wakes,
}

impl WorkerCounters {
    /// What was counted since `before`.
    pub(crate) fn since(self, before: WorkerCounters) -> WorkerCounters {
        self.with(before, usize::wrapping_sub)
    }
}

impl Add for WorkerCounters {
    type Output = WorkerCounters;

    fn add(self, other: WorkerCounters) -> WorkerCounters {
        self.with(other, usize::wrapping_add)
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
#[derive(Default)]
pub(crate) struct Counter(AtomicUsize);

impl Counter {
    /// Adds `n` (writer only: a load and a store, no read-modify-write).
    #[inline]
    pub(crate) fn add(&self, n: usize) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Adds one, on any thread.
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counts of a pool. (Relaxed: they order nothing.)
#[derive(Default)]
pub(crate) struct PoolCounts {
    /// How many spare threads were started for waits, and for calls of `blocking`.
    pub(super) spare_for_waits: PlainUsize,
    pub(super) spare_for_blocking: PlainUsize,
    /// How many waits keep their cores at present, because there is no spare thread.
    pub(crate) refused_hand_offs: PlainUsize,
    /// How many calls of `blocking` have begun, and how many of these kept their core.
    pub(crate) blocking_calls: PlainUsize,
    pub(crate) blocking_calls_on_core: PlainUsize,
    /// How many calls of `blocking` have not returned.
    pub(crate) threads_blocking: PlainUsize,
    /// How many tasks were dropped before they began, because the pool was shut down.
    pub(crate) dropped_tasks: PlainUsize,
}

impl PoolCounts {
    pub(crate) fn spare_threads(&self) -> usize {
        let relaxed = Ordering::Relaxed;
        self.spare_for_waits.load(relaxed) + self.spare_for_blocking.load(relaxed)
    }
}
