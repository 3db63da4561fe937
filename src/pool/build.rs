//! Building a pool: checks the settings, and starts the threads.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;
use std::{io, ptr, thread};

use super::builder::TURN_LIMIT;
use super::spawner::{SpawnHandler, Spawner, ThreadBuilder};
use super::{BuildErrorKind, ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder, guest};
use crate::job::outcome;
use crate::observe::dump::dump;
use crate::observe::watchdog;
use crate::sim::Simulation;
use crate::sleep::{Event, HappensAtDrop, MAX_WORKERS};
use crate::worker::Worker;
use crate::worker::settings::Settings;
use crate::worker::shared::Registry;

impl ThreadPoolBuilder {
    /// Builds the pool and starts its threads.
    ///
    /// # Errors
    /// Returns an error if a setting is not acceptable or a thread cannot be started. The error
    /// says which and why. All threads that were started have then ended.
    pub fn build(self) -> Result<ThreadPool, ThreadPoolBuildError> {
        self.try_build().map_err(|(kind, _pool)| ThreadPoolBuildError::new(kind))
    }

    /// Like [`build`](Self::build), with a [spawn handler](Self::spawn_handler) that may borrow. It
    /// replaces one that was set before.
    ///
    /// # Errors
    /// Like [`build`](Self::build).
    ///
    /// ```
    /// use std::sync::Mutex;
    /// let threads = Mutex::new(Vec::new());
    /// let pool = filch::ThreadPoolBuilder::new().num_threads(2).build_with(|worker| {
    ///     threads.lock().unwrap().push(std::thread::spawn(|| worker.run()));
    ///     Ok(())
    /// })?;
    /// assert_eq!(pool.join(|| 1, || 2), (1, 2));
    /// drop(pool);
    /// threads.into_inner().unwrap().into_iter().for_each(|thread| thread.join().unwrap());
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn build_with<F>(self, spawn_handler: F) -> Result<ThreadPool, ThreadPoolBuildError>
    where
        F: FnMut(ThreadBuilder) -> io::Result<()>,
    {
        let built = self.try_build_with(Some(Box::new(spawn_handler)));
        built.map_err(|(kind, _pool)| ThreadPoolBuildError::new(kind))
    }

    /// Builds a pool of scoped threads, calls `with_pool`, and ends the pool. Each thread calls
    /// `wrapper`, which has to call [`ThreadBuilder::run`] and may borrow, for example to keep
    /// something on the thread's stack for the tasks. It replaces a spawn handler that was set
    /// before.
    ///
    /// # Errors
    /// Like [`build`](Self::build). Then `with_pool` was not called.
    ///
    /// # Panics
    /// If `with_pool` panics, its panic is resumed when all threads have ended. Also panics if
    /// `wrapper` does.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// let started = AtomicUsize::new(0);
    /// let sum = filch::ThreadPoolBuilder::new().num_threads(2).build_scoped(
    ///     |worker| {
    ///         started.fetch_add(1, Ordering::Relaxed);
    ///         worker.run();
    ///     },
    ///     |pool| pool.install(|| 1 + 2),
    /// )?;
    /// assert_eq!((sum, started.into_inner()), (3, 2));
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn build_scoped<W, F, R>(self, wrapper: W, with_pool: F) -> Result<R, ThreadPoolBuildError>
    where
        W: Fn(ThreadBuilder) + Sync,
        F: FnOnce(&ThreadPool) -> R,
    {
        let wrapper = &wrapper;
        thread::scope(|scope| {
            let has_guest = self.uses_current_thread;
            // All threads share `threads`. The caller waits until the last reference is dropped. If
            // it is a worker of another pool, it works until then. (At this address is no pool.)
            let over = Arc::new(Event::new(ptr::dangling::<Registry>().addr()));
            let threads = Arc::new(HappensAtDrop(over.clone()));
            let built = self.build_with(|worker| {
                let (thread, threads) = (worker.std_thread(), threads.clone());
                let body = move || {
                    Worker::mark_pools_thread();
                    wrapper(worker);
                    drop(threads);
                };
                thread.spawn_scoped(scope, body).map(drop)
            });
            let result = built.map(|pool| {
                let result = outcome::run(|| with_pool(&pool));
                // In the child of a `fork()`, the wait would be for threads that do not exist.
                pool.registry.abort_if_lost();
                if has_guest {
                    guest::end_with_pool(&pool.registry);
                }
                drop(pool);
                result
            });
            over.wait(|| {
                drop(threads);
                true
            });
            Ok(result?.unwrap_or_else(|payload| resume_unwind(payload)))
        })
    }

