//! The signal for which a simulated thread waits: that it has the turn.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crossbeam_utils::sync::Unparker;

use crate::os::progress::{Place, Seen};

pub(super) struct TurnSignal {
    pub(super) granted: AtomicBool,
    pub(super) unparker: Unparker,
    /// How many schedule points the thread has reached. The thread writes it, and the watcher reads
    /// it.
    pub(super) points: AtomicU32,
    /// The thread sets it when it begins, if the system reports on threads.
    pub(super) place: OnceLock<Place>,
}

impl TurnSignal {
    /// Called by the thread itself when it begins.
    pub(super) fn begin(&self) {
        if let Some(place) = Place::here() {
            let _ = self.place.set(place);
        }
    }

    /// Returns what the thread has done so far, if the system reports it.
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
