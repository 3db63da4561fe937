//! Data-parallel loops.

mod adaptors;
mod ends;
mod indexed;
mod parallel;
pub mod plumbing;
pub(crate) mod sources;
mod traits;

pub use adaptors::*;
pub use indexed::IndexedParallelIterator;
pub use parallel::ParallelIterator;
pub use traits::*;
