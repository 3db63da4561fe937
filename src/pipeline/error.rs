//! Why a pipeline did not process all items.

use std::error::Error;
use std::fmt;

/// An error of any type.
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// Why a pipeline did not process all items.
#[derive(Debug)]
pub struct PipelineError(Kind);

/// The kinds of [`PipelineError`].
#[derive(Debug)]
pub(crate) enum Kind {
    Failed {
        /// The number of the stage, from 1; 0 for the source.
        stage: usize,
        error: BoxError,
    },
    Cancelled,
    ZeroBound,
}

impl PipelineError {
    pub(super) fn new(kind: Kind) -> Self {
        PipelineError(kind)
    }

    /// Returns the number of the stage that failed, from 1, or 0 if the source failed. Returns
    /// `None` if the pipeline was cancelled or its bound is zero.
    pub fn stage(&self) -> Option<usize> {
        match self.0 {
            Kind::Failed { stage, .. } => Some(stage),
            _ => None,
        }
    }

    /// Returns whether the [token](super::Pipeline::cancel_with) was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, Kind::Cancelled)
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
            Kind::Failed { stage: 0, error } => write!(f, "the source failed: {error}"),
            Kind::Failed { stage, error } => write!(f, "stage {stage} failed: {error}"),
            Kind::Cancelled => f.write_str("the pipeline was cancelled before the end"),
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
