//! The handle of a task: joins it, polls it, takes its result.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::task::Waker;
use std::time::Duration;

use super::JoinError;
use super::block::{Task, TaskHead, is_empty_entry};
use super::home::{Ended, Home};
use super::request::Requested;
use super::state::Detached;
use super::waiting::{Waiting, drop_waiting, take_waiting};
use crate::job::{self, Priority, tag_of};
use crate::latch::{Awaited, AwaitedTask, EXTERNAL, JobName};
use crate::os::generation;
use crate::sim;
use crate::sleep::Sleeper;
use crate::worker::event::Awaitable;
use crate::worker::shared::Registry;
use crate::worker::timing::Queued;
use crate::worker::{JobRef, Worker, pools};

/// Makes a task of isolation tag `tag`, and of `priority`. (If that is `None`, the caller has the
/// task inherit a priority before it queues it.) Returns the task's entry, which the caller queues,
/// and its handle.
///
/// # Safety
/// 1. The entry is queued at the registry `pool`, and is run.
/// 2. `closure` and its result may be used on another thread until `home` is told that the task has
///    ended. The handle does not outlive what they borrow.
#[inline]
pub(crate) unsafe fn new_task<F: FnOnce() -> T, T, H: Home>(
    closure: F,
    home: H,
    pool: &Registry,
    tag: usize,
    priority: Option<Priority>,
) -> (JobRef, Handle<T>) {
    let task = match pool.times_next_task() {
        // (In a function of its own, this would keep every closure from registers.)
        true => Task::<_, T, H>::make(queued(pool, priority).carried_by(closure), home, tag),
        false => Task::<F, T, H>::make(closure, home, tag),
    };
    // SAFETY: the block lives until the entry is gone; the tag is set; there is one reference;
    // the rest is this function's premise.
    let job = unsafe { JobRef::new(task.cast()) };
    if let Some(priority) = priority {
        job.set_priority(priority);
    }
    (job, Handle { task, pool, result: PhantomData })
}

#[cold]
fn queued(pool: &Registry, priority: Option<Priority>) -> Queued {
    pool.queued(priority.unwrap_or_else(Worker::current_priority))
}

pub(crate) struct Handle<T> {
    pub(super) task: NonNull<TaskHead>,
    /// The task's pool: an identity, never dereferenced.
    pub(super) pool: *const Registry,
    pub(super) result: PhantomData<T>,
}

// SAFETY: the right to take the `T` moves with the handle; what else is shared in the block is
// atomic, or ordered by atomics.
unsafe impl<T: Send> Send for Handle<T> {}
// SAFETY: by reference a handle only changes an atomic, and drops the closure, which may be sent.
unsafe impl<T: Send> Sync for Handle<T> {}
// The `T` is not in the handle.
impl<T> Unpin for Handle<T> {}
// `join` consumes the handle, so a panic in it leaves nothing to observe.
impl<T> UnwindSafe for Handle<T> {}
// As above. If a drop of the closure panics, the task is cancelled all the same.
impl<T> RefUnwindSafe for Handle<T> {}

impl<T> Handle<T> {
    pub(super) fn head(&self) -> &TaskHead {
        // SAFETY: the block is alive until the handle leaves.
        unsafe { self.task.as_ref() }
    }

    /// Drops the handle of a task that is not queued yet. Returns `entry`, which is the task's.
    #[inline]
    pub(crate) fn detach(self, entry: JobRef) -> JobRef {
        assert!(entry.address() == self.task.addr().get());
        ManuallyDrop::new(self).head().state.detach_unqueued();
        entry
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.head().state.is_done()
    }

    /// `is_finished`, for users that may call it in a loop.
    pub(crate) fn poll_finished(&self) -> bool {
        sim::poll_for(self.pool.addr());
        self.is_finished()
    }

    /// Waits for the task. A worker of its pool runs the task itself if it is not claimed. Any
    /// other worker runs other work, and any other thread sleeps.
    ///
    /// # Panics
    /// Panics if the caller is part of the task; or if this is the child of a `fork()` and the task
    /// is one of the parent's that has not ended.
    pub(crate) fn join(mut self) -> Result<T, JoinError> {
        self.forget_waiting();
        match Worker::current() {
            Some(worker) if self.claim(worker) => self.run_here(worker),
            caller => self.wait(caller),
        }
    }

