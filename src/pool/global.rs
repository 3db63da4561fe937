//! The global pool, which the free functions use outside of any pool.

use std::cell::Cell;
use std::io;
use std::sync::OnceLock;

use super::{BuildErrorKind, ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use crate::job::outcome;
use crate::os::{self, generation::PerProcess};
use crate::sync::Mutex;
use crate::worker::Worker;
use crate::worker::shared::Registry;

static GLOBAL: PerProcess<Global> = PerProcess::new();

#[derive(Default)]
struct Global {
    pool: OnceLock<ThreadPool>,
    /// Held while the pool is built, so that it is built once.
    building: Mutex<()>,
}

thread_local! {
    /// Whether this thread is building the global pool.
    static BUILDS: Cell<bool> = const { Cell::new(false) };
}

impl ThreadPoolBuilder {
    /// Builds the global pool, which the free functions use outside of any pool. It lives as long
    /// as the process. Without this call, the first use builds it with the default settings.
    /// Settings that were not set in code are taken from the environment: see
    /// [`with_env`](Self::with_env).
    ///
    /// # Panics
    /// Panics if a closure of this builder, called while the pool is built, calls this or uses the
    /// global pool.
    ///
    /// # Errors
    /// Like [`build`](Self::build) and [`with_env`](Self::with_env). Also returns an error if the
    /// global pool exists already.
    pub fn build_global(self) -> Result<(), ThreadPoolBuildError> {
        assert!(
            !BUILDS.get(),
            "a closure that helps to build the global pool (a name, a handler) uses the global \
             pool; accepted: other pools"
        );
        if self.seed.is_some() {
            let kind = BuildErrorKind::Deterministic { setting: "build_global" };
            return Err(ThreadPoolBuildError::new(kind));
        }
        Worker::watch_forks();
        // A failed pool ends after the lock is released: its handlers may use the global pool.
        let (kind, _pool) = {
            let global = GLOBAL.get();
            let _building = global.building.lock_over_points();
            if global.pool.get().is_some() {
                return Err(ThreadPoolBuildError::new(
                    BuildErrorKind::GlobalPoolAlreadyInitialized,
                ));
            }
            let builder = self.with_env()?;
            BUILDS.set(true);
            let _builds = outcome::defer(|| BUILDS.set(false));
            os::keep_code_loaded();
            match builder.try_build() {
                Ok(pool) => {
                    // The lock is held, so no other thread has set it.
                    let _ = global.pool.set(pool);
                    return Ok(());
                }
                Err(failed) => failed,
            }
        };
        Err(ThreadPoolBuildError::new(kind))
    }
}

/// Returns the global pool. Builds it with the default settings if it does not exist.
///
/// # Panics
/// Panics if it cannot be built.
fn global() -> &'static ThreadPool {
    let global = GLOBAL.get();
    if let Some(pool) = global.pool.get() {
        return pool;
    }
    let new = ThreadPoolBuilder::new;
    let built = new().build_global().or_else(|error| match is_without_threads(&error) {
        true => new().num_threads(1).use_current_thread().build_global(),
        false => Err(error),
    });
    match built {
        Ok(()) => {}
        Err(error) if matches!(error.kind(), BuildErrorKind::GlobalPoolAlreadyInitialized) => {}
        Err(error) => panic!("the global pool cannot be built: {error}"),
    }
    global.pool.get().expect("built just now")
}

/// Whether the system has no threads, as `wasm32-unknown-unknown`. There the calling thread is the
/// global pool's one worker: it runs each task, at the latest where it waits for it.
fn is_without_threads(error: &ThreadPoolBuildError) -> bool {
    match error.kind() {
        BuildErrorKind::Spawn { error, .. } => {
            cfg!(target_family = "wasm") && error.kind() == io::ErrorKind::Unsupported
        }
        _ => false,
    }
}

/// Calls `op` with the registry of the calling worker's pool, also in `blocking`, else with that of
/// the global pool.
#[inline]
pub(crate) fn with_current<R>(op: impl FnOnce(&Registry) -> R) -> R {
    match Worker::current().or_else(Worker::blocked) {
        Some(worker) => op(worker.registry()),
        None => op(global().registry()),
    }
}
