//! Where a party of a simulation waits for its turn.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crossbeam_utils::sync::Unparker;

/// Where a party waits for its turn.
pub(super) struct Chair {
    pub(super) granted: AtomicBool,
    pub(super) unparker: Unparker,
    /// How many points the party came to. Its own, but for the watcher's glances.
    pub(super) points: AtomicU32,
}

impl Chair {
    /// Gives the turn to the party that waits here.
    pub(super) fn grant(&self) {
        // Release: what was done before is visible to whoever has the turn. Matches the Acquire in
        // `wait_for_turn`.
        self.granted.store(true, Ordering::Release);
        self.unparker.unpark();
    }
}
