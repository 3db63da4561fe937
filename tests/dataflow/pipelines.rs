//! Pipelines take each item through all stages, in order where asked to.
