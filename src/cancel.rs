//! Telling work under way that it is not wanted any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A request to stop, that can be made once and from anywhere.
///
/// Clones are one and the same token. A parallel loop
/// [under a token](crate::iter::ParallelIterator::cancel_with) stops by itself; other work asks
/// [`is_cancelled`](Self::is_cancelled) where it can stop.
///
/// A token says that a result is not wanted; it does not carry data. What was written before
/// [`cancel`](Self::cancel) is seen by who finds the token cancelled.
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
    /// A token that is not cancelled.
    pub fn new() -> Self {
        CancelToken::default()
    }

    /// Asks all work under this token to stop. It does not wait for that; a token stays cancelled.
    pub fn cancel(&self) {
        // Release: seen by `is_cancelled`'s Acquire.
        self.0.store(true, Ordering::Release);
    }

    /// Whether somebody has called [`cancel`](Self::cancel). It costs a load.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        // Acquire: after `cancel`'s Release.
        self.0.load(Ordering::Acquire)
    }
}
