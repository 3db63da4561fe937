//! Where jobs wait to be run: the two-level fork queue and the queue of spawned tasks.
#![allow(unsafe_code)]

mod deque;
mod fork;
#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod slots;
mod task;

pub(crate) use deque::{Injector, until_sure};
#[cfg(not(loom))]
pub(crate) use deque::{Stealer, Worker as Deque, prepare};
pub(crate) use fork::{ForkFront, ForkQueue, Popped, Published};
pub(crate) use task::TaskQueue;
