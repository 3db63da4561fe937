//! What a thread can ask of the pool it is in.

pub use filch::Yield;

use crate::global::{global, is_inside};

/// The largest number of threads that a pool can have. Who asks for more gets this many.
pub fn max_num_threads() -> usize {
    filch::max_num_threads()
}

/// The number of threads of the pool that the calling thread is in, else of the global one.
///
/// # Panics
/// When the global pool is needed and cannot be built.
pub fn current_num_threads() -> usize {
    if is_inside() { filch::current_num_threads() } else { global().current_num_threads() }
}

/// The index of the calling thread in its pool, from 0; `None` on a thread that is in no pool.
#[inline]
pub fn current_thread_index() -> Option<usize> {
    filch::current_thread_index()
}

/// Whether something is queued at the calling thread; `None` on a thread that is in no pool.
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

/// Runs one job of the calling thread's pool on top of the caller, if one is in sight: for a
/// thread that waits for something the pool knows nothing of. `None` on a thread that is in no
/// pool.
pub fn yield_now() -> Option<Yield> {
    filch::yield_now()
}

/// Like [`yield_now`], but looks only at what is queued at the calling thread.
pub fn yield_local() -> Option<Yield> {
    filch::yield_local()
}
