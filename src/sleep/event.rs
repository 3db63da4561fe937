//! Events, for which a thread of any kind can wait (`worker/event.rs`), and what wakes such a
//! thread.
#![allow(unsafe_code)]

use std::sync::Arc;

use super::Sleep;
use crate::job::outcome;
use crate::latch::{Awaited, EXTERNAL, Wait};
use crate::sync::{Mutex, Unparker};

/// What the workers of a pool share, for a thread that wakes one of them.
pub(crate) trait HasSleep: Send + Sync {
    fn sleep(&self) -> &Sleep;
}

/// A thread that sleeps until its wait is over.
#[derive(Clone)]
pub(crate) enum Sleeper {
    /// A worker of any pool, by its index, and the address of its wait.
    Worker(Arc<dyn HasSleep>, usize, usize),
    /// A thread that is no worker.
    Outside(Unparker),
}

impl Sleeper {
    pub(crate) fn wake(self) {
        match self {
            Sleeper::Worker(pool, index, wait) => {
                pool.sleep().wake_blocked(index, wait);
                // The worker may have gone on. This may be the last reference to its pool.
                outcome::discard(pool);
            }
            Sleeper::Outside(unparker) => unparker.unpark(),
        }
    }
}

/// Something that happens once, or again after a `reset`. One thread, of any kind, waits for it.
pub(crate) struct Event {
    /// The address of the pool that brings it about, or `EXTERNAL`.
    pub(crate) pool: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    happened: bool,
    sleeper: Option<Sleeper>,
}

impl Event {
    /// An event that the pool at the address `pool` will bring about, or any thread if that is
    /// `EXTERNAL`.
    pub(crate) fn new(pool: usize) -> Self {
        Event { pool, state: Mutex::default() }
    }

    /// Makes it happen. The waiter may free the event as soon as the lock is released, before this
    /// returns, hence the pointer.
    ///
    /// # Safety
    /// `this` points to an event that has not happened, or that outlives the call.
    pub(crate) unsafe fn happen(this: *const Event) {
        // SAFETY: the waiter keeps the event alive until it has happened.
        let mut state = unsafe { &(*this).state }.lock();
        state.happened = true;
        let sleeper = state.sleeper.take();
        drop(state);
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }

    /// `happen` for an event that several own.
    pub(crate) fn happen_shared(this: &Arc<Event>) {
        // SAFETY: the `Arc` keeps the event alive.
        unsafe { Event::happen(Arc::as_ptr(this)) };
    }

    #[cfg(any(all(test, loom), feature = "futures"))]
    pub(crate) fn reset(&self) {
        let before = std::mem::take(&mut *self.state.lock());
        // The sleeper may have the last reference to a pool.
        outcome::discard(before);
    }

    pub(crate) fn has_happened(&self) -> bool {
        self.state.lock().happened
    }

    pub(crate) fn register(&self, sleeper: Sleeper) {
        self.state.lock().sleeper = Some(sleeper);
    }
}

/// Makes the event happen when this is dropped.
pub(crate) struct HappensAtDrop(pub(crate) Arc<Event>);

impl Drop for HappensAtDrop {
    fn drop(&mut self) {
        Event::happen_shared(&self.0);
    }
}

/// A worker's wait, which `Event::wait` has registered.
impl Wait for Event {
    fn done(&self) -> bool {
        self.has_happened()
    }

    fn register_waker(&self) -> bool {
        !self.has_happened()
    }

    fn what(&self) -> Awaited {
        if self.is_external() { Awaited::Task(None) } else { Awaited::OtherPool }
    }

    fn other_pool(&self) -> Option<usize> {
        (!self.is_external()).then_some(self.pool)
    }

    fn is_external(&self) -> bool {
        self.pool == EXTERNAL
    }
}
