//! Spawned tasks: one block of memory each (`sync/slab.rs`), which holds the task's state, its
//! closure, and later its result.
//!
//! Two parties refer to the block: the *entry*, a [`JobRef`] in some queue, and the *handle*.
//! `state.rs` says which of them runs the task, takes the result and frees the block. The task is
//! run by
//! - the worker that takes the entry out of its queue;
//! - or a worker of the same pool that joins the handle first. The entry is then *empty*: the
//!   worker that takes it out only lets it go;
//! - or, if a worker of another pool joins the handle, a worker that takes its request
//!   (`request.rs`).
//!
//! If the handle cancels the task before one of these begins, the task is not run (`cancel.rs`). A
//! task without a closure is ended by its completer (`completer.rs`).
//!
//! The task's [`Home`] is a scope or the pool. It keeps the task's panic until the handle takes it,
//! and is told when the task has ended.

#![allow(unsafe_code)]

mod cancel;
mod completer;
mod error;
pub(crate) mod fifo;
mod request;
mod state;
mod timed;
mod waiting;

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, offset_of};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::sync::Arc;

use crate::job::outcome::{self, Payload};

use crate::latch::{Awaited, EXTERNAL, Wait};
use crate::os::generation;
use crate::sim;
use crate::sync::slab;
use crate::sync::{Parker, wait_outside};
use crate::worker::event::Sleeper;
use crate::worker::shared::Registry;
use crate::worker::{Execute, Header, JobRef, Worker, shared};
pub use completer::Completer;
pub(crate) use completer::new_completer;
pub use error::JoinError;
use request::Requested;
use state::{Detached, Done, TaskState};
pub(crate) use waiting::Waiting;
use waiting::{drop_waiting, take_waiting};

/// The scope or pool that a task belongs to.
pub(crate) trait Home: Copy {
    /// Takes a panic that no handle can ask for.
    fn take_panic(self, payload: Payload, registry: &Registry);

    /// Keeps a panic that a handle may still ask for.
    fn keep_panic(self, payload: Payload, registry: &Registry) -> Kept;

    /// Returns a panic to the handle.
    fn give_panic(self, kept: Kept) -> Payload;

    /// Takes a panic that was kept for a handle which was then dropped without asking for it.
    fn claim_panic(self, kept: Kept);

    /// Called when the task has ended. It may be called before that if the joiner runs the task,
    /// since the joiner keeps the home from ending. The home may be gone when this returns.
    fn task_ended(self, worker: &Worker);
}

/// The result of a task, in its block.
enum Ended<T> {
    Value(T),
    Panic(Kept),
    Cancelled,
}

/// A panic that waits for its handle.
pub(crate) enum Kept {
    /// In the task's block, with the pool whose panic handler gets it if the handle is dropped.
    ByTask(Box<(Payload, Arc<Registry>)>),
    /// In the scope, under this number.
    ByScope(usize),
}

/// The first field of every task.
#[repr(C)]
pub(super) struct TaskHead {
    header: Header,
    state: TaskState,
}

/// The functions of a task that depend on the types of its closure and its home.
#[repr(C)]
struct Table {
    execute: Execute,
    /// Runs the closure of a task that the caller claimed, and writes the result into the block.
    run: unsafe fn(NonNull<TaskHead>, &Worker),
    /// Drops the closure of a task that the caller claimed, and says so in the block. Returns a
    /// panic of the drop.
    cancel: unsafe fn(NonNull<TaskHead>) -> Result<(), Payload>,
    /// Tells the home that the task has ended.
    task_ended: unsafe fn(NonNull<TaskHead>, &Worker),
    /// `Home::give_panic`.
    give_panic: unsafe fn(NonNull<TaskHead>, Kept) -> Payload,
    /// `Home::claim_panic`.
    claim_panic: unsafe fn(NonNull<TaskHead>, Kept),
    /// Frees the block, in which neither closure nor result is left.
    free: unsafe fn(NonNull<TaskHead>),
    /// The offset of the result in the block.
    ended_at: usize,
}

