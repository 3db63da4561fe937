//! Spawned tasks: one block of memory each (`sync/slab.rs`), which holds the task's state, its
//! closure, and later its result.
//!
//! Two parties refer to the block: the *entry*, a `JobRef` in some queue, and the *handle*.
//! `state.rs` says which of them runs the task, takes the result and frees the block. The task is
//! run by
//! - the worker that takes the entry out of its queue;
//! - or a worker of the same pool that joins the handle first. The entry is then *empty*: the
//!   worker that takes it out only lets it go;
//! - or, if a thread of another pool joins the handle, a worker that takes its request
//!   (`request.rs`).
//!
//! If the handle cancels the task before one of these begins, the task is not run (`cancel.rs`). A
//! task without a closure is ended by its completer (`completer.rs`). A future is polled instead of
//! run (`future.rs`).
//!
//! The task's [`Home`] is a scope or the pool. It keeps the task's panic until the handle takes it,
//! and is told when the task has ended.

#![allow(unsafe_code)]

mod block;
mod cancel;
mod completer;
mod error;
pub(crate) mod fifo;
#[cfg(feature = "futures")]
pub(crate) mod future;
mod handle;
mod head;
mod home;
#[cfg(any(feature = "futures", all(test, loom)))]
mod polls;
mod request;
mod state;
mod timed;
mod waiting;

pub use completer::Completer;
pub(crate) use completer::new_completer;
pub use error::JoinError;
pub(crate) use handle::{Handle, new_task};
pub(crate) use home::{Home, Kept, Panics};
pub(crate) use waiting::Waiting;
