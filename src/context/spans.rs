//! Spans of the crate tracing: a context has the one that was current where it was made.

use std::mem;

use tracing::dispatcher::{self, Dispatch};
use tracing::span::Id;
use tracing::{Span, span};

/// The span of a context, if it has one.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct ContextSpan(Option<Span>);

/// How many spans of one frame a thread leaves at most. (With a subscriber that keeps no stack of
/// spans, there is always one more.)
const MOST: usize = 64;

/// Whether the program has a subscriber.
pub(crate) fn are_on() -> bool {
    dispatcher::has_been_set()
}

impl ContextSpan {
    /// The calling thread's current span.
    pub(crate) fn current() -> Self {
        ContextSpan(Some(Span::current()).filter(|span| span.id().is_some()))
    }

    /// Enters the span until the result is dropped.
    pub(crate) fn enter(&self) -> Option<span::Entered<'_>> {
        self.0.as_ref().map(Span::enter)
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
            let Some((dispatch, id)) = Span::current().with_subscriber(both) else { break };
            dispatch.exit(&id);
            left.push((dispatch, id));
        }
        Left(left)
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        let left = mem::take(&mut self.0);
        left.iter().rev().for_each(|(dispatch, id)| dispatch.enter(id));
    }
}
