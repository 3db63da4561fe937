//! Parking: a worker announces that it sleeps, looks once more, and commits.

use std::sync::Arc;
use std::time::Duration;

use super::Sleep;
use super::cores::{BLOCKED, CoreThread, CoreThreads, PARKED, RESTRICTED};
use super::counts::{PARKED as ONE_PARKED, SEARCHER, SENTRY};
use super::state::{List, Restricted, release};
use crate::sync::{ExactSleeps, MutexGuard, Ordering, fence};

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
    /// In a wait, in which it may run only jobs of `tags`, and cross-pool jobs if it
    /// `takes_cross_jobs`.
    Restricted { tags: [Option<usize>; 2], takes_cross_jobs: bool },
}

impl Kind<'_> {
    fn asleep(self) -> u32 {
        match self {
            Kind::Idle(_) => PARKED,
            Kind::Blocked => BLOCKED,
            Kind::Restricted { .. } => RESTRICTED,
        }
    }
}

/// When a worker that parks looks around.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// In step 2.
    Announced,
    /// As the sentry.
    OnWatch,
    /// After it was the sentry. It also looks for private forks.
    Resigned,
}

/// What a worker sees when it looks around.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Work; or its wait is over, or another thread wants the core back.
    Work,
    /// No work, but other workers have forked since the last look, or have private forks.
    OthersFork,
    Quiet,
}

impl Sleep {
    /// Steps 1 to 3 of a worker that may run any job. Calls `commit` before step 3, and returns
    /// whether the worker came to that. A worker that `watches` may become the sentry. After this,
    /// an idle worker has to wait for its core. A worker in a wait is a searcher.
    pub(crate) fn park(
        &self,
        core: usize,
        kind: Kind,
        watches: bool,
        look: impl Fn(Moment) -> Look,
        commit: impl FnOnce(),
    ) -> bool {
        let listed = self.announce(core, kind, watches);
        if !listed || look(Moment::Announced) == Look::Work && self.leave(core, kind) {
            return false;
        }
        commit();
        if !self.watch(core, kind, look) {
            self.sleep(core, kind);
        }
        true
    }

    /// Step 1. Returns `true` if the caller has to re-check, and then call `sleep` or `leave`. If
    /// not, a thread that wanted the core back now has it, and is a searcher if the caller was one.
    pub(crate) fn announce(&self, core: usize, kind: Kind, watches: bool) -> bool {
        let mut list = self.list();
        if let Kind::Idle(me) = kind {
            list.threads[core].push_spare(me);
            if let Some(taker) = self.give_to_returning(&mut list, core) {
                release(list, Some(taker));
                return false;
            }
        }
        self.set_state(core, kind.asleep());
        if let Kind::Restricted { tags, takes_cross_jobs } = kind {
            debug_assert!(!self.is_searcher(core), "its look leaves jobs out");
            list.restricted.push(Restricted { core, tags, takes_cross_jobs });
            self.restricted.fetch_add(1, Ordering::Relaxed);
        } else {
            self.list_parked(&mut list, core, watches);
        }
        drop(list);
        // Pairs with the fence or the SeqCst write of a publisher.
        fence(Ordering::SeqCst);
        true
    }

    fn list_parked(&self, list: &mut List, core: usize, watches: bool) {
        list.parked.push(core);
        let searched = self.cores[core].searches.swap(false, Ordering::Relaxed);
        let mut add = ONE_PARKED;
        // (If no other worker is at work, there is nothing to watch.)
        let others = self.cores.len() - 1;
        let idlers = self.counts().searchers() + self.counts().parked() - usize::from(searched);
        if watches && list.sentry.is_none() && idlers < others {
            list.sentry = Some(core);
            add += SENTRY;
        }
        self.count(add, if searched { SEARCHER } else { 0 });
    }

    /// Takes the announcement back, so that the caller is a searcher and has its core. Returns
    /// `false` if it was woken, and so is a searcher as well, or if its core was lent.
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
            _ => true,
        };
        is_callers && self.state(core) == kind.asleep()
    }

    /// Step 3. (In the main loop, the caller waits for its core instead.)
    pub(crate) fn sleep(&self, core: usize, kind: Kind) {
        while !matches!(kind, Kind::Idle(_)) && self.state(core) == kind.asleep() {
            self.cores[core].wait.park();
        }
    }

    /// While the caller is the sentry, it sleeps for [`SENTRY_INTERVAL`] and looks around, again
    /// and again. If it sees work then, or after it has resigned, it takes the announcement back.
    /// Returns whether it did.
    fn watch(&self, core: usize, kind: Kind, look: impl Fn(Moment) -> Look) -> bool {
        let parker = match kind {
            Kind::Idle(me) => &me.parker,
            _ => &self.cores[core].wait,
        };
        let (mut looks, mut exact) = (0, None);
        while HAS_SHORT_TIMERS && looks < SENTRY_LOOKS && self.if_sentry(core, kind).is_some() {
            exact.get_or_insert_with(ExactSleeps::begin);
            parker.park_timeout(SENTRY_INTERVAL);
            if self.state(core) != kind.asleep() {
                break;
            }
            looks += match look(Moment::OnWatch) {
                Look::Work if self.leave(core, kind) => return true,
                Look::Quiet => QUIET_LOOK,
                _ => 1,
            };
        }
        drop(exact);
        self.resign(core, kind) && look(Moment::Resigned) == Look::Work && self.leave(core, kind)
    }

    /// Locks the list if the caller is the sentry. (The relaxed counts show that, since the caller
    /// itself has counted the sentry.)
    fn if_sentry(&self, core: usize, kind: Kind) -> Option<MutexGuard<'_, List>> {
        let list = self.counts().sentry().then(|| self.list())?;
        let is_sentry = list.sentry == Some(core) && self.is_asleep(&list, core, kind);
        is_sentry.then_some(list)
    }

    /// If the caller is the sentry, ends that and issues a fence. Returns whether it was.
    fn resign(&self, core: usize, kind: Kind) -> bool {
        let Some(mut list) = self.if_sentry(core, kind) else { return false };
        list.sentry = None;
        self.count(0, SENTRY);
        drop(list);
        // As in `announce`.
        fence(Ordering::SeqCst);
        true
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
