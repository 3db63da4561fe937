//! Where parallel iterators begin.

mod own_producer;
pub(crate) mod range;
pub(crate) mod slice;
pub(crate) mod vec;
