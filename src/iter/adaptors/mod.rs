//! What parallel iterators are wrapped in.

mod serial;

pub use serial::*;