    /// `build`, except that the caller decides when to wait for the threads of a pool that failed.
    pub(super) fn try_build(mut self) -> Result<ThreadPool, Failed> {
        let spawn_handler = self.spawn_handler.take();
        self.try_build_with(spawn_handler)
    }

    /// Returns how many workers to start, unless a setting is refused.
    fn check(&self, has_spawn_handler: bool) -> Result<usize, BuildErrorKind> {
        let workers = match self.num_threads {
            0 => num_cpus::get().clamp(1, MAX_WORKERS),
            asked if asked <= MAX_WORKERS => asked,
            asked => return Err(BuildErrorKind::TooManyThreads { asked, max: MAX_WORKERS }),
        };
        let is_deterministic = self.seed.is_some();
        let deterministic = |setting| BuildErrorKind::Deterministic { setting };
        let refused = [
            (self.settings.injector_interval == 0, BuildErrorKind::InvalidInjectorInterval),
            (self.settings.max_queued == Some(0), BuildErrorKind::InvalidMaxQueued),
            (is_deterministic && has_spawn_handler, deterministic("spawn_handler")),
            (is_deterministic && self.uses_current_thread, deterministic("use_current_thread")),
            (self.watchdog == Some(Duration::ZERO), BuildErrorKind::InvalidWatchdogPeriod),
            (self.turn_limit == Some(Duration::ZERO), BuildErrorKind::InvalidTurnLimit),
        ];
        if let Some((_, kind)) = refused.into_iter().find(|(is_refused, _)| *is_refused) {
            return Err(kind);
        }
        Ok(workers)
    }

    fn try_build_with(self, spawn_handler: Option<SpawnHandler<'_>>) -> Result<ThreadPool, Failed> {
        Worker::watch_forks();
        let workers = self.check(spawn_handler.is_some()).map_err(|kind| (kind, None))?;
        let report = || dump().to_string();
        let limit = self.turn_limit.unwrap_or(TURN_LIMIT);
        let simulation = self.seed.map(|seed| Simulation::enter(seed, limit, report));
        let simulation = simulation.transpose();
        let simulation = simulation.map_err(|error| (BuildErrorKind::of_thread(0, error), None))?;
        let (simulation, _building) = simulation.unzip();
        let lends_cores = self.lends_cores();
        let mut settings = Settings { simulation, lends_cores, ..self.settings };
        if spawn_handler.is_some() {
            (settings.max_spare_threads, settings.max_blocking_threads) = (0, 0);
        }
        // If an error, or a panic in a closure of the user, drops it, it ends its threads.
        let registry = Registry::new(workers, self.handlers, settings);
        let (watchdog, threads) = (None, Vec::new());
        let mut pool = ThreadPool { watchdog, registry, threads, is_built: false, waits: true };
        if let Some(period) = self.watchdog {
            match watchdog::start(&pool.registry, period) {
                Ok(watchdog) => pool.watchdog = Some(Box::new(watchdog)),
                Err(error) => return Err((BuildErrorKind::Watchdog { error }, Some(pool))),
            }
        }
        let spawner = Spawner {
            name_of: self.name_of,
            handler: spawn_handler,
            uses_current_thread: self.uses_current_thread,
        };
        if let Err(kind) = spawner.start_all(&mut pool) {
            return Err((kind, Some(pool)));
        }
        pool.is_built = true;
        Ok(pool)
    }
}

/// Why a build failed, and the unfinished pool, which ends when it is dropped.
pub(super) type Failed = (BuildErrorKind, Option<ThreadPool>);
