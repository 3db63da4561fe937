//! The deterministic mode: a pool's workers as fibers of the thread that built it, and a seed that
//! decides at every scheduling point which of them goes on.
//!
//! The runtime is the real one, queues, sleepers and all. It comes here where threads would wait
//! for each other (`sync.rs`), and where something has happened that another could act on. One twin
//! is compiled: `fibers` with the feature `deterministic`, else `absent`, which does nothing.

#[cfg(not(feature = "deterministic"))]
mod absent;
#[cfg(feature = "deterministic")]
mod fibers;

#[cfg(not(feature = "deterministic"))]
pub(crate) use absent::*;
#[cfg(feature = "deterministic")]
pub(crate) use fibers::*;

/// Where a deterministic pool may let another worker go on; nothing otherwise.
///
/// The runtime has such points where work is forked, spawned, stolen, awaited and ended. A program
/// whose tasks share data by atomics or locks can name more, between two accesses that it wants to
/// see torn apart: see `ThreadPoolBuilder::deterministic` (feature `deterministic`). Loops that
/// wait for another task without calling into the pool need one, or the other never runs.
///
/// Without the feature it costs nothing, else a look at a thread-local.
#[inline]
pub fn schedule_point() {
    point();
}
