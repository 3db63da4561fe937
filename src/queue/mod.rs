//! Where jobs wait to be run: the two-level fork queue and the queue of spawned tasks.
#![allow(unsafe_code)]

mod deque;
mod join_queue;
#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod slots;
mod spawn_queue;

pub(crate) use deque::{Injector, Stealer, Worker as Deque, prepare, until_sure};
pub(crate) use join_queue::{ForkFront, ForkQueue, Popped, Published};
pub(crate) use spawn_queue::TaskQueue;

use std::time::Duration;

use crate::sync::spin_or_yield;

/// How often a thread yields its processor to another that has to do a few instructions. (A guess:
/// as many yields take some 30 microseconds.)
const YIELDS: u32 = 64;
/// How long it sleeps after that, at first; and how often that doubles, since each sleep has a price
/// (some 25 microseconds of processor time on a virtual machine).
const STEP_BACK: Duration = Duration::from_micros(50);
const DOUBLINGS: u32 = 4;

/// One round of waiting until another thread has done a few instructions. If it does not come to do
/// them, the caller sleeps, longer each time: a real-time thread that yields leaves its processor to
/// none of lower priority.
fn give_way(round: &mut u32) {
    spin_or_yield();
    *round = (*round + 1).min(YIELDS + DOUBLINGS);
    if *round >= YIELDS && cfg!(not(loom)) {
        std::thread::sleep(STEP_BACK * (1 << (*round - YIELDS)));
    }
}
