//! The block of memory of a task, and how the task runs.

use std::any::type_name;
use std::cell::UnsafeCell;
use std::mem::{ManuallyDrop, offset_of};
use std::ptr::NonNull;

use super::head;
use super::home::{Ended, Home, drop_stopped, stop_joinable, take_panic, unwound};
use super::state::{Done, TaskState};
use super::waiting::take_waiting;
use crate::context::CancelReason;
use crate::job::outcome::{self, Payload};
use crate::sync::slab;
use crate::worker::{ContextRef, JobRef, Table as JobTable, Worker};

pub(super) type TaskHead = head::TaskHead<Worker>;

/// The functions of a task that depend on the types of its closure and its home.
#[repr(C)]
pub(super) struct Table {
    pub(super) job: JobTable,
    /// Runs the closure of a task that the caller claimed, or drops it if the task is cancelled,
    /// and writes the result into the block. For a joiner (the last argument), also tells the home
    /// that the task has ended, unless the empty entry tells it.
    pub(super) run: unsafe fn(NonNull<TaskHead>, &Worker, bool),
    /// Drops the closure of a task that the caller claimed, and writes `Ended::Cancelled` into the
    /// block. If the drop panics, returns the panic.
    pub(super) cancel: unsafe fn(NonNull<TaskHead>, CancelReason) -> Result<(), Payload>,
    /// `Home::context`.
    pub(super) context: unsafe fn(NonNull<TaskHead>) -> ContextRef,
    /// Frees the block, in which neither closure nor result is left.
    pub(super) free: unsafe fn(NonNull<TaskHead>),
    /// The offset of the result in the block.
    pub(super) ended_at: usize,
}

#[repr(C)]
pub(super) struct Task<F, T, H> {
    pub(super) head: TaskHead,
    pub(super) home: H,
    content: UnsafeCell<Content<F, T>>,
}

/// The closure until the task runs, then the result. Both are at offset 0: see `Table::ended_at`.
///
/// Packed, so that no block needs a large alignment. Both are moved in and out, never used in
/// place.
#[repr(C, packed(8))]
union Content<F, T> {
    closure: ManuallyDrop<F>,
    ended: ManuallyDrop<Ended<T>>,
}

