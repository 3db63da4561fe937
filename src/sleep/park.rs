//! Parking: a worker announces that it sleeps, looks once more, and commits.

use std::sync::Arc;
use std::time::Duration;

use super::Sleep;
use super::cores::{BLOCKED, CoreThread, CoreThreads, PARKED, RESTRICTED};
use super::counts::{PARKED as ONE_PARKED, SEARCHER, SENTRY};
use super::state::{List, Restricted, release};
use crate::sync::{ExactSleeps, Ordering, fence};

/// How long the sentry sleeps between two looks. A shorter time costs more processor time, a longer
/// one delays help for a section that has begun.
const SENTRY_INTERVAL: Duration = Duration::from_micros(10);
/// Whether the system ends so short a sleep on time. On other systems it may take 15 milliseconds,
/// during which publishers would rely on a sentry that does not look. So there it resigns at once,
/// which includes a look for private forks.
pub(super) const HAS_SHORT_TIMERS: bool = cfg!(any(target_os = "linux", loom));
/// The sentry resigns after this many looks in vain, which take about a quarter of a millisecond.
/// More would slow down a serial phase for longer. Fewer would make each of several sections in
/// quick succession pay for a wake-up.
const SENTRY_LOOKS: u32 = if cfg!(loom) { 1 } else { 16 };
/// A look counts as this many if no worker has forked since the last look: the sentry resigns.
const QUIET_LOOK: u32 = SENTRY_LOOKS;

/// Where a worker parks.
#[derive(Clone, Copy)]
pub(crate) enum Kind<'t> {
    /// In the main loop of this thread. Its core may be lent.
    Idle(&'t Arc<CoreThread>),
    /// In a wait, in which it may run any job.
    Blocked,
}

impl Kind<'_> {
    /// The state of its core.
    fn asleep(self) -> u32 {
        match self {
            Kind::Idle(_) => PARKED,
            Kind::Blocked => BLOCKED,
        }
    }
}

/// What a worker sees when it looks around.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Work; or another thread wants the core back.
    Work,
    /// No work, but other workers have forked since the last look, or have private forks.
    OthersFork,
    Quiet,
}

impl Sleep {
    /// Step 1. If it `watches`, the caller may become the sentry. The caller then re-checks, and
    /// calls `sleep` or `leave`. Returns `false` if another thread wanted the core back and now has
    /// it: the caller then waits for the core.
    #[must_use]
    pub(crate) fn announce(&self, core: usize, kind: Kind, searching: bool, watches: bool) -> bool {
        let mut list = self.list();
        match kind {
            Kind::Blocked => self.set_state(core, BLOCKED),
            Kind::Idle(me) => {
                list.threads[core].push_spare(me);
                if let Some(taker) = self.give_to_returning(&mut list, core) {
                    release(list, Some(taker));
                    return false;
                }
                self.set_state(core, PARKED);
            }
        }
        list.parked.push(core);
        let mut add = ONE_PARKED;
        // (If no other worker is at work, there is nothing to watch.)
        let others = self.cores.len() - 1;
        let idlers = self.counts().searchers() + self.counts().parked() - usize::from(searching);
        if watches && list.sentry.is_none() && idlers < others {
            list.sentry = Some(core);
            add += SENTRY;
        }
        self.count(add, if searching { SEARCHER } else { 0 });
        drop(list);
        // Pairs with the fence of a thread that has pushed to the injector or a pinned queue.
        fence(Ordering::SeqCst);
        true
    }

    /// Takes the announcement back, so that the caller is a searcher and has its core. Returns
    /// `false` if it was woken or its core was lent.
    #[must_use]
    pub(crate) fn leave(&self, core: usize, kind: Kind) -> bool {
        let mut list = self.list();
        let listed = self.is_asleep(&list, core, kind);
        if listed {
            let _ = self.unlist(&mut list, core);
        }
        listed
    }

    /// Whether the core still sleeps by the caller's announcement, not by that of a later holder.
    fn is_asleep(&self, list: &List, core: usize, kind: Kind) -> bool {
        let is_callers = match kind {
            Kind::Idle(me) => list.threads[core].is_next(me),
            Kind::Blocked => true,
        };
        is_callers && self.state(core) == kind.asleep()
    }

