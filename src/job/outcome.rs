//! What a closure came to, a value or a panic, and what to do with panics nobody wants.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::abort;

use crate::os::write_error;

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send + 'static>;

/// Runs `f` and says what it came to. The caller hands a panic on, so that nothing can be seen
/// in a broken state that could not be seen without the catch.
#[inline(always)]
pub(crate) fn run<R>(f: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Drops `value` and swallows a panic of its drop; the panic hook has reported it.
pub(crate) fn discard<T>(value: T) {
    if let Err(payload) = run(|| drop(value)) {
        if let Err(another) = run(|| drop(payload)) {
            // This one's drop may panic again, and so on without end: leaked rather.
            std::mem::forget(another);
        }
    }
}

/// Runs what must not be left by unwinding, which would free what others use.
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
