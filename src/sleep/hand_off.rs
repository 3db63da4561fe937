//! Which thread has a core: the part of a hand-off (`worker/hand_off.rs`) under the sleepers' lock.
//! A core changes hands together with the counts and the list of sleepers.

use std::sync::Arc;
use std::time::Duration;

use super::cores::{BLOCKED, BUSY, CoreThread, PARKED, RESTRICTED, SpareFor};
use super::counts::PARKED as ONE_PARKED;
use super::state::{List, Woken, release};
use super::{Sleep, Stopped};
use crate::sync::{MutexGuard, Ordering, fence};

#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenBack {
    /// A thread has it.
    Taken,
    /// No thread has it. The caller issues a fence, looks at all queues, and calls `wake_one` if it
    /// sees work and no worker searches.
    Parked,
}

impl GivenBack {
    fn to(list: MutexGuard<'_, List>, taker: Option<Woken<'static>>) -> Self {
        let given = if taker.is_some() { GivenBack::Taken } else { GivenBack::Parked };
        release(list, taker);
        // As in `announce`.
        fence(Ordering::SeqCst);
        given
    }
}

impl Sleep {
    /// How many threads have handed off the core and not taken it back. (Relaxed: it changes under
    /// the list's lock.)
    #[inline]
    pub(crate) fn threads_off(&self, core: usize) -> u32 {
        self.cores[core].off.load(Ordering::Relaxed)
    }

    /// Whether a thread wants the core back. (Relaxed, likewise.)
    #[inline]
    pub(crate) fn is_wanted(&self, core: usize) -> bool {
        self.cores[core].returning.load(Ordering::Relaxed) > 0
    }

    /// Whether unrelated jobs must not keep the core from a thread that has handed it off.
    /// (Relaxed, likewise.)
    pub(crate) fn is_awaited(&self, core: usize) -> bool {
        self.cores[core].is_awaited.load(Ordering::Relaxed) != 0
    }

    /// Whether a thread at the bottom of its stack may run any job on a core that was handed off,
    /// instead of passing it on to a thread that waits.
    pub(crate) fn serves_any(&self, core: usize) -> bool {
        self.any_job_is_needed() && !self.is_awaited(core)
    }

    /// Whether the core, which the caller has, could be given to a spare thread. For `blocking`,
    /// that is one which is not kept for waits.
    pub(crate) fn has_spare(&self, core: usize, purpose: SpareFor) -> bool {
        let threads = &self.list().threads[core];
        let may_block = || threads.blocking.len() < threads.for_blocking;
        threads.has_spare() && (purpose == SpareFor::Waits || may_block())
    }

    pub(crate) fn add_spare(&self, thread: &Arc<CoreThread>, purpose: SpareFor) {
        let threads = &mut self.list().threads[thread.core];
        threads.for_blocking += usize::from(purpose == SpareFor::Blocking);
        threads.push_spare(thread);
    }

    /// Gives the core to the first thread that wants it back, else to a spare thread, which has to
    /// exist. The caller, `thread`, is no searcher, and goes on without the core. Returns `None` if
    /// the pool has ended.
    pub(crate) fn hand_off(
        &self,
        thread: &Arc<CoreThread>,
        work_left: bool,
        has_ended: impl FnOnce() -> bool,
    ) -> Option<GivenBack> {
        let core = thread.core;
        let mut list = self.list();
        if has_ended() {
            return None;
        }
        self.leaves(&mut list, thread);
        let taker = self.give_to_returning(&mut list, core);
        let taker = taker.or_else(|| self.give_to_spare(&mut list, core, work_left));
        Some(GivenBack::to(list, taker))
    }

