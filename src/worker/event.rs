//! How a thread waits for an event: a worker works meanwhile, any other thread sleeps.

use std::time::Duration;

use super::Worker;
use crate::latch::Wait;
use crate::sleep::{Event, Sleeper};
use crate::sync::{Parker, wait_outside};

impl Event {
    /// Waits. A worker of any pool works meanwhile, and any other thread sleeps. Calls `ask` after
    /// this thread is registered. If `ask` returns `false`, there is nothing to wait for.
    pub(crate) fn wait(&self, ask: impl FnOnce() -> bool) {
        let Some(worker) = Worker::current() else {
            return self.wait_outside(|_| ask());
        };
        self.register(worker.sleeper(self));
        if ask() {
            worker.wait_until(self);
        }
    }

    /// Waits on a thread that is no worker. Calls `call` after the time `first`, and again after
    /// each interval that `call` returns, until `call` returns `None`.
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
        self.register(Sleeper::Outside(parker.unparker().clone()));
        if ask(&parker) {
            wait_outside(&parker, self.pool(), || self.has_happened());
        }
    }
}

impl Worker {
    /// What wakes this worker in `wait`.
    pub(crate) fn sleeper(&self, wait: &impl Wait) -> Sleeper {
        Sleeper::Worker(self.registry().share(), self.index(), wait.address())
    }
}
