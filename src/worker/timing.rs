//! Where workers and tasks note what takes time: `times.rs` and `task_times.rs` keep it.
#![deny(unsafe_code)]

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::shared::{Registry, Worker};
use super::task_times::{Oldest, Place};
use super::times::{Activity, Spent};
use crate::job::{Priority, outcome};
use crate::os::clock::nanos;
use crate::os::thread;

impl Worker {
    /// The worker is about to do something else. A thread that gives up its core notes that the
    /// worker is parked. (The thread that gets the core calls `note_awake`.)
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

    #[inline]
    pub(crate) fn note_search(&self, begins: bool) {
        if self.times.has_all {
            self.note(if begins { Activity::Searching } else { Activity::Busy });
        }
    }

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
}

/// Says since when a task has been queued whose times are measured. It is dropped when the task
/// begins, or with its closure if that is never called.
pub(crate) struct Queued {
    oldest: Arc<Oldest>,
    at: u64,
    /// Its place in [`Oldest`]. If all were taken, older tasks are in these.
    place: Option<Place>,
}

impl Queued {
    /// Returns `f`, which measures its times.
    pub(crate) fn carried_by<F: FnOnce() -> T, T>(self, f: F) -> impl FnOnce() -> T {
        move || {
            let begun = nanos();
            let waited = begun.saturating_sub(self.at);
            drop(self);
            let _noted = outcome::defer(|| note_times(waited, begun));
            f()
        }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.oldest.remove(place);
        }
    }
}

/// Notes, on a worker, the times of a task that ends, and that was queued for `waited`.
fn note_times(waited: u64, begun: u64) {
    if let Some(times) = Worker::current().and_then(|worker| worker.task_times.as_ref()) {
        times.waited.record(waited);
        times.ran.record(nanos().saturating_sub(begun));
    }
}

thread_local! {
    /// How many tasks this thread has made since the last one that was timed, in pools that time
    /// some. (At first, a number so high that any pool times the next one.)
    static SINCE_LAST: Cell<u32> = const { Cell::new(u32::MAX - 1) };
}

impl Registry {
    /// Whether the times of the task that the caller is about to make are measured.
    #[inline]
    pub(crate) fn times_next_task(&self) -> bool {
        let every = self.settings.task_times;
        every != 0 && Self::is_next_timed(every)
    }

    // (Inlined: a call costs as much as everything else that an untimed task needs.)
    #[inline(always)]
    fn is_next_timed(every: u32) -> bool {
        let made = SINCE_LAST.get() + 1;
        let is_timed = made >= every;
        SINCE_LAST.set(if is_timed { 0 } else { made });
        is_timed
    }

    /// Notes a task of this priority that is about to be queued, and whose times are measured.
    pub(crate) fn queued(&self, priority: Priority) -> Queued {
        let (oldest, at) = (self.oldest.clone(), nanos());
        Queued { place: oldest.add(priority, at), oldest, at }
    }

    /// For how long the oldest of the timed tasks of this priority has been queued, if any is.
    pub(crate) fn oldest_wait(&self, priority: Priority) -> Option<Duration> {
        self.oldest.at(priority).map(|at| Duration::from_nanos(nanos().saturating_sub(at)))
    }

    pub(crate) fn age(&self) -> Duration {
        Duration::from_nanos(nanos().saturating_sub(self.built))
    }
}