    /// Gives the core to a waiting thread that has not looked for work since it handed off the
    /// core. The caller, `thread`, has announced that it sleeps in a wait restricted to `tags`, and
    /// has seen no work. It stays announced, but goes on without the core. Returns `false` if there
    /// is no such thread, or if the caller was woken.
    #[must_use]
    pub(crate) fn swap(&self, thread: &Arc<CoreThread>, tags: [Option<usize>; 2]) -> bool {
        let core = thread.core;
        let mut list = self.list();
        if self.state(core) != RESTRICTED {
            return false;
        }
        let is_next =
            |it: &Arc<CoreThread>| !list.off_core.iter().any(|(other, _)| Arc::ptr_eq(other, it));
        let Some(at) = list.threads[core].waiting.iter().rposition(is_next) else { return false };
        // First, so that no publisher misses a caller who is on its way from one list to the other.
        list.off_core.push((thread.clone(), tags));
        self.restricted.fetch_add(1, Ordering::Relaxed);
        self.unlist_restricted(&mut list, core);
        let taker = self.give_to_waiting(&mut list, core, at);
        self.leaves(&mut list, thread);
        release(list, Some(taker));
        true
    }

    /// Counts a thread as one that has handed off its core.
    fn leaves(&self, list: &mut List, thread: &Arc<CoreThread>) {
        list.threads[thread.core].list_of(thread).push(thread.clone());
        self.cores[thread.core].off.fetch_add(1, Ordering::Relaxed);
        self.needing_any.fetch_add(thread.needs_any.into(), Ordering::Relaxed);
        self.note_waiting(list, thread.core);
    }

    /// Called after the threads that wait without the core have changed.
    fn note_waiting(&self, list: &List, core: usize) {
        let waiting = &list.threads[core].waiting;
        let is_awaited = !list.threads[core].returning.is_empty()
            || waiting.iter().any(|it| !it.needs_any)
                && waiting.last().is_some_and(|it| !it.for_any);
        self.cores[core].is_awaited.store(is_awaited.into(), Ordering::Relaxed);
    }

    /// Sleeps until `done`, or until the thread is given its core or has to take it back.
    pub(crate) fn wait_off_core(&self, thread: &CoreThread, done: impl Fn() -> bool) {
        while !thread.is_called() && !done() {
            thread.parker.park();
        }
    }

    /// Gives the caller its core back if that is parked. If not, returns `None`: the caller waits
    /// until it has the core. Then it calls `unparked`.
    pub(crate) fn take_back(&self, thread: &Arc<CoreThread>) -> Option<Stopped> {
        let core = thread.core;
        let mut list = self.list();
        if thread.has_core() {
            return Some(Stopped::Fine);
        }
        list.threads[core].list_of(thread).retain(|other| !Arc::ptr_eq(other, thread));
        if self.state(core) == PARKED {
            self.waits_no_more(&mut list, thread);
            self.returned(thread);
            return Some(self.take_parked(&mut list, core));
        }
        // From here on it waits for the core alone.
        thread.set_called(false);
        // First, so that the core stays awaited.
        list.threads[core].returning.push_back(thread.clone());
        self.cores[core].returning.fetch_add(1, Ordering::Relaxed);
        self.waits_no_more(&mut list, thread);
        if matches!(self.state(core), BLOCKED | RESTRICTED) {
            self.wake(list, core);
        }
        None
    }

    /// Notes that the caller calls a closure which may block, and keeps the core.
    pub(crate) fn keep_core(&self, thread: &Arc<CoreThread>) {
        self.list().threads[thread.core].keeping.push(thread.clone());
    }

    /// Ends what `keep_core` began.
    pub(crate) fn has_kept_core(&self, thread: &Arc<CoreThread>) {
        self.list().threads[thread.core].keeping.retain(|other| !Arc::ptr_eq(other, thread));
    }

    /// For how long the threads of a core have been in `blocking`: those without the core, and the
    /// one that has it. Returns `None` if another thread holds the lock.
    pub(crate) fn in_blocking(&self, core: usize) -> Option<[Vec<Duration>; 2]> {
        let list = self.list.try_lock()?;
        let since = |thread: &Arc<CoreThread>| thread.blocks_since.map(|since| since.elapsed());
        let times = |threads: &[Arc<CoreThread>]| threads.iter().filter_map(since).collect();
        Some([times(&list.threads[core].blocking), times(&list.threads[core].keeping)])
    }

