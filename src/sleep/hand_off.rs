//! Which thread has a core: the part of a hand-off (`worker/hand_off.rs`) that is under the
//! sleepers' lock. It is here because a core changes hands together with the counts and with the
//! list of sleepers.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{
    BLOCKED, BUSY, FREE, GivenBack, List, ONE_PARKED, PARKED, RESTRICTED, SEARCHER, SENTRY,
};
use super::{Sleep, Stopped};
use crate::sync::{AtomicU32, Ordering, Parker, fence};

/// A thread that may come to be without its core: then it sleeps here until it is given the core.
pub(crate) struct OffCore {
    core: usize,
    /// The address of what it waits for.
    wait: usize,
    /// Whether that is something of this pool.
    is_local: bool,
    /// Whether it has the core.
    has_core: AtomicU32,
    pub(super) parker: Parker,
}

impl OffCore {
    fn new(core: usize, wait: usize, is_local: bool, has_core: bool) -> Arc<Self> {
        let (has_core, parker) = (AtomicU32::new(has_core.into()), Parker::new());
        Arc::new(OffCore { core, wait, is_local, has_core, parker })
    }

    /// A thread at the bottom of its stack.
    pub(crate) fn at_bottom(core: usize, has_core: bool) -> Arc<Self> {
        Self::new(core, 0, false, has_core)
    }

    pub(crate) fn core(&self) -> usize {
        self.core
    }

    pub(crate) fn has_core(&self) -> bool {
        // Acquire: matches the Release in `give`: what was done on the core is visible.
        self.has_core.load(Ordering::Acquire) != 0
    }

    fn give(&self) {
        // Release: matches the Acquire in `has_core`.
        self.has_core.store(1, Ordering::Release);
    }
}

/// The threads of one core that do not have it.
#[derive(Default)]
pub(super) struct OffCores {
    /// Those at the bottom of their stacks; the last one to come is the first to go.
    spare: Vec<Arc<OffCore>>,
    /// Whether the core was lent while such a thread looked around, which has not seen that yet.
    pub(super) looker: bool,
    /// Those that wait for something.
    waiting: Vec<Arc<OffCore>>,
    /// Those that want the core back, the first one first.
    returning: VecDeque<Arc<OffCore>>,
}

impl OffCores {
    pub(super) fn is_left(&self) -> bool {
        !self.waiting.is_empty() || !self.returning.is_empty()
    }

    fn has_spare(&self) -> bool {
        self.looker || !self.spare.is_empty()
    }

    /// Whether `thread` is the spare thread that would be woken.
    pub(super) fn is_next(&self, thread: &Arc<OffCore>) -> bool {
        self.spare.last().is_some_and(|next| Arc::ptr_eq(next, thread))
    }

    pub(super) fn push_spare(&mut self, thread: &Arc<OffCore>) {
        thread.has_core.store(0, Ordering::Relaxed);
        self.spare.push(thread.clone());
    }

    /// Takes out a spare thread, which has the core from now on.
    pub(super) fn pop_spare(&mut self) -> Arc<OffCore> {
        match self.spare.pop() {
            Some(spare) => {
                spare.give();
                spare
            }
            None => unreachable!("a core that is parked has a spare thread"),
        }
    }

    /// Has those that sleep see that their pool has ended.
    pub(super) fn wake_spare(&self) {
        self.spare.iter().for_each(|spare| spare.parker.unpark());
    }

    /// Wakes the thread that waits for what was at the address `wait`.
    pub(super) fn wake(&self, wait: usize) {
        let is_meant = |it: &&Arc<OffCore>| it.wait == wait;
        self.waiting.iter().filter(is_meant).for_each(|thread| thread.parker.unpark());
    }
}

impl Sleep {
    /// How many threads have handed off the core and not taken it back. (A glance: it changes under
    /// the list's lock.)
    #[inline]
    pub(crate) fn threads_off(&self, core: usize) -> u32 {
        self.cores[core].off.load(Ordering::Relaxed)
    }

    /// Whether a thread wants the core back. (A glance, likewise.)
    #[inline]
    pub(crate) fn is_wanted(&self, core: usize) -> bool {
        self.cores[core].returning.load(Ordering::Relaxed) > 0
    }

    /// Whether the core, which the caller has, could be given to a spare thread.
    pub(crate) fn has_spare(&self, core: usize) -> bool {
        self.list().off[core].has_spare()
    }

    /// Adds a thread that is about to come.
    pub(crate) fn add_spare(&self, thread: &Arc<OffCore>) {
        self.list().off[thread.core].push_spare(thread);
    }

    /// Gives the core up, to have it back later: to the first thread that wants it back, else to a
    /// spare one, of which the caller has seen to it that there is one. `wait`: see `wake_blocked`;
    /// `is_local`: whether that is something of this pool, which is not there yet. `None`: the pool
    /// has ended.
    pub(crate) fn hand_off(
        &self,
        core: usize,
        wait: usize,
        is_local: bool,
        work_left: bool,
        has_ended: impl FnOnce() -> bool,
    ) -> Option<(Arc<OffCore>, GivenBack)> {
        let thread = OffCore::new(core, wait, is_local, false);
        let mut list = self.list();
        if has_ended() {
            return None;
        }
        list.off[core].waiting.push(thread.clone());
        self.cores[core].off.fetch_add(1, Ordering::Relaxed);
        self.local_off.fetch_add(is_local.into(), Ordering::Relaxed);
        let given = match self.give_to_returning(&mut list, core) {
            true => GivenBack::Taken,
            false => self.give_to_spare(&mut list, core, work_left),
        };
        drop(list);
        // As in `announce`.
        fence(Ordering::SeqCst);
        Some((thread, given))
    }

