//! Parallel iterators, slices and sorts match their serial counterparts.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/everywhere.rs"]
mod everywhere;

mod adaptors;
mod algorithms;
mod collections;
mod ends;
mod erased;
mod meetings;
mod slices;
mod sort;
mod sources;
mod strings;
