//! A core, its states, and its threads.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::sync::{AtomicU32, Ordering, Parker};

pub(super) const BUSY: u32 = 0;
pub(super) const FREE: u32 = 1;
pub(super) const PARKED: u32 = 2;
pub(super) const BLOCKED: u32 = 3;
pub(super) const RESTRICTED: u32 = 4;

pub(super) struct Core {
    pub(super) state: AtomicU32,
    /// How many threads have handed off the core, and how many of these want it back. Written under
    /// the list's lock.
    pub(super) off: AtomicU32,
    pub(super) returning: AtomicU32,
    /// Where the core's holder sleeps inside a wait.
    pub(super) wait: Parker,
}

/// A thread of a core. While it does not have the core, it sleeps here until it is given it.
pub(crate) struct CoreThread {
    pub(super) core: usize,
    /// The address of its wait.
    pub(super) wait: usize,
    /// Whether that is for its own pool.
    pub(super) is_local: bool,
    /// Whether it has the core.
    has_core: AtomicU32,
    pub(super) parker: Parker,
}

impl CoreThread {
    pub(super) fn new(core: usize, wait: usize, is_local: bool, has_core: bool) -> Arc<Self> {
        let (has_core, parker) = (AtomicU32::new(has_core.into()), Parker::new());
        Arc::new(CoreThread { core, wait, is_local, has_core, parker })
    }

    /// A thread at the bottom of its stack.
    pub(crate) fn at_bottom(core: usize, has_core: bool) -> Arc<Self> {
        Self::new(core, 0, false, has_core)
    }

    pub(crate) fn core(&self) -> usize {
        self.core
    }

    pub(crate) fn has_core(&self) -> bool {
        // Acquire: matches the Release in `give`, so what was done on the core is visible.
        self.has_core.load(Ordering::Acquire) != 0
    }

    pub(super) fn give(&self) {
        // Release: matches the Acquire in `has_core`.
        self.has_core.store(1, Ordering::Release);
    }
}

/// The threads of one core that do not have it.
#[derive(Default)]
pub(super) struct CoreThreads {
    /// The threads at the bottom of their stacks. The last one is woken first.
    spare: Vec<Arc<CoreThread>>,
    /// Whether the core was lent while one of its threads looked around, and that thread has not
    /// yet seen the loan.
    pub(super) misses_loan: bool,
    /// The threads that wait for something else than the core.
    pub(super) waiting: Vec<Arc<CoreThread>>,
    /// The threads that want the core back, in this order.
    pub(super) returning: VecDeque<Arc<CoreThread>>,
}

impl CoreThreads {
    pub(super) fn is_left(&self) -> bool {
        !self.waiting.is_empty() || !self.returning.is_empty()
    }

    pub(super) fn has_spare(&self) -> bool {
        self.misses_loan || !self.spare.is_empty()
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

    /// Wakes the spare threads, so that they see the end of the pool.
    pub(super) fn wake_spare(&self) {
        self.spare.iter().for_each(|spare| spare.parker.unpark());
    }

    /// Wakes the thread whose wait has the address `wait`.
    pub(super) fn wake(&self, wait: usize) {
        let is_meant = |it: &&Arc<CoreThread>| it.wait == wait;
        self.waiting.iter().filter(is_meant).for_each(|thread| thread.parker.unpark());
    }
}
