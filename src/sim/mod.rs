//! The deterministic mode: a pool's threads take turns, and at every schedule point a seed decides
//! which of them goes on.
//!
//! The runtime is the real one: threads, queues, sleepers and all. It comes here where threads
//! would wait for each other (`sync/mod.rs`), and where something has happened that another could
//! act on. Whether a pool is simulated is a property of the pool (`Registry::simulation`). One twin
//! is compiled: `turns` with the feature `deterministic`, else `absent`, which does nothing.

#[cfg(not(feature = "deterministic"))]
mod absent;
#[cfg(feature = "deterministic")]
mod chair;
#[cfg(feature = "deterministic")]
mod schedule;
#[cfg(feature = "deterministic")]
mod suspicion;
#[cfg(feature = "deterministic")]
mod turns;

#[cfg(not(feature = "deterministic"))]
pub(crate) use absent::*;
#[cfg(feature = "deterministic")]
pub(crate) use schedule::Seed;
#[cfg(feature = "deterministic")]
pub(crate) use turns::*;

#[cfg(feature = "deterministic")]
use std::sync::Arc;

/// A pool, as the simulation that its threads are part of sees it.
pub(crate) trait Simulated: Send + Sync {
    /// Whether a thread of the pool that waits for its turn in the main loop has something to do
    /// there. `has_turn`: whether the thread that has the turn is the pool's, too.
    /// (The caller has the simulation's lock: closures of the user's must not run in this.)
    #[cfg(feature = "deterministic")]
    fn has_work(self: Arc<Self>, has_turn: bool) -> bool;
}

/// What a thread that has no work waits for, in the place of a pool's address.
#[cfg(feature = "deterministic")]
const IDLE: usize = 0;

/// Where a deterministic pool may let another of its threads go on; nothing otherwise.
///
/// The runtime has such points where work is forked, spawned, stolen, awaited and ended. A program
/// whose tasks share data by atomics or locks can name more, between two accesses that it wants to
/// see torn apart: see `ThreadPoolBuilder::deterministic` (feature `deterministic`). Loops that
/// wait for another task without calling into the pool need one, or the other never runs.
///
/// A point at which the turn stays where it is costs a few nanoseconds. Without the feature it
/// costs nothing.
#[inline]
pub fn schedule_point() {
    poll();
}