#[repr(C)]
struct Task<F, T, H> {
    head: TaskHead,
    home: H,
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

/// Makes a task of isolation tag `tag`. Returns its entry, which the caller queues, and its handle.
///
/// # Safety
/// 1. The entry is queued at the registry whose address is `pool`, and is run.
/// 2. `closure` and its result may be used on another thread until `home` is told that the task has
///    ended. The handle does not outlive what they borrow.
#[inline]
pub(crate) unsafe fn new_task<F, T, H>(
    closure: F,
    home: H,
    pool: *const Registry,
    tag: usize,
) -> (JobRef, Handle<T>)
where
    F: FnOnce() -> T,
    H: Home,
{
    // SAFETY: the table is made for this type, whose first field is the header, and begins with
    // `execute`.
    let mut header = unsafe { Header::new(NonNull::from(Task::<F, T, H>::TABLE).cast()) };
    header.set_tag(tag);
    let block = slab::take::<Task<F, T, H>>();
    let task = block.as_ptr();
    // Field by field, so that a large closure is copied once.
    // SAFETY: the block is for this type, and this function's alone.
    unsafe {
        (&raw mut (*task).head).write(TaskHead { header, state: TaskState::new() });
        (&raw mut (*task).home).write(home);
        (&raw mut (*task).content).cast::<F>().write_unaligned(closure);
    }
    // SAFETY: the block lives until the entry is gone; the tag is set; there is one reference;
    // the rest is this function's premise.
    let job = unsafe { JobRef::new(block.cast()) };
    (job, Handle { task: block.cast(), pool, result: PhantomData })
}

impl<F, T, H> Task<F, T, H>
where
    F: FnOnce() -> T,
    H: Home,
{
    const TABLE: &'static Table = &Table {
        execute: Self::execute,
        run: Self::run,
        cancel: Self::cancel,
        task_ended: Self::task_ended,
        give_panic: Self::give_panic,
        claim_panic: Self::claim_panic,
        free: Self::free,
        ended_at: offset_of!(Self, content),
    };

    /// Runs a task for its entry.
    ///
    /// # Safety
    /// As `JobRef::execute`; the job is a `Task<F, T, H>`.
    unsafe fn execute(job: JobRef, worker: &Worker) {
        let this: NonNull<Self> = job.cast();
        // SAFETY: the block is alive until the entry, which is this call, is gone.
        let head = unsafe { &(*this.as_ptr()).head };
        if head.state.is_detached() {
            // SAFETY: the handle has gone, so only this call refers to the block.
            unsafe { Self::execute_detached(this, worker) }
        } else {
            // SAFETY: as this function.
            unsafe { Self::execute_joinable(this, worker) }
        }
    }

