//! Why a pipeline did not process all items.

use std::error::Error;
use std::fmt;

use crate::context::CancelReason;

/// An error of any type.
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// Why a pipeline did not process all items.
#[derive(Debug)]
pub struct PipelineError(pub(super) Kind);

/// The kinds of [`PipelineError`].
#[derive(Debug)]
pub(crate) enum Kind {
    Failed {
        /// The number of the stage, from 1; 0 for the source.
        stage: usize,
        /// The number of the item, from 0.
        item: u64,
        error: BoxError,
    },
    Cancelled(CancelReason),
    ZeroBound,
}

impl PipelineError {
    /// Returns the number of the stage that failed, from 1, or 0 if the source failed. Returns
    /// `None` if the pipeline was cancelled or its bound is zero.
    pub fn stage(&self) -> Option<usize> {
        match self.0 {
            Kind::Failed { stage, .. } => Some(stage),
            _ => None,
        }
    }

    /// Returns the number of the item at which the source or the stage failed, in the source's
    /// order, from 0. Returns `None` like [`stage`](Self::stage).
    pub fn item(&self) -> Option<u64> {
        match self.0 {
            Kind::Failed { item, .. } => Some(item),
            _ => None,
        }
    }

    /// Returns whether the [token](super::Pipeline::cancel_with) was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.reason().is_some()
    }

    /// Returns why the token was cancelled, if it was.
    pub fn reason(&self) -> Option<CancelReason> {
        match self.0 {
            Kind::Cancelled(reason) => Some(reason),
            _ => None,
        }
    }

    /// Returns the error that the source or the stage returned.
    ///
    /// # Errors
    /// Returns this error itself if the pipeline was cancelled or its bound is zero.
    pub fn try_into_inner(self) -> Result<Box<dyn Error + Send + Sync>, PipelineError> {
        match self.0 {
            Kind::Failed { error, .. } => Ok(error),
            _ => Err(self),
        }
    }
}

impl fmt::Display for PipelineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Failed { stage: 0, item, error } => {
                write!(f, "the source failed at item {item}: {error}")
            }
            Kind::Failed { stage, item, error } => {
                write!(f, "stage {stage} failed at item {item}: {error}")
            }
            Kind::Cancelled(reason) => {
                write!(f, "the pipeline was cancelled before the end: {reason}")
            }
            Kind::ZeroBound => f.write_str("`max_in_flight` is 0, and has to be 1 or more"),
        }
    }
}

impl Error for PipelineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::Failed { error, .. } => Some(&**error),
            _ => None,
        }
    }
}
