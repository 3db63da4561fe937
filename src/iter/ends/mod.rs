//! What parallel iterators end with.

pub(crate) mod collect;
pub(crate) mod end;
pub(crate) mod reduce;
