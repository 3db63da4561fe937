//! Waits of threads of any kind, and whom to wake when they are over.
#![allow(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use super::Worker;
use crate::job::outcome;
use crate::latch::Awaited;
use crate::latch::Wait;
use crate::sync::{Mutex, Parker, Unparker, wait_outside};
use crate::worker::shared::Registry;

/// After this long, and then every so often, a caller from outside calls for its job to be begun.
pub(crate) const LATE: Duration = Duration::from_millis(4);

/// Whom to wake when a wait is over.
pub(crate) enum Sleeper {
    /// A worker, of whatever pool, and the address of its wait.
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
                // It may have gone on already, and its pool may be gone but for this.
                outcome::discard(registry);
            }
            Sleeper::Outside(unparker) => unparker.unpark(),
        }
    }
}

/// Something that a pool does once, for which one thread of any kind waits.
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
    /// Of what `pool` does.
    pub(crate) fn new(pool: *const Registry) -> Self {
        Event { pool: pool.addr(), state: Mutex::default() }
    }

    /// Says that it has happened. The event may be gone as soon as the lock is given back, before
    /// this returns: hence the pointer.
    ///
    /// # Safety
    /// `this` points to an event that has not happened yet, or that outlives the call.
    pub(crate) unsafe fn happen(this: *const Event) {
        // SAFETY: whoever waits for the event keeps it until it has happened.
        let mut state = unsafe { &(*this).state }.lock();
        state.happened = true;
        let sleeper = state.sleeper.take();
        drop(state);
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }

    pub(crate) fn has_happened(&self) -> bool {
        self.state.lock().happened
    }

    /// Waits: by working, on a worker of whatever pool, else by sleeping. `ask` is called when
    /// `happen` would wake this thread; unless it says so, there is nothing to wait for.
    pub(crate) fn wait(&self, ask: impl FnOnce() -> bool) {
        let Some(worker) = Worker::current() else {
            return self.wait_outside(|_| ask());
        };
        self.state.lock().sleeper = Some(Sleeper::worker(worker, self));
        if ask() {
            worker.wait_until(self);
        }
    }

    /// Waits as a thread that is no worker. Calls `call` after `first`, and then after each time that
    /// it returns.
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

    /// Waits as a thread that is no worker, by a parker that is given to `ask` first.
    fn wait_outside(&self, ask: impl FnOnce(&Parker) -> bool) {
        let parker = Parker::new();
        self.state.lock().sleeper = Some(Sleeper::Outside(parker.unparker().clone()));
        if ask(&parker) {
            wait_outside(&parker, self.pool, || self.has_happened());
        }
    }
}

/// A worker's wait that `Event::wait` has asked for.
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
