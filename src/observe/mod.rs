//! Metrics, dumps, and the watchdog. Below `fork/`, only `pool/` imports this module: it starts the
//! watchdog.

#[cfg(feature = "debugger")]
mod debugger;
pub(crate) mod dump;
pub(crate) mod export;
mod histogram;
mod metrics;
mod pool;
mod prometheus;
pub(crate) mod watchdog;

pub use dump::{Dump, dump};
pub use histogram::Histogram;
pub use metrics::{Intervals, Metrics, QueueMetrics, WorkerMetrics};
pub use pool::{counters, metrics};
