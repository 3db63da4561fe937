//! Parallel iterators that do not know their length in advance: bridges and walks.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/everywhere.rs"]
mod everywhere;

mod bridge;
mod walks;
