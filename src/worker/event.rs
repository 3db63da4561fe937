//! How a thread of any kind waits: a worker works meanwhile, any other thread sleeps.

use std::cell::{Cell, OnceCell};
use std::io;
use std::time::{Duration, Instant};

use super::Worker;
use super::callers::LATE;
use crate::latch::{Awaited, EXTERNAL, Wait};
use crate::os::thread::Stoppable;
use crate::sim;
use crate::sleep::{Event, Sleeper};
use crate::sync::{Parker, wait_outside};

/// A result for which a thread of any kind can wait.
pub(crate) trait Awaitable {
    /// Whether the result is there.
    fn is_there(&self) -> bool;

    /// Registers the thread that waits. Returns `false` if the result is there.
    fn register_waker(&self, sleeper: Sleeper) -> bool;

    /// The address of the pool that will provide the result, or `EXTERNAL` if any thread may.
    fn pool(&self) -> usize;

    /// The tag of the task that will provide it, if it is known.
    fn tag(&self) -> Option<usize> {
        None
    }

    /// What it is, for dumps.
    fn what(&self) -> Awaited {
        Awaited::Task(None)
    }

    /// Called by a caller from outside that has waited for [`LATE`]. Asks the pool to begin what
    /// provides the result, and returns when to ask again, if ever.
    fn ask_again(&self) -> Option<Duration> {
        None
    }

    /// Waits. A worker works meanwhile, and any other thread sleeps.
    fn wait_for(&self) {
        let Some(worker) = Worker::current() else {
            let parker = Parker::default();
            if self.register_waker(Sleeper::Outside(parker.unparker().clone())) {
                // (Nothing that a seed decides may depend on the time, and a model has none.)
                if !sim::takes_turns() && !cfg!(loom) {
                    park_with_calls(&parker, LATE, || self.is_there(), || self.ask_again());
                }
                wait_outside(&parker, self.pool(), || self.is_there());
            }
            return;
        };
        self.wait_on(worker, None);
    }

    /// Waits as a worker, until a deadline if there is one.
    fn wait_on(&self, worker: &Worker, deadline: Option<Instant>) {
        let (is_registered, alarm) = (Cell::new(false), OnceCell::new());
        worker.wait_until(&WorkerWait { result: self, worker, is_registered, deadline, alarm });
    }
}

/// A worker's wait for a result.
struct WorkerWait<'a, A: ?Sized> {
    result: &'a A,
    worker: &'a Worker,
    /// Whether the worker's `Sleeper` is registered.
    is_registered: Cell<bool>,
    deadline: Option<Instant>,
    /// A thread that wakes the worker at the deadline, from when the worker is about to sleep for
    /// the first time. The drop waits for its end: otherwise it might drop the last reference to
    /// the pool.
    alarm: OnceCell<io::Result<Stoppable>>,
}

impl<A: ?Sized> WorkerWait<'_, A> {
    fn is_over(&self, deadline: Instant) -> bool {
        // If no alarm could be started, no thread would wake the worker.
        let cannot_sleep = matches!(self.alarm.get(), Some(Err(_)));
        cannot_sleep || Instant::now() >= deadline
    }

    fn start_alarm(&self, deadline: Instant, sleeper: Sleeper) -> io::Result<Stoppable> {
        Stoppable::start("filch-alarm", move |stops| {
            let left = deadline.saturating_duration_since(Instant::now());
            // Harmless if it comes early or late.
            let _ = stops.recv_timeout(left);
            sleeper.wake();
        })
    }
}

impl<A: Awaitable + ?Sized> Wait for WorkerWait<'_, A> {
    fn done(&self) -> bool {
        self.result.is_there() || self.deadline.is_some_and(|deadline| self.is_over(deadline))
    }

    fn register_waker(&self) -> bool {
        if !self.is_registered.get() {
            self.is_registered.set(self.result.register_waker(self.worker.sleeper(self)));
        }
        if let Some(deadline) = self.deadline.filter(|_| self.is_registered.get()) {
            let start = || self.start_alarm(deadline, self.worker.sleeper(self));
            self.alarm.get_or_init(start);
        }
        self.is_registered.get() && !self.done()
    }

    fn what(&self) -> Awaited {
        self.result.what()
    }

    fn other_pool(&self) -> Option<usize> {
        let pool = self.result.pool();
        (pool != EXTERNAL && pool != self.worker.registry().address()).then_some(pool)
    }

    fn is_external(&self) -> bool {
        self.result.pool() == EXTERNAL
    }

    fn tag(&self) -> Option<usize> {
        self.result.tag()
    }
}

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
            park_with_calls(parker, first, || self.has_happened(), call);
            true
        });
    }

    /// Waits on a thread that is no worker, if `ask`, which gets its parker, returns `true`.
    fn wait_outside(&self, ask: impl FnOnce(&Parker) -> bool) {
        let parker = Parker::default();
        self.register(Sleeper::Outside(parker.unparker().clone()));
        if ask(&parker) {
            wait_outside(&parker, self.pool, || self.has_happened());
        }
    }
}

/// Parks until `done`. Calls `call` after the time `first`, and again after each interval that it
/// returns. Returns when it returns `None`.
fn park_with_calls(
    parker: &Parker,
    first: Duration,
    done: impl Fn() -> bool,
    call: impl Fn() -> Option<Duration>,
) {
    let mut next = Some(first);
    while let Some(interval) = next.filter(|_| !done()) {
        parker.park_timeout(interval);
        if !done() {
            next = call();
        }
    }
}

impl Worker {
    /// What wakes this worker in `wait`.
    pub(crate) fn sleeper(&self, wait: &impl Wait) -> Sleeper {
        Sleeper::Worker(self.registry().arc(), self.index(), wait.address())
    }
}