impl<F, T, H> Task<F, T, H>
where
    F: FnOnce() -> T,
    H: Home,
{
    /// Makes a task of isolation tag `tag`. The caller makes its entry and its handle.
    #[inline(always)]
    pub(super) fn make(closure: F, home: H, tag: usize) -> NonNull<TaskHead> {
        let block = slab::take::<Self>();
        let task = block.as_ptr();
        // SAFETY: the table is made for this type, which begins with the header, and the table with
        // that of a job.
        let head =
            unsafe { TaskHead::new(NonNull::from(Self::TABLE).cast(), tag, TaskState::new()) };
        // Field by field, so that a large closure is copied once.
        // SAFETY: the block is for this type, and this function's alone.
        unsafe {
            (&raw mut (*task).head).write(head);
            (&raw mut (*task).home).write(home);
            (&raw mut (*task).content).cast::<F>().write_unaligned(closure);
        }
        block.cast()
    }

    pub(super) const TABLE: &'static Table = &Table {
        job: JobTable { is_empty: is_claimed, ..JobTable::new(Self::execute, type_name::<F>) },
        run: Self::run,
        cancel: Self::cancel,
        // SAFETY: by the premise of the entry.
        context: |block| unsafe { Self::home(block.cast()) }.context(),
        free: Self::free,
        ended_at: offset_of!(Self, content),
    };

    /// Runs a task for its entry. (Each branch is a tail call, so this needs no frame.)
    ///
    /// # Safety
    /// As `JobRef::execute`; the job is a `Task<F, T, H>`.
    unsafe fn execute(job: JobRef, worker: &Worker) {
        let this: NonNull<Self> = job.cast();
        // SAFETY: the block is alive until the entry, which is this call, is gone.
        let state = unsafe { &(*this.as_ptr()).head.state };
        if state.is_detached_unclaimed() {
            // SAFETY: the handle has gone, so only this call refers to the block.
            unsafe { Self::execute_detached(this, worker) }
        } else if state.is_claimed() {
            // SAFETY: as this function.
            unsafe { Self::execute_empty(this, worker) }
        } else {
            // SAFETY: as this function.
            unsafe { Self::execute_joinable(this, worker) }
        }
    }

    /// Runs a task whose handle has gone. Frees the block first, while it is in the cache.
    ///
    /// # Safety
    /// Only the caller refers to the block; the task has not run.
    #[inline(never)]
    unsafe fn execute_detached(this: NonNull<Self>, worker: &Worker) {
        // SAFETY: the block is alive.
        let home = unsafe { Self::home(this) };
        // SAFETY: by the premise, the closure is there. One branch calls this, once, and nothing
        // refers to the block afterwards.
        let take = || unsafe {
            let closure = Self::take_closure(this);
            Self::free(this.cast());
            closure
        };
        home.detached_begins(worker);
        let context = home.context();
        if let Some(reason) = home.cancelled(context, worker.registry()) {
            return drop_stopped(take(), home, reason, worker);
        }
        worker.count_task();
        // The closure is taken inside, so that a large one is copied once. The value is dropped
        // inside, so that a panic of its drop counts as the task's.
        let run = || worker.run_users(|| drop(take()()));
        if let Err(payload) = worker.under(context, run) {
            take_panic(home, payload, worker);
        }
        home.task_ended(worker);
    }

    /// Runs a task whose handle may still be used, unless another thread has claimed it.
    ///
    /// # Safety
    /// The caller holds the task's entry.
    #[cold]
    unsafe fn execute_joinable(this: NonNull<Self>, worker: &Worker) {
        let block: NonNull<TaskHead> = this.cast();
        // SAFETY: the block is alive until the entry is gone, below.
        let head = unsafe { &(*this.as_ptr()).head };
        if !head.state.claim() {
            // SAFETY: this call is the entry.
            return unsafe { Self::execute_empty(this, worker) };
        }
        // A handle may be joined to wait for this task: see `Header::tag`.
        let outer = worker.enter_tag(block.as_ptr().expose_provenance());
        // SAFETY: claimed.
        unsafe { (head.table().run)(block, worker, false) };
        worker.set_word(outer);
        let done = head.state.finish();
        // SAFETY: the block is alive. The home is alive until `task_ended` is called.
        let home = unsafe { Self::home(this) };
        if done == Done::Settle {
            // SAFETY: the handle went before the result came, so this call owns result and block.
            unsafe { Self::settle(this, home, worker) };
        } else {
            if let Done::Wake(address) = done {
                // SAFETY: `finish` gave it to this call.
                unsafe { take_waiting(address) }.wake_on(worker);
            }
            // SAFETY: this call is the entry; nothing uses `head` after this.
            unsafe { TaskHead::leave_as_entry(block) };
        }
        home.task_ended(worker);
    }

    /// Releases an empty entry: that of a task which another thread runs, or has run or cancelled.
    ///
    /// # Safety
    /// The caller holds the entry.
    #[inline(never)]
    unsafe fn execute_empty(this: NonNull<Self>, worker: &Worker) {
        // SAFETY: the block is alive until the entry is gone.
        let home = unsafe { Self::home(this) };
        // SAFETY: as above.
        let head = unsafe { &(*this.as_ptr()).head };
        let is_cancelled = head.state.is_cancelled();
        if head.state.leave_as_entry() {
            // SAFETY: both parties have gone.
            unsafe { Self::free(this.cast()) };
        }
        if is_cancelled {
            worker.count_cancelled(false);
        }
        if is_cancelled || Self::entry_tells_home(worker) {
            home.task_ended(worker);
        }
    }

    /// Drops the result of a task whose handle went while it ran, and frees the block.
    ///
    /// # Safety
    /// The result is there; only the caller refers to the block.
    unsafe fn settle(this: NonNull<Self>, home: H, worker: &Worker) {
        // SAFETY: by the premise.
        let ended = unsafe { TaskHead::take_ended::<T>(this.cast()) };
        // SAFETY: by the premise.
        unsafe { Self::free(this.cast()) };
        let value = ended.unwanted();
        if let Err(payload) = worker.run_users(|| drop(value)) {
            take_panic(home, payload, worker);
        }
    }

    /// `Table::run`.
    ///
    /// # Safety
    /// `block` is a `Task<F, T, H>` that the caller claimed and has not run yet.
    unsafe fn run(block: NonNull<TaskHead>, worker: &Worker, joins: bool) {
        let this = block.cast::<Self>();
        // SAFETY: only the thread that has claimed the task reads the closure, once.
        let take = || unsafe { Self::take_closure(this) };
        // SAFETY: as in `execute_joinable`.
        let home = unsafe { Self::home(this) };
        let context = home.context();
        let ended = match home.cancelled(context, worker.registry()) {
            None => {
                worker.count_task();
                match worker.under(context, || worker.run_users(|| take()())) {
                    Ok(value) => Ended::Value(value),
                    Err(payload) => unwound(payload, home, worker),
                }
            }
            Some(reason) => stop_joinable(take(), home, reason, worker),
        };
        // SAFETY: no thread reads the result before `DONE` is set or this call returns.
        unsafe { (*this.as_ptr()).content.get().cast::<Ended<T>>().write_unaligned(ended) };
        if joins && !Self::entry_tells_home(worker) {
            home.task_ended(worker);
        }
    }

    /// `Table::cancel`.
    ///
    /// # Safety
    /// `block` is a live `Task<F, T, H>` that the caller claimed and has not run.
    unsafe fn cancel(block: NonNull<TaskHead>, reason: CancelReason) -> Result<(), Payload> {
        let this = block.cast::<Self>();
        // SAFETY: only the thread that has claimed the task takes the closure, once.
        let dropped = outcome::run(|| drop(unsafe { Self::take_closure(this) }));
        // SAFETY: no thread reads the result before `DONE` is set.
        unsafe { TaskHead::put_ended(block, Ended::<T>::Cancelled(reason)) };
        dropped
    }

    /// Whether the empty entry, and not the joiner, tells the home that a task has ended. In pools
    /// whose waits look at ancestors, this keeps the ancestors of the empty entry alive.
    fn entry_tells_home(worker: &Worker) -> bool {
        H::HAS_TAG && worker.waits_for_own_work()
    }

    /// # Safety
    /// `this` is alive.
    unsafe fn home(this: NonNull<Self>) -> H {
        // SAFETY: by the premise.
        unsafe { (*this.as_ptr()).home }
    }

    /// `Table::free`.
    ///
    /// # Safety
    /// `block` is a `Task<F, T, H>` to which nothing else refers; closure and result are gone.
    #[inline]
    pub(super) unsafe fn free(block: NonNull<TaskHead>) {
        // SAFETY: the block came from `slab::take` in `make`; nothing in it needs a drop.
        unsafe { slab::give(block.cast::<Self>()) };
    }

    /// # Safety
    /// `this` is alive, and its closure has not been taken.
    unsafe fn take_closure(this: NonNull<Self>) -> F {
        // SAFETY: by the premise.
        unsafe { (*this.as_ptr()).content.get().cast::<F>().read_unaligned() }
    }
}