    /// Step 3, before which the sentry looks around. While the caller is the sentry, it sleeps for
    /// [`SENTRY_INTERVAL`] and calls `look`, again and again. If it sees work, it takes the
    /// announcement back. If it resigns, it calls `fence_and_look`, as in step 2. Then a blocked
    /// caller sleeps until it is woken. An idle caller returns, and waits for its core.
    pub(crate) fn sleep(
        &self,
        core: usize,
        kind: Kind,
        look: impl Fn() -> Look,
        fence_and_look: impl Fn() -> bool,
    ) {
        let parker = match kind {
            Kind::Idle(me) => &me.parker,
            Kind::Blocked => &self.cores[core].wait,
        };
        let (mut looks, mut exact) = (0, None);
        while HAS_SHORT_TIMERS && looks < SENTRY_LOOKS && self.is_sentry(core, kind) {
            exact.get_or_insert_with(ExactSleeps::begin);
            parker.park_timeout(SENTRY_INTERVAL);
            if self.state(core) != kind.asleep() {
                break;
            }
            looks += match look() {
                Look::Work if self.leave(core, kind) => return,
                Look::Quiet => QUIET_LOOK,
                _ => 1,
            };
        }
        drop(exact);
        if self.resign(core, kind) && fence_and_look() && self.leave(core, kind) {
            return;
        }
        if matches!(kind, Kind::Blocked) {
            while self.state(core) == BLOCKED {
                parker.park();
            }
        }
    }

    fn is_sentry(&self, core: usize, kind: Kind) -> bool {
        self.counts().sentry() && self.is_own_sentry(&self.list(), core, kind)
    }

    fn is_own_sentry(&self, list: &List, core: usize, kind: Kind) -> bool {
        list.sentry == Some(core) && self.is_asleep(list, core, kind)
    }

    /// If the caller is the sentry, ends that and issues a fence. Returns whether it was.
    fn resign(&self, core: usize, kind: Kind) -> bool {
        let mut list = self.list();
        let was = self.is_own_sentry(&list, core, kind);
        if was {
            list.sentry = None;
            self.count(0, SENTRY);
            drop(list);
            // As in `announce`.
            fence(Ordering::SeqCst);
        }
        was
    }

    /// Step 1 of a worker that may run only jobs of `tags`, and cross-pool jobs if it
    /// `takes_cross_jobs`.
    pub(crate) fn announce_restricted(
        &self,
        core: usize,
        tags: [Option<usize>; 2],
        takes_cross_jobs: bool,
    ) {
        let mut list = self.list();
        self.set_state(core, RESTRICTED);
        list.restricted.push(Restricted { core, tags, takes_cross_jobs });
        self.restricted.fetch_add(1, Ordering::Relaxed);
        drop(list);
        // As in `announce`.
        fence(Ordering::SeqCst);
    }

    /// Takes that announcement back. Returns `false` if the caller was woken. It then counts as a
    /// searcher.
    #[must_use]
    pub(crate) fn leave_restricted(&self, core: usize) -> bool {
        let mut list = self.list();
        let listed = self.state(core) == RESTRICTED;
        if listed {
            let _ = self.unlist(&mut list, core);
            self.count(0, SEARCHER);
        }
        listed
    }

    /// Step 3 of a restricted worker. When this returns, the caller counts as a searcher.
    pub(crate) fn sleep_restricted(&self, core: usize) {
        while self.state(core) == RESTRICTED {
            self.cores[core].wait.park();
        }
    }

    /// Whether at one moment all `workers` cores are parked in the main loop, no thread waits
    /// without its core, and there is `nothing_left`.
    pub(crate) fn all_parked(&self, workers: usize, nothing_left: impl FnOnce() -> bool) -> bool {
        let list = self.list();
        list.parked.len() == workers
            && list.parked.iter().all(|&core| self.state(core) == PARKED)
            && !list.threads.iter().any(CoreThreads::any_off)
            && nothing_left()
    }
}
