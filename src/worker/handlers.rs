//! The user's handlers for starts, ends, parking and panics.

use std::any::Any;
use std::process::abort;

use crate::context::Stop;
use crate::job::outcome::{self, Payload};
use crate::os::write_error;

pub(crate) type IndexHandler = Box<dyn Fn(usize) + Send + Sync>;
pub(crate) type PanicHandler = Box<dyn Fn(Box<dyn Any + Send>) + Send + Sync>;

/// The builder's handlers. A panic in a handler counts as a panic of a detached task. After one in
/// the panic handler itself, the process goes on, unless `abort_on_panic` is set.
#[derive(Default)]
pub(crate) struct Handlers {
    pub(crate) start: Option<IndexHandler>,
    pub(crate) exit: Option<IndexHandler>,
    pub(crate) park: Option<IndexHandler>,
    pub(crate) unpark: Option<IndexHandler>,
    pub(crate) panic: Option<PanicHandler>,
    pub(crate) abort_on_panic: bool,
}

impl Handlers {
    /// Takes a panic that no caller waits for, and that the panic hook has reported. Ignores a
    /// `Stop`.
    pub(crate) fn take_panic(&self, payload: Payload) {
        let Err(payload) = Stop::reason(payload) else { return };
        let unhandled = match &self.panic {
            Some(handler) => outcome::run(|| handler(payload)),
            None => Err(payload),
        };
        if let Err(payload) = unhandled {
            if self.abort_on_panic {
                write_error("filch: a panic that no caller waits for; aborting\n");
                abort();
            }
            outcome::discard(payload);
        }
    }

    pub(super) fn call(&self, which: fn(&Self) -> &Option<IndexHandler>, index: usize) {
        if let Some(handler) = which(self) {
            if let Err(payload) = outcome::run(|| handler(index)) {
                self.take_panic(payload);
            }
        }
    }
}
