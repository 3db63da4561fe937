//! How a thread outside the pool waits for its job. This depends on how long the last such jobs
//! took.
//!
//! Falling asleep and being woken takes longer than a short job, and a second worker that is woken
//! for the job's forks comes too late. So if the last job was short, the caller wakes only one
//! worker, and polls for the end of the job for some microseconds before it sleeps.
//!
//! In a job of less than a millisecond, more workers than processors are of no use: each one that
//! is woken preempts one that works. So if such a job is expected, the caller wakes two workers,
//! and these wake others only up to the number of processors. Meanwhile the caller itself is the
//! sentry (`sleep/mod.rs`) on which other publishers rely. If the job turns out to take longer, the
//! caller gives up that role, and wakes a worker if there is work.
//!
//! # What it is worth
//! CPU time and median latency of one small loop in `install`, on two virtual cores
//! (`caller-looks`, `short-jobs` and `medium-jobs` in `benches/ablation`):
//!
//! | 2 threads | 4 items of 200 ns every 100 µs | 16 items of 1 µs every ms |
//! | --- | ---: | ---: |
//! | as it is | 57 µs, 9 µs | 92 µs, 35 µs |
//! | the caller sleeps at once | 106 µs, 33 µs | 149 µs, 61 µs |
//! | and wakes a second worker for each | 135 µs, 27 µs | 182 µs, 53 µs |
//!
//! | 64 items of 5 µs every 5 ms | 4 threads | 8 threads | 64 threads |
//! | --- | ---: | ---: | ---: |
//! | as it is | 510 µs, 275 µs | 510 µs, 277 µs | 690 µs, 323 µs |
//! | any number of workers is woken | 720 µs, 332 µs | 860 µs, 404 µs | 910 µs, 435 µs |
#![deny(unsafe_code)]

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use crate::os::clock::{TICKS_PER_MICROSECOND, ticks};
use crate::os::generation::PerProcess;
use crate::sync::{Ordering, spin_loop, spin_or_yield};

/// After this long, and then at this interval, a caller from outside asks again for its job to
/// begin.
pub(crate) const LATE: Duration = Duration::from_millis(4);
/// A job that takes longer is worth a second worker at once. (It takes about as long to wake one.)
const SHORT: u64 = 50 * TICKS_PER_MICROSECOND;
/// In a job that takes longer, workers may share a processor, or sleep.
const MEDIUM: u64 = 1000 * TICKS_PER_MICROSECOND;
/// After a long job, how many jobs are expected to be long as well.
const LONG_JOBS: u32 = 32;
/// For how long a caller polls at most. After each time in vain, it polls half as long.
const LOOK: u64 = 48 * TICKS_PER_MICROSECOND;
/// After this many times in vain, it polls for the full time once more, to see whether that pays
/// again.
const MOST_IN_VAIN: u32 = 32;
/// A new pool begins as if this many were in vain. Its threads have yet to start, which takes about
/// as long as to poll for the full time. They start on other processors than the caller's. (With
/// the full time, a pool of one thread that runs one empty job takes 1.5 times the CPU time.)
const FEW_IN_VAIN: u32 = 2;
/// For how long it polls without yielding its processor.
const SPIN: u64 = TICKS_PER_MICROSECOND;

/// No `LazyLock`: a child of a `fork()` might find that held.
static PROCESSORS: PerProcess<Processors> = PerProcess::new();

struct Processors(usize);

impl Default for Processors {
    fn default() -> Self {
        Processors(num_cpus::get())
    }
}

pub(crate) fn processors() -> usize {
    PROCESSORS.get().0
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    Short,
    Medium,
    Long,
}

impl Length {
    fn of(ticks: u64) -> Length {
        match ticks {
            _ if ticks <= SHORT => Length::Short,
            _ if ticks <= MEDIUM => Length::Medium,
            _ => Length::Long,
        }
    }

    /// How many awake workers are enough for such a job, and for how long the caller is the sentry
    /// meanwhile. `None` if any number of workers may be of use.
    pub(crate) fn enough(self) -> Option<(usize, Duration)> {
        match self {
            Length::Short => Some((1, Duration::from_micros(100))),
            // Two at least: the thread that counted the processors may be bound to one, unlike the
            // workers.
            Length::Medium => Some((processors().max(2), Duration::from_millis(1))),
            Length::Long => None,
        }
    }
}

/// What the callers of a pool know of the last jobs, as a guess for the next one.
pub(crate) struct Callers {
    /// 0 if the next job should be short, and 1 if it should be medium. *n* + 1 if the next *n*
    /// jobs should be long.
    guess: AtomicU32,
    /// How many callers have polled in vain lately.
    in_vain: AtomicU32,
    /// The worker that began the last job that should be long. It has the biggest forks.
    pub(super) root: AtomicU32,
}

impl Callers {
    pub(crate) const fn new() -> Self {
        let (guess, in_vain) = (AtomicU32::new(0), AtomicU32::new(FEW_IN_VAIN));
        Callers { guess, in_vain, root: AtomicU32::new(0) }
    }

    pub(crate) fn expect(&self) -> Length {
        match self.guess.load(Ordering::Relaxed) {
            0 => Length::Short,
            1 => Length::Medium,
            _ => Length::Long,
        }
    }

    pub(crate) fn job_took(&self, ticks: u64) {
        let guess = self.guess.load(Ordering::Relaxed);
        let next = match (Length::of(ticks), guess) {
            (Length::Long, _) => 1 + LONG_JOBS,
            // It may have been medium because many workers took part.
            (Length::Medium, 3..) => guess - 1,
            (Length::Medium, _) => 1,
            (Length::Short, _) => 0,
        };
        if next != guess {
            self.guess.store(next, Ordering::Relaxed);
        }
    }

    /// Polls for a while whether a job `is_over`.
    pub(crate) fn look(&self, is_over: impl Fn() -> bool) {
        let in_vain = self.in_vain.load(Ordering::Relaxed);
        let (start, limit) = (ticks(), LOOK >> in_vain.min(6));
        let next = loop {
            if is_over() {
                break in_vain / 2;
            }
            match ticks().wrapping_sub(start) {
                passed if passed > limit => break (in_vain + 1) % MOST_IN_VAIN,
                passed if passed < SPIN => spin_loop(),
                _ => spin_or_yield(),
            }
        };
        if next != in_vain {
            self.in_vain.store(next, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
