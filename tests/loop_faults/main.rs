//! Parallel iterators, slices and sorts with panics at every point, and random chains of adaptors.
//!
//! These are not part of `loops`, since one crate of all of them takes gigabytes to compile.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/driven.rs"]
mod driven;
#[path = "../common/everywhere.rs"]
mod everywhere;

mod faults;
mod oracle;
