//! Why a pool could not be built.

use std::error::Error;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::{fmt, io};

use crate::sleep::MAX_WORKERS;

/// The error of [`ThreadPoolBuilder::build`](crate::ThreadPoolBuilder::build) and
/// [`build_global`](crate::ThreadPoolBuilder::build_global): which setting it was, what was
/// wrong with it and what is accepted. Nothing is left behind of the pool: threads that had
/// started have ended.
#[derive(Debug)]
pub struct ThreadPoolBuildError {
    kind: BuildErrorKind,
}

/// What was wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildErrorKind {
    /// More threads than a pool can have.
    #[non_exhaustive]
    TooManyThreads {
        /// The number asked for.
        asked: usize,
        /// The largest number accepted.
        max: usize,
    },
    /// A thread name with a NUL byte in it, which no operating system accepts.
    #[non_exhaustive]
    InvalidThreadName {
        /// The worker it was for.
        index: usize,
        /// The name.
        name: String,
    },
    /// An environment variable that does not hold what it should.
    #[non_exhaustive]
    InvalidEnv {
        /// The variable's name.
        variable: &'static str,
        /// What it holds.
        value: String,
    },
    /// An injector interval of 0.
    InvalidInjectorInterval,
    /// The global pool exists already: it can be built once in a process.
    GlobalPoolAlreadyInitialized,
    /// A pool that was to have the calling thread as a worker, when that is one of another pool.
    CurrentThreadAlreadyInPool,
    /// A deterministic pool with something that it cannot have.
    #[non_exhaustive]
    Deterministic {
        /// What that is.
        setting: &'static str,
    },
    /// A turn limit of zero.
    InvalidTurnLimit,
    /// A watchdog's period of zero.
    InvalidWatchdogPeriod,
    /// The watchdog's thread could not be started.
    #[non_exhaustive]
    Watchdog {
        /// What the operating system said.
        error: io::Error,
    },
    /// A worker's thread could not be started.
    #[non_exhaustive]
    Spawn {
        /// The worker it was for.
        index: usize,
        /// What the operating system, or the spawn handler, said.
        error: io::Error,
    },
}

// Nothing changes an error in place: a panic finds it whole. (An `io::Error`, which may hold
// anything, does not say so of itself.)
impl UnwindSafe for ThreadPoolBuildError {}
impl RefUnwindSafe for ThreadPoolBuildError {}
impl UnwindSafe for BuildErrorKind {}
impl RefUnwindSafe for BuildErrorKind {}

impl ThreadPoolBuildError {
    pub(super) fn new(kind: BuildErrorKind) -> Self {
        ThreadPoolBuildError { kind }
    }

    /// What was wrong.
    pub fn kind(&self) -> &BuildErrorKind {
        &self.kind
    }

    /// What was wrong, with the operating system's error, where there is one.
    pub fn into_kind(self) -> BuildErrorKind {
        self.kind
    }
}

impl fmt::Display for ThreadPoolBuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            BuildErrorKind::TooManyThreads { asked, max } => write!(
                f,
                "num_threads: {asked} is too many; accepted: 1 to {max}, or 0 for as many as \
                 this process may use"
            ),
            BuildErrorKind::InvalidThreadName { index, name } => write!(
                f,
                "thread_name: the name for worker {index}, {name:?}, contains a NUL byte; \
                 accepted: any text without one"
            ),
            BuildErrorKind::InvalidEnv { variable, value } => write!(
                f,
                "environment variable {variable}: {value:?} is not a number of threads; \
                 accepted: 1 to {MAX_WORKERS}, or 0 for as many as this process may use"
            ),
            BuildErrorKind::InvalidInjectorInterval => {
                write!(f, "injector_interval: 0 is not an interval; accepted: 1 to {}", u32::MAX)
            }
            BuildErrorKind::GlobalPoolAlreadyInitialized => write!(
                f,
                "build_global: the global pool exists already; accepted: one call in a process, \
                 before anything uses the global pool"
            ),
            BuildErrorKind::CurrentThreadAlreadyInPool => write!(
                f,
                "use_current_thread: the calling thread is a worker of another pool; accepted: a \
                 thread that is none"
            ),
            BuildErrorKind::Deterministic { setting } => write!(
                f,
                "deterministic: a pool whose threads take turns cannot have a {setting}; accepted: \
                 a pool of one's own, without spawn_handler and use_current_thread"
            ),
            BuildErrorKind::InvalidWatchdogPeriod => {
                write!(f, "watchdog: zero is not a period; accepted: any longer time")
            }
            BuildErrorKind::InvalidTurnLimit => {
                write!(f, "turn_limit: zero is not a limit; accepted: any longer time")
            }
            BuildErrorKind::Watchdog { error } => {
                write!(f, "watchdog: its thread could not be started: {error}")
            }
            BuildErrorKind::Spawn { index, error } => {
                write!(f, "the thread of worker {index} could not be started: {error}")
            }
        }
    }
}

impl Error for ThreadPoolBuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            BuildErrorKind::Spawn { error, .. } | BuildErrorKind::Watchdog { error } => Some(error),
            _ => None,
        }
    }
}
