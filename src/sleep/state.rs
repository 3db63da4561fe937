//! The data of a pool's sleepers: the counts, the cores and their states, and the list of the cores
//! that sleep.

use std::iter;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::cores::{BUSY, Core, CoreThread, CoreThreads, LOOKING, PARKED, RESTRICTED};
use super::counts::{Counts, PARKED as ONE_PARKED, SEARCHER, SENTRY};
use crate::sync::{AtomicUsize, Generation, Mutex, MutexGuard, Ordering, Parker};

/// Stands for the sentry's core if the sentry is a thread from outside that waits for a job.
pub(super) const OUTSIDE: usize = usize::MAX;

#[derive(Default)]
pub(super) struct List {
    /// The cores in `PARKED` and `BLOCKED`, the latest last.
    pub(super) parked: Vec<usize>,
    /// The one of these whose worker is the sentry, or [`OUTSIDE`].
    pub(super) sentry: Option<usize>,
    /// The cores in `RESTRICTED`.
    pub(super) restricted: Vec<Restricted>,
    /// The threads in restricted waits that gave up their cores after they had looked for work,
    /// with the isolation tags of what they may run.
    pub(super) off_core: Vec<OffCore>,
    /// For each core, the threads that do not have it.
    pub(super) threads: Box<[CoreThreads]>,
}

impl List {
    /// Removes a core from `parked`, also as the sentry's. Returns what that subtracts from the
    /// counts.
    pub(super) fn remove_parked(&mut self, core: usize) -> usize {
        let mut sub = 0;
        if let Some(at) = self.parked.iter().rposition(|&parked| parked == core) {
            self.parked.remove(at);
            sub += ONE_PARKED;
        }
        if self.sentry == Some(core) {
            self.sentry = None;
            sub += SENTRY;
        }
        sub
    }
}

pub(super) type OffCore = (Arc<CoreThread>, [Option<usize>; 2]);

pub(super) struct Restricted {
    pub(super) core: usize,
    /// The isolation tags of what it may run.
    pub(super) tags: [Option<usize>; 2],
    /// Whether it runs cross-pool jobs, or hands off its core for them.
    pub(super) takes_cross_jobs: bool,
}

/// The parker of a thread that was woken: a shared one, or the core's. (The thread may end before
/// it is unparked.)
#[must_use]
pub(super) enum Woken<'s> {
    Thread(Arc<CoreThread>),
    InWait(&'s Parker),
}

/// Releases the lock, then unparks the threads that were woken under it. (The kernel may run such a
/// thread in the place of the caller, and the other workers would wait for the lock.)
pub(super) fn release<'s>(list: MutexGuard<'_, List>, woken: impl IntoIterator<Item = Woken<'s>>) {
    drop(list);
    woken.into_iter().for_each(|woken| match woken {
        Woken::Thread(thread) => thread.parker.unpark(),
        Woken::InWait(parker) => parker.unpark(),
    });
}

pub(crate) struct Sleep {
    pub(super) counts: CachePadded<AtomicUsize>,
    /// The length of `List::restricted` and of `List::off_core`.
    pub(super) restricted: CachePadded<AtomicUsize>,
    /// Publishers rely on the sentry while at least this many workers are awake. 0 if the sentry is
    /// a worker. (A publisher that reads a stale value wakes one worker too many, or relies on a
    /// sentry that resigns before long.)
    pub(super) enough: AtomicUsize,
    /// For how many threads any job of this pool may be the one that they need: those without a
    /// core that block or are in external waits, which are counted under the list's lock, and those
    /// of other pools that join a future of this one.
    pub(super) needing_any: AtomicUsize,
    pub(super) list: Mutex<List>,
    /// The generation of the pool. In another one, its workers do not exist.
    pub(super) generation: Generation,
    pub(super) cores: Box<[CachePadded<Core>]>,
}

impl Sleep {
    /// Makes `workers` cores, all of them `BUSY`.
    pub(crate) fn new(workers: usize) -> Self {
        Sleep {
            counts: CachePadded::new(AtomicUsize::new(0)),
            restricted: CachePadded::new(AtomicUsize::new(0)),
            enough: AtomicUsize::new(0),
            needing_any: AtomicUsize::new(0),
            list: Mutex::new(List {
                threads: (0..workers).map(|_| CoreThreads::default()).collect(),
                ..List::default()
            }),
            generation: Generation::current(),
            cores: (0..workers).map(|_| CachePadded::default()).collect(),
        }
    }

