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
use std::sync::{Arc, Weak};

use crate::job::outcome::Payload;
use crate::os::generation::PerProcess;
use crate::sync::Mutex;
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

/// The contexts that have a name, and some that are gone.
static NAMED: PerProcess<Mutex<Vec<Weak<Context>>>> = PerProcess::new();

/// Returns the name of the context at this address, if there is one and it has a name. (A context
/// that is gone leaves its address to no other one before it is off the list.)
pub(crate) fn name_at(context: usize) -> Option<Arc<str>> {
    // A debugger may have stopped a thread that has the lock.
    let named = NAMED.get().try_lock()?;
    let context = named.iter().find(|it| it.as_ptr().addr() == context)?.upgrade();
    drop(named);
    context?.name.clone()
}

impl Context {
    /// Returns what tasks and forks inherit. A dump can find its name.
    pub(crate) fn share(self) -> Arc<Self> {
        let this = Arc::new(self);
        // (A model's locks are no statics.)
        if this.name.is_some() && !cfg!(loom) {
            let mut named = NAMED.get().lock();
            if named.len() == named.capacity() {
                named.retain(|it| it.strong_count() > 0);
                let free = named.len() + 1;
                named.reserve(free);
            }
            named.push(Arc::downgrade(&this));
        }
        this
    }

    pub(crate) fn cancelled(&self) -> Option<CancelReason> {
        self.token.as_ref()?.reason()
    }
}

/// Whether work can be stopped by unwinding. If not, loops and scopes ignore a cancelled token.
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

#[cfg(all(test, not(loom)))]
mod tests;
