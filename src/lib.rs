// The README's links, in the crate's own pages: of two definitions of a link the first one holds.
//! [iter]: crate::iter
//! [slice]: crate::slice
//! [join]: crate::join
//! [scope]: crate::scope
//! [spawn]: crate::spawn
//! [broadcast]: crate::broadcast
//! [cancel]: crate::scope_with
//! [task]: crate::task()
//! [pool]: crate::ThreadPoolBuilder
//! [deterministic]: crate::guide::cookbook#tests-by-seeds
//! [dump]: crate::dump()
//! [benchmarks]: crate::guide::benchmarks
//! [start]: crate::guide::getting_started
//! [choosing]: crate::guide::choosing
//! [dataflow]: crate::guide::dataflow
//! [rayon]: crate::guide::from_rayon
//! [replay]: crate::guide::deterministic_rayon
//! [threads]: crate::guide::from_threads
//! [openmp]: crate::guide::from_openmp
//! [onetbb]: crate::guide::from_onetbb
//! [cookbook]: crate::guide::cookbook
//! [faq]: crate::guide::faq
//! [how]: crate::guide::how_it_works
#![doc = include_str!("../docs/ratios.md")]
//!
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg), doc(auto_cfg(hide(loom))))]
#![deny(missing_debug_implementations)]
#![deny(missing_docs)]
#![deny(unsafe_code)]
#![deny(unsafe_op_in_unsafe_fn)]
#![warn(clippy::undocumented_unsafe_blocks)]
// The model checker gets the core only, without the loops and sorts that stand on it.
#![cfg_attr(loom, allow(dead_code, unused_imports))]

#[cfg(all(test, not(loom)))]
mod architecture;
#[cfg(all(test, not(loom)))]
mod auto_traits;
mod context;
mod fork;
#[cfg(not(loom))]
pub mod graph;
#[cfg(not(loom))]
pub mod guide;
#[cfg(not(loom))]
pub mod iter;
mod job;
mod latch;
#[cfg(all(test, loom))]
mod models;
#[cfg(not(loom))]
mod names;
mod observe;
mod os;
#[cfg(not(loom))]
pub mod pipeline;
mod pool;
mod queue;
mod sim;
mod sleep;
#[cfg(not(loom))]
pub mod slice;
mod sync;
mod task;
mod worker;

pub use context::{CancelReason, CancelToken, Cancelled, DropGuard};
pub use fork::{
    BroadcastContext, CancelOnDrop, FnContext, JoinHandle, JoinNext, Scope, ScopedJoinHandle,
    TaskBuilder, TaskSet, TrySpawnError, Yield, blocking, broadcast, check_cancelled, completer,
    current_thread_has_pending_tasks, in_place_scope, is_cancelled, join, join_context, scope,
    scope_with, spawn, spawn_broadcast, spawn_fifo, task, try_spawn, yield_local, yield_now,
};
#[cfg(feature = "futures")]
pub use fork::{FutureHandle, block_on, spawn_future};
#[cfg(not(loom))]
pub use fork::{GangError, Member, gang};
pub use job::Priority;
#[cfg(not(loom))]
pub use names::{array, collections, option, range, range_inclusive, result, str, string, vec};
pub use observe::{
    Dump, Histogram, Intervals, Metrics, QueueMetrics, WorkerMetrics, counters, dump, metrics,
};
#[cfg(not(loom))]
pub use pipeline::{pipeline, try_pipeline};
pub use pool::{
    BuildErrorKind, ThreadBuilder, ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder,
    current_num_threads, current_thread_index, max_num_threads,
};
pub use sim::schedule_point;
pub use task::{Completer, JoinError};
pub use worker::counters::{Counters, WorkerCounters};

pub use worker::settings::{TaskOrder, WaitPolicy};

/// What programs with parallel iterators bring into scope: `use filch::prelude::*;`.
#[cfg(not(loom))]
pub mod prelude {
    pub use crate::iter::{
        FromParallelIterator, IndexedParallelIterator, IntoParallelIterator,
        IntoParallelRefIterator, IntoParallelRefMutIterator, ParallelBridge, ParallelDrainFull,
        ParallelDrainRange, ParallelExtend, ParallelIterator, ParallelString,
    };
    // Unnamed, so that the trait of indicatif with this name can be imported beside it.
    #[cfg(feature = "indicatif")]
    pub use crate::iter::ParallelProgressIterator as _;
    #[cfg(feature = "rayon")]
    pub use crate::iter::{IntoFilch, IntoRayon};
    pub use crate::slice::{ParallelSlice, ParallelSliceMut, ParallelVec};
}
