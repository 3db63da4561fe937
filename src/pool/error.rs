//! Why a pool could not be built.

use std::error::Error;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::{fmt, io};

use super::variables;

/// The error of [`ThreadPoolBuilder::build`](crate::ThreadPoolBuilder::build) and
/// [`build_global`](crate::ThreadPoolBuilder::build_global). It names the setting, what was wrong
/// and what is accepted. Nothing is left of the pool: all threads that were started have ended.
#[derive(Debug)]
pub struct ThreadPoolBuildError {
    kind: BuildErrorKind,
}

/// Why a pool could not be built.
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
        /// The index of its worker.
        index: usize,
        /// The name.
        name: String,
    },
    /// An environment variable whose value is not accepted.
    #[non_exhaustive]
    InvalidEnv {
        /// The variable's name.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// An injector interval of 0.
    InvalidInjectorInterval,
    /// A bound of 0 on queued tasks.
    InvalidMaxQueued,
    /// The global pool exists already. It can be built once in a process.
    GlobalPoolAlreadyInitialized,
    /// `use_current_thread` was set, but the calling thread is a worker of another pool.
    CurrentThreadAlreadyInPool,
    /// A setting or method that a deterministic pool does not accept.
    #[non_exhaustive]
    Deterministic {
        /// Its name.
        setting: &'static str,
    },
    /// A turn limit of zero.
    InvalidTurnLimit,
    /// A watchdog period of zero.
    InvalidWatchdogPeriod,
    /// The watchdog's thread could not be started.
    #[non_exhaustive]
    Watchdog {
        /// The error of the operating system.
        error: io::Error,
    },
    /// A worker's thread could not be started.
    #[non_exhaustive]
    Spawn {
        /// The worker's index.
        index: usize,
        /// The size of the stack, if it was set.
        stack_size: Option<usize>,
        /// The error of the operating system or the spawn handler.
        error: io::Error,
    },
}

impl BuildErrorKind {
    pub(super) fn of_thread(index: usize, error: io::Error) -> Self {
        BuildErrorKind::Spawn { index, stack_size: None, error }
    }
}

// Errors are never changed in place, so a panic cannot leave one broken. (`io::Error` is not
// `UnwindSafe`, since it may hold any type.)
impl UnwindSafe for BuildErrorKind {}
impl RefUnwindSafe for BuildErrorKind {}

impl ThreadPoolBuildError {
    pub(super) fn new(kind: BuildErrorKind) -> Self {
        ThreadPoolBuildError { kind }
    }

    /// Why the pool could not be built.
    pub fn kind(&self) -> &BuildErrorKind {
        &self.kind
    }

    /// Why the pool could not be built, with the operating system's error if there is one.
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
                "environment variable {variable}: {value:?} is not a value for it; accepted: {}",
                variables::accepted(variable)
            ),
            BuildErrorKind::InvalidInjectorInterval => {
                write!(f, "injector_interval: 0 is too small; accepted: 1 to {}", u32::MAX)
            }
            BuildErrorKind::InvalidMaxQueued => {
                write!(
                    f,
                    "max_queued: 0 is too small; accepted: 1 to {}, or unset for no bound",
                    usize::MAX
                )
            }
            BuildErrorKind::GlobalPoolAlreadyInitialized => write!(
                f,
                "build_global: the global pool exists already; accepted: one call in a process, \
                 before anything uses the global pool"
            ),
            BuildErrorKind::CurrentThreadAlreadyInPool => write!(
                f,
                "use_current_thread: the calling thread is a worker of another pool; accepted: a \
                 thread that is no worker"
            ),
            BuildErrorKind::Deterministic { setting: "build_global" } => f.write_str(
                "build_global: cannot be combined with deterministic; accepted: the environment \
                 variable FILCH_SEED, which makes the global pool deterministic",
            ),
            BuildErrorKind::Deterministic { setting } => write!(
                f,
                "{setting}: cannot be combined with deterministic or the environment variable \
                 FILCH_SEED; accepted: either alone"
            ),
            BuildErrorKind::InvalidWatchdogPeriod => {
                write!(f, "watchdog: zero is too short; accepted: any longer time")
            }
            BuildErrorKind::InvalidTurnLimit => {
                write!(f, "turn_limit: zero is too short; accepted: any longer time")
            }
            BuildErrorKind::Watchdog { error } => {
                write!(f, "watchdog: its thread could not be started: {error}")
            }
            BuildErrorKind::Spawn { index, stack_size, error } => {
                write!(f, "the thread of worker {index} could not be started")?;
                if let Some(bytes) = stack_size {
                    write!(f, " with a stack_size of {bytes} bytes")?;
                }
                write!(f, ": {error}")
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