    /// Sleeps until `done`, or until the thread was given its core.
    pub(crate) fn wait_off_core(&self, thread: &OffCore, done: impl Fn() -> bool) {
        while !thread.has_core() && !done() {
            thread.parker.park();
        }
    }

    /// Sleeps until the caller has its core. If that was parked, the caller has to go through the
    /// fence of `unparked`.
    pub(crate) fn take_back(&self, thread: &Arc<OffCore>) -> Stopped {
        let core = thread.core;
        let mut list = self.list();
        if thread.has_core() {
            return Stopped::Fine;
        }
        list.off[core].waiting.retain(|other| !Arc::ptr_eq(other, thread));
        self.local_off.fetch_sub(thread.is_local.into(), Ordering::Relaxed);
        if self.state(core) == PARKED {
            self.returned(thread);
            return self.take_parked(&mut list, core);
        }
        list.off[core].returning.push_back(thread.clone());
        self.cores[core].returning.fetch_add(1, Ordering::Relaxed);
        if matches!(self.state(core), BLOCKED | RESTRICTED) {
            self.unlist(&mut list, core).unpark();
        }
        drop(list);
        self.wait_off_core(thread, || false);
        Stopped::Fine
    }

    /// Gives the core, which the caller has at the bottom of its stack, to the first thread that
    /// wants it back, else to the last one that waits elsewhere, unless some wait for this pool,
    /// which then goes on. The caller, `me`, becomes a spare thread. `false`: it keeps the core.
    #[must_use]
    pub(crate) fn pass_on(&self, me: &Arc<OffCore>) -> bool {
        let mut list = self.list();
        let passed = self.give_to_any(&mut list, me.core);
        if passed {
            list.off[me.core].push_spare(me);
        }
        passed
    }

    /// Gives up a core at the end of a loan.
    pub(crate) fn give_back(&self, core: usize, work_left: bool) -> GivenBack {
        let mut list = self.list();
        if self.give_to_any(&mut list, core) {
            return GivenBack::Taken;
        }
        let given = self.give_to_spare(&mut list, core, work_left);
        drop(list);
        // As in `announce`.
        fence(Ordering::SeqCst);
        given
    }

    #[must_use]
    fn give_to_any(&self, list: &mut List, core: usize) -> bool {
        if self.give_to_returning(list, core) {
            return true;
        }
        !self.some_wait_off() && self.give_to_waiting(list, core)
    }

    #[must_use]
    fn give_to_waiting(&self, list: &mut List, core: usize) -> bool {
        let Some(thread) = list.off[core].waiting.pop() else { return false };
        self.local_off.fetch_sub(thread.is_local.into(), Ordering::Relaxed);
        self.returned(&thread);
        true
    }

    /// `false`: no thread wants the core back.
    #[must_use]
    pub(super) fn give_to_returning(&self, list: &mut List, core: usize) -> bool {
        let Some(thread) = list.off[core].returning.pop_front() else { return false };
        self.cores[core].returning.fetch_sub(1, Ordering::Relaxed);
        self.returned(&thread);
        true
    }

    /// The core is `thread`'s again.
    fn returned(&self, thread: &OffCore) {
        self.cores[thread.core].off.fetch_sub(1, Ordering::Relaxed);
        // The lock orders this after the last holder's Release, and before the next's Acquire.
        self.set_state(thread.core, BUSY);
        thread.give();
        thread.parker.unpark();
    }

    /// Leaves the core to its spare threads, of which one is woken if there is work for it. A
    /// borrower may find none, if all have made way for it: then one that waits goes on with its
    /// core.
    fn give_to_spare(&self, list: &mut List, core: usize, work_left: bool) -> GivenBack {
        if !list.off[core].has_spare() && self.give_to_waiting(list, core) {
            return GivenBack::Taken;
        }
        if std::mem::take(&mut list.off[core].looker) {
            self.set_state(core, FREE);
            return GivenBack::Parked;
        }
        if work_left {
            // In this order: as in `unlist`.
            self.count(SEARCHER, 0);
            self.set_state(core, BUSY);
            list.off[core].pop_spare().parker.unpark();
            return GivenBack::Taken;
        }
        self.set_state(core, PARKED);
        list.parked.push(core);
        self.count(ONE_PARKED, 0);
        GivenBack::Parked
    }

    /// The caller, which looked around, found that its core was lent: it becomes a spare thread, or
    /// has the core at once, as a searcher, if that was given back meanwhile.
    pub(super) fn looker_sees_loan(&self, list: &mut List, me: &Arc<OffCore>) {
        if self.state(me.core) == FREE {
            self.count(SEARCHER, 0);
            self.set_state(me.core, BUSY);
        } else {
            list.off[me.core].looker = false;
            list.off[me.core].push_spare(me);
        }
    }

    /// Takes a parked core for the caller.
    pub(super) fn take_parked(&self, list: &mut List, core: usize) -> Stopped {
        list.parked.retain(|&parked| parked != core);
        let mut sub = ONE_PARKED;
        let mut stopped = Stopped::Fine;
        if list.sentry == Some(core) {
            list.sentry = None;
            sub += SENTRY;
            stopped = Stopped::LookAgain;
        }
        self.set_state(core, BUSY);
        self.count(0, sub);
        stopped
    }
}
