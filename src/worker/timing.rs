//! Where workers and tasks note what takes time: `times.rs` and `task_times.rs` keep it.
#![deny(unsafe_code)]

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::shared::{Registry, Worker};
use super::task_times::Queued;
use super::times::{Activity, Spent};
use crate::os::clock::nanos;
use crate::os::thread;

impl Worker {
    /// The worker is about to do something else. A thread that gives up its core to whichever thread
    /// may want it notes that the worker is parked. (The thread that gets the core calls
    /// `note_awake`.)
    #[cold]
    pub(super) fn note(&self, next: Activity) {
        self.times.change(next, nanos);
    }

    /// The calling thread has the core, and counts as a searcher if it is `searching`.
    pub(crate) fn note_awake(&self, searching: bool) {
        let is_searching = searching && self.times.has_all;
        self.note(if is_searching { Activity::Searching } else { Activity::Busy });
        let thread = thread::number();
        if self.times.thread.load(Ordering::Relaxed) != thread {
            self.times.thread.store(thread, Ordering::Relaxed);
        }
    }

    /// The worker begins or ends a search.
    #[inline]
    pub(crate) fn note_search(&self, begins: bool) {
        if self.times.has_all {
            self.note(if begins { Activity::Searching } else { Activity::Busy });
        }
    }

    /// A thread from outside has borrowed the core.
    #[inline]
    pub(crate) fn note_loan(&self) {
        if self.times.has_all {
            self.note_awake(false);
        }
    }

    pub(crate) fn time_spent(&self) -> Spent {
        self.times.read(nanos())
    }

    /// The system's number of the thread that has the core, or of the last one that had it. It is 0
    /// if there was none, or on a system without such numbers.
    pub(crate) fn thread_number(&self) -> u32 {
        self.times.thread.load(Ordering::Relaxed)
    }

    /// Calls `run`, which runs a task and does not unwind.
    pub(crate) fn time_task(&self, queued: Queued, run: impl FnOnce()) {
        self.registry().note_taken(queued);
        let begun = nanos();
        run();
        if let Some(times) = &self.task_times {
            times.waited.record(begun.saturating_sub(queued.at));
            times.ran.record(nanos().saturating_sub(begun));
        }
    }
}

thread_local! {
    /// How many tasks this thread makes until the next one that is timed.
    static UNTIL_NEXT: Cell<u32> = const { Cell::new(0) };
}

impl Registry {
    /// Whether the times of the task that the caller is about to make are measured.
    #[inline]
    pub(crate) fn times_next_task(&self) -> bool {
        self.settings().task_times != 0 && self.is_next_timed()
    }

    #[cold]
    fn is_next_timed(&self) -> bool {
        let left = UNTIL_NEXT.get().min(self.settings().task_times - 1);
        UNTIL_NEXT.set(left.checked_sub(1).unwrap_or(self.settings().task_times - 1));
        left == 0
    }

    /// Notes a task that is about to be queued.
    pub(crate) fn note_queued(&self) -> Queued {
        let at = nanos();
        Queued { at, place: self.oldest.add(at) }
    }

    /// For how long the oldest of the timed tasks has been queued, if any is.
    pub(crate) fn oldest_wait(&self) -> Option<Duration> {
        self.oldest.at().map(|at| Duration::from_nanos(nanos().saturating_sub(at)))
    }

    /// For how long the pool has existed.
    pub(crate) fn age(&self) -> Duration {
        Duration::from_nanos(nanos().saturating_sub(self.built))
    }

    /// Notes that a task is queued no longer.
    pub(crate) fn note_taken(&self, queued: Queued) {
        if let Some(place) = queued.place {
            self.oldest.remove(place);
        }
    }
}