    #[inline]
    pub(crate) fn counts(&self) -> Counts {
        // Relaxed: the handshakes order this where it matters.
        Counts(self.counts.load(Ordering::Relaxed))
    }

    pub(super) fn list(&self) -> MutexGuard<'_, List> {
        self.generation.abort_if_past();
        self.list.lock()
    }

    /// Calls `act` under the list's lock. It must not use the list.
    pub(crate) fn locked<R>(&self, act: impl FnOnce() -> R) -> R {
        let _list = self.list();
        act()
    }

    pub(super) fn state(&self, core: usize) -> u32 {
        // Acquire: matches the Release in `set_state`, by which the last holder gave the core away.
        self.cores[core].state.load(Ordering::Acquire)
    }

    pub(super) fn set_state(&self, core: usize, state: u32) {
        // Release: matches the Acquire in `state`.
        self.cores[core].state.store(state, Ordering::Release);
    }

    /// Adds to the counts and subtracts from them at once.
    pub(super) fn count(&self, add: usize, sub: usize) -> Counts {
        // Relaxed: ordered by the handshake that follows.
        let before = Counts(self.counts.fetch_add(add.wrapping_sub(sub), Ordering::Relaxed));
        debug_assert!(before.holds(sub), "{sub:#x} of {before:?}");
        before
    }

    /// Whether the core is parked. If so, its queues stay empty until `unparked` is called for it,
    /// and its gate is closed.
    pub(crate) fn is_parked(&self, core: usize) -> bool {
        self.state(core) == PARKED
    }

    /// Whether the core's holder sleeps in a restricted wait, or is about to.
    pub(crate) fn is_restricted(&self, core: usize) -> bool {
        self.state(core) == RESTRICTED
    }

    /// The caller, which has the core and is in the main loop, begins to look for work or ends it.
    pub(crate) fn set_looking(&self, core: usize, is_looking: bool) {
        self.set_state(core, if is_looking { LOOKING } else { BUSY });
    }

    /// Whether the core's holder is at work, or in a wait.
    pub(crate) fn is_at_work(&self, core: usize) -> bool {
        !matches!(self.state(core), PARKED | LOOKING)
    }

    pub(crate) fn state_name(&self, core: usize) -> &'static str {
        ["busy", "looking", "parked", "blocked", "restricted"][self.state(core) as usize]
    }

    /// Makes a sleeping core `BUSY` and its thread a searcher.
    pub(super) fn unlist(&self, list: &mut List, core: usize) -> Woken<'_> {
        let is_parked = self.state(core) == PARKED;
        self.unlist_restricted(list, core);
        self.rouse(core, list.remove_parked(core));
        match is_parked {
            true => Woken::Thread(list.threads[core].pop_spare()),
            false => Woken::InWait(&self.cores[core].wait),
        }
    }

    pub(super) fn unlist_restricted(&self, list: &mut List, core: usize) {
        if let Some(at) = list.restricted.iter().position(|it| it.core == core) {
            list.restricted.swap_remove(at);
            self.restricted.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Makes a core `BUSY` and its next holder a searcher. Subtracts from the counts.
    pub(super) fn rouse(&self, core: usize, sub: usize) {
        let searched = self.cores[core].searches.swap(true, Ordering::Relaxed);
        debug_assert!(!searched, "a searcher gave its core up");
        // The count first: the holder may see the state at once, and stop searching.
        self.count(SEARCHER, sub);
        self.set_state(core, BUSY);
    }

    pub(super) fn wake(&self, mut list: MutexGuard<'_, List>, core: usize) {
        let woken = self.unlist(&mut list, core);
        release(list, Some(woken));
    }

    /// Wakes the threads that sleep on each core that is the `next` one, until there is none.
    pub(super) fn wake_each(
        &self,
        mut list: MutexGuard<'_, List>,
        next: impl Fn(&List) -> Option<usize>,
    ) {
        let unlist_next = || next(&list).map(|core| self.unlist(&mut list, core));
        let woken: Vec<_> = iter::from_fn(unlist_next).collect();
        release(list, woken);
    }
}
