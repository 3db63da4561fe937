//! What a simulated thread waits for: the signal that it has the turn.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crossbeam_utils::sync::Unparker;

use crate::os::progress::{Place, Seen};

/// Tells one simulated thread that it has the turn.
pub(super) struct TurnSignal {
    pub(super) granted: AtomicBool,
    pub(super) unparker: Unparker,
    /// How many schedule points the thread came to. Written by that thread, read by the watcher.
    pub(super) points: AtomicU32,
    /// Set by the thread when it begins, if the system tells of threads.
    pub(super) place: OnceLock<Place>,
}

impl TurnSignal {
    /// The calling thread is this one.
    pub(super) fn begin(&self) {
        if let Some(place) = Place::here() {
            let _ = self.place.set(place);
        }
    }

    /// What the thread has done.
    pub(super) fn seen(&self) -> Option<Seen> {
        self.place.get()?.look()
    }

    /// Gives the turn to this thread.
    pub(super) fn grant(&self) {
        // Release: matches the Acquire in `wait_for_turn`. The next turn sees all that was done.
        self.granted.store(true, Ordering::Release);
        self.unparker.unpark();
    }
}
