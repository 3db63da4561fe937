//! Parallel iterators, slices and sorts: what they give, and what becomes of panics.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/driven.rs"]
mod driven;
#[path = "../common/everywhere.rs"]
mod everywhere;

mod adaptors;
mod algorithms;
mod bridge;
mod collections;
mod ends;
mod faults;
mod oracle;
mod slices;
mod sort;
mod sources;
mod strings;
mod walks;
