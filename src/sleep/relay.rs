//! Wakes the workers of a broadcast or a gang, to each of which a job is pinned.
//!
//! A sender that wakes one sleeper after the other is slow: each worker that wakes preempts it, and
//! all of them take turns on its processor while others idle. So each worker wakes two more before
//! it runs its job. The sender also goes on waking, in case the workers are busy with long jobs.
//! (Without the workers' help, the last of 128 sleepers begins 1.31 times as late, and a broadcast
//! to 64 takes 1.19 times the CPU time: `benches/ablation/relay.patch`.)
#![deny(unsafe_code)]

use super::Sleep;
use crate::sync::{AtomicUsize, Ordering};

/// How many workers a worker wakes before it runs its job.
const MOST_WOKEN: usize = 2;

pub(crate) struct Relay {
    workers: Vec<usize>,
    /// The index in `workers` of the next worker to wake. It is past the end until a job is pinned
    /// to each.
    next: AtomicUsize,
}

impl Relay {
    pub(crate) fn new(workers: Vec<usize>) -> Self {
        let next = AtomicUsize::new(workers.len());
        Relay { workers, next }
    }

    pub(crate) fn workers(&self) -> &[usize] {
        &self.workers
    }

    /// Wakes all workers but the first `awake`. Called once, after a job was pinned to each.
    pub(crate) fn start(&self, sleep: &Sleep, awake: usize) {
        // Release: matches the Acquire in `wake`. Whichever thread wakes a worker, the push of that
        // worker's job comes before the thread's fence.
        self.next.store(awake, Ordering::Release);
        self.wake(sleep, self.workers.len());
    }

    /// Wakes the next two workers. Called by a worker that is about to run its job.
    pub(crate) fn pass_on(&self, sleep: &Sleep) {
        self.wake(sleep, MOST_WOKEN);
    }

    fn wake(&self, sleep: &Sleep, most: usize) {
        let one_more = |next| (next < self.workers.len()).then_some(next + 1);
        for _ in 0..most {
            // Acquire: matches the Release in `start`.
            let next = self.next.fetch_update(Ordering::Acquire, Ordering::Relaxed, one_more);
            let Ok(next) = next else { return };
            sleep.wake_for_pinned(self.workers[next]);
        }
    }
}
