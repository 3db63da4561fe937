//! Parallel iterators of rayon as filch's, and filch's as rayon's.
//!
//! The plumbing of both is the same but for the traits' names. So each side wraps what it is given:
//! a producer of the one is a producer of the other, and so is a consumer.

mod from;
mod to;

pub use from::{FromRayon, FromRayonUnindexed, IntoFilch};
pub use to::{IntoRayon, ToRayon};
