//! Spans of the crate tracing: a context has the one that was current where it was made.
//!
//! The subscriber is code of the user, and is called in the middle of what the runtime does. So a
//! panic of it is caught here and ignored, after the panic hook has reported it.

use std::mem;

use tracing::dispatcher::{self, Dispatch};
use tracing::span::Id;
use tracing::{Span, span};

use crate::job::outcome;

/// The span of a context, if it has one.
#[derive(Default, PartialEq)]
pub(crate) struct ContextSpan(Option<Span>);

/// How many spans of one frame a thread leaves at most. (With a subscriber that keeps no stack of
/// spans, there is always one more.)
const MOST: usize = 64;

pub(crate) fn are_on() -> bool {
    dispatcher::has_been_set()
}

/// Calls the subscriber. Returns `None` if it panics.
fn ask<R>(call: impl FnOnce() -> R) -> Option<R> {
    outcome::run(call).map_err(outcome::discard).ok()
}

impl ContextSpan {
    pub(crate) fn current() -> Self {
        ContextSpan(ask(Span::current).filter(|span| span.id().is_some()))
    }

    /// Enters the span until the result is dropped.
    pub(crate) fn enter(&self) -> Entered<'_> {
        Entered(self.0.as_ref().and_then(|span| ask(|| span.enter())))
    }
}

impl Clone for ContextSpan {
    fn clone(&self) -> Self {
        ContextSpan(self.0.as_ref().and_then(|span| ask(|| span.clone())))
    }
}

impl Drop for ContextSpan {
    fn drop(&mut self) {
        outcome::discard(self.0.take());
    }
}

/// The calling thread is in a span until this is dropped.
pub(crate) struct Entered<'s>(Option<span::Entered<'s>>);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        outcome::discard(self.0.take());
    }
}

/// The spans that the calling thread has left, until this is dropped: those of a frame that waits
/// while the thread runs other work.
pub(crate) struct Left(Vec<(Dispatch, Id)>);

impl Left {
    pub(crate) fn all() -> Self {
        let mut left = Vec::new();
        while are_on() && left.len() < MOST {
            let both = |(id, dispatch): (&Id, &Dispatch)| (dispatch.clone(), id.clone());
            let current = ask(|| Span::current().with_subscriber(both)).flatten();
            let Some((dispatch, id)) = current else { break };
            ask(|| dispatch.exit(&id));
            left.push((dispatch, id));
        }
        Left(left)
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        let left = mem::take(&mut self.0);
        left.iter().rev().for_each(|(dispatch, id)| _ = ask(|| dispatch.enter(id)));
    }
}
