//! The counts of searchers and parked workers, packed into one word.

use std::fmt;

/// Bits for each of the two counts. The bit above them is the sentry's.
const BITS: u32 = 15;
const MASK: usize = (1 << BITS) - 1;

/// The most workers that a pool can have: as many as fit into the counts on 32-bit machines.
pub(crate) const MAX_WORKERS: usize = MASK;

pub(crate) const SEARCHER: usize = 1;
pub(crate) const PARKED: usize = 1 << BITS;
/// There is a sentry: a parked worker, or a caller from outside.
pub(crate) const SENTRY: usize = 1 << (2 * BITS);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts(pub(crate) usize);

impl Counts {
    /// The workers that are awake and look for work.
    pub(crate) fn searchers(self) -> usize {
        self.0 & MASK
    }

    /// The workers that are parked, or about to park, and can be woken for work.
    pub(crate) fn parked(self) -> usize {
        (self.0 / PARKED) & MASK
    }

    /// Whether `parts` can be subtracted.
    pub(crate) fn holds(self, parts: usize) -> bool {
        let parts = Counts(parts);
        self.searchers() >= parts.searchers()
            && self.parked() >= parts.parked()
            && self.sentry() >= parts.sentry()
    }

    pub(crate) fn sentry(self) -> bool {
        self.0 & SENTRY != 0
    }

    /// Whether a worker searches or is parked. (The sentry may be a caller from outside.)
    pub(crate) fn any_idle(self) -> bool {
        self.0 & !SENTRY != 0
    }

    /// Whether one more of `workers` may search: at most half of those awake, rounded up.
    pub(crate) fn may_search(self, workers: usize) -> bool {
        2 * self.searchers() < workers.saturating_sub(self.parked())
    }
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (searchers, parked) = (self.searchers(), self.parked());
        write!(f, "{searchers} searching, {parked} parked, sentry: {}", self.sentry())
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
