//! How long each worker was busy, searching, parked and blocked; and which thread has its core.
//!
//! The clock is read where a worker parks and wakes, which takes longer by far. Only with
//! [`ThreadPoolBuilder::worker_times`] is it also read where a search begins and ends, and where a
//! core is lent and given back.
//!
//! [`ThreadPoolBuilder::worker_times`]: crate::ThreadPoolBuilder::worker_times
#![deny(unsafe_code)]

// Not the model checker's, which would explore every order of these.
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// What a worker's core is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// A job runs, or the worker looks for one and has not begun to search.
    Busy,
    Searching,
    /// It sleeps in the main loop.
    Parked,
    /// It sleeps in a wait.
    Blocked,
}

const ACTIVITIES: [Activity; 4] =
    [Activity::Busy, Activity::Searching, Activity::Parked, Activity::Blocked];
/// The present activity is in the low bits of the time at which it began.
const BITS: u32 = 2;

/// How long a worker has spent with each activity. Any thread may write: a change is one exchange,
/// so each span of time is counted once.
pub(crate) struct Times {
    /// Whether searches and loans are measured.
    pub(super) has_all: bool,
    /// The time at which the present activity began, in nanoseconds, and that activity.
    present: AtomicU64,
    /// The nanoseconds spent with each activity before that.
    spent: [AtomicU64; ACTIVITIES.len()],
    /// The system's number of the thread that has the core.
    pub(super) thread: AtomicU32,
}

/// [`Times`] at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    pub(crate) now: Activity,
    /// For how long that has been so.
    pub(crate) lasts: Duration,
    /// The time of each activity.
    pub(crate) times: [Duration; ACTIVITIES.len()],
}

impl Times {
    /// A worker is parked at first.
    pub(crate) fn new(has_all: bool, now: u64) -> Self {
        Times {
            has_all,
            present: AtomicU64::new(now << BITS | Activity::Parked as u64),
            spent: Default::default(),
            thread: AtomicU32::new(0),
        }
    }

    fn activity(&self) -> Activity {
        activity_of(self.present.load(Ordering::Relaxed))
    }

    /// Ends the present activity and begins `next`, unless they are the same.
    pub(super) fn change(&self, next: Activity, now: impl Fn() -> u64) {
        if self.activity() == next {
            return;
        }
        let now = now();
        let before = self.present.swap(now << BITS | next as u64, Ordering::Relaxed);
        let took = now.saturating_sub(before >> BITS);
        self.spent[activity_of(before) as usize].fetch_add(took, Ordering::Relaxed);
    }

    pub(super) fn read(&self, now: u64) -> Spent {
        let present = self.present.load(Ordering::Relaxed);
        let lasts = now.saturating_sub(present >> BITS);
        let time = |spent: &AtomicU64| Duration::from_nanos(spent.load(Ordering::Relaxed));
        let mut times = self.spent.each_ref().map(time);
        let (now, lasts) = (activity_of(present), Duration::from_nanos(lasts));
        times[now as usize] += lasts;
        Spent { now, lasts, times }
    }
}

fn activity_of(present: u64) -> Activity {
    ACTIVITIES[(present % (1 << BITS)) as usize]
}

#[cfg(all(test, not(loom)))]
mod tests;
