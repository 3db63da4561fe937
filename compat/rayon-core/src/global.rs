//! The global pool, which the free functions use on threads that are in no pool.

use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::ThreadPoolBuilder;
use crate::error::{Kind, ThreadPoolBuildError};
use crate::thread::ThreadSpawn;

static GLOBAL: OnceLock<filch::ThreadPool> = OnceLock::new();

/// Held while the pool is built, so that only one thread builds it.
static BUILDING: Mutex<()> = Mutex::new(());

/// Whether the calling thread is in a pool. If it is, the free functions use that pool.
#[inline(always)]
pub(crate) fn is_inside() -> bool {
    filch::current_thread_index().is_some()
}

/// Builds the global pool with the settings of `builder`.
pub(crate) fn build<S: ThreadSpawn>(
    builder: ThreadPoolBuilder<S>,
) -> Result<(), ThreadPoolBuildError> {
    build_by(|| builder.build_inner())
}

fn build_by(
    build: impl FnOnce() -> Result<filch::ThreadPool, ThreadPoolBuildError>,
) -> Result<(), ThreadPoolBuildError> {
    // The lock guards no data, so a panic in one of the builder's closures does no harm.
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    if GLOBAL.get().is_some() {
        return Err(Kind::GlobalPoolAlreadyInitialized.into());
    }
    let pool = build()?;
    // This succeeds: only the holder of the lock sets it.
    let _ = GLOBAL.set(pool);
    Ok(())
}

/// Returns the global pool. Builds it with the default settings if there is none yet.
///
/// # Panics
/// Panics if it cannot be built.
#[inline]
pub(crate) fn global() -> &'static filch::ThreadPool {
    match GLOBAL.get() {
        Some(pool) => pool,
        None => build_by_default(),
    }
}

#[cold]
#[inline(never)]
fn build_by_default() -> &'static filch::ThreadPool {
    let built = build_by(default_pool);
    match (GLOBAL.get(), built) {
        (Some(pool), _) => pool,
        (None, Err(error)) => panic!("the global thread pool cannot be built: {error}"),
        (None, Ok(())) => unreachable!("built just now"),
    }
}

/// Builds a pool with the default settings. On a system without threads, the pool consists of the
/// calling thread.
fn default_pool() -> Result<filch::ThreadPool, ThreadPoolBuildError> {
    let pool = ThreadPoolBuilder::new().build_inner();
    match pool {
        Err(error) if error.io_kind() == Some(io::ErrorKind::Unsupported) && !is_inside() => {
            let alone = ThreadPoolBuilder::new().num_threads(1).use_current_thread();
            alone.build_inner().map_err(|_| error)
        }
        pool => pool,
    }
}
