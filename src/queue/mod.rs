//! Where jobs wait to be run: the two-level fork queue and the queue of spawned tasks.
#![allow(unsafe_code)]

mod deque;
mod fork;
#[cfg(all(test, loom))]
mod models;
mod task;

#[cfg(not(loom))]
pub(crate) use deque::prepare;
pub(crate) use deque::{Injector, until_sure};
pub(crate) use fork::{ForkFront, ForkQueue, Popped, Published};
pub(crate) use task::TaskQueue;
