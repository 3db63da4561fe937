//! Events, for which a thread of any kind can wait, and what wakes such a thread.
#![allow(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use super::Worker;
use crate::job::outcome;
use crate::latch::Awaited;
use crate::latch::Wait;
use crate::sync::{Mutex, Parker, Unparker, wait_outside};
use crate::worker::shared::Registry;

/// After this long, and then at this interval, a caller from outside asks again for its job to
/// begin.
pub(crate) const LATE: Duration = Duration::from_millis(4);

/// A thread that sleeps until its wait is over.
pub(crate) enum Sleeper {
    /// A worker of any pool, by its index, and the address of its wait.
    Worker(Arc<Registry>, usize, usize),
    /// A thread that is no worker.
    Outside(Unparker),
}

impl Sleeper {
    pub(crate) fn worker(worker: &Worker, wait: &impl Wait) -> Self {
        Sleeper::Worker(worker.registry().share(), worker.index(), wait.address())
    }

    pub(crate) fn wake(self) {
        match self {
            Sleeper::Worker(registry, index, wait) => {
                registry.sleep().wake_blocked(index, wait);
                // The worker may have gone on. This may be the last reference to its registry.
                outcome::discard(registry);
            }
            Sleeper::Outside(unparker) => unparker.unpark(),
        }
    }
}

/// Something that a pool does once, and that one thread of any kind waits for.
pub(crate) struct Event {
    /// The pool's address.
    pool: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    happened: bool,
    sleeper: Option<Sleeper>,
}

impl Event {
    /// An event that `pool` will bring about.
    pub(crate) fn new(pool: *const Registry) -> Self {
        Event { pool: pool.addr(), state: Mutex::default() }
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

    pub(crate) fn has_happened(&self) -> bool {
        self.state.lock().happened
    }

    /// Waits. A worker of any pool works meanwhile, and any other thread sleeps. `ask` is called
    /// after this thread is registered. If it returns `false`, there is nothing to wait for.
    pub(crate) fn wait(&self, ask: impl FnOnce() -> bool) {
        let Some(worker) = Worker::current() else {
            return self.wait_outside(|_| ask());
        };
        self.state.lock().sleeper = Some(Sleeper::worker(worker, self));
        if ask() {
            worker.wait_until(self);
        }
    }

    /// Waits on a thread that is no worker. Calls `call` after `first`, then each time after the
    /// interval that `call` returned, until it returns `None`.
    pub(crate) fn wait_with_calls(&self, first: Duration, call: impl Fn() -> Option<Duration>) {
        self.wait_outside(|parker| {
            let mut next = Some(first);
            while let Some(interval) = next.filter(|_| !self.has_happened()) {
                parker.park_timeout(interval);
                if !self.has_happened() {
                    next = call();
                }
            }
            true
        });
    }

    /// Waits on a thread that is no worker, if `ask`, which gets its parker, returns `true`.
    fn wait_outside(&self, ask: impl FnOnce(&Parker) -> bool) {
        let parker = Parker::new();
        self.state.lock().sleeper = Some(Sleeper::Outside(parker.unparker().clone()));
        if ask(&parker) {
            wait_outside(&parker, self.pool, || self.has_happened());
        }
    }
}

/// A worker's wait, which `Event::wait` has registered.
impl Wait for Event {
    fn done(&self) -> bool {
        self.has_happened()
    }

    fn ask_wake(&self) -> bool {
        !self.has_happened()
    }

    fn what(&self) -> Awaited {
        Awaited::Elsewhere
    }

    fn elsewhere(&self) -> Option<usize> {
        Some(self.pool)
    }
}
