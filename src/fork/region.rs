//! Regions: work under a `CancelToken`, which tasks, forks and loops inherit.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use super::scope::{Scope, scope_on_worker};
use crate::context::{CancelToken, Cancelled, Stop, UNWINDS};
use crate::job::outcome;
use crate::pool::{ThreadPool, with_current};
use crate::sim;
use crate::worker::{share_current, under, with_current_context};

/// Calls `f` with a [`scope`](crate::scope()) under `token`, and returns when all of its tasks have
/// ended.
///
/// What runs under a token is a *region* of it. Besides this function, [`CancelToken::run`] and
/// [`TaskBuilder::token`](crate::TaskBuilder::token) open one. The token is inherited by `f`, by
/// the joins and loops in it, by the tasks of the scope, and by tasks that are spawned in the pool,
/// which may outlive this call. When the token is cancelled,
/// - a task that has not begun is not run. Its closure is dropped by the worker that would have run
///   it, and its handle says [cancelled](crate::JoinError::is_cancelled);
/// - a parallel loop stops. Each worker finishes the few items that it has taken;
/// - [`is_cancelled`](crate::is_cancelled()) and [`check_cancelled`] say so.
///   Other code goes on, since nothing is stopped by force.
///
/// # How a loop stops
/// A loop that was stopped has no result, nor does a scope whose tasks were dropped. So they
/// unwind, as for a panic, up to the innermost region or task. This calls no panic hook and no
/// panic handler. [`cancel_with`](crate::iter::ParallelIterator::cancel_with) stops a loop without
/// unwinding, and checks the token before each item. A plain loop checks it at least once every 64
/// items. With `deterministic` and `split`, it may check only before each of its pieces. Serial
/// iterators within it (`flat_map_iter`) and searches for the end of a part (`par_lines`,
/// `par_chunk_by`) go on to their ends, as sorts do. Before an element moves, a sort by
/// [cached keys](crate::slice::ParallelSliceMut::par_sort_by_cached_key) may stop, and so may
/// `par_stable_partition`, `par_retain` and `par_dedup`.
///
/// Plain loops and scopes also go on to their ends if the program is compiled with
/// `panic = "abort"`, or if the thread unwinds already: a destructor may use them. What such a
/// thread forks has no token, even in a job that it runs on top of a wait in a destructor.
///
/// # Regions in regions
/// If regions are nested, work in the inner one stops when the token of either is cancelled, and
/// the call that opened the inner one returns [`Cancelled`]. A task of a scope inherits from the
/// scope, no matter which task spawns it. A task of the pool ([`spawn`](crate::spawn)) inherits
/// from the task that spawns it. A future whose token is cancelled is dropped instead of polled.
/// Broadcasts and the members of a gang begin in any case, but the loops in them stop. Graphs and
/// pipelines report that they were cancelled.
///
/// A region does not isolate. A worker that waits in it runs the same jobs as outside, and each of
/// them has its own token.
///
/// # Errors
/// Returns [`Cancelled`] if the token is cancelled before all tasks have ended. What `f` has
/// returned is then dropped. If the token is cancelled already, `f` is not called.
///
/// # Panics
/// Like [`scope`](crate::scope()).
///
/// ```
/// use filch::{CancelReason, CancelToken};
///
/// let token = CancelToken::new();
/// let result = filch::scope_with(&token, |s| {
///     for page in 0..1_000 {
///         let token = &token;
///         s.spawn(move || if page == 7 { token.cancel() });
///     }
/// });
/// assert_eq!(result.unwrap_err().reason(), CancelReason::Requested);
/// ```
pub fn scope_with<'env, F, R>(token: &CancelToken, f: F) -> Result<R, Cancelled>
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R + Send,
    R: Send,
{
    with_current(|registry| Ok(token.run(|| scope_on_worker(registry, true, f))??))
}

impl ThreadPool {
    /// [`scope_with`] in this pool.
    ///
    /// # Errors
    /// Like [`scope_with`].
    ///
    /// # Panics
    /// Like [`scope`](crate::scope()).
    pub fn scope_with<'env, F, R>(&self, token: &CancelToken, f: F) -> Result<R, Cancelled>
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R + Send,
        R: Send,
    {
        Ok(token.run(|| scope_on_worker(self.registry(), true, f))??)
    }
}

