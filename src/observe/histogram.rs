//! Histograms of times.

use std::fmt;
use std::time::Duration;

use crate::worker::task_times::{BUCKETS, LiveHistogram, start_of};

/// How many times were measured of each length: see [`Metrics`](crate::Metrics).
///
/// Times are counted in buckets whose bounds grow by a quarter at most, so a
/// [`quantile`](Self::quantile) is at most a quarter too long. The last bucket is for times of 73
/// minutes and more.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    sum: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Histogram { counts: vec![0; BUCKETS], sum: 0 }
    }

    pub(crate) fn add(&mut self, live: &LiveHistogram) {
        for (count, more) in self.counts.iter_mut().zip(live.counts()) {
            *count += more;
        }
        self.sum = self.sum.wrapping_add(live.sum());
    }

    pub(crate) fn since(&self, before: &Histogram) -> Histogram {
        let counts = self.counts.iter().zip(&before.counts);
        let counts = counts.map(|(now, before)| now.saturating_sub(*before)).collect();
        Histogram { counts, sum: self.sum.saturating_sub(before.sum) }
    }

    /// How many times were measured.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all times.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// The mean time, or `None` if none was measured.
    pub fn mean(&self) -> Option<Duration> {
        self.sum.checked_div(self.count()).map(Duration::from_nanos)
    }

    /// The time that a part `q` of all times do not exceed: 0.5 for the median, 0.99 for the 99th
    /// percentile. It is the upper bound of a bucket, so at most a quarter too long. Returns `None`
    /// if none was measured.
    ///
    /// # Panics
    /// Panics if `q` is not between 0 and 1.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        assert!((0.0..=1.0).contains(&q), "quantile: {q} is not between 0 and 1");
        let rank = ((self.count() as f64 * q).ceil() as u64).max(1);
        let mut up_to = 0;
        let is_reached = |&(_, count): &(Duration, u64)| {
            up_to += count;
            up_to >= rank
        };
        self.buckets().find(is_reached).map(|(bound, _)| bound)
    }

    /// The buckets that are not empty: the longest time that belongs to it, and how many times do.
    /// The longest time of the last bucket is [`Duration::MAX`].
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let bound = |bucket| match bucket + 1 {
            BUCKETS => Duration::MAX,
            next => Duration::from_nanos(start_of(next) - 1),
        };
        let all = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        all.map(move |(bucket, &count)| (bound(bucket), count))
    }

    /// How many times are below a power of two of nanoseconds.
    pub(crate) fn below(&self, power: u32) -> u64 {
        let buckets = self.counts.iter().enumerate();
        buckets
            .take_while(|(bucket, _)| start_of(*bucket) < 1 << power)
            .map(|(_, count)| count)
            .sum()
    }

    /// Returns the same as a histogram of the crate hdrhistogram, in nanoseconds, for what that can
    /// do: logs, plots, serialization. A time is there as the longest one of its bucket.
    ///
    /// Needs the feature `hdrhistogram`.
    #[cfg(feature = "hdrhistogram")]
    pub fn to_hdr(&self) -> hdrhistogram::Histogram<u64> {
        let mut hdr = match hdrhistogram::Histogram::new(2) {
            Ok(hdr) => hdr,
            Err(error) => unreachable!("two digits are accepted: {error}"),
        };
        for (bound, count) in self.buckets() {
            let nanos = bound.min(Duration::from_nanos(start_of(BUCKETS - 1))).as_nanos() as u64;
            if let Err(error) = hdr.record_n(nanos, count) {
                unreachable!("it resizes itself, so no value is too large: {error}");
            }
        }
        hdr
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count())
            .field("mean", &self.mean())
            .field("median", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .finish_non_exhaustive()
    }
}
