//! Why a pool could not be built.

use std::error::Error;
use std::{fmt, io};

use filch::BuildErrorKind;

/// The error of [`ThreadPoolBuilder::build`](crate::ThreadPoolBuilder::build) and
/// [`build_global`](crate::ThreadPoolBuilder::build_global).
#[derive(Debug)]
pub struct ThreadPoolBuildError {
    kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    GlobalPoolAlreadyInitialized,
    CurrentThreadAlreadyInPool,
    /// The error with which the system or the spawn handler failed to start a thread.
    IOError(io::Error),
}

impl ThreadPoolBuildError {
    pub(crate) fn io_kind(&self) -> Option<io::ErrorKind> {
        match &self.kind {
            Kind::IOError(error) => Some(error.kind()),
            _ => None,
        }
    }
}

impl Kind {
    /// The text of this kind, for errors that have no source.
    fn text(&self) -> &'static str {
        match self {
            Kind::GlobalPoolAlreadyInitialized => {
                "The global thread pool has already been initialized."
            }
            Kind::CurrentThreadAlreadyInPool => {
                "The current thread is already part of another thread pool."
            }
            Kind::IOError(_) => "A thread of the pool could not be started.",
        }
    }
}

impl From<Kind> for ThreadPoolBuildError {
    fn from(kind: Kind) -> Self {
        ThreadPoolBuildError { kind }
    }
}

impl From<filch::ThreadPoolBuildError> for ThreadPoolBuildError {
    fn from(error: filch::ThreadPoolBuildError) -> Self {
        let text = error.to_string();
        let kind = match error.into_kind() {
            BuildErrorKind::CurrentThreadAlreadyInPool => Kind::CurrentThreadAlreadyInPool,
            BuildErrorKind::Spawn { error, .. } => Kind::IOError(error),
            // An invalid variable or setting, such as a thread name that contains a NUL.
            _ => Kind::IOError(io::Error::new(io::ErrorKind::InvalidInput, text)),
        };
        kind.into()
    }
}

impl fmt::Display for ThreadPoolBuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::IOError(error) => error.fmt(f),
            kind => kind.text().fmt(f),
        }
    }
}

impl Error for ThreadPoolBuildError {
    #[allow(deprecated)]
    fn description(&self) -> &str {
        match &self.kind {
            Kind::IOError(error) => error.description(),
            kind => kind.text(),
        }
    }

    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::IOError(error) => Some(error),
            _ => None,
        }
    }
}
