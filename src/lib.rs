#![doc = include_str!("../README.md")]
#![deny(missing_debug_implementations)]
#![deny(missing_docs)]
#![deny(unsafe_code)]
#![deny(unsafe_op_in_unsafe_fn)]
#![warn(clippy::undocumented_unsafe_blocks)]
// The model checker gets only what it can check: the protocols, without those who use them.
#![cfg_attr(loom, allow(dead_code, unused_imports))]

#[cfg(all(test, not(loom)))]
mod architecture;
#[cfg(all(test, not(loom)))]
mod auto_traits;
#[cfg(not(loom))]
mod cancel;
#[cfg(not(loom))]
mod fork;
#[cfg(not(loom))]
pub mod iter;
mod job;
mod latch;
#[cfg(not(loom))]
mod names;
#[cfg(not(loom))]
mod observe;
mod os;
#[cfg(not(loom))]
mod pool;
mod queue;
mod sim;
mod sleep;
#[cfg(not(loom))]
pub mod slice;
mod sync;
mod task;
mod worker;

#[cfg(not(loom))]
pub use cancel::CancelToken;
#[cfg(not(loom))]
pub use fork::{
    BroadcastContext, FnContext, JoinHandle, Scope, ScopedJoinHandle, Yield, broadcast,
    current_thread_has_pending_tasks, in_place_scope, join, join_context, scope, spawn,
    spawn_broadcast, spawn_fifo, yield_local, yield_now,
};
#[cfg(not(loom))]
pub use names::{array, collections, option, range, range_inclusive, result, str, string, vec};
#[cfg(not(loom))]
pub use observe::{Dump, dump};
#[cfg(not(loom))]
pub use pool::{
    BuildErrorKind, ThreadBuilder, ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder, counters,
    current_num_threads, current_thread_index, max_num_threads,
};
#[cfg(not(loom))]
pub use sim::schedule_point;
#[cfg(not(loom))]
pub use worker::counters::{Counters, WorkerCounters};

#[cfg(not(loom))]
pub use worker::settings::{TaskOrder, WaitPolicy};

/// What programs with parallel iterators bring into scope: `use filch::prelude::*;`.
#[cfg(not(loom))]
pub mod prelude {
    pub use crate::iter::{
        FromParallelIterator, IndexedParallelIterator, IntoParallelIterator,
        IntoParallelRefIterator, IntoParallelRefMutIterator, ParallelBridge, ParallelDrainFull,
        ParallelDrainRange, ParallelExtend, ParallelIterator, ParallelString,
    };
    pub use crate::slice::{ParallelSlice, ParallelSliceMut, ParallelVec};
}
