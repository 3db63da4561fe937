//! The line that reports how long the work took.

use std::fmt;
use std::time::Duration;

use crate::common::speed_up;

/// How long the same work took on the pool, and serially if there was a serial run.
pub struct Times {
    pub serial: Option<Duration>,
    pub parallel: Duration,
    pub threads: usize,
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parallel, threads) = (self.parallel, self.threads);
        let plural = if threads == 1 { "" } else { "s" };
        write!(f, "{parallel:.2?} on {threads} thread{plural}")?;
        match self.serial {
            Some(serial) => {
                let gain = speed_up(serial, parallel);
                write!(f, ", {serial:.2?} serially: speed-up {gain:.2}")
            }
            None => write!(f, " (not checked against a serial run)"),
        }
    }
}
