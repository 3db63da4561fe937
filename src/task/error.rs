//! `JoinError`: why a task has no value.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use super::home::NamedPanic;
use crate::context::{CancelReason, Stop};

/// Why a task has no value: it panicked, or it was cancelled before it began. A
/// [`completer`](crate::completer) that was dropped counts as cancelled, as does a task that had
/// not begun when its pool was [shut down](crate::ThreadPool::shutdown_now).
///
/// ```
/// let failed = filch::spawn(|| panic!("out of paper"));
/// let error = failed.join().unwrap_err();
/// assert!(error.is_panic());
/// assert_eq!(error.to_string(), "the task panicked: out of paper");
/// assert_eq!(error.into_panic().downcast_ref(), Some(&"out of paper"));
/// ```
pub struct JoinError(Cause);

enum Cause {
    Panicked(Panic),
    Cancelled(CancelReason),
}

/// The payload of a panic, and the name of the task. A reference to it gives access to the message
/// and the name only. (Boxed, since all joins return a `JoinError` or have room for one.)
struct Panic(Box<NamedPanic>);

// SAFETY: a reference gives access to a `&'static str`, a `String` or an `Arc<str>` only, which are
// `Sync`.
unsafe impl Sync for Panic {}
// The payload itself is only moved out, after the panic.
impl UnwindSafe for Panic {}
// As above.
impl RefUnwindSafe for Panic {}

impl Panic {
    fn name(&self) -> String {
        self.0.1.as_ref().map_or_else(String::new, |name| format!(" in `{name}`"))
    }

    /// The message, if the payload has one of the types that `panic!` makes.
    fn message(&self) -> Option<&str> {
        let payload = &self.0.0;
        let text = payload.downcast_ref::<&'static str>().copied();
        text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
    }
}

impl JoinError {
    /// The error of a task that has unwound: by a panic, or because it was stopped.
    #[cold]
    #[inline(never)]
    pub(crate) fn unwound((payload, name): NamedPanic) -> Self {
        let panicked = |payload| JoinError(Cause::Panicked(Panic(Box::new((payload, name)))));
        Stop::reason(payload).map_or_else(panicked, JoinError::cancelled)
    }

    pub(crate) fn cancelled(reason: CancelReason) -> Self {
        JoinError(Cause::Cancelled(reason))
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.0, Cause::Panicked(_))
    }

    /// Whether the task was cancelled before it began, a loop or a scope in it was
    /// [stopped](crate::scope_with), its completer was dropped, or its pool was
    /// [shut down](crate::ThreadPool::shutdown_now).
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, Cause::Cancelled(_))
    }

    /// Returns why the task was cancelled, or `None` if it panicked.
    pub fn reason(&self) -> Option<CancelReason> {
        match self.0 {
            Cause::Panicked(_) => None,
            Cause::Cancelled(reason) => Some(reason),
        }
    }

    /// Returns the payload of the task's panic, for example for
    /// [`resume_unwind`](std::panic::resume_unwind).
    ///
    /// # Panics
    /// Panics if the task was cancelled: see [`try_into_panic`](Self::try_into_panic).
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        match self.try_into_panic() {
            Ok(payload) => payload,
            Err(_) => panic!("into_panic: the task was cancelled; accepted: a task that panicked"),
        }
    }

    /// Returns the payload of the task's panic, or this error if the task was cancelled.
    ///
    /// # Errors
    /// Returns the error itself if the task was cancelled.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, JoinError> {
        match self.0 {
            Cause::Panicked(Panic(panic)) => Ok(panic.0),
            Cause::Cancelled(_) => Err(self),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Cancelled(reason) => write!(f, "the task was cancelled: {reason}"),
            Cause::Panicked(panic) => match panic.message() {
                Some(message) => write!(f, "the task panicked{}: {message}", panic.name()),
                None => write!(f, "the task panicked{}", panic.name()),
            },
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Cancelled(reason) => write!(f, "JoinError::Cancelled({reason:?})"),
            Cause::Panicked(panic) => match panic.message() {
                Some(message) => write!(f, "JoinError::Panic({message:?})"),
                None => f.write_str("JoinError::Panic(..)"),
            },
        }
    }
}

impl Error for JoinError {}
