//! Joining a task with a time limit.

use std::cell::OnceCell;
use std::io;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use super::JoinError;
use super::handle::Handle;
use crate::latch::Awaited;
use crate::os::generation;
use crate::os::thread::Thread;
use crate::sleep::Sleeper;
use crate::sync::Parker;
use crate::worker::Worker;
use crate::worker::event::{Awaitable, WorkerWait};

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
            Some(worker) => {
                let timed = Timed { handle: &self, deadline, alarm: OnceCell::new() };
                worker.wait_until(&WorkerWait::new(&timed, worker));
            }
            None => self.sleep_until(deadline),
        }
        self.forget_waiting();
        self.try_take()
    }

    fn sleep_until(&self, deadline: Instant) {
        let parker = Parker::new();
        if self.register_waker(Sleeper::Outside(parker.unparker().clone())) {
            let left = || deadline.saturating_duration_since(Instant::now());
            while !self.poll_finished() && !left().is_zero() {
                parker.park_timeout(left());
            }
        }
    }
}

/// The result of a task, or the deadline, for a worker that waits.
struct Timed<'a, T> {
    handle: &'a Handle<T>,
    deadline: Instant,
    /// Set when the worker is about to sleep for the first time.
    alarm: OnceCell<io::Result<Alarm>>,
}

impl<T> Awaitable for Timed<'_, T> {
    fn is_there(&self) -> bool {
        // If no alarm could be started, the wait is over: no thread would wake the worker.
        let cannot_sleep = matches!(self.alarm.get(), Some(Err(_)));
        self.handle.is_there() || cannot_sleep || Instant::now() >= self.deadline
    }

    fn register_waker(&self, sleeper: Sleeper) -> bool {
        let is_registered = self.handle.register_waker(sleeper.clone());
        if is_registered {
            self.alarm.get_or_init(|| Alarm::start(self.deadline, sleeper));
        }
        is_registered
    }

    fn pool(&self) -> usize {
        self.handle.pool()
    }

    fn tag(&self) -> Option<usize> {
        self.handle.tag()
    }

    fn what(&self) -> Awaited {
        self.handle.what()
    }
}

/// A thread that wakes a worker at a deadline. It ends when this is dropped.
struct Alarm {
    stop: Option<Sender<()>>,
    thread: Option<Thread>,
}

impl Alarm {
    fn start(deadline: Instant, sleeper: Sleeper) -> io::Result<Self> {
        let (stop, stops) = mpsc::channel();
        let thread = Thread::start("filch-alarm".into(), None, move || {
            let left = deadline.saturating_duration_since(Instant::now());
            // Harmless if it comes early or late.
            let _ = stops.recv_timeout(left);
            sleeper.wake();
        })?;
        Ok(Alarm { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        drop(self.stop.take());
        // Otherwise the alarm's thread might drop the last reference to the pool.
        self.thread.take().into_iter().for_each(Thread::join);
    }
}
