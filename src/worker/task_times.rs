//! How long tasks wait in queues, and how long they run, in a pool that measures that
//! ([`ThreadPoolBuilder::task_times`]).
//!
//! [`ThreadPoolBuilder::task_times`]: crate::ThreadPoolBuilder::task_times
#![deny(unsafe_code)]

// Not the model checker's, which would explore every order of these.
use std::sync::atomic::{AtomicU64, Ordering};

use crate::job::Priority;

/// Each power of two has this many buckets, so a bucket is at most a quarter wider than its lower
/// bound.
const PARTS: u64 = 4;
/// Times from here on, about 73 minutes, are in the last bucket.
const MOST: u64 = 1 << 42;
pub(crate) const BUCKETS: usize = bucket_of(MOST) + 1;

pub(crate) const fn bucket_of(nanos: u64) -> usize {
    if nanos < PARTS {
        return nanos as usize;
    }
    let nanos = if nanos < MOST { nanos } else { MOST };
    let power = nanos.ilog2() as u64 - PARTS.ilog2() as u64;
    (power * PARTS + (nanos >> power)) as usize
}

pub(crate) const fn start_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * PARTS {
        return bucket;
    }
    (PARTS + bucket % PARTS) << (bucket / PARTS - 1)
}

/// The times of one worker's tasks. Only the holder of its core writes.
pub(crate) struct TaskTimes {
    pub(crate) waited: LiveHistogram,
    pub(crate) ran: LiveHistogram,
}

pub(crate) struct LiveHistogram {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

impl LiveHistogram {
    fn new() -> Self {
        LiveHistogram { buckets: [const { AtomicU64::new(0) }; BUCKETS], sum: AtomicU64::new(0) }
    }

    pub(super) fn record(&self, nanos: u64) {
        let add = |to: &AtomicU64, n| to.store(to.load(Ordering::Relaxed) + n, Ordering::Relaxed);
        add(&self.buckets[bucket_of(nanos)], 1);
        add(&self.sum, nanos);
    }

    pub(crate) fn counts(&self) -> impl Iterator<Item = u64> {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed))
    }

    pub(crate) fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }
}

impl TaskTimes {
    pub(crate) fn new() -> Self {
        TaskTimes { waited: LiveHistogram::new(), ran: LiveHistogram::new() }
    }
}

/// When the oldest timed tasks of a pool were queued, for each priority: 0 where there is none.
pub(crate) struct Oldest([[AtomicU64; PLACES]; 3]);
const PLACES: usize = 64;

/// A priority, and the place of a task among those of that priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(Priority, u8);

impl Oldest {
    pub(crate) fn new() -> Self {
        Oldest([const { [const { AtomicU64::new(0) }; PLACES] }; 3])
    }

    pub(super) fn add(&self, priority: Priority, at: u64) -> Option<Place> {
        let (relaxed, at) = (Ordering::Relaxed, at.max(1));
        let take = |place: &AtomicU64| {
            place.load(relaxed) == 0 && place.compare_exchange(0, at, relaxed, relaxed).is_ok()
        };
        let place = self.0[priority as usize].iter().position(take)?;
        Some(Place(priority, place as u8))
    }

    pub(super) fn remove(&self, Place(priority, place): Place) {
        self.0[priority as usize][place as usize].store(0, Ordering::Relaxed);
    }

    pub(crate) fn at(&self, priority: Priority) -> Option<u64> {
        let places = self.0[priority as usize].iter();
        places.map(|place| place.load(Ordering::Relaxed)).filter(|&at| at != 0).min()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
