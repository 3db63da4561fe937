//! `try_spawn`: a task, unless the pool has no room for it or was shut down.

use std::error::Error;
use std::fmt;

use super::handle::JoinHandle;
use super::spawn::{PoolHome, queue};
use crate::job::Priority;
use crate::pool::with_current;
use crate::worker::Worker;
use crate::worker::bound::Bound;
use crate::worker::shared::Registry;

/// Like [`spawn`](crate::spawn), but returns the closure if the pool has no room for the task: see
/// [`max_queued`](crate::ThreadPoolBuilder::max_queued). In a pool without such a bound there is
/// always room.
///
/// # Errors
/// Returns an error with the closure if as many tasks are queued as may be, or if the pool was
/// [shut down](crate::ThreadPool::shutdown_now).
///
/// # Panics
/// Like [`spawn`](crate::spawn).
///
/// ```
/// use filch::TrySpawnError;
/// let pool = filch::ThreadPoolBuilder::new().num_threads(1).max_queued(1).build()?;
/// pool.install(|| {
///     let first = filch::try_spawn(|| 1).unwrap();
///     // The only worker is busy here, so the first task is still queued.
///     let Err(TrySpawnError::Full(second)) = filch::try_spawn(|| 2) else { unreachable!() };
///     assert_eq!((first.join().unwrap(), second()), (1, 2));
/// });
/// # Ok::<(), filch::ThreadPoolBuildError>(())
/// ```
pub fn try_spawn<F, T>(f: F) -> Result<JoinHandle<T>, TrySpawnError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    with_current(|registry| try_spawn_at(PoolHome::of_current, None, registry, f))
}

/// `try_spawn`, for a task like that of `spawn_at`.
pub(super) fn try_spawn_at<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
    home: impl FnOnce(Option<&Worker>) -> PoolHome,
    priority: Option<Priority>,
    registry: &Registry,
    f: F,
) -> Result<JoinHandle<T>, TrySpawnError<F>> {
    let spawner = registry.expect_worker();
    if registry.is_shut_down() {
        return Err(TrySpawnError::Closed(f));
    }
    match registry.bound.as_ref().map(Bound::try_take) {
        None => Ok(queue(home, priority, registry, spawner, f)),
        Some(Some(place)) => Ok(queue(home, priority, registry, spawner, place.carried_by(f))),
        Some(None) => Err(TrySpawnError::Full(f)),
    }
}

/// Why [`try_spawn`] has not spawned a task. It has the task's closure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySpawnError<F> {
    /// As many tasks are queued as may be: see
    /// [`max_queued`](crate::ThreadPoolBuilder::max_queued).
    Full(F),
    /// The pool was [shut down](crate::ThreadPool::shutdown_now).
    Closed(F),
}

impl<F> TrySpawnError<F> {
    /// Returns the closure.
    pub fn into_inner(self) -> F {
        match self {
            TrySpawnError::Full(f) | TrySpawnError::Closed(f) => f,
        }
    }
}

impl<F> fmt::Debug for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrySpawnError::Full(_) => "Full(..)",
            TrySpawnError::Closed(_) => "Closed(..)",
        })
    }
}

impl<F> fmt::Display for TrySpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrySpawnError::Full(_) => "as many tasks are queued in the pool as may be",
            TrySpawnError::Closed(_) => "the pool was shut down",
        })
    }
}

impl<F> Error for TrySpawnError<F> {}
