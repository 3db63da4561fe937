#![doc = include_str!("../README.md")]
#![deny(missing_docs)]
#![deny(unsafe_code)]
#![deny(unsafe_op_in_unsafe_fn)]
#![warn(clippy::undocumented_unsafe_blocks)]

mod block;
mod counters;
mod fork;
mod job;
mod latch;
mod platform;
mod pool;
mod queue;
mod sleep;
mod sync;
mod worker;

pub use counters::{Counters, WorkerCounters};
pub use fork::{
    BroadcastContext, FnContext, JoinHandle, Scope, ScopedJoinHandle, Yield, broadcast,
    in_place_scope, join, join_context, scope, spawn, spawn_broadcast, yield_now,
};
pub use pool::{
    BuildErrorKind, ThreadBuilder, ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder, counters,
    current_num_threads, current_thread_index, max_num_threads,
};