    #[inline(never)]
    fn wait(self, caller: Option<&Worker>) -> Result<T, JoinError> {
        if self.is_lost(caller) {
            generation::refuse();
        }
        assert!(
            !self.is_around_caller(),
            "a task must not join itself or a task that it is part of"
        );
        let request = self.request();
        self.wait_for();
        drop(request);
        self.take()
    }

    /// Whether the caller is part of the task, which therefore cannot end before the caller.
    fn is_around_caller(&self) -> bool {
        let tag = tag_of(Worker::current_word());
        // SAFETY: what the caller runs under is a task or a tag that has not ended.
        unsafe { job::ancestors(tag) }.any(|tag| tag == self.task.addr().get())
    }

    /// Whether the task will never end, since its pool was built before a `fork()` and this process
    /// is the child.
    pub(super) fn is_lost(&self, caller: Option<&Worker>) -> bool {
        let is_in = |worker: &Worker| std::ptr::eq(self.pool, worker.registry());
        let is_own = self.pool.addr() == EXTERNAL || caller.is_some_and(is_in);
        // In this order: the pool is in the list until the task has ended.
        let is_unknown = || !pools::has_registry_at(self.pool.addr());
        !is_own && !self.is_finished() && is_unknown() && !self.is_finished()
    }

    /// Claims the task if `worker` may run it here: `worker` is of the task's pool, and either
    /// tasks need not begin in order, or this wait may not run the tasks that would begin first.
    pub(super) fn claim(&self, worker: &Worker) -> bool {
        let state = &self.head().state;
        // The load of `is_claimed` may save the write.
        std::ptr::eq(self.pool, worker.registry())
            && !(worker.runs_in_order() && worker.may_run_any_task())
            && !state.is_claimed()
            && state.claim()
    }

    /// Asks the task's pool to begin the task, if the joiner is a thread of another pool.
    fn request(&self) -> Option<Requested> {
        if !Worker::is_on_other_pools_thread(self.pool) || self.head().state.is_claimed() {
            return None;
        }
        // The pool is in the list until the task has ended.
        let registry = pools::registry_at(self.pool.addr())?;
        // Once the workers have ended, none takes a request. Then the task has ended, unless a
        // guest is to run it.
        let keeper = registry.keep_workers();
        let may_run = keeper.is_some() || registry.has_guest();
        let word = Worker::current_word();
        // SAFETY: the request is revoked before the handle takes the result.
        may_run.then(|| unsafe { Requested::new(self.task, registry.share(), word) })
    }

    /// Runs the task, which the caller has claimed. Then drops the empty entries at the newest end
    /// of the worker's queue, so that they do not pile up.
    pub(super) fn run_here(self, worker: &Worker) -> Result<T, JoinError> {
        let block = self.task;
        let (run, word) = (self.head().table().run, self.head().word());
        let running = worker.running();
        worker.note_running(self.head().header.table().as_ptr());
        worker.run_in_place(|| {
            // SAFETY: claimed, and not run yet. The caller is in the home.
            worker.at_least(word, || unsafe { run(block, worker, true) })
        });
        let result = self.take();
        worker.drop_empty_entries(block.addr().get(), |job| {
            // SAFETY: buffers and batches hold entries and placeholders.
            unsafe { is_empty_entry(job) }
        });
        worker.note_running(running);
        result
    }

    /// Takes the result, or returns the handle if the task is not done.
    pub(crate) fn try_take(self) -> Result<Result<T, JoinError>, Self> {
        if self.is_finished() { Ok(self.take()) } else { Err(self) }
    }

    /// Takes the result, which must be there.
    fn take(self) -> Result<T, JoinError> {
        let this = ManuallyDrop::new(self);
        // SAFETY: the result is there, and the handle takes it here, once.
        let ended = unsafe { TaskHead::take_ended(this.task) };
        let result = match ended {
            Ended::Value(value) => Ok(value),
            // SAFETY: a scope's handle cannot be used after the scope.
            Ended::Panic(kept) => Err(JoinError::unwound(unsafe { kept.give() })),
            Ended::Cancelled(reason) => Err(JoinError::cancelled(reason)),
        };
        // SAFETY: this is the handle, and it is not dropped.
        unsafe { TaskHead::leave_as_handle(this.task) };
        result
    }
}

