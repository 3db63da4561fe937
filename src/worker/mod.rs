//! The workers of a pool. `shared.rs` has their data, `main_loop.rs` what their threads do.
#![allow(unsafe_code)]

#[cfg(feature = "futures")]
pub(crate) mod attached;
pub(crate) mod bound;
pub(crate) mod callers;
pub(crate) mod counters;
mod current;
mod end;
pub(crate) mod event;
#[cfg(all(test, not(loom)))]
mod faults;
mod find;
mod hand_off;
pub(crate) mod handlers;
mod idle;
mod in_place;
mod inject;
pub(crate) mod join_job;
mod keep;
mod main_loop;
#[cfg(all(test, loom))]
mod models;
pub(crate) mod pools;
mod publish;
pub(crate) mod settings;
pub(crate) mod shared;
mod stack;
mod threads;
mod wait;
mod wake;
#[cfg(all(test, not(loom)))]
mod width;

pub(crate) use current::{Acting, current, is_simulated};
pub(crate) use shared::{Current, Execute, Header, JobRef, JoinHeader, Tag, Worker};