    /// Passes the core on from the bottom of the caller's stack. The first thread that wants the
    /// core back gets it. If none does, the last thread that waits without the core gets it, unless
    /// some thread without a core waits for this pool. The caller, `me`, becomes a spare thread.
    /// Returns `false` if it keeps the core.
    #[must_use]
    pub(crate) fn pass_on(&self, me: &Arc<CoreThread>) -> bool {
        let mut list = self.list();
        let Some(taker) = self.give_to_any(&mut list, me.core) else { return false };
        list.threads[me.core].push_spare(me);
        release(list, Some(taker));
        true
    }

    /// Gives up a core at the end of a loan.
    pub(crate) fn give_back(&self, core: usize, work_left: bool) -> GivenBack {
        let mut list = self.list();
        let taker = self.give_to_any(&mut list, core);
        let taker = taker.or_else(|| self.give_to_spare(&mut list, core, work_left));
        GivenBack::to(list, taker)
    }

    fn give_to_any(&self, list: &mut List, core: usize) -> Option<Woken<'static>> {
        self.give_to_returning(list, core).or_else(|| {
            if self.serves_any(core) { None } else { self.give_to_last_waiting(list, core) }
        })
    }

    fn give_to_last_waiting(&self, list: &mut List, core: usize) -> Option<Woken<'static>> {
        let last = list.threads[core].waiting.len().checked_sub(1)?;
        Some(self.give_to_waiting(list, core, last))
    }

    fn give_to_waiting(&self, list: &mut List, core: usize, at: usize) -> Woken<'static> {
        let thread = list.threads[core].waiting.remove(at);
        self.waits_no_more(list, &thread);
        self.returned(&thread);
        Woken::Thread(thread)
    }

    /// Called when a thread is no longer among those that wait or block without their cores.
    fn waits_no_more(&self, list: &mut List, thread: &Arc<CoreThread>) {
        self.needing_any.fetch_sub(thread.needs_any.into(), Ordering::Relaxed);
        self.note_waiting(list, thread.core);
        if let Some(at) = list.off_core.iter().position(|it| Arc::ptr_eq(&it.0, thread)) {
            list.off_core.swap_remove(at);
            self.restricted.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Gives the core to the first thread that wants it back.
    pub(super) fn give_to_returning(&self, list: &mut List, core: usize) -> Option<Woken<'static>> {
        let thread = list.threads[core].returning.pop_front()?;
        self.cores[core].returning.fetch_sub(1, Ordering::Relaxed);
        self.note_waiting(list, core);
        self.returned(&thread);
        Some(Woken::Thread(thread))
    }

    fn returned(&self, thread: &CoreThread) {
        self.cores[thread.core].off.fetch_sub(1, Ordering::Relaxed);
        // The lock orders this after the last holder's Release, and before the next one's Acquire.
        self.set_state(thread.core, BUSY);
        thread.give();
    }

    /// Gives the core to a spare thread if there is work, else parks the core. If there is no spare
    /// thread, a thread that waits gets the core (lemma 4 of `worker/hand_off.rs`).
    fn give_to_spare(
        &self,
        list: &mut List,
        core: usize,
        work_left: bool,
    ) -> Option<Woken<'static>> {
        if !list.threads[core].has_spare() {
            if let Some(taker) = self.give_to_last_waiting(list, core) {
                return Some(taker);
            }
        }
        if !work_left {
            self.park_core(list, core);
            return None;
        }
        self.rouse(core, 0);
        Some(Woken::Thread(list.threads[core].pop_spare()))
    }

    fn park_core(&self, list: &mut List, core: usize) {
        self.set_state(core, PARKED);
        list.parked.push(core);
        self.count(ONE_PARKED, 0);
    }

    /// Parks a core of a pool that is being built, whose `thread` was started and sleeps. Needs no
    /// re-check, since nothing has been published.
    pub(crate) fn park_new(&self, thread: &Arc<CoreThread>) {
        let mut list = self.list();
        list.threads[thread.core].push_spare(thread);
        self.park_core(&mut list, thread.core);
    }
}