    /// Runs a task whose handle has gone. The block is freed first, while it is in the cache.
    ///
    /// # Safety
    /// Only the caller refers to the block; the task has not run.
    #[inline]
    unsafe fn execute_detached(this: NonNull<Self>, worker: &Worker) {
        // SAFETY: by the premise, the closure is there, and is read once.
        let closure = unsafe { Self::take_closure(this) };
        // SAFETY: the block is alive.
        let home = unsafe { (*this.as_ptr()).home };
        // SAFETY: nothing refers to the block after this.
        unsafe { Self::free(this.cast()) };
        worker.count_task();
        // The value is dropped inside, so that a panic of its drop counts as the task's.
        if let Err(payload) = worker.run_users(|| drop(closure())) {
            home.take_panic(payload, worker.registry());
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
        // The load may save the write.
        if head.state.is_claimed() || !head.state.claim() {
            // SAFETY: this call is the entry.
            return unsafe { Self::execute_empty(this, worker) };
        }
        // A handle may be joined to wait for this task: see `Header::tag`.
        let outer = worker.enter_tag(block.as_ptr().expose_provenance());
        // SAFETY: claimed.
        unsafe { Self::run(block, worker) };
        worker.leave_tag(outer);
        let done = head.state.finish();
        // SAFETY: the block is alive, and so is the home until it is told that the task has ended.
        let home = unsafe { (*this.as_ptr()).home };
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

    /// Lets go an empty entry: that of a task which another thread runs, or has run or cancelled.
    ///
    /// # Safety
    /// The caller holds the entry.
    unsafe fn execute_empty(this: NonNull<Self>, worker: &Worker) {
        // SAFETY: the block is alive until the entry is gone.
        let home = unsafe { (*this.as_ptr()).home };
        // SAFETY: as above.
        let is_cancelled = unsafe { (*this.as_ptr()).head.state.is_cancelled() };
        // SAFETY: this call is the entry.
        unsafe { TaskHead::leave_as_entry(this.cast()) };
        if is_cancelled || entry_tells_home(worker) {
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
        match ended {
            Ended::Value(value) => {
                if let Err(payload) = worker.run_users(|| drop(value)) {
                    home.take_panic(payload, worker.registry());
                }
            }
            Ended::Panic(kept) => home.claim_panic(kept),
            Ended::Cancelled => {}
        }
    }

    /// `Table::run`.
    ///
    /// # Safety
    /// `block` is a `Task<F, T, H>` that the caller claimed and has not run yet.
    unsafe fn run(block: NonNull<TaskHead>, worker: &Worker) {
        let this = block.cast::<Self>();
        // SAFETY: only the thread that has claimed the task reads the closure, once.
        let closure = unsafe { Self::take_closure(this) };
        worker.count_task();
        let ended = match worker.run_users(closure) {
            Ok(value) => Ended::Value(value),
            Err(payload) => {
                // SAFETY: as in `execute_joinable`.
                let home = unsafe { (*this.as_ptr()).home };
                Ended::Panic(home.keep_panic(payload, worker.registry()))
            }
        };
        // SAFETY: no thread reads the result before `DONE` is set or this call returns.
        unsafe { Self::put_ended(this, ended) };
    }

    /// `Table::cancel`.
    ///
    /// # Safety
    /// `block` is a live `Task<F, T, H>` that the caller claimed and has not run.
    unsafe fn cancel(block: NonNull<TaskHead>) -> Result<(), Payload> {
        let this = block.cast::<Self>();
        // SAFETY: only the thread that has claimed the task takes the closure, once.
        let dropped = outcome::run(|| drop(unsafe { Self::take_closure(this) }));
        // SAFETY: no thread reads the result before `DONE` is set.
        unsafe { Self::put_ended(this, Ended::Cancelled) };
        dropped
    }

    /// # Safety
    /// The closure was taken out of `this`, and no other thread uses its place.
    unsafe fn put_ended(this: NonNull<Self>, ended: Ended<T>) {
        // SAFETY: by the premise.
        unsafe { (*this.as_ptr()).content.get().cast::<Ended<T>>().write_unaligned(ended) };
    }

    /// `Table::task_ended`.
    ///
    /// # Safety
    /// `block` is a live `Task<F, T, H>` that has run; called once.
    unsafe fn task_ended(block: NonNull<TaskHead>, worker: &Worker) {
        // SAFETY: the block is alive.
        unsafe { (*block.cast::<Self>().as_ptr()).home }.task_ended(worker);
    }

    /// `Table::give_panic`.
    ///
    /// # Safety
    /// `block` is a live `Task<F, T, H>`, its home is alive, and `kept` is this task's.
    unsafe fn give_panic(block: NonNull<TaskHead>, kept: Kept) -> Payload {
        // SAFETY: the block is alive.
        unsafe { (*block.cast::<Self>().as_ptr()).home }.give_panic(kept)
    }

    /// `Table::claim_panic`.
    ///
    /// # Safety
    /// As `give_panic`.
    unsafe fn claim_panic(block: NonNull<TaskHead>, kept: Kept) {
        // SAFETY: the block is alive.
        unsafe { (*block.cast::<Self>().as_ptr()).home }.claim_panic(kept);
    }

    /// `Table::free`.
    ///
    /// # Safety
    /// `block` is a `Task<F, T, H>` to which nothing else refers; closure and result are gone.
    unsafe fn free(block: NonNull<TaskHead>) {
        // SAFETY: the block came from `slab::take` in `new_task`; nothing in it needs a drop.
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
    /// The head of a job that is queued like a task but is none, and has no handle (`fifo.rs`).
    ///
    /// # Safety
    /// `table` is made for the type that begins with this.
    pub(super) unsafe fn new(table: &'static Execute, tag: usize) -> Self {
        // SAFETY: by the premise.
        let mut header = unsafe { Header::new(NonNull::from(table)) };
        header.set_tag(tag);
        TaskHead { header, state: TaskState::new() }
    }

    /// The table of a task (not of a job that is none).
    fn table(&self) -> &'static Table {
        // SAFETY: a task's header has a whole `Table`, whose first entry it points to.
        unsafe { self.header.table().cast().as_ref() }
    }

    /// # Safety
    /// `task` has the result type `T`; the result is there, and is taken once.
    unsafe fn take_ended<T>(task: NonNull<TaskHead>) -> Ended<T> {
        // SAFETY: by the premise; the table knows the place.
        unsafe { task.byte_add(task.as_ref().table().ended_at).cast::<Ended<T>>().read_unaligned() }
    }

    /// The entry goes, and frees the block if the handle has gone.
    ///
    /// # Safety
    /// The caller is the entry, and does not touch the block again.
    unsafe fn leave_as_entry(block: NonNull<TaskHead>) {
        // SAFETY: the block is alive until this party has left.
        let free = unsafe { block.as_ref() }.table().free;
        // SAFETY: as above.
        if unsafe { block.as_ref() }.state.leave_as_entry() {
            // SAFETY: both parties have gone.
            unsafe { free(block) };
        }
    }

    /// The handle goes, and frees the block if the entry has gone.
    ///
    /// # Safety
    /// As `leave_as_entry`, of the handle.
    unsafe fn leave_as_handle(block: NonNull<TaskHead>) {
        // SAFETY: the block is alive until this party has left.
        let free = unsafe { block.as_ref() }.table().free;
        // SAFETY: as above.
        if unsafe { block.as_ref() }.state.leave_as_handle() {
            // SAFETY: both parties have gone.
            unsafe { free(block) };
        }
    }
}

/// Claims a task for a request. Returns `false` if a thread runs it already, or has run it.
///
/// # Safety
/// `task` is alive.
pub(super) unsafe fn claim(task: NonNull<TaskHead>) -> bool {
    // SAFETY: by the premise.
    unsafe { task.as_ref() }.state.claim()
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
    // SAFETY: claimed, and not run yet.
    unsafe { (head.table().run)(task, worker) };
    worker.leave_tag(outer);
    if !entry_tells_home(worker) {
        // SAFETY: as in `Handle::run_here`: the joiner is in the home, and waits.
        unsafe { (head.table().task_ended)(task, worker) };
    }
    // The handle waits, so this is never `Done::Settle`. The block may be gone after this.
    if let Done::Wake(address) = head.state.finish() {
        // SAFETY: `finish` gave it to this call.
        unsafe { take_waiting(address) }.wake_on(worker);
    }
}

/// Whether the empty entry, and not the joiner, tells the home that a task has ended. That keeps
/// the ancestors of the empty entry alive, in pools whose waits look at ancestors.
fn entry_tells_home(worker: &Worker) -> bool {
    worker.waits_for_own_work()
}

/// Whether the job is the empty entry of a task whose handle has gone.
///
/// # Safety
/// The job begins with a `TaskHead`: it is a task's entry or a placeholder (`fifo.rs`).
unsafe fn is_empty_entry(job: &JobRef) -> bool {
    // SAFETY: by the premise; the entry keeps it alive.
    unsafe { job.header().cast::<TaskHead>().as_ref() }.state.is_entry_empty()
}

/// The party that has the right to a task's result.
pub(crate) struct Handle<T> {
    task: NonNull<TaskHead>,
    /// The task's pool: an identity, never dereferenced.
    pool: *const Registry,
    result: PhantomData<T>,
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
    fn head(&self) -> &TaskHead {
        // SAFETY: the block is alive until the handle leaves.
        unsafe { self.task.as_ref() }
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
    /// If this is the child of a `fork()` and the task is one of the parent's that has not ended.
    pub(crate) fn join(mut self) -> Result<T, JoinError> {
        self.forget_waiting();
        match Worker::current() {
            Some(worker) if self.claim(worker) => self.run_here(worker),
            caller if self.is_lost(caller) => generation::refuse(),
            Some(worker) => {
                let request = self.request(worker);
                let wait = HandleWait { handle: &self, worker, asked: Cell::new(false) };
                worker.wait_until(&wait);
                drop(request);
                self.take()
            }
            None => {
                let parker = Parker::new();
                if self.ask_wake(Sleeper::Outside(parker.unparker().clone())) {
                    wait_outside(&parker, self.pool.addr(), || self.is_finished());
                }
                self.take()
            }
        }
    }

    /// Whether the task will never end, since its pool is the parent's of this `fork()`'s child.
    fn is_lost(&self, caller: Option<&Worker>) -> bool {
        let is_in = |worker: &Worker| std::ptr::eq(self.pool, worker.registry());
        let is_own = self.is_external() || caller.is_some_and(is_in);
        // In this order: the pool is in the list until the task has ended.
        let is_unknown = || !shared::has_registry_at(self.pool.addr());
        !is_own && !self.is_finished() && is_unknown() && !self.is_finished()
    }

    /// Claims the task, if `worker` may run it here: it is of the same pool, and either tasks need
    /// not begin in order or the wait may not run those that come first.
    fn claim(&self, worker: &Worker) -> bool {
        let state = &self.head().state;
        // The load of `is_claimed` may save the write.
        std::ptr::eq(self.pool, worker.registry())
            && !(worker.runs_in_order() && worker.may_run_any_task())
            && !state.is_claimed()
            && state.claim()
    }

    /// Whether it is that of a completer.
    fn is_external(&self) -> bool {
        self.pool.addr() == EXTERNAL
    }

    /// Asks the task's pool to begin the task, if the joiner is a worker of another pool.
    fn request(&self, joiner: &Worker) -> Option<Requested> {
        let is_others = !std::ptr::eq(self.pool, joiner.registry());
        if !is_others || self.head().state.is_claimed() {
            return None;
        }
        // The pool is in the list until the task has ended.
        let registry = shared::registry_at(self.pool.addr())?;
        // SAFETY: the request is revoked before the handle takes the result.
        let requested = unsafe { Requested::new(self.task, &registry, joiner.tag()) };
        outcome::discard(registry);
        Some(requested)
    }

    /// Runs the task, which the caller has claimed. Then drops the empty entries at the newest end
    /// of the worker's queue, so that they do not pile up.
    fn run_here(self, worker: &Worker) -> Result<T, JoinError> {
        let block = self.task;
        let run = self.head().table().run;
        // SAFETY: claimed, and not run yet.
        worker.run_in_place(|| unsafe { run(block, worker) });
        if !entry_tells_home(worker) {
            // SAFETY: it has run. The caller is in the home, and keeps it alive.
            unsafe { (self.head().table().task_ended)(block, worker) };
        }
        let result = self.take();
        worker.drop_empty_entries(|job| {
            // SAFETY: buffers and batches hold entries and placeholders.
            unsafe { is_empty_entry(job) }
        });
        result
    }

    /// Registers `sleeper`, to be woken when the task is done. Returns `false` if it is done.
    fn ask_wake(&self, sleeper: Sleeper) -> bool {
        self.register(Box::new(Waiting::Thread(sleeper)))
    }

    /// Takes the result, or returns the handle if the task is not done.
    pub(crate) fn try_take(self) -> Result<Result<T, JoinError>, Self> {
        if self.is_finished() { Ok(self.take()) } else { Err(self) }
    }

    /// Takes the result, which has to be there.
    fn take(self) -> Result<T, JoinError> {
        let this = ManuallyDrop::new(self);
        // SAFETY: the result is there, and the handle takes it here, once.
        let ended = unsafe { TaskHead::take_ended(this.task) };
        let result = match ended {
            Ended::Value(value) => Ok(value),
            // SAFETY: the block is alive until the handle leaves. So is its home: a scope's handle
            // cannot be used after the scope.
            Ended::Panic(kept) => Err(JoinError::panicked(unsafe {
                (this.head().table().give_panic)(this.task, kept)
            })),
            Ended::Cancelled => Err(JoinError::cancelled()),
        };
        // SAFETY: this is the handle, and it is not dropped.
        unsafe { TaskHead::leave_as_handle(this.task) };
        result
    }
}

/// A worker's wait for a task that another runs.
struct HandleWait<'a, T> {
    handle: &'a Handle<T>,
    worker: &'a Worker,
    /// Whether the worker's `Sleeper` is registered.
    asked: Cell<bool>,
}

impl<T> Wait for HandleWait<'_, T> {
    fn done(&self) -> bool {
        self.handle.is_finished()
    }

    fn what(&self) -> Awaited {
        Awaited::Task
    }

    fn elsewhere(&self) -> Option<usize> {
        let pool = self.handle.pool;
        let is_own = std::ptr::eq(pool, self.worker.registry());
        (!is_own && !self.is_external()).then(|| pool.addr())
    }

    fn is_external(&self) -> bool {
        self.handle.is_external()
    }

    fn tag(&self) -> Option<usize> {
        Some(self.handle.task.as_ptr().addr())
    }

    fn ask_wake(&self) -> bool {
        if !self.asked.get() {
            self.asked.set(self.handle.ask_wake(Sleeper::worker(self.worker, self)));
        }
        self.asked.get()
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
        let value = match unsafe { TaskHead::take_ended::<T>(self.task) } {
            Ended::Value(value) => Some(value),
            Ended::Panic(kept) => {
                // SAFETY: as in `take`.
                unsafe { (self.head().table().claim_panic)(self.task, kept) };
                None
            }
            Ended::Cancelled => None,
        };
        // SAFETY: this is the handle, in its drop.
        unsafe { TaskHead::leave_as_handle(self.task) };
        // Last, because a drop may panic.
        drop(value);
    }
}
