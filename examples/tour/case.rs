//! One workload of the tour: runs it serially and on the pool, measures and checks both.

use std::cmp::Ordering;
use std::hint::black_box;
use std::thread;
use std::time::Duration;

use filch::{ThreadPool, WorkerCounters};

use crate::common::{STACK_SIZE, speed_up, timed};
use crate::workloads::{Filch, Fork, Serial, Workload};

/// A [`Workload`] of any type of value.
pub trait Case {
    fn round(&self, pool: &ThreadPool) -> Round;
}

/// A serial run, and a parallel one right after it.
pub struct Round {
    serial: Duration,
    parallel: Duration,
    is_right: bool,
    workers: Vec<Counts>,
}

impl Round {
    fn speed_up(&self) -> f64 {
        speed_up(self.serial, self.parallel)
    }
}

impl<W> Case for W
where
    W: Workload<Value: PartialEq>,
{
    fn round(&self, pool: &ThreadPool) -> Round {
        let (expected, serial) = on_deep_stack(|| timed(|| black_box(self).run::<Serial>(&mut ())));
        let before = snapshot(pool);
        let (value, parallel) = timed(|| Filch::install(pool, |cx| self.run::<Filch>(cx)));
        let after = snapshot(pool);
        let pairs = after.into_iter().zip(before);
        Round {
            serial,
            parallel,
            is_right: self.is_right(&expected) && value == expected,
            workers: pairs.map(|(after, before)| after.minus(before)).collect(),
        }
    }
}

/// Runs `work` on a plain thread, with as much stack as the pool's workers have.
fn on_deep_stack<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| {
        thread::Builder::new()
            .stack_size(STACK_SIZE)
            .spawn_scoped(scope, work)
            .expect("the system refuses a thread")
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A summary of all rounds of one workload.
pub struct Tally {
    /// The median of the serial times.
    pub serial: Duration,
    /// The median of the parallel times.
    pub parallel: Duration,
    /// The median of the rounds' speed-ups. Lasting noise affects both runs of a round alike.
    pub speed_up: f64,
    /// Whether the answers of all rounds were right.
    pub is_right: bool,
    /// The counts of each worker over all rounds.
    pub workers: Vec<Counts>,
}

impl Tally {
    pub fn of(rounds: Vec<Round>) -> Tally {
        let workers = rounds.iter().map(|round| &round.workers[..]);
        Tally {
            serial: median(rounds.iter().map(|round| round.serial), Duration::cmp),
            parallel: median(rounds.iter().map(|round| round.parallel), Duration::cmp),
            speed_up: median(rounds.iter().map(Round::speed_up), f64::total_cmp),
            is_right: rounds.iter().all(|round| round.is_right),
            workers: add_workers(workers),
        }
    }
}

fn median<T: Copy>(values: impl Iterator<Item = T>, order: fn(&T, &T) -> Ordering) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable_by(order);
    values[values.len() / 2]
}

/// A worker's [`WorkerCounters`], which can be added and subtracted.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    pub tasks: usize,
    pub published: usize,
    pub steals: usize,
    pub tried: usize,
    pub parks: usize,
    pub wakes: usize,
}

impl Counts {
    pub fn plus(self, other: Counts) -> Counts {
        self.with(other, usize::wrapping_add)
    }

    fn minus(self, other: Counts) -> Counts {
        self.with(other, usize::wrapping_sub)
    }

    fn with(self, other: Counts, op: fn(usize, usize) -> usize) -> Counts {
        Counts {
            tasks: op(self.tasks, other.tasks),
            published: op(self.published, other.published),
            steals: op(self.steals, other.steals),
            tried: op(self.tried, other.tried),
            parks: op(self.parks, other.parks),
            wakes: op(self.wakes, other.wakes),
        }
    }
}

impl From<WorkerCounters> for Counts {
    fn from(worker: WorkerCounters) -> Counts {
        Counts {
            tasks: worker.tasks_run,
            published: worker.forks_published,
            steals: worker.steals_won,
            tried: worker.steals_tried,
            parks: worker.parks,
            wakes: worker.wakes,
        }
    }
}

fn snapshot(pool: &ThreadPool) -> Vec<Counts> {
    pool.counters().workers.into_iter().map(Counts::from).collect()
}

/// Adds up the counts of each worker.
pub fn add_workers<'a>(parts: impl Iterator<Item = &'a [Counts]>) -> Vec<Counts> {
    let mut sum: Vec<Counts> = Vec::new();
    for part in parts {
        sum.resize(part.len(), Counts::default());
        for (total, counts) in sum.iter_mut().zip(part) {
            *total = total.plus(*counts);
        }
    }
    sum
}
