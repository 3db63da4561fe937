//! The queue of a worker's pinned jobs, and that of a pool's cross-pool jobs of one priority: in
//! the order in which they were pushed.
#![deny(unsafe_code)]

use std::collections::VecDeque;

use crate::sync::{AtomicUsize, Mutex, Ordering};

/// A queue with room for at most this many jobs keeps its memory. (A guess.)
const ROOM_KEPT: usize = 1024;

/// A queue from which jobs can be looked at before one is taken.
pub(crate) struct JobQueue<J> {
    jobs: Mutex<VecDeque<J>>,
    /// How many jobs there are. Relaxed: a thread that parks after it has seen none is woken by the
    /// one that pushes the next (lemmas 1, 5 and 10 of `sleep/mod.rs`).
    len: AtomicUsize,
}

impl<J> Default for JobQueue<J> {
    fn default() -> Self {
        JobQueue { jobs: Mutex::default(), len: AtomicUsize::new(0) }
    }
}

impl<J> JobQueue<J> {
    /// Any thread may call this.
    pub(crate) fn push(&self, job: J) {
        let mut jobs = self.jobs.lock();
        jobs.push_back(job);
        self.len.store(jobs.len(), Ordering::Relaxed);
    }

    /// Takes the first job for which `may_take` returns `true`, if that is one of the first `most`.
    pub(crate) fn pop_if(&self, most: usize, may_take: impl FnMut(&J) -> bool) -> Option<J> {
        if self.is_empty() {
            return None;
        }
        let mut jobs = self.jobs.lock();
        let index = jobs.iter().take(most).position(may_take)?;
        let job = jobs.remove(index);
        let room = jobs.capacity();
        if room > ROOM_KEPT && jobs.len() < room / 4 {
            jobs.shrink_to(room / 2);
        }
        self.len.store(jobs.len(), Ordering::Relaxed);
        job
    }

    /// Whether there is a first job, and it `is` so.
    pub(crate) fn first_is(&self, is: impl FnOnce(&J) -> bool) -> bool {
        !self.is_empty() && self.jobs.lock().front().is_some_and(is)
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
