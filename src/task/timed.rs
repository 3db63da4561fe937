//! Joining a task with a time limit.

use std::cell::OnceCell;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::JoinError;
use super::handle::Handle;
use crate::latch::{Awaited, Wait};
use crate::os::generation;
use crate::os::thread::Thread;
use crate::sleep::Sleeper;
use crate::sync::{AtomicBool, Ordering, Parker};
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
            Some(worker) => worker.wait_until(&TimedWait::new(&self, worker, deadline)),
            None => self.sleep_until(deadline),
        }
        self.forget_waiting();
        self.try_take()
    }

    /// The wait of a thread that is no worker.
    fn sleep_until(&self, deadline: Instant) {
        let parker = Parker::new();
        if self.register_waker(Sleeper::Outside(parker.unparker().clone())) {
            park_until(&parker, deadline, || self.poll_finished());
        }
    }
}

/// Parks until `done` or the deadline.
fn park_until(parker: &Parker, deadline: Instant, done: impl Fn() -> bool) {
    while !done() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        parker.park_timeout(left);
    }
}

/// A worker's wait for a task, or until the deadline.
struct TimedWait<'a, T> {
    wait: WorkerWait<'a, Handle<T>>,
    deadline: Instant,
    /// Set when the worker is about to sleep for the first time.
    alarm: OnceCell<io::Result<Alarm>>,
}

impl<'a, T> TimedWait<'a, T> {
    fn new(handle: &'a Handle<T>, worker: &'a Worker, deadline: Instant) -> Self {
        TimedWait { wait: WorkerWait::new(handle, worker), deadline, alarm: OnceCell::new() }
    }
}

impl<T> Wait for TimedWait<'_, T> {
    fn done(&self) -> bool {
        // If no alarm could be started, the wait is over: no thread would wake the worker.
        let cannot_sleep = matches!(self.alarm.get(), Some(Err(_)));
        self.wait.done() || cannot_sleep || Instant::now() >= self.deadline
    }

    fn register_waker(&self) -> bool {
        if self.alarm.get().is_none() {
            let sleeper = || self.wait.worker.sleeper(self);
            if !self.wait.result.register_waker(sleeper()) {
                return false;
            }
            self.alarm.get_or_init(|| Alarm::start(self.deadline, sleeper()));
        }
        !self.done()
    }

    fn what(&self) -> Awaited {
        self.wait.what()
    }

    fn other_pool(&self) -> Option<usize> {
        self.wait.other_pool()
    }

    fn is_external(&self) -> bool {
        self.wait.is_external()
    }

    fn tag(&self) -> Option<usize> {
        self.wait.tag()
    }
}

/// A thread that wakes a worker at a deadline. It ends when this is dropped.
struct Alarm {
    thread: Option<Thread>,
    stop: Arc<(AtomicBool, Parker)>,
}

impl Alarm {
    fn start(deadline: Instant, sleeper: Sleeper) -> io::Result<Self> {
        let stop = Arc::new((AtomicBool::new(false), Parker::new()));
        let stops = stop.clone();
        let thread = Thread::start("filch-alarm".into(), None, move || {
            let (stop, parker) = &*stops;
            // Relaxed: nothing else is read.
            park_until(parker, deadline, || stop.load(Ordering::Relaxed));
            // Harmless if it comes early or late.
            sleeper.wake();
        })?;
        Ok(Alarm { thread: Some(thread), stop })
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.stop.0.store(true, Ordering::Relaxed);
        self.stop.1.unpark();
        // Otherwise the alarm's thread might drop the last reference to the pool.
        self.thread.take().into_iter().for_each(Thread::join);
    }
}
