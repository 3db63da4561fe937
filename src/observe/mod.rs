//! Dumps and the watchdog. Of the layers below `fork/`, only `pool/`, which starts the watchdog,
//! imports this one.

#[cfg(feature = "debugger")]
mod debugger;
pub(crate) mod dump;
mod pool;
pub(crate) mod watchdog;

pub use dump::{Dump, dump};
