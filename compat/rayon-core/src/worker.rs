//! Functions about the calling thread's pool.

pub use filch::Yield;

use crate::global::{global, is_inside};

/// Returns the largest number of threads that a pool can have. If a builder asks for more, its pool
/// has this many.
pub fn max_num_threads() -> usize {
    filch::max_num_threads()
}

/// Returns the number of threads of the pool that the calling thread is in, or else of the global
/// pool.
///
/// # Panics
/// Panics if the global pool is needed and cannot be built.
pub fn current_num_threads() -> usize {
    if is_inside() { filch::current_num_threads() } else { global().current_num_threads() }
}

/// Returns the index of the calling thread in its pool, from 0, or `None` if it is in no pool.
#[inline]
pub fn current_thread_index() -> Option<usize> {
    filch::current_thread_index()
}

/// Returns whether jobs are queued at the calling thread, or `None` if it is in no pool.
///
/// ```
/// assert_eq!(rayon_core::current_thread_has_pending_tasks(), None);
/// let pool = rayon_core::ThreadPoolBuilder::new().num_threads(1).build()?;
/// let pending = pool.install(|| {
///     rayon_core::spawn(|| ());
///     rayon_core::current_thread_has_pending_tasks()
/// });
/// assert_eq!(pending, Some(true));
/// # Ok::<(), rayon_core::ThreadPoolBuildError>(())
/// ```
#[inline]
pub fn current_thread_has_pending_tasks() -> Option<bool> {
    filch::current_thread_has_pending_tasks()
}

/// Looks for a job of the calling thread's pool, and runs it on the caller's stack. Returns `None`
/// if the thread is in no pool.
///
/// Use it on a thread that waits for an event outside the pool.
pub fn yield_now() -> Option<Yield> {
    filch::yield_now()
}

/// Like [`yield_now`], but runs only a job that is queued at the calling thread.
pub fn yield_local() -> Option<Yield> {
    filch::yield_local()
}
