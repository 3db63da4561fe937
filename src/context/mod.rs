//! What a task inherits: one pointer to one [`Context`].
//!
//! A context is current on a worker, or on a thread that is none (`worker/ambient.rs`). It never
//! changes: a region or a task that differs in something gets a context of its own. Tasks, forks
//! and calls into other pools inherit a pointer to the current one. While no context is current,
//! that pointer is null.
#![deny(unsafe_code)]

#[cfg(all(test, loom))]
mod models;
#[cfg_attr(not(feature = "tracing"), path = "no_spans.rs")]
mod spans;
mod token;

use std::panic::resume_unwind;
use std::sync::Arc;

use crate::job::outcome::Payload;
pub(crate) use spans::{ContextSpan, Left, are_on as spans_are_on};
pub use token::{CancelReason, CancelToken, Cancelled, DropGuard};

/// What tasks and forks inherit, besides their isolation tag.
#[derive(Clone, Default)]
pub(crate) struct Context {
    /// Cancelled if this work is no longer wanted.
    pub(crate) token: Option<CancelToken>,
    /// The name of the innermost named task.
    pub(crate) name: Option<Arc<str>>,
    /// The span that was current where the context was made.
    pub(crate) span: ContextSpan,
}

impl Context {
    /// Returns the reason if the token is cancelled.
    pub(crate) fn cancelled(&self) -> Option<CancelReason> {
        self.token.as_ref()?.reason()
    }
}

/// Whether work may be stopped by unwinding.
pub(crate) const UNWINDS: bool = cfg!(panic = "unwind");

/// The payload that unwinds, from work that was stopped to the region whose token was cancelled. It
/// is no panic: no panic hook and no panic handler sees it.
pub(crate) struct Stop(CancelReason);

impl Stop {
    /// Unwinds if `token` is cancelled.
    #[inline]
    pub(crate) fn check(token: Option<&CancelToken>) {
        if let Some(reason) = token.and_then(CancelToken::reason) {
            Stop::unwind(reason);
        }
    }

    /// Returns the reason if the payload is a `Stop`, else the payload, which is that of a panic.
    pub(crate) fn reason(payload: Payload) -> Result<CancelReason, Payload> {
        payload.downcast().map(|stop: Box<Stop>| stop.0)
    }

    /// Unwinds. Must not be called while the thread unwinds.
    #[cold]
    pub(crate) fn unwind(reason: CancelReason) -> ! {
        resume_unwind(Box::new(Stop(reason)))
    }
}
