//! Forks, scopes, spawned tasks and broadcasts: a file for each.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/program.rs"]
mod program;

mod blocking;
mod bounds;
mod broadcast;
mod completer;
mod handles;
mod join;
mod order;
mod programs;
mod scope;
mod shapes;
mod spawn;
mod task_set;