impl CancelToken {
    /// Calls `f` on the calling thread, in a region of this token: see [`scope_with`] for what that
    /// does.
    ///
    /// It costs two allocations, and publishes the pending forks of the calling worker.
    ///
    /// # Errors
    /// Returns [`Cancelled`] if the token is cancelled before `f` returns. What `f` has returned is
    /// then dropped. If the token is cancelled already, `f` is not called.
    ///
    /// ```
    /// use filch::{CancelToken, prelude::*};
    ///
    /// let token = CancelToken::new();
    /// let sum = token.run(|| (0..1000_u64).into_par_iter().sum::<u64>());
    /// assert_eq!(sum, Ok(499_500));
    /// let stopped = token.run(|| {
    ///     (0..1_000_000).into_par_iter().for_each(|n| if n == 10 { token.cancel() });
    ///     unreachable!("the loop unwinds")
    /// });
    /// assert!(stopped.is_err());
    /// ```
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> Result<R, Cancelled> {
        let outer = share_current();
        let mut context = outer.map(Arc::unwrap_or_clone).unwrap_or_default();
        let token = self.or(context.token.as_ref());
        token.check()?;
        context.token = Some(token.clone());
        let context = context.share();
        match outcome::run(|| under(Some(&context), f)) {
            Ok(value) => match token.check() {
                Ok(()) => Ok(value),
                Err(cancelled) => {
                    // Before there is a result, which a panic of the drop would leak.
                    drop(value);
                    Err(cancelled)
                }
            },
            Err(payload) => match Stop::reason(payload) {
                Ok(reason) => Err(reason.into()),
                Err(panic) => resume_unwind(panic),
            },
        }
    }

    /// Returns the token that the caller inherits, or `None` if it is in no region.
    ///
    /// ```
    /// let token = filch::CancelToken::new();
    /// assert!(filch::CancelToken::current().is_none());
    /// let inside = token.run(|| filch::CancelToken::current().unwrap()).unwrap();
    /// token.cancel();
    /// assert!(inside.is_cancelled());
    /// ```
    pub fn current() -> Option<CancelToken> {
        with_current_context(|context| context?.token.clone())
    }
}

/// The token that stops a loop which begins now, or `None` if it may not unwind.
#[inline]
pub(crate) fn stopping_token() -> Option<CancelToken> {
    with_current_context(|context| {
        let token = context?.token.as_ref()?;
        (UNWINDS && !thread::panicking()).then(|| token.clone())
    })
}

/// A token that is cancelled if `token` or the caller's is.
pub(crate) fn with_current_token(token: Option<&CancelToken>) -> Option<CancelToken> {
    with_current_context(|context| {
        let current = context.and_then(|context| context.token.as_ref());
        token.map_or_else(|| current.cloned(), |token| Some(token.or(current)))
    })
}

/// Returns whether the token of the caller's innermost region is cancelled. In no region, returns
/// `false`.
///
/// It costs a few loads, and a look at the clock if there is a deadline.
#[inline]
pub fn is_cancelled() -> bool {
    sim::poll();
    with_current_context(|context| context.is_some_and(|context| context.cancelled().is_some()))
}

/// Returns an error if the caller's token is cancelled: see [`is_cancelled`].
///
/// # Errors
/// Returns [`Cancelled`], with the [reason](CancelToken::reason).
///
/// ```
/// fn primes(most: u64) -> Result<Vec<u64>, filch::Cancelled> {
///     let mut primes = Vec::new();
///     for n in 2..most {
///         filch::check_cancelled()?;
///         if primes.iter().all(|prime| n % prime != 0) {
///             primes.push(n);
///         }
///     }
///     Ok(primes)
/// }
/// assert_eq!(primes(10), Ok(vec![2, 3, 5, 7]));
/// ```
#[inline]
pub fn check_cancelled() -> Result<(), Cancelled> {
    sim::poll();
    let reason = with_current_context(|context| context?.cancelled());
    reason.map_or(Ok(()), |reason| Err(reason.into()))
}
