//! What a pool of one's own shows.

use super::Dump;
use crate::pool::ThreadPool;
use crate::worker::counters::Counters;

impl ThreadPool {
    /// What the workers did so far.
    pub fn counters(&self) -> Counters {
        self.registry().counters()
    }

    /// What the workers are at, for a process that does not move; see also
    /// [`watchdog`](crate::ThreadPoolBuilder::watchdog) and [`dump`](crate::dump()).
    pub fn dump(&self) -> Dump {
        Dump::of(self.registry())
    }
}
