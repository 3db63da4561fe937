//! The sources of parallel iterators.

pub(crate) mod array;
pub(crate) mod bridge;
pub(crate) mod chunks;
pub(crate) mod collections;
mod cuts;
pub(super) mod delegate;
mod either;
pub(crate) mod multizip;
pub(crate) mod option;
pub(crate) mod parts;
pub(crate) mod range;
pub(crate) mod repeat;
pub(crate) mod slice;
pub(crate) mod splitter;
mod steps;
pub(crate) mod string;
pub(crate) mod vec;
pub(crate) mod walk;