impl TaskHead {
    pub(super) fn table(&self) -> &'static Table {
        // SAFETY: a task's header has a whole `Table`, whose first entry it points to.
        unsafe { self.header.table().cast().as_ref() }
    }

    /// # Safety
    /// `task` has the result type `T`. No closure is left in it, and no other thread uses its
    /// place.
    pub(super) unsafe fn put_ended<T>(task: NonNull<TaskHead>, ended: Ended<T>) {
        // SAFETY: as in `take_ended`.
        unsafe { Self::ended(task).write_unaligned(ended) };
    }

    /// # Safety
    /// `task` has the result type `T`; the result is there, and is taken once.
    pub(super) unsafe fn take_ended<T>(task: NonNull<TaskHead>) -> Ended<T> {
        // SAFETY: by the premise.
        unsafe { Self::ended(task).read_unaligned() }
    }

    /// The place of the result.
    ///
    /// # Safety
    /// `task` is alive.
    unsafe fn ended<T>(task: NonNull<TaskHead>) -> NonNull<Ended<T>> {
        // SAFETY: by the premise; the table knows the place, which is in the block.
        unsafe { task.byte_add(task.as_ref().table().ended_at).cast() }
    }

    /// The entry goes, and frees the block if the handle has gone.
    ///
    /// # Safety
    /// The caller is the entry, and does not touch the block again.
    pub(super) unsafe fn leave_as_entry(block: NonNull<TaskHead>) {
        // SAFETY: the block is alive until this party has left.
        if unsafe { block.as_ref() }.state.leave_as_entry() {
            // SAFETY: both parties have gone.
            unsafe { (block.as_ref().table().free)(block) };
        }
    }

    /// The handle goes, and frees the block if the entry has gone.
    ///
    /// # Safety
    /// As `leave_as_entry`, of the handle.
    pub(super) unsafe fn leave_as_handle(block: NonNull<TaskHead>) {
        // SAFETY: the block is alive until this party has left.
        if unsafe { block.as_ref() }.state.leave_as_handle() {
            // SAFETY: both parties have gone.
            unsafe { (block.as_ref().table().free)(block) };
        }
    }
}

/// Runs a task for a request.
///
/// # Safety
/// The caller has claimed `task`, whose handle is being joined.
pub(super) unsafe fn run_claimed(task: NonNull<TaskHead>, worker: &Worker) {
    // SAFETY: the handle, which waits for `DONE`, keeps the block alive.
    let head = unsafe { task.as_ref() };
    // As in `execute_joinable`.
    let outer = worker.enter_tag(task.as_ptr().expose_provenance());
    // SAFETY: claimed, and not run yet. The joiner is in the home, and waits.
    worker.at_least(head.word(), || unsafe { (head.table().run)(task, worker, true) });
    worker.set_word(outer);
    // The handle waits, so this is never `Done::Settle`. The block may be gone after this.
    if let Done::Wake(address) = head.state.finish() {
        // SAFETY: `finish` gave it to this call.
        unsafe { take_waiting(address) }.wake_on(worker);
    }
}

/// `Table::is_empty` of a task's entry.
///
/// # Safety
/// The job is a task's entry.
unsafe fn is_claimed(job: &JobRef) -> bool {
    // SAFETY: by the premise; the entry keeps it alive.
    unsafe { job.header().cast::<TaskHead>().as_ref() }.state.is_claimed()
}

/// Whether the job is the empty entry of a task whose handle has gone.
///
/// # Safety
/// The job begins with a `TaskHead`: it is a task's entry or a placeholder (`fifo.rs`).
pub(super) unsafe fn is_empty_entry(job: &JobRef) -> bool {
    // SAFETY: by the premise; the entry keeps it alive.
    unsafe { job.header().cast::<TaskHead>().as_ref() }.state.is_entry_empty()
}
