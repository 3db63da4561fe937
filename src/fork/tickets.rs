//! The tickets of a `TaskSet`, which run its closures, and the wait for the next result.
//!
//! # States
//! The closures of a set wait in the set's own queue. For them, the set queues *tickets* in the
//! pool: detached tasks, each of which runs the oldest closure of the set, if there is one. To
//! cancel the closures that have not begun, the set empties its own queue. A set with a limit
//! queues no more tickets than the limit, but for those of lemma 4.
//!
//! # Lemmas
//! 1. *Each closure runs once, or is dropped once*, by the thread that took it out of the queue,
//!    under the lock.
//! 2. *Each closure has a ticket, unless the limit is reached.* `spawn` queues one, and a ticket
//!    that ends queues the next if there are more closures than tickets. Both count the ticket
//!    under the lock. At the limit, a ticket that runs will end and queue the next. Model:
//!    `a_set_at_its_limit_runs_all_tasks`.
//! 3. *A caller of `join_next` is woken.* The caller registers its waker, and a ticket takes the
//!    registered waker, both under the lock. Model: `a_worker_that_waits_for_a_set_is_woken`.
//! 4. *What a worker waits for begins* (lemma 3 of `worker/wait.rs`). The tickets have the set's
//!    tag, so a worker of the pool may run them in its wait. A thread of another pool that waits
//!    for the set queues one more ticket, as a cross-pool job, if no closure of the set is running.
//! 5. *A set may outlive its pool*. A thread that is not a worker of the pool keeps the pool from
//!    ending while it queues a ticket. If the pool has ended, the thread cancels all closures.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::mem;
use std::ptr;
use std::sync::Arc;
use std::task::Waker;

use super::spawn::{BY_TOKEN, PoolHome};
use crate::context::Context;
use crate::job::NO_TAG;
use crate::job::outcome;
use crate::sim;
use crate::sync::Mutex;
use crate::task::{JoinError, Waiting, new_task};
use crate::worker::shared::Registry;
use crate::worker::{Tag, Worker, share_current};

pub(super) struct Shared<T> {
    /// The isolation tag of the tickets.
    pub(super) tag: Tag,
    pub(super) state: Mutex<State<T>>,
}

/// A closure of a set, with the context of its spawn.
pub(super) struct Closure<T> {
    run: Box<dyn FnOnce() -> T + Send>,
    context: Option<Arc<Context>>,
}

impl<T> Closure<T> {
    pub(super) fn new(run: Box<dyn FnOnce() -> T + Send>) -> Self {
        Closure { run, context: share_current() }
    }
}

pub(super) struct State<T> {
    /// The closures that have not begun.
    pub(super) queue: VecDeque<Closure<T>>,
    /// How many tickets are queued, and how many run a closure.
    pub(super) tickets: usize,
    pub(super) running: usize,
    /// The most closures that may run at a time.
    pub(super) most: usize,
    pub(super) ended: VecDeque<Result<T, JoinError>>,
    pub(super) waiting: Option<Waiting>,
    /// Whether results are dropped: the set was dropped, or has detached its tasks.
    is_closed: bool,
}

// SAFETY: the tag is not written after it was made; the rest is behind a lock.
unsafe impl<T: Send> Sync for Shared<T> {}
// SAFETY: nothing in it depends on its thread.
unsafe impl<T: Send> Send for Shared<T> {}

impl<T> State<T> {
    fn new(most: usize) -> Self {
        State {
            queue: VecDeque::new(),
            tickets: 0,
            running: 0,
            most,
            ended: VecDeque::new(),
            waiting: None,
            is_closed: false,
        }
    }

    pub(super) fn pending(&self) -> usize {
        self.queue.len() + self.running
    }

    /// Counts one more ticket if one is needed (lemma 2). The caller queues it.
    #[must_use]
    pub(super) fn needs_ticket(&mut self) -> bool {
        let needs = self.tickets < self.queue.len() && self.tickets + self.running < self.most;
        self.tickets += usize::from(needs);
        needs
    }

    fn begin(&mut self) -> Option<Closure<T>> {
        self.tickets -= 1;
        if self.running >= self.most {
            return None;
        }
        let closure = self.queue.pop_front()?;
        self.running += 1;
        Some(closure)
    }
}

