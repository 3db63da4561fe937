//! Joining a task with a time limit.

use std::time::{Duration, Instant};

use super::JoinError;
use super::handle::Handle;
use crate::os::generation;
use crate::sleep::Sleeper;
use crate::sync::Parker;
use crate::worker::Worker;
use crate::worker::event::Awaitable;

impl<T> Handle<T> {
    /// Like `join`, but gives the handle back if the task has not ended after `limit`. A worker
    /// looks at the clock between jobs. It does not ask another pool to begin the task: a joiner
    /// that does must wait until the task has ended (`request.rs`).
    pub(crate) fn join_timeout(mut self, limit: Duration) -> Result<Result<T, JoinError>, Self> {
        let Some(deadline) = Instant::now().checked_add(limit) else {
            return Ok(self.join());
        };
        self.forget_waiting();
        match Worker::current() {
            Some(worker) if !limit.is_zero() && self.claim(worker) => {
                return Ok(self.run_here(worker));
            }
            caller if self.is_lost(caller) => generation::refuse(),
            Some(worker) => self.wait_on(worker, Some(deadline)),
            None => self.sleep_until(deadline),
        }
        self.forget_waiting();
        self.try_take()
    }

    fn sleep_until(&self, deadline: Instant) {
        let parker = Parker::default();
        if self.register_waker(Sleeper::Outside(parker.unparker().clone())) {
            let left = || deadline.saturating_duration_since(Instant::now());
            while !self.poll_finished() && !left().is_zero() {
                parker.park_timeout(left());
            }
        }
    }
}
