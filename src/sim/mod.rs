//! The deterministic mode: a pool's threads take turns, and at every schedule point a seed decides
//! which of them goes on.
//!
//! The runtime is the real one: threads, queues, sleepers and all. It calls this module where a
//! thread would wait for another (`sync/mod.rs`), and where it has done something that another
//! thread could act on. Whether a pool is simulated is a property of the pool
//! (`Registry::simulation`). With the feature `deterministic`, `turns` is compiled; without it, its
//! twin `absent`, which does nothing.

#[cfg(not(feature = "deterministic"))]
mod absent;
#[cfg(feature = "deterministic")]
mod schedule;
#[cfg(feature = "deterministic")]
mod signal;
#[cfg(feature = "deterministic")]
mod suspicion;
#[cfg(feature = "deterministic")]
mod turns;

#[cfg(not(feature = "deterministic"))]
pub(crate) use absent::*;
#[cfg(feature = "deterministic")]
pub(crate) use schedule::{Seed, parse_seed};
#[cfg(feature = "deterministic")]
pub(crate) use turns::*;

#[cfg(feature = "deterministic")]
use std::sync::Arc;

/// A pool, as its simulation sees it.
pub(crate) trait Simulated: Send + Sync {
    /// Returns whether a thread of the pool that waits for its turn in the main loop has work.
    /// `has_turn` says whether the thread that has the turn is of the same pool. The caller holds
    /// the simulation's lock, so this must not call closures of the user.
    #[cfg(feature = "deterministic")]
    fn has_work(self: Arc<Self>, has_turn: bool) -> bool;
}

/// Stands for a pool's address while a thread waits for work.
#[cfg(feature = "deterministic")]
const IDLE: usize = 0;

/// A point at which a deterministic pool may let another of its threads go on. On other threads it
/// does nothing.
///
/// The runtime has such points where work is forked, spawned, stolen, awaited and ended, and
/// between the items of a parallel loop. A program whose tasks share data by atomics or locks can
/// add more, between two accesses that another thread might come between: see
/// `ThreadPoolBuilder::deterministic` (feature `deterministic`). A loop that waits for another task
/// without a call to this crate needs one, or the other task never runs.
///
/// A point at which the turn stays costs a few nanoseconds. Without the feature, a point costs
/// nothing.
#[inline]
pub fn schedule_point() {
    poll();
}
