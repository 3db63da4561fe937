//! How long tasks wait in queues, and how long they run, in a pool that measures that
//! ([`ThreadPoolBuilder::task_times`]).
//!
//! [`ThreadPoolBuilder::task_times`]: crate::ThreadPoolBuilder::task_times
#![deny(unsafe_code)]

// Not the model checker's, which would explore every order of these.
use std::sync::atomic::{AtomicU64, Ordering};

/// Each power of two has this many buckets, so a bucket is at most a quarter wider than its lower
/// bound.
const PARTS: u64 = 4;
/// Times from here on, about 73 minutes, are in the last bucket.
const MOST: u64 = 1 << 42;
/// The number of buckets.
pub(crate) const BUCKETS: usize = bucket_of(MOST) + 1;

/// The bucket of a time in nanoseconds.
pub(crate) const fn bucket_of(nanos: u64) -> usize {
    if nanos < PARTS {
        return nanos as usize;
    }
    let nanos = if nanos < MOST { nanos } else { MOST };
    let power = nanos.ilog2() as u64 - PARTS.ilog2() as u64;
    (power * PARTS + (nanos >> power)) as usize
}

/// The shortest time of a bucket.
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

/// When the oldest timed tasks of a pool were queued: 0 where there is none.
pub(crate) struct Oldest([AtomicU64; 64]);

impl Oldest {
    pub(crate) fn new() -> Self {
        Oldest([const { AtomicU64::new(0) }; 64])
    }

    pub(super) fn add(&self, at: u64) -> Option<u8> {
        let (relaxed, at) = (Ordering::Relaxed, at.max(1));
        let take = |place: &AtomicU64| {
            place.load(relaxed) == 0 && place.compare_exchange(0, at, relaxed, relaxed).is_ok()
        };
        self.0.iter().position(take).map(|place| place as u8)
    }

    pub(super) fn remove(&self, place: u8) {
        self.0[place as usize].store(0, Ordering::Relaxed);
    }

    /// When the oldest was queued, if any is.
    pub(crate) fn at(&self) -> Option<u64> {
        self.0.iter().map(|place| place.load(Ordering::Relaxed)).filter(|&at| at != 0).min()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_and_grow_by_a_quarter_at_most() {
        for bucket in 0..BUCKETS {
            let start = start_of(bucket);
            assert_eq!(bucket_of(start), bucket);
            if bucket > 0 {
                assert_eq!(bucket_of(start - 1), bucket - 1, "{start}");
                let width = start - start_of(bucket - 1);
                assert!(width <= 1 || width <= start_of(bucket - 1) / PARTS, "{start}");
            }
        }
        assert_eq!((bucket_of(u64::MAX), start_of(BUCKETS - 1)), (BUCKETS - 1, MOST));
    }

    #[test]
    fn the_oldest_task_is_known_though_there_are_more_than_places() {
        let oldest = Oldest::new();
        assert_eq!(oldest.at(), None);
        assert_eq!(oldest.add(7), Some(0));
        (8..100).for_each(|at| assert_eq!(oldest.add(at).is_some(), at < 71));
        assert_eq!(oldest.at(), Some(7));
        oldest.remove(0);
        assert_eq!((oldest.at(), oldest.add(200)), (Some(8), Some(0)));
    }
}
