//! The methods of `ThreadPool` that show its state.

use super::Dump;
use crate::pool::ThreadPool;
use crate::worker::counters::Counters;

impl ThreadPool {
    /// Returns the counters of the workers.
    pub fn counters(&self) -> Counters {
        self.registry().counters()
    }

    /// Returns what the workers do at the moment, for a process that hangs. See also
    /// [`watchdog`](crate::ThreadPoolBuilder::watchdog) and [`dump`](crate::dump()).
    pub fn dump(&self) -> Dump {
        Dump::of(self.registry())
    }
}
