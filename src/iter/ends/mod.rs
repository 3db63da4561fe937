//! Methods that run a parallel iterator and return a result.

pub(crate) mod collect;
pub(crate) mod end;
pub(crate) mod find;
pub(crate) mod ordered;
pub(crate) mod position;
pub(crate) mod reduce;
pub(crate) mod tries;
