//! What a task inherits: one pointer to one [`Context`].
//!
//! A context is current on a worker, or on a thread that is none (`worker/ambient.rs`). It never
//! changes: a region or a task that differs in something gets a context of its own. Tasks, forks
//! and calls into other pools inherit a pointer to the current one. While no context is current,
//! that pointer is null.
#![deny(unsafe_code)]

mod token;

use std::sync::Arc;

pub use token::{CancelToken, Cancelled};

/// What tasks and forks inherit, besides their isolation tag.
#[derive(Clone, Default)]
pub(crate) struct Context {
    /// Cancelled if this work is no longer wanted.
    pub(crate) token: Option<CancelToken>,
    /// The name of the innermost named task.
    pub(crate) name: Option<Arc<str>>,
}
