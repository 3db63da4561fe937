//! `CancelToken`, which tells running work that its result is no longer wanted.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A request to stop, which any thread can make, once.
///
/// Clones refer to the same token. A parallel loop
/// [under a token](crate::iter::ParallelIterator::cancel_with) stops by itself, and returns
/// [`Cancelled`]. Other work calls [`is_cancelled`](Self::is_cancelled) where it can stop.
///
/// A thread that finds the token cancelled sees all that was written before
/// [`cancel`](Self::cancel).
///
/// ```
/// use filch::CancelToken;
///
/// let token = CancelToken::new();
/// let worker = filch::spawn({
///     let token = token.clone();
///     move || {
///         let mut rounds = 0_u64;
///         while !token.is_cancelled() {
///             rounds += 1;
///             filch::yield_now();
///         }
///         rounds
///     }
/// });
/// token.cancel();
/// worker.join().unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Returns a token that is not cancelled.
    pub fn new() -> Self {
        CancelToken::default()
    }

    /// Asks all work under this token to stop. Does not wait for that. The token stays cancelled.
    pub fn cancel(&self) {
        // Release: matches the Acquire in `is_cancelled`.
        self.0.store(true, Ordering::Release);
    }

    /// Whether [`cancel`](Self::cancel) was called. It costs one load.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        // Acquire: matches the Release in `cancel`.
        self.0.load(Ordering::Acquire)
    }
}

/// The error of work that was stopped because its [`CancelToken`] was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled before the end")
    }
}

impl Error for Cancelled {}
