//! Parallel loops with a given pool, width, shape, or order of consumption.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/everywhere.rs"]
mod everywhere;

mod ordered;
mod places;
mod shapes;
