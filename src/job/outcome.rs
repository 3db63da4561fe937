//! Catches panics, and passes them on, discards them, or aborts.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::abort;
use std::thread;

use crate::os::write_error;

pub(crate) type Payload = Box<dyn Any + Send + 'static>;

/// Calls `f` and returns its value or the payload of its panic. Like the closure of a thread, `f`
/// need not be unwind safe.
#[inline(always)]
pub(crate) fn run<R>(f: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Drops `value`. Ignores a panic of the drop, which the panic hook has reported.
pub(crate) fn discard<T>(value: T) {
    if let Err(payload) = run(|| drop(value)) {
        if let Err(another) = run(|| drop(payload)) {
            // Leaked: its drop may panic again, and so on without end.
            std::mem::forget(another);
        }
    }
}

/// Drops each value, even if drops panic, and then resumes the first panic.
pub(crate) fn drop_all(values: impl IntoIterator) {
    resume_first(values.into_iter().map(|value| run(|| drop(value))));
}

/// Takes all results. Returns the first panic, and discards the others.
pub(crate) fn first_panic(results: impl Iterator<Item = Result<(), Payload>>) -> Option<Payload> {
    let mut payloads = results.filter_map(Result::err);
    let first = payloads.next();
    payloads.for_each(discard);
    first
}

/// Takes all results, and then resumes the first panic.
pub(crate) fn resume_first(results: impl Iterator<Item = Result<(), Payload>>) {
    match first_panic(results) {
        // A second panic would abort.
        Some(payload) if thread::panicking() => discard(payload),
        Some(payload) => resume_unwind(payload),
        None => {}
    }
}

/// Calls `op`. Aborts if it unwinds, since that would free memory that other threads use.
#[inline(always)]
pub(crate) fn run_or_abort<R>(op: impl FnOnce() -> R) -> R {
    let guard = defer(abort_unwinding);
    let result = op();
    std::mem::forget(guard);
    result
}

#[cold]
fn abort_unwinding() {
    // The model checker unwinds the threads of a model that fails.
    if cfg!(loom) {
        return;
    }
    write_error(
        "filch: aborting: the runtime itself failed, and its memory is shared with other threads. \
         Please report this as a bug of filch.\n",
    );
    abort();
}

/// Calls `f` when the returned guard is dropped, also by unwinding.
#[inline(always)]
pub(crate) fn defer<F: FnMut()>(f: F) -> Deferred<F> {
    Deferred(f)
}

#[must_use = "the closure is called when this is dropped"]
pub(crate) struct Deferred<F: FnMut()>(F);

impl<F: FnMut()> Drop for Deferred<F> {
    #[inline(always)]
    fn drop(&mut self) {
        (self.0)();
    }
}
