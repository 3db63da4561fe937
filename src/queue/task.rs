//! The queue of spawned tasks: public at once, since a task may be long and its spawner may not
//! come back to publish it.
//!
//! Newest first for the owner (a recursion of spawns then needs memory for its depth only),
//! oldest first for thieves, who take up to half of what is there at a time.
//!
//! The handshake with sleepers is that of `queue/fork.rs`, by a word of its own, the *bell*: the
//! owner pushes, rings, then reads the count of idle workers; who is about to sleep counts
//! itself, rings, then looks.

use crossbeam_utils::CachePadded;

use super::deque::{Steal, Stealer, Worker};
use crate::sync::{AtomicUsize, Ordering};

/// A worker's spawned tasks. `own` is the owner's alone.
pub(crate) struct TaskQueue<J> {
    own: CachePadded<Worker<J>>,
    bell: CachePadded<AtomicUsize>,
    stealer: Stealer<J>,
}

impl<J> TaskQueue<J> {
    pub(crate) fn new() -> Self {
        let own = Worker::new_lifo();
        let stealer = own.stealer();
        TaskQueue {
            own: CachePadded::new(own),
            bell: CachePadded::new(AtomicUsize::new(0)),
            stealer,
        }
    }

    /// Adds a task (owner only).
    #[inline]
    pub(crate) fn push(&self, job: J) {
        self.own.push(job);
    }

    /// Takes the newest task (owner only).
    #[inline]
    pub(crate) fn pop(&self) -> Option<J> {
        self.own.pop()
    }

    /// Where others' tasks are put that were taken in a batch (owner only).
    pub(crate) fn deque(&self) -> &Worker<J> {
        &self.own
    }

    /// One side of the handshake with sleepers.
    #[inline]
    pub(crate) fn ring(&self) {
        // AcqRel: matches the other side's.
        self.bell.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether no task is queued.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.stealer.is_empty()
    }

    /// Steals the oldest task.
    pub(crate) fn steal(&self) -> Steal<J> {
        self.stealer.steal()
    }

    /// Steals up to half of the tasks into `into`'s queue, and returns the first (owner of
    /// `into` only).
    pub(crate) fn steal_batch(&self, into: &TaskQueue<J>) -> Steal<J> {
        self.stealer.steal_batch_and_pop(&into.own)
    }
}