const COMPLETER: JobName = || "a completer";

/// The result of a task that another thread runs, or of a completer.
impl<T> Awaitable for Handle<T> {
    fn is_there(&self) -> bool {
        self.is_finished()
    }

    fn register_waker(&self, sleeper: Sleeper) -> bool {
        self.register(Box::new(Waiting::Thread(sleeper)))
    }

    fn pool(&self) -> usize {
        self.pool.addr()
    }

    fn ask_again(&self) -> Option<Duration> {
        // The pool is in the list until the task has ended.
        let registry = pools::registry_at(self.pool.addr())?;
        let head = self.head();
        // (In a deterministic pool, the schedule must not depend on the time.)
        let is_queued = !registry.is_simulated() && !head.state.is_claimed();
        let next = registry.ask_for(is_queued, Priority::of(head.word()));
        if next.is_none() {
            // (Another caller that still waits repeats its request.)
            registry.withdraw_request();
        }
        next
    }

    fn tag(&self) -> Option<usize> {
        Some(self.task.as_ptr().addr())
    }

    fn what(&self) -> Awaited {
        let table = self.head().table();
        let name = if self.pool() == EXTERNAL { &COMPLETER } else { &table.job.name };
        // SAFETY: the block is alive until the handle leaves, and so is its home, as in `take`.
        let context = unsafe { (table.context)(self.task) }.addr();
        Awaited::Task(Some(AwaitedTask { name, context }))
    }
}

impl<T> Drop for Handle<T> {
    #[inline]
    fn drop(&mut self) {
        match self.head().state.detach() {
            Detached::Nothing => {}
            Detached::Settle => self.settle(),
            // SAFETY: `detach` gave it to this call.
            Detached::Withdraw(address) => unsafe { drop_waiting(address) },
        }
    }
}

impl<T> Handle<T> {
    /// Drops the result, which came before the handle was dropped.
    #[cold]
    fn settle(&self) {
        // SAFETY: `DONE` is set, and the handle did not take the result.
        let value = unsafe { TaskHead::take_ended::<T>(self.task) }.unwanted();
        // SAFETY: this is the handle, in its drop.
        unsafe { TaskHead::leave_as_handle(self.task) };
        // Last, because a drop may panic.
        drop(value);
    }

    /// Registers `waiting`, if nothing is registered. Returns `false` if the task is done.
    pub(super) fn register(&self, waiting: Box<Waiting>) -> bool {
        let waiting = Box::into_raw(waiting);
        let address = waiting.expose_provenance();
        if self.head().state.register_waker(address) {
            return true;
        }
        // SAFETY: the address was refused, and is still this call's.
        drop(unsafe { take_waiting(address) });
        false
    }

    /// Takes back what is registered, unless the task is done.
    pub(super) fn withdraw(&mut self) -> Option<Box<Waiting>> {
        // SAFETY: `withdraw` gave it to this call.
        self.head().state.withdraw().map(|address| unsafe { take_waiting(address) })
    }

    /// Drops what is registered, unless the task is done.
    #[inline]
    pub(crate) fn forget_waiting(&mut self) {
        if let Some(address) = self.head().state.withdraw() {
            // SAFETY: `withdraw` gave it to this call.
            unsafe { drop_waiting(address) };
        }
    }

    /// Returns whether the task is done. If not, registers `waker` in place of the last call's.
    ///
    /// # Panics
    /// As `join`, in the child of a `fork()`.
    pub(crate) fn poll_done(&mut self, waker: &Waker) -> bool {
        sim::poll_for(self.pool.addr());
        if self.is_finished() {
            return true;
        }
        if self.is_lost(Worker::current()) {
            generation::refuse();
        }
        // The user's code runs while no step is half done: a waker is cloned before `register`, and
        // the old one is dropped after it.
        let (waiting, _outdated) = match self.withdraw() {
            Some(same) if same.is_future_of(waker) => (same, None),
            other => (Box::new(Waiting::Future(waker.clone())), other),
        };
        !self.register(waiting)
    }
}
