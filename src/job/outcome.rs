//! The result of a closure, a value or a panic, and what to do with a panic that no caller takes.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::abort;

use crate::os::write_error;

/// The payload of a panic.
pub(crate) type Payload = Box<dyn Any + Send + 'static>;

/// Calls `f` and returns its value or the payload of its panic. The caller passes a panic on, so
/// that no broken state becomes visible that would not be visible without the catch.
#[inline(always)]
pub(crate) fn run<R>(f: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Drops `value`, and ignores a panic of its drop, which the panic hook has reported.
pub(crate) fn discard<T>(value: T) {
    if let Err(payload) = run(|| drop(value)) {
        if let Err(another) = run(|| drop(payload)) {
            // Leaked: its drop may panic again, and so on without end.
            std::mem::forget(another);
        }
    }
}

/// Calls `op`, and aborts if it unwinds, which would free memory that other threads use.
#[inline(always)]
pub(crate) fn run_or_abort<R>(op: impl FnOnce() -> R) -> R {
    let guard = AbortOnUnwind;
    let result = op();
    std::mem::forget(guard);
    result
}

struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        // The model checker unwinds the threads of a model that fails.
        if cfg!(loom) {
            return;
        }
        write_error("filch: the runtime itself failed; aborting\n");
        abort();
    }
}
