//! The pinned queue: the jobs that are for one worker only, in the order in which they were pinned.
#![deny(unsafe_code)]

use std::collections::VecDeque;

use crate::sync::{AtomicUsize, Mutex, Ordering};

/// A queue from which the first job can be looked at before it is taken.
pub(crate) struct PinnedQueue<J> {
    jobs: Mutex<VecDeque<J>>,
    /// How many jobs there are. Relaxed: a thread that parks after it has seen none is woken by the
    /// one that pins the next (lemma 10 of `sleep/mod.rs`).
    len: AtomicUsize,
}

impl<J> Default for PinnedQueue<J> {
    fn default() -> Self {
        PinnedQueue { jobs: Mutex::default(), len: AtomicUsize::new(0) }
    }
}

impl<J> PinnedQueue<J> {
    /// Any thread may call this.
    pub(crate) fn push(&self, job: J) {
        let mut jobs = self.jobs.lock();
        jobs.push_back(job);
        self.len.store(jobs.len(), Ordering::Relaxed);
    }

    /// Takes the first job, if `may_take` returns `true` for it.
    pub(crate) fn pop_if(&self, may_take: impl FnOnce(&J) -> bool) -> Option<J> {
        if self.is_empty() {
            return None;
        }
        let mut jobs = self.jobs.lock();
        if !jobs.front().is_some_and(may_take) {
            return None;
        }
        let first = jobs.pop_front();
        self.len.store(jobs.len(), Ordering::Relaxed);
        first
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
