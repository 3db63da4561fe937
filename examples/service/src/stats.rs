//! Statistics of the requests.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use serde::Serialize;

use crate::engine::Refusal;

/// How many of the latest latencies are kept.
const KEPT: usize = 400;

#[derive(Default)]
pub struct Stats(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    counts: Counts,
    /// The latest latencies of tiles that were drawn.
    latencies: VecDeque<Duration>,
}

/// How many requests ended in each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub drawn: usize,
    pub full: usize,
    pub late: usize,
    pub failed: usize,
    /// The client closed the connection first.
    pub gone: usize,
}

#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub counts: Counts,
    /// The median of the latest latencies, in milliseconds.
    pub p50: f64,
    /// Their 99th percentile.
    pub p99: f64,
}

impl Stats {
    pub fn drawn(&self, latency: Duration) {
        let mut inner = self.inner();
        inner.counts.drawn += 1;
        if inner.latencies.len() == KEPT {
            inner.latencies.pop_front();
        }
        inner.latencies.push_back(latency);
    }

    pub fn refused(&self, refusal: &Refusal) {
        let counts = &mut self.inner().counts;
        match refusal {
            Refusal::Full => counts.full += 1,
            Refusal::Late => counts.late += 1,
            Refusal::Failed(_) => counts.failed += 1,
        }
    }

    pub fn gone(&self) {
        self.inner().counts.gone += 1;
    }

    pub fn summary(&self) -> Summary {
        let inner = self.inner();
        let mut sorted: Vec<_> = inner.latencies.iter().copied().collect();
        sorted.sort_unstable();
        Summary { counts: inner.counts, p50: percentile(&sorted, 50), p99: percentile(&sorted, 99) }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().expect("no thread panics while it holds the lock")
    }
}

/// Returns a percentile in milliseconds, or 0 if there are no latencies.
pub fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let at = (sorted.len() * percent / 100).min(last);
    sorted.get(at).map_or(0.0, |it| it.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_none_one_and_many() {
        let milliseconds = |n| Duration::from_millis(n);
        assert_eq!(percentile(&[], 99), 0.0);
        assert_eq!(percentile(&[milliseconds(7)], 50), 7.0);
        let hundred: Vec<_> = (0..100).map(milliseconds).collect();
        assert_eq!((percentile(&hundred, 50), percentile(&hundred, 99)), (50.0, 99.0));
    }
}
