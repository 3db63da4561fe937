//! Waking workers: what a publisher, a searcher that has found a job, and a sentry from outside do.

use std::mem;

use super::Sleep;
use super::cores::{BLOCKED, PARKED, RESTRICTED};
use super::counts::{Counts, SEARCHER, SENTRY};
use super::park::HAS_SHORT_TIMERS;
use super::state::{List, OUTSIDE, OffCore, Restricted, Woken, release};
use crate::latch::{ANY_TAG, NO_TAG};
use crate::sync::{Ordering, fence, seq_cst_is_enough};

/// What a worker that has stopped searching has to do.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// Nothing: no worker is parked, or there is a sentry.
    Fine,
    /// Other workers still search, this many. Wake parked workers only if there are more jobs than
    /// searchers.
    OthersSearch(usize),
    /// It was the last searcher: issue a fence, look at all queues, and wake workers if there is
    /// work.
    LookAgain,
}

impl Sleep {
    /// Step (c) of a worker that published jobs of `tag`, after its handshake.
    #[inline]
    pub(crate) fn notify_from_worker(&self, tag: usize) {
        if self.lacks_searchers() {
            self.wake_one();
        }
        self.notify_restricted(tag);
    }

    /// Returns whether a worker is parked, and there is neither a searcher nor a sentry to rely on.
    /// Called after step (b), or after the caller has closed a gate.
    pub(crate) fn lacks_searchers(&self) -> bool {
        seq_cst_is_enough();
        // SeqCst: comes after the caller's read-modify-write or fence.
        let counts = Counts(self.counts.load(Ordering::SeqCst));
        counts.searchers() == 0 && self.may_lack_workers(counts)
    }

    /// Returns whether a publisher may rely on the sentry: there is one, and enough workers are
    /// awake.
    fn has_sentry(&self, counts: Counts) -> bool {
        // Relaxed: see `enough`.
        let awake = || self.cores.len().saturating_sub(counts.parked());
        counts.sentry() && awake() >= self.enough.load(Ordering::Relaxed)
    }

    /// Whether a worker searches, or a publisher may rely on the sentry.
    pub(crate) fn any_searching(&self) -> bool {
        let counts = self.counts();
        counts.searchers() > 0 || self.has_sentry(counts)
    }

    /// Steps (b) and (c) of a thread that pushed a job of `tag` to the injector. It wakes the
    /// sentry instead of relying on it, since a caller from outside waits for the job.
    pub(crate) fn notify_from_outside(&self, tag: usize) {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        let counts = self.counts();
        if counts.parked() > 0 && counts.searchers() == 0 {
            self.wake_one();
        }
        self.notify_restricted(tag);
    }

    /// Wakes a second worker, after one was woken for a job from outside.
    pub(crate) fn wake_helper(&self) {
        let counts = self.counts();
        if counts.parked() > 0 && counts.searchers() <= 1 {
            self.wake_one();
        }
    }

    /// Makes the caller, a thread from outside that waits for a job, the sentry. Publishers rely on
    /// it while at least `enough` workers are awake. Returns `false` if there is a sentry already,
    /// if no worker is parked, or if the system's timers are too coarse.
    #[must_use]
    pub(crate) fn watch_from_outside(&self, enough: usize) -> bool {
        let mut list = self.list();
        let watches = HAS_SHORT_TIMERS && list.sentry.is_none() && !list.parked.is_empty();
        if watches {
            list.sentry = Some(OUTSIDE);
            self.enough.store(enough, Ordering::Relaxed);
            self.count(SENTRY, 0);
        }
        watches
    }

    /// Ends the watch that `watch_from_outside` began. If this returns `LookAgain`, the caller
    /// looks at all queues, and calls `wake_one` if it sees work.
    pub(crate) fn stop_watching(&self) -> Stopped {
        let mut list = self.list();
        debug_assert!(list.sentry == Some(OUTSIDE), "another has taken over");
        list.sentry = None;
        self.enough.store(0, Ordering::Relaxed);
        match self.count(0, SENTRY).searchers() {
            0 => Stopped::LookAgain,
            others => Stopped::OthersSearch(others),
        }
    }

    /// Step (c) for a cross-pool job (lemma 5): wakes a worker in a restricted wait if none is
    /// parked.
    pub(crate) fn notify_of_cross_job(&self) {
        if self.counts().parked() == 0 {
            self.wake_one_restricted();
        }
    }

    /// Step (c) for a job that may be needed while all waits are restricted: lemma 6.
    pub(crate) fn notify_all_restricted(&self) {
        if self.any_job_is_needed() && self.all_are_restricted(None) {
            self.wake_one_restricted();
        }
    }

    /// Returns whether every worker is in a restricted wait, not counting `caller`. (A caller in a
    /// restricted wait may have been woken just now by a job that it reinjected itself.)
    pub(crate) fn all_are_restricted(&self, caller: Option<usize>) -> bool {
        let mut others = (0..self.cores.len()).filter(|&core| Some(core) != caller);
        others.all(|core| self.state(core) == RESTRICTED)
    }

    /// A thread of another pool begins to join a future of this one.
    #[cfg(any(all(test, loom), feature = "futures"))]
    pub(crate) fn begin_to_need_any(&self) {
        self.needing_any.fetch_add(1, Ordering::Relaxed);
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        self.notify_all_restricted();
    }

