//! Where jobs wait to be run: the two-level fork queue and the queue of spawned tasks.
#![allow(unsafe_code)]

mod deque;
mod fast_slot;
mod front;
mod job_queue;
mod join_queue;
#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod slots;
mod spawn_queue;
mod thieves;

pub(crate) use deque::{Injector, Stealer, Worker as Deque, prepare, until_sure};
pub(crate) use front::ForkFront;
pub(crate) use job_queue::JobQueue;
pub(crate) use join_queue::{ForkQueue, Popped, Published};
pub(crate) use spawn_queue::TaskQueue;

use std::time::Duration;

use crate::sync::spin_or_yield;

/// For how many rounds a waiting thread only yields its processor. (A guess: they take about 30
/// microseconds.)
const YIELDS: u32 = 64;
/// How long it sleeps in the next round, and how often that doubles in further rounds, since a
/// sleep costs about 25 microseconds of processor time on a virtual machine.
const FIRST_SLEEP: Duration = Duration::from_micros(50);
const DOUBLINGS: u32 = 4;

/// Waits one round for another thread that needs only a few more instructions. After many rounds
/// the caller sleeps, longer each time: a real-time thread that only yields never leaves its
/// processor to a thread of lower priority.
fn give_way(round: &mut u32) {
    spin_or_yield();
    *round = (*round + 1).min(YIELDS + DOUBLINGS);
    if *round >= YIELDS && cfg!(not(loom)) {
        std::thread::sleep(FIRST_SLEEP * (1 << (*round - YIELDS)));
    }
}
