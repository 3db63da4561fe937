//! What a pool shows of itself: dumps and the watchdog. Of the floors below `fork/`, only `pool/`,
//! which starts the watchdog, knows of it.

#[cfg(feature = "debugger")]
mod debugger;
pub(crate) mod dump;
mod pool;
pub(crate) mod watchdog;

pub use dump::{Dump, dump};