    #[cfg(feature = "futures")]
    pub(crate) fn end_to_need_any(&self) {
        self.needing_any.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether there is a thread for which any job of this pool may be the one that it waits for.
    pub(crate) fn any_job_is_needed(&self) -> bool {
        self.needing_any.load(Ordering::Relaxed) > 0
    }

    /// Wakes one worker in a restricted wait that runs cross-pool jobs.
    #[cold]
    pub(crate) fn wake_one_restricted(&self) {
        if self.restricted.load(Ordering::Relaxed) == 0 {
            return;
        }
        let list = self.list();
        let taker = list.restricted.iter().rfind(|it| it.takes_cross_jobs);
        if let Some(core) = taker.map(|it| it.core) {
            self.wake(list, core);
        }
    }

    /// Step (c) for the restricted waits for jobs of `tag`: lemma 4.
    #[inline]
    pub(crate) fn notify_restricted(&self, tag: usize) {
        if tag != NO_TAG && self.restricted.load(Ordering::Relaxed) > 0 {
            self.wake_restricted(tag);
        }
    }

    #[cold]
    fn wake_restricted(&self, tag: usize) {
        let serves = |tags: &[Option<usize>; 2]| tag == ANY_TAG || tags.contains(&Some(tag));
        let mut list = self.list();
        // Those without their cores take these back.
        let (called, others) =
            mem::take(&mut list.off_core).into_iter().partition(|it| serves(&it.1));
        let called: Vec<OffCore> = called;
        list.off_core = others;
        self.restricted.fetch_sub(called.len(), Ordering::Relaxed);
        called.iter().for_each(|it| it.0.set_called(true));
        let is_served = |it: &&Restricted| serves(&it.tags);
        let next = |list: &List| list.restricted.iter().find(is_served).map(|it| it.core);
        self.wake_each(list, next);
        called.into_iter().for_each(|it| it.0.parker.unpark());
    }

    /// Wakes one parked worker: the sentry, else the one that parked last. It now counts as a
    /// searcher.
    #[cold]
    pub(crate) fn wake_one(&self) {
        let list = self.list();
        let sentry = list.sentry.filter(|&sentry| sentry != OUTSIDE);
        if let Some(core) = sentry.or_else(|| list.parked.last().copied()) {
            self.wake(list, core);
        }
    }

    /// Wakes the thread of worker `core` whose wait has the address `wait`: the core's holder, if
    /// it sleeps inside a wait, or a thread without the core.
    #[cold]
    pub(crate) fn wake_blocked(&self, core: usize, wait: usize) {
        let mut list = self.list();
        let sleeps = matches!(self.state(core), BLOCKED | RESTRICTED);
        let holder = sleeps.then(|| self.unlist(&mut list, core));
        let off_core = list.threads[core].waiter(wait).map(Woken::Thread);
        release(list, holder.into_iter().chain(off_core));
    }

    /// Wakes a worker for a job in its pinned queue, which was pushed before this call.
    pub(crate) fn wake_for_pinned(&self, core: usize) {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
        let sleeps = || matches!(self.state(core), PARKED | BLOCKED | RESTRICTED);
        // A worker that is not seen asleep looks at its pinned queue after its own fence.
        if !sleeps() {
            return;
        }
        let list = self.list();
        if sleeps() {
            self.wake(list, core);
        }
    }

    /// Wakes all parked workers, and the spare threads, which then see whether the pool has ended.
    pub(crate) fn wake_all(&self) {
        self.wake_each(self.list(), |list| list.parked.last().copied());
        let list = self.list();
        let spare = list.threads.iter().flat_map(|it| &it.spare).cloned();
        let woken: Vec<_> = spare.map(Woken::Thread).collect();
        release(list, woken);
    }

    /// Whether the caller, which has the core, counts as a searcher.
    #[inline]
    pub(crate) fn is_searcher(&self, core: usize) -> bool {
        self.cores[core].searches.load(Ordering::Relaxed)
    }

    /// Counts the caller, which has the core, as a searcher, unless enough workers search. Returns
    /// whether it is one.
    pub(crate) fn start_searching(&self, core: usize) -> bool {
        let workers = self.cores.len();
        let may = |counts| Counts(counts).may_search(workers).then(|| counts + SEARCHER);
        let starts = || self.counts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, may).is_ok();
        // (A store in vain would slow down thieves, which read this cache line.)
        if !self.is_searcher(core) && starts() {
            self.cores[core].searches.store(true, Ordering::Relaxed);
        }
        self.is_searcher(core)
    }

    /// Counts the caller, which has the core, no longer as a searcher.
    pub(crate) fn stop_searching(&self, core: usize) -> Stopped {
        if !self.is_searcher(core) {
            return Stopped::Fine;
        }
        self.cores[core].searches.store(false, Ordering::Relaxed);
        let before = self.count(0, SEARCHER);
        match before.searchers() - 1 {
            _ if !self.may_lack_workers(before) => Stopped::Fine,
            0 => Stopped::LookAgain,
            others => Stopped::OthersSearch(others),
        }
    }

    /// Returns whether a publisher has to wake a worker: some are parked, and there is no sentry to
    /// rely on.
    pub(super) fn may_lack_workers(&self, counts: Counts) -> bool {
        counts.parked() > 0 && !self.has_sentry(counts)
    }

    /// Wakes workers until `jobs` of them search. Does nothing if there is a sentry to rely on.
    pub(crate) fn wake_for_each(&self, jobs: usize) {
        let counts = self.counts();
        if self.may_lack_workers(counts) {
            (counts.searchers()..jobs).for_each(|_| self.wake_one());
        }
    }

    /// The holder of a core that was parked calls this before it publishes anything: lemma 3.
    pub(crate) fn unparked(&self) {
        // Pairs with the fence in `announce`.
        fence(Ordering::SeqCst);
    }
}
