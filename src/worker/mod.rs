//! The workers of a pool. `shared.rs` has their data, `main_loop.rs` what their threads do.
#![allow(unsafe_code)]

mod ambient;
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
mod on_top;
pub(crate) mod pools;
mod priorities;
mod publish;
mod restricted;
pub(crate) mod settings;
pub(crate) mod shared;
mod stack;
pub(crate) mod task_times;
mod threads;
pub(crate) mod times;
pub(crate) mod timing;
mod wait;
mod wake;
#[cfg(all(test, not(loom)))]
mod width;

pub(crate) use ambient::{
    ContextRef, current_context, inherited_context, share_current, under, with_current_context,
    with_span,
};
pub(crate) use current::{Acting, current, is_simulated};
pub(crate) use shared::{Current, Header, JobRef, JoinHeader, Table, Tag, Worker};
