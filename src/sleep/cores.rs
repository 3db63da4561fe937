//! A core, its states, and its threads.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool as PlainBool;
use std::time::{Duration, Instant};

use crate::sync::{AtomicU32, Ordering, Parker};

/// The state of a new core.
pub(super) const BUSY: u32 = 0;
pub(super) const LOOKING: u32 = 1;
pub(super) const PARKED: u32 = 2;
pub(super) const BLOCKED: u32 = 3;
pub(super) const RESTRICTED: u32 = 4;

#[derive(Default)]
pub(super) struct Core {
    pub(super) state: AtomicU32,
    /// Whether the core's holder counts as a searcher. Written by the holder, or under the list's
    /// lock while the core sleeps or changes hands: `state` and `has_core` publish it.
    pub(super) searches: PlainBool,
    /// How many threads have handed off the core, and how many of these want it back. Written under
    /// the list's lock.
    pub(super) off: AtomicU32,
    pub(super) returning: AtomicU32,
    /// Whether unrelated jobs must not keep the core from a thread that has handed it off (lemma 2
    /// of `worker/hand_off.rs`). Written likewise.
    pub(super) is_awaited: AtomicU32,
    /// Where the thread that has the core sleeps inside a wait.
    pub(super) wait: Parker,
}

/// A thread of a core. While it waits without the core, it sleeps here.
#[derive(Default)]
pub(crate) struct CoreThread {
    pub(crate) core: usize,
    /// The address of its wait, or 0.
    pub(super) wait: usize,
    /// Whether any job of the pool may be the one that the thread needs to go on.
    pub(super) needs_any: bool,
    /// Whether the thread handed off its core for a job that another thread may need, which may be
    /// any.
    pub(super) for_any: bool,
    /// When the thread called a closure that may block, if it did.
    pub(super) blocks_since: Option<Instant>,
    /// Whether it has the core.
    has_core: AtomicU32,
    /// Whether there is a job that the thread may run. Set after the thread was taken out of
    /// `List::off_core`.
    is_called: AtomicU32,
    pub(super) parker: Parker,
}

impl CoreThread {
    fn new(core: usize, has_core: bool) -> Self {
        CoreThread { core, has_core: AtomicU32::new(has_core.into()), ..Self::default() }
    }

    pub(crate) fn at_bottom(core: usize, has_core: bool) -> Arc<Self> {
        Arc::new(Self::new(core, has_core))
    }

    /// A thread in the wait at the address `wait`.
    pub(crate) fn in_wait(core: usize, wait: usize, needs_any: bool, for_any: bool) -> Arc<Self> {
        Arc::new(CoreThread { wait, needs_any, for_any, ..Self::new(core, false) })
    }

    /// A thread that calls a closure which may block, and may need any job of the pool to go on.
    pub(crate) fn in_blocking(core: usize, has_core: bool) -> Arc<Self> {
        let blocks_since = Some(Instant::now());
        Arc::new(CoreThread { needs_any: true, blocks_since, ..Self::new(core, has_core) })
    }

    pub(crate) fn has_core(&self) -> bool {
        // Acquire: matches the Release in `give`, so what was done on the core is visible.
        self.has_core.load(Ordering::Acquire) != 0
    }

    /// Whether the thread has its core, or has to take it back for a job. (Relaxed: the thread is
    /// unparked after it was called.)
    pub(super) fn is_called(&self) -> bool {
        self.has_core() || self.is_called.load(Ordering::Relaxed) != 0
    }

    pub(super) fn set_called(&self, is_called: bool) {
        self.is_called.store(is_called.into(), Ordering::Relaxed);
    }

    /// Sleeps until the thread may have its core, or for `limit`.
    pub(crate) fn sleep_for(&self, limit: Duration) {
        self.parker.park_timeout(limit);
    }

    pub(super) fn give(&self) {
        // Release: matches the Acquire in `has_core`.
        self.has_core.store(1, Ordering::Release);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpareFor {
    Waits,
    Blocking,
}

/// The threads of a core that are spare, wait, block, or want the core back.
#[derive(Default)]
pub(super) struct CoreThreads {
    /// The threads at the bottom of their stacks. The last one is woken first.
    pub(super) spare: Vec<Arc<CoreThread>>,
    /// The threads that wait for something other than the core.
    pub(super) waiting: Vec<Arc<CoreThread>>,
    /// The threads in `blocking` without the core, and the calls of `blocking` that keep the core.
    pub(super) blocking: Vec<Arc<CoreThread>>,
    pub(super) keeping: Vec<Arc<CoreThread>>,
    /// How many spare threads were started for `blocking`.
    pub(super) for_blocking: usize,
    /// The threads that want the core back, in this order.
    pub(super) returning: VecDeque<Arc<CoreThread>>,
}

impl CoreThreads {
    /// Whether a thread has handed off the core and not taken it back.
    pub(super) fn any_off(&self) -> bool {
        !self.waiting.is_empty() || !self.blocking.is_empty() || !self.returning.is_empty()
    }

    pub(super) fn has_spare(&self) -> bool {
        !self.spare.is_empty()
    }

    /// The list of a thread that hands off the core.
    pub(super) fn list_of(&mut self, thread: &CoreThread) -> &mut Vec<Arc<CoreThread>> {
        match thread.blocks_since {
            Some(_) => &mut self.blocking,
            None => &mut self.waiting,
        }
    }

    /// Whether `thread` is the spare thread that would be woken.
    pub(super) fn is_next(&self, thread: &Arc<CoreThread>) -> bool {
        self.spare.last().is_some_and(|next| Arc::ptr_eq(next, thread))
    }

    pub(super) fn push_spare(&mut self, thread: &Arc<CoreThread>) {
        thread.has_core.store(0, Ordering::Relaxed);
        self.spare.push(thread.clone());
    }

    /// Removes a spare thread and gives it the core.
    pub(super) fn pop_spare(&mut self) -> Arc<CoreThread> {
        match self.spare.pop() {
            Some(spare) => {
                spare.give();
                spare
            }
            None => unreachable!("a core that is parked has a spare thread"),
        }
    }

    /// The thread whose wait has the address `wait`. (No two threads share a wait.)
    pub(super) fn waiter(&self, wait: usize) -> Option<Arc<CoreThread>> {
        self.waiting.iter().find(|thread| thread.wait == wait).cloned()
    }
}
