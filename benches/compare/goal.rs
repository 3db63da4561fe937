//! The contestants, and how fast filch must be compared with each.

use std::fmt;

/// A contestant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The same work split by hand over plain threads.
    Ideal,
    Filch,
    Rayon,
    Chili,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Who::Ideal => "ideal",
            Who::Filch => "filch",
            Who::Rayon => "rayon",
            Who::Chili => "chili",
        })
    }
}

/// Filch's time must be at most `at_most` times that of `against`.
#[derive(Clone, Copy)]
pub struct Goal {
    pub against: Who,
    pub at_most: f64,
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "≤ {} {}", self.at_most, self.against)
    }
}
