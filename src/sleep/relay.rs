//! Wakes the workers of a broadcast, to each of which a job is pinned.
//!
//! A sender that wakes one sleeper after the other is slow: each worker that wakes preempts it, and
//! all of them take turns on its processor while others idle. So each worker wakes two more before
//! it runs its job. The sender goes on as well, so that no job waits for one that takes long.
//! (Without that the last of 128 sleepers begins after 1.31 times as long.)
#![deny(unsafe_code)]

use super::Sleep;
use crate::sync::{AtomicU32, AtomicUsize, Ordering};

/// How many workers a worker wakes before it runs its job.
const MOST_WOKEN: usize = 2;

/// The workers that are still to be woken.
pub(crate) struct Relay {
    workers: usize,
    /// Whether a job is pinned to each.
    is_ready: AtomicU32,
    /// The next one to be woken.
    next: AtomicUsize,
}

impl Relay {
    pub(crate) fn new(workers: usize) -> Self {
        Relay { workers, is_ready: AtomicU32::new(0), next: AtomicUsize::new(0) }
    }

    /// Wakes all workers. Called once, after a job was pinned to each.
    pub(crate) fn start(&self, sleep: &Sleep) {
        // Release: matches the Acquire in `pass_on`. Whichever thread wakes a worker, the push of
        // that worker's job comes before the thread's fence.
        self.is_ready.store(1, Ordering::Release);
        self.wake(sleep, self.workers);
    }

    /// Helps with that. Called by a worker that is about to run its job.
    pub(crate) fn pass_on(&self, sleep: &Sleep) {
        // Acquire: matches the Release in `start`.
        if self.is_ready.load(Ordering::Acquire) != 0 {
            self.wake(sleep, MOST_WOKEN);
        }
    }

    fn wake(&self, sleep: &Sleep, most: usize) {
        for _ in 0..most {
            // Relaxed: it only shares out the workers.
            let core = self.next.fetch_add(1, Ordering::Relaxed);
            if core >= self.workers {
                return;
            }
            sleep.wake_for_pinned(core);
        }
    }
}
