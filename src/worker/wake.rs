//! A worker that has found a job, or is about to begin one, wakes further workers.
#![deny(unsafe_code)]

use super::callers::Length;
use super::shared::{Registry, Worker};
use crate::os;
use crate::sleep::Stopped;
use crate::sync::Ordering;
use crate::sync::fence;

/// The most workers that a searcher wakes when it has found a job.
const MOST_WOKEN: usize = 2;
/// If long jobs are expected, a worker with public jobs wakes workers until at most this many
/// search. (A worker that was woken may start late, on the same processor. Without this, the last
/// of 16 or 32 items of a loop that sleep begins 1.2 times as late, and that of a join tree of 16
/// 1.3 times: medians on two shared virtual cores.)
const MOST_WOKEN_AHEAD: usize = 6;

impl Worker {
    /// If this worker is a searcher, stops searching. Wakes parked workers if more jobs are public
    /// than searchers are left.
    #[inline]
    pub(crate) fn stop_searching(&self) {
        if self.sleep().is_searcher(self.index) {
            self.stop_search();
        }
    }

    fn stop_search(&self) {
        let stopped = self.sleep().stop_searching(self.index);
        self.note_search(false);
        self.look_again(stopped);
        // Relaxed: if it comes too early, the next worker that ends a job or waits sees the
        // cross-pool job.
        if self.registry().has_cross_job() {
            self.sleep().notify_of_cross_job();
        }
    }

    pub(crate) fn look_again(&self, stopped: Stopped) {
        let wanted = match stopped {
            Stopped::Fine => 0,
            Stopped::OthersSearch(others) => {
                self.public_jobs(others + MOST_WOKEN).saturating_sub(others)
            }
            Stopped::LookAgain => self.jobs_for_others(),
        };
        (0..wanted).for_each(|_| self.sleep().wake_one());
    }

    /// If long jobs are expected, wakes workers for this worker's public jobs, since a worker that
    /// was woken before may start late. Wakes one more, which is then awake when a thief publishes
    /// the next job. (Without that one, if each thief of a fork makes the next fork, the last of 16
    /// and 64 items begins 1.6 and 1.8 times as late.)
    pub(super) fn wake_ahead(&self) {
        if self.registry().callers.expect() == Length::Long {
            let public = self.forks.public() + self.public_tasks();
            self.sleep().wake_for_each((public + 1).min(MOST_WOKEN_AHEAD));
        }
    }

    /// Returns how many workers the last searcher wakes when it has found a job: some for other
    /// public jobs, or one for private forks (lemma 12 of `queue/join_queue.rs`).
    pub(super) fn jobs_for_others(&self) -> usize {
        // Pairs with the fence or the SeqCst write of a publisher.
        fence(Ordering::SeqCst);
        match self.public_jobs(MOST_WOKEN) {
            0 => self.registry().finds_hidden().into(),
            jobs => jobs,
        }
    }

    /// Begins a job from outside. If long jobs are expected, makes its first forks public, as in a
    /// new pool, and tells thieves to look here first. (rayon's loops split a small piece again
    /// only if it is stolen. Without this, a third of the loops of 24 and 48 items that sleep, on
    /// 12 threads of `compat/rayon-core`, take 1.5 times as long.)
    pub(crate) fn begin_from_outside(&self) {
        let callers = &self.registry().callers;
        if callers.expect() == Length::Long {
            callers.root.store(self.index as u32, Ordering::Relaxed);
            self.forks.keep_most_public();
        }
    }

    /// If long jobs are expected, the worker that began the last one from outside, unless it is
    /// this one.
    pub(super) fn root(&self) -> Option<&Worker> {
        let callers = &self.registry().callers;
        if callers.expect() != Length::Long {
            return None;
        }
        let root = &*self.registry().workers()[callers.root.load(Ordering::Relaxed) as usize];
        (root.index != self.index).then_some(root)
    }

    /// How many jobs are public, up to `most`: here, in the injector and at others.
    fn public_jobs(&self, most: usize) -> usize {
        let stray = usize::from(self.sees_stray_pinned());
        let mut jobs = self.registry().injected_len() + self.public_tasks() + stray;
        for other in self.others() {
            if jobs >= most {
                return most;
            }
            jobs += other.public();
        }
        jobs.min(most)
    }
}

impl Registry {
    /// A thread from outside stops being the sentry. If no worker searches, it does what a last
    /// searcher does: it looks once more, and wakes a worker if there is work.
    pub(crate) fn stop_watching(&self) {
        if self.sleep().stop_watching() == Stopped::LookAgain {
            // As in `jobs_for_others`.
            fence(Ordering::SeqCst);
            if self.shows_work() || self.finds_hidden() {
                self.sleep().wake_one();
            }
        }
    }

    /// Called by a thread that has closed an open gate of a fork queue. (Of two workers, it is the
    /// only thief. Some microseconds pass until it parks, and no processor holds a store back for
    /// so long.)
    pub(super) fn note_closed_gate(&self) {
        // SeqCst: comes after the write that closed the gate. (A store in vain would slow down
        // other thieves.)
        if self.workers().len() > 2 && self.unfenced.load(Ordering::SeqCst) == 0 {
            self.unfenced.store(1, Ordering::SeqCst);
        }
    }

    /// Returns whether a worker has private forks. Sees all that were made before the call: lemma
    /// 12 of `queue/join_queue.rs`.
    pub(super) fn finds_hidden(&self) -> bool {
        let hides = || self.workers().iter().any(|worker| worker.forks.hides_work());
        hides() || self.fence_forks() && hides()
    }

    /// Imposes the heavy fence if a gate was closed since the last time. Returns whether it did.
    /// (If it were imposed each time, a loop of 8 items of 20 µs every ms would take 1.25 times the
    /// processor time on 8 threads: a median, on two shared virtual cores, where the fence takes
    /// 10 µs.)
    fn fence_forks(&self) -> bool {
        // SeqCst: as in `note_closed_gate`.
        self.unfenced.swap(0, Ordering::SeqCst) != 0 && self.heavy_fence()
    }

    /// `os::heavy_fence`. In a simulation there is no need for one: a thread that has the turn sees
    /// all that was done before.
    pub(super) fn heavy_fence(&self) -> bool {
        self.is_simulated() || os::heavy_fence()
    }

    /// Returns whether a job from outside is queued, or a worker that is not parked has public
    /// work.
    fn shows_work(&self) -> bool {
        let workers = self.workers().iter();
        let mut awake = workers.filter(|worker| !self.sleep().is_parked(worker.index));
        self.has_injected() || awake.any(|worker| worker.shows_work())
    }
}
