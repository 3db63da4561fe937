//! How a caller from outside waits for its job. That depends on what the last such jobs were like.
//!
//! It takes longer to fall asleep and be woken than to run a short job, and a second worker that is
//! woken for the job's forks comes too late. So if the last job was short, the caller wakes only
//! one worker. Meanwhile the caller itself is the sentry (`sleep/mod.rs`), so that the job's forks
//! wake no other worker. If the job turns out to be long, the caller wakes a second worker. Before
//! the caller sleeps, it polls for the end of the job for some microseconds.
//!
//! # What it is worth
//! CPU time and median latency of a small loop by `install` on two threads, on two virtual cores.
//! (`benches/ablation` has `caller-looks` and `short-jobs`.)
//!
//! | | 4 items of 200 ns every 100 µs | 16 items of 1 µs every ms |
//! | --- | ---: | ---: |
//! | as it is | 57 µs, 9 µs | 92 µs, 35 µs |
//! | the caller sleeps at once | 106 µs, 33 µs | 149 µs, 61 µs |
//! | and wakes a second worker for each | 135 µs, 27 µs | 182 µs, 53 µs |
#![deny(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Duration;

use crate::os::clock::{TICKS_PER_MICROSECOND, ticks};
use crate::sync::{Ordering, spin_loop, spin_or_yield};

/// A job that takes longer is worth a second worker at once. (It takes about as long to wake one.)
const LONG: u64 = 50 * TICKS_PER_MICROSECOND;
/// For how long the caller of a job that should be short is the sentry.
pub(crate) const WATCH: Duration = Duration::from_micros(100);
/// For how long a caller looks at most. It looks half as long after each look in vain.
const LOOK: u64 = 48 * TICKS_PER_MICROSECOND;
/// After so many looks in vain it looks as long as at first, to see whether that pays again.
const MOST_IN_VAIN: u32 = 32;
/// For how long it looks without yielding its processor.
const SPIN: u64 = TICKS_PER_MICROSECOND;

/// What the callers of a pool know of the last jobs, as a guess for the next one.
pub(crate) struct Callers {
    /// Whether the last job was long.
    expects_long: AtomicBool,
    /// How many callers have looked in vain lately.
    in_vain: AtomicU32,
}

impl Callers {
    pub(crate) const fn new() -> Self {
        Callers { expects_long: AtomicBool::new(false), in_vain: AtomicU32::new(0) }
    }

    /// Whether the next job is worth a second worker at once.
    pub(crate) fn expect_long(&self) -> bool {
        self.expects_long.load(Ordering::Relaxed)
    }

    /// Notes that a job took so many `ticks`.
    pub(crate) fn job_took(&self, ticks: u64) {
        let is_long = ticks > LONG;
        if is_long != self.expect_long() {
            self.expects_long.store(is_long, Ordering::Relaxed);
        }
    }

    /// Waits for a while until a job `is_over`.
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
mod tests {
    use super::*;

    #[test]
    fn a_job_is_expected_to_be_like_the_last() {
        let callers = Callers::new();
        assert!(!callers.expect_long());
        for (took, is_long) in [(LONG + 1, true), (LONG, false), (0, false)] {
            callers.job_took(took);
            assert_eq!(callers.expect_long(), is_long, "{took}");
        }
    }

    #[test]
    fn looks_in_vain_become_short_and_are_tried_again() {
        let callers = Callers::new();
        let in_vain = || callers.in_vain.load(Ordering::Relaxed);
        (0..4).for_each(|_| callers.look(|| false));
        assert_eq!(in_vain(), 4);
        callers.look(|| true);
        assert_eq!(in_vain(), 2);
        (2..MOST_IN_VAIN).for_each(|_| callers.look(|| false));
        assert_eq!(in_vain(), 0);
    }
}