impl<T: Send + 'static> Shared<T> {
    /// Queues a ticket: as a cross-pool job if `is_cross_job`, else at the calling worker if it is
    /// one of this pool, else in the injector.
    pub(super) fn queue_ticket(self: &Arc<Self>, registry: &Registry, is_cross_job: bool) {
        let shared = self.clone();
        let ticket = move || shared.run_next();
        // SAFETY: queued below in this registry, which has not ended: the caller is a worker of it,
        // or a thread that keeps it; the closure is `'static` and may be sent. It keeps the tag
        // alive.
        let (job, handle) = unsafe {
            new_task(ticket, PoolHome::<BY_TOKEN>::of(None), registry, self.tag.address(), None)
        };
        drop(handle);
        registry.submit_as(is_cross_job, registry.current_worker(), job);
    }

    /// Runs a ticket, on a worker of the pool.
    fn run_next(self: Arc<Self>) {
        let Some(worker) = Worker::current() else { unreachable!("a worker runs a task") };
        let Some(closure) = self.state.lock().begin() else { return };
        // Like a task with a handle, the closure gets a tag: a job may wait for the set.
        let tag = Tag::new(self.tag.address());
        let Closure { run, context } = closure;
        let pointer = context.as_ref().map_or(ptr::null(), Arc::as_ptr);
        let result = match context.as_ref().and_then(|context| context.cancelled()) {
            None => worker.within(tag.address(), || {
                worker.under(pointer, || {
                    worker.run_users(run).map_err(|it| JoinError::unwound((it, None)))
                })
            }),
            Some(reason) => match worker.run_users(|| drop(run)) {
                Ok(()) => Err(JoinError::cancelled(reason)),
                Err(payload) => Err(JoinError::unwound((payload, None))),
            },
        };
        outcome::discard(context);
        self.end(worker, result);
    }

    /// Notes a result, and wakes the thread or future that waits for the set.
    fn end(self: &Arc<Self>, worker: &Worker, result: Result<T, JoinError>) {
        let mut state = self.state.lock();
        state.running -= 1;
        let goes_on = state.needs_ticket();
        let (unwanted, waiting) = match state.is_closed {
            true => (Some(result), None),
            false => {
                state.ended.push_back(result);
                (None, state.waiting.take())
            }
        };
        drop(state);
        if goes_on {
            self.queue_ticket(worker.registry(), false);
        }
        if let Some(waiting) = waiting {
            waiting.wake_on(worker);
        }
        // The handler of a panic in this drop runs within the set's tag, which `self` keeps alive.
        let dropped = worker.run_users(|| {
            unwanted.into_iter().for_each(|result| discard(result, worker.registry()));
        });
        if let Err(payload) = dropped {
            worker.registry().handlers.take_panic(payload);
        }
        sim::point();
    }
}

/// Drops a result that no caller will take. If it is a panic, the pool's panic handler gets it.
fn discard<T>(result: Result<T, JoinError>, registry: &Registry) {
    if let Err(Ok(payload)) = result.map_err(JoinError::try_into_panic) {
        registry.handlers.take_panic(payload);
    }
}

impl<T> Shared<T> {
    pub(super) fn new(most: usize) -> Arc<Self> {
        // The set may outlive the task that makes it, so that task is no ancestor.
        Arc::new(Shared { tag: Tag::new(NO_TAG), state: Mutex::new(State::new(most)) })
    }

    pub(super) fn has_result(&self) -> bool {
        !self.state.lock().ended.is_empty()
    }

    /// Registers `waiting`, in place of the one registered before. Returns `false` if a task has
    /// ended.
    pub(super) fn register_waker(&self, waiting: Waiting) -> bool {
        let mut state = self.state.lock();
        if !state.ended.is_empty() {
            return false;
        }
        let before = state.waiting.replace(waiting);
        drop(state);
        // Its drop may be the user's code.
        drop(before);
        true
    }

    /// Registers the waker of a future. Returns `false` if a task has ended.
    pub(super) fn register_future(&self, waker: &Waker) -> bool {
        let state = self.state.lock();
        if state.waiting.as_ref().is_some_and(|waiting| waiting.is_future_of(waker)) {
            return state.ended.is_empty();
        }
        drop(state);
        self.register_waker(Waiting::Future(waker.clone()))
    }

    pub(super) fn forget_waiting(&self) {
        let waiting = self.state.lock().waiting.take();
        drop(waiting);
    }

    /// Drops all results, those still to come as well.
    pub(super) fn close(&self, registry: &Registry) {
        let mut state = self.state.lock();
        state.is_closed = true;
        let (ended, waiting) = (mem::take(&mut state.ended), state.waiting.take());
        drop(state);
        // A future may wait for a result, which no longer comes.
        let woken = outcome::run(|| waiting.into_iter().for_each(Waiting::wake));
        let dropped = ended.into_iter().map(|result| outcome::run(|| discard(result, registry)));
        outcome::resume_first(dropped.chain([woken]));
    }
}
