//! Parallel loops whose pool, width, shape or order of consumption is given.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/everywhere.rs"]
mod everywhere;

mod ordered;
mod places;
mod shapes;
