//! The entries of the crate: `join`, `scope`, `spawn`, `broadcast`, `install`.
#![allow(unsafe_code)]

#[cfg(any(not(loom), test))]
mod barrier;
#[cfg(any(feature = "futures", all(test, loom)))]
mod block_on;
mod blocking;
mod broadcast;
mod builder;
mod completer;
#[cfg(feature = "futures")]
mod future;
#[cfg(not(loom))]
mod gang;
mod handle;
mod in_pool;
#[cfg(all(test, not(loom)))]
mod inherited;
pub(crate) mod install;
mod join;
mod region;
mod scope;
mod spawn;
mod task_set;
mod tasks;
mod tickets;
mod try_spawn;

#[cfg(feature = "futures")]
pub use block_on::block_on;
pub use blocking::blocking;
pub use broadcast::{BroadcastContext, broadcast, spawn_broadcast};
pub use builder::{TaskBuilder, task};
pub use completer::completer;
#[cfg(feature = "futures")]
pub use future::{FutureHandle, spawn_future};
#[cfg(not(loom))]
pub use gang::{GangError, Member, gang};
pub use handle::{CancelOnDrop, JoinHandle};
pub(crate) use join::{First, Second, erased, join_erased, join_on_worker};
pub use join::{FnContext, join, join_context};
pub use region::{check_cancelled, is_cancelled, scope_with};
pub(crate) use region::{stopping_token, with_current_token};
pub(crate) use scope::{Deferred, whole_scope};
pub use scope::{Scope, ScopedJoinHandle, in_place_scope, scope};
pub use spawn::{
    Yield, current_thread_has_pending_tasks, spawn, spawn_fifo, yield_local, yield_now,
};
pub use task_set::{JoinNext, TaskSet};
pub use try_spawn::{TrySpawnError, try_spawn};
