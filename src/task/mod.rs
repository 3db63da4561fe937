//! Spawned tasks: one block of memory each (`sync/slab.rs`), which holds the closure, then the
//! result, and the state that a handle needs.
//!
//! # Who owns the block
//! Two parties refer to it: the *entry*, the [`JobRef`] that stands in some queue until a worker
//! takes it out, and the *handle*. Each says when it is through (`ENTRY_GONE`; `HANDLE_GONE`, or
//! `DETACHED` before the result came); whoever finds that the other is through already frees the
//! block.
//!
//! # Who runs the task
//! Whoever sets `CLAIMED`: the worker that took the entry out; or a worker that joins the handle
//! before that, which then runs the task where it stands (the entry becomes an empty shell); or,
//! where a worker of another pool joins it, one that takes its ticket (`ticket.rs`). An entry whose
//! handle was dropped has no rival and needs no claim.
//!
//! # Who settles the result
//! The handle, unless it went before the result came: then the worker that ran the task. A value
//! nobody wants is dropped. A panic is kept by the task's [`Home`], or by the task for it, until
//! the handle asks for it.

#![allow(unsafe_code)]

pub(crate) mod fifo;
mod state;
mod ticket;

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, offset_of};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::thread;

use crate::job::outcome::{self, Payload};

use crate::latch::Awaited;
use crate::latch::Wait;
use crate::os::generation;
use crate::sim;
use crate::sync::slab;
use crate::sync::{Parker, wait_outside};
use crate::worker::event::Sleeper;
use crate::worker::shared::Registry;
use crate::worker::{Execute, Header, JobRef, Worker, shared};
use state::{Done, TaskState};
use ticket::Asked;

/// Whom to wake, at an address that fits into the state.
#[repr(align(64))]
struct Waiting(Sleeper);

const _: () = assert!(align_of::<Waiting>() >= state::ALIGN);

/// Where a task belongs: a scope, or the pool.
pub(crate) trait Home: Copy {
    /// Takes a panic that no handle can ask for.
    fn take_panic(self, payload: Payload, registry: &Registry);

    /// Keeps a panic that a handle may still ask for.
    fn keep_panic(self, payload: Payload, registry: &Registry) -> Kept;

    /// Gives a panic back to the handle, which asks for it.
    fn give_panic(self, kept: Kept) -> Payload;

    /// Takes a panic that the handle went without.
    fn claim_panic(self, kept: Kept);

    /// The task has ended; or its entry is gone, its joiner runs it, and does so while it is in the
    /// home itself, which therefore does not end before. The home may be gone when this returns.
    fn task_ended(self, worker: &Worker);
}

/// What a task came to, as its handle finds it.
enum Ended<T> {
    Value(T),
    Panic(Kept),
}

/// A panic that waits for its handle.
pub(crate) enum Kept {
    /// It is the task's, with the pool whose handler gets it should the handle be dropped.
    ByTask(Box<(Payload, Arc<Registry>)>),
    /// It is the scope's, under this number.
    ByScope(usize),
}

/// What every task begins with.
#[repr(C)]
pub(super) struct TaskHead {
    header: Header,
    state: TaskState,
}

/// What depends on the closure's and the home's types.
#[repr(C)]
struct Table {
    execute: Execute,
    /// Runs the closure of a task that the caller claimed, and keeps what it came to.
    run: unsafe fn(NonNull<TaskHead>, &Worker),
    /// Tells the home that the task has ended.
    task_ended: unsafe fn(NonNull<TaskHead>, &Worker),
    /// `Home::give_panic`.
    give_panic: unsafe fn(NonNull<TaskHead>, Kept) -> Payload,
    /// `Home::claim_panic`.
    claim_panic: unsafe fn(NonNull<TaskHead>, Kept),
    /// Frees the block; closure and result are gone already.
    free: unsafe fn(NonNull<TaskHead>),
    /// Where in the block the result is.
    ended_at: usize,
}

#[repr(C)]
struct Task<F, T, H> {
    head: TaskHead,
    home: H,
    content: UnsafeCell<Content<F, T>>,
}

/// The closure until the task runs, then what it came to. Both begin where this does, which
/// `Table::ended_at` relies on.
///
/// Packed, so that no block needs more alignment than common ones have: either is moved in and out,
/// and not used where it is.
#[repr(C, packed(8))]
union Content<F, T> {
    closure: ManuallyDrop<F>,
    ended: ManuallyDrop<Ended<T>>,
}

/// Makes a task: the job to queue, and the handle. `tag`: that of the task whose scope it is in.
///
/// # Safety
/// 1. The job is queued at a registry of which `pool` is the address, and is run.
/// 2. `closure` and its result may be used on another thread, until `home` has been told that
///    the task has ended; the handle does not outlive what they borrow.
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
    // Field by field, so that a large closure is not put together elsewhere first.
    // SAFETY: the memory is for this type, and nobody else's.
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
            // SAFETY: the handle was dropped unused, so that only this call has the block.
            unsafe { Self::execute_detached(this, worker) }
        } else {
            // SAFETY: as this function.
            unsafe { Self::execute_joinable(this, worker) }
        }
    }

    /// Runs a task whose handle is gone. The block is freed first, while it is warm.
    ///
    /// # Safety
    /// Only the caller refers to the block; the task has not run.
    #[inline]
    unsafe fn execute_detached(this: NonNull<Self>, worker: &Worker) {
        // SAFETY: by the premise, the closure is there, and is read once.
        let closure = unsafe { Self::take_closure(this) };
        // SAFETY: the block is alive.
        let home = unsafe { (*this.as_ptr()).home };
        // SAFETY: nobody refers to the block after this.
        unsafe { Self::free(this.cast()) };
        worker.count_task();
        // The value is dropped inside: a panic of its drop is the task's.
        if let Err(payload) = worker.run_users(|| drop(closure())) {
            home.take_panic(payload, worker.registry());
        }
        home.task_ended(worker);
    }

    /// Runs a task whose handle may still be used, unless its joiner does so already.
    ///
    /// # Safety
    /// The caller holds the task's entry.
    #[cold]
    unsafe fn execute_joinable(this: NonNull<Self>, worker: &Worker) {
        let block: NonNull<TaskHead> = this.cast();
        // SAFETY: the block is alive until the entry is gone, below.
        let head = unsafe { &(*this.as_ptr()).head };
        // The glance saves the write.
        if head.state.is_claimed() || !head.state.claim() {
            // SAFETY: this call is the shell.
            return unsafe { Self::execute_shell(this, worker) };
        }
        // Somebody may wait for this task: see `Header::tag`.
        let outer = worker.enter_tag(block.as_ptr().expose_provenance());
        // SAFETY: claimed.
        unsafe { Self::run(block, worker) };
        worker.leave_tag(outer);
        let done = head.state.finish();
        // SAFETY: the block is alive, as is the home until it is told that the task has ended.
        let home = unsafe { (*this.as_ptr()).home };
        if done == Done::Nobody {
            // SAFETY: the handle went before the result came, so that result and block are this
            // call's.
            unsafe { Self::settle(this, home, worker) };
        } else {
            if let Done::Sleeper(address) = done {
                // SAFETY: given to this call.
                unsafe { take_waiting(address) }.wake();
            }
            // SAFETY: this call is the entry; nothing uses `head` after this.
            unsafe { TaskHead::leave_as_entry(block) };
        }
        home.task_ended(worker);
    }

    /// For the entry of a task that its joiner runs, or has run.
    ///
    /// # Safety
    /// The caller holds the entry.
    unsafe fn execute_shell(this: NonNull<Self>, worker: &Worker) {
        // SAFETY: the block is alive until the entry is gone.
        let home = unsafe { (*this.as_ptr()).home };
        // SAFETY: this call is the entry.
        unsafe { TaskHead::leave_as_entry(this.cast()) };
        if shells_count(worker) {
            home.task_ended(worker);
        }
    }

    /// Disposes of the result of a task whose handle went meanwhile, and of the block.
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
        }
    }

    /// `Table::run`.
    ///
    /// # Safety
    /// `block` is a `Task<F, T, H>` that the caller claimed and has not run yet.
    unsafe fn run(block: NonNull<TaskHead>, worker: &Worker) {
        let this = block.cast::<Self>();
        // SAFETY: the claim makes this the only read of the closure.
        let closure = unsafe { Self::take_closure(this) };
        worker.count_task();
        let ended = match worker.run_users(closure) {
            Ok(value) => Ended::Value(value),
            Err(payload) => {
                // SAFETY: the block is alive, and its home until it is told that the task has
                // ended.
                let home = unsafe { (*this.as_ptr()).home };
                Ended::Panic(home.keep_panic(payload, worker.registry()))
            }
        };
        // SAFETY: nobody reads the result before `DONE`, or before this call returns.
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
    /// `block` is a `Task<F, T, H>` that nobody refers to any more; closure and result are gone.
    unsafe fn free(block: NonNull<TaskHead>) {
        // SAFETY: the block came from `slab::take` in `new_task`; nothing in it needs a drop.
        unsafe { slab::give(block.cast::<Self>()) };
    }

    /// # Safety
    /// `this` is alive, and its closure was not taken yet.
    unsafe fn take_closure(this: NonNull<Self>) -> F {
        // SAFETY: by the premise.
        unsafe { (*this.as_ptr()).content.get().cast::<F>().read_unaligned() }
    }
}

impl TaskHead {
    /// For something that is queued like a task, and is none: nobody has a handle to it.
    ///
    /// # Safety
    /// `table` is made for the type that begins with this.
    pub(super) unsafe fn new(table: &'static Execute, tag: usize) -> Self {
        // SAFETY: by the premise.
        let mut header = unsafe { Header::new(NonNull::from(table)) };
        header.set_tag(tag);
        TaskHead { header, state: TaskState::new() }
    }

    /// Of a task.
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

    /// The entry is through with the block, which is freed if the handle is, too.
    ///
    /// # Safety
    /// The caller is the entry, and does not touch the block again.
    unsafe fn leave_as_entry(block: NonNull<TaskHead>) {
        // SAFETY: the block is alive until this party has left.
        let free = unsafe { block.as_ref() }.table().free;
        // SAFETY: as above.
        if unsafe { block.as_ref() }.state.leave_as_entry() {
            // SAFETY: both parties are through.
            unsafe { free(block) };
        }
    }

    /// The same for the handle.
    ///
    /// # Safety
    /// As `leave_as_entry`, of the handle.
    unsafe fn leave_as_handle(block: NonNull<TaskHead>) {
        // SAFETY: the block is alive until this party has left.
        let free = unsafe { block.as_ref() }.table().free;
        // SAFETY: as above.
        if unsafe { block.as_ref() }.state.leave_as_handle() {
            // SAFETY: both parties are through.
            unsafe { free(block) };
        }
    }
}

/// Claims a task for a ticket. `false`: somebody runs it, or has run it.
///
/// # Safety
/// `task` is alive.
pub(super) unsafe fn claim(task: NonNull<TaskHead>) -> bool {
    // SAFETY: by the premise.
    unsafe { task.as_ref() }.state.claim()
}

/// Runs a task for a ticket.
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
    if !shells_count(worker) {
        // SAFETY: as in `Handle::run_here`: who joins the handle is in the home, and waits.
        unsafe { (head.table().task_ended)(task, worker) };
    }
    // The block may be gone after this: the handle was not dropped.
    if let Done::Sleeper(address) = head.state.finish() {
        // SAFETY: given to this call.
        unsafe { take_waiting(address) }.wake();
    }
}

/// Whether the home of a task that its joiner runs is told of its end by the entry, the shell, and
/// not by the joiner: where waits look at all ancestors, so that the shell's are alive.
fn shells_count(worker: &Worker) -> bool {
    worker.waits_for_own_work()
}

/// Whether the job, a task's entry, is that of a task which was run by its joiner, who is through
/// with it.
///
/// # Safety
/// The job is a task or a ticket for one of a worker's (`fifo.rs`), which begins like a task.
unsafe fn is_shell(job: &JobRef) -> bool {
    // SAFETY: by the premise; alive as long as there is this entry.
    unsafe { job.header().cast::<TaskHead>().as_ref() }.state.is_shell()
}

/// # Safety
/// `address` was exposed by `Handle::ask_wake`, and is the caller's; called once.
unsafe fn take_waiting(address: usize) -> Sleeper {
    let waiting = ptr::with_exposed_provenance_mut::<Waiting>(address);
    // SAFETY: the address came from `Box::into_raw`; it is taken once.
    unsafe { Box::from_raw(waiting) }.0
}

/// The right to a task's result.
pub(crate) struct Handle<T> {
    task: NonNull<TaskHead>,
    /// The pool that the task was given to: an identity, never dereferenced.
    pool: *const Registry,
    result: PhantomData<T>,
}

// SAFETY: a handle is moved with the right to take the `T`; the block's shared parts are atomics,
// or are ordered by them.
unsafe impl<T: Send> Send for Handle<T> {}
// SAFETY: by reference a handle only reads an atomic.
unsafe impl<T: Send> Sync for Handle<T> {}
// The `T` is not in the handle.
impl<T> Unpin for Handle<T> {}
// A join takes the handle along; a panic in it leaves nothing to look at.
impl<T> UnwindSafe for Handle<T> {}
// By reference a handle only reads an atomic.
impl<T> RefUnwindSafe for Handle<T> {}

impl<T> Handle<T> {
    fn head(&self) -> &TaskHead {
        // SAFETY: the block is alive until the handle leaves.
        unsafe { self.task.as_ref() }
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.head().state.is_done()
    }

    /// `is_finished`, for a user who may wait for that.
    pub(crate) fn poll_finished(&self) -> bool {
        sim::poll_for(self.pool.addr());
        self.is_finished()
    }

    /// Waits for the task: by running it, if nobody does yet and this is a worker of its pool;
    /// by running other work on any other worker; else by sleeping.
    ///
    /// # Panics
    /// When a `fork()` has left the task's pool behind before the task has ended.
    pub(crate) fn join(self) -> thread::Result<T> {
        match Worker::current() {
            Some(worker) if self.claim(worker) => self.run_here(worker),
            caller if self.is_lost(caller) => generation::refuse(),
            Some(worker) => {
                let ticket = self.ask_for(worker);
                let wait = HandleWait { handle: &self, worker, asked: Cell::new(false) };
                worker.wait_until(&wait);
                drop(ticket);
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

    /// Whether the task has not ended and never will: it was given to a pool of another process.
    fn is_lost(&self, caller: Option<&Worker>) -> bool {
        let is_own = caller.is_some_and(|worker| std::ptr::eq(self.pool, worker.registry()));
        // In this order: as long as the task has not ended, its pool is in the list.
        let is_unknown = || !shared::has_registry_at(self.pool.addr());
        !is_own && !self.is_finished() && is_unknown() && !self.is_finished()
    }

    /// Makes this call the one that runs the task. (Not where tasks run in order, and the wait may
    /// run those that come before it.)
    fn claim(&self, worker: &Worker) -> bool {
        let state = &self.head().state;
        // The glance saves the write.
        std::ptr::eq(self.pool, worker.registry())
            && !(worker.runs_in_order() && worker.may_run_any_task())
            && !state.is_claimed()
            && state.claim()
    }

    /// Asks the task's pool, if that is another than the joining worker's, to begin the task now.
    fn ask_for(&self, joiner: &Worker) -> Option<Asked> {
        let is_others = !std::ptr::eq(self.pool, joiner.registry());
        if !is_others || self.head().state.is_claimed() {
            return None;
        }
        // As long as the task has not run, its pool is in the list.
        let registry = shared::registry_at(self.pool.addr())?;
        // SAFETY: the ticket is revoked before the handle takes the result.
        let asked = unsafe { Asked::ask(self.task, &registry, joiner.tag()) };
        outcome::discard(registry);
        Some(asked)
    }

    /// Runs the task that this call claimed. Its entry stays behind as a shell; those on top of
    /// the worker's queue go at once, so that they do not pile up.
    fn run_here(self, worker: &Worker) -> thread::Result<T> {
        let block = self.task;
        let run = self.head().table().run;
        // SAFETY: claimed, and not run yet.
        worker.run_in_place(|| unsafe { run(block, worker) });
        if !shells_count(worker) {
            // SAFETY: has run. The home stays alive while its user, who called this, is in it.
            unsafe { (self.head().table().task_ended)(block, worker) };
        }
        let result = self.take();
        worker.drop_shells(|job| {
            // SAFETY: buffers and batches hold tasks and tickets.
            unsafe { is_shell(job) }
        });
        result
    }

    /// Asks the worker that ends the task to wake `sleeper`. `false`: it has ended already.
    fn ask_wake(&self, sleeper: Sleeper) -> bool {
        let waiting = Box::into_raw(Box::new(Waiting(sleeper)));
        let address = waiting.expose_provenance();
        if self.head().state.ask_wake(address) {
            return true;
        }
        // SAFETY: it was given back.
        drop(unsafe { take_waiting(address) });
        false
    }

    /// Takes the result, which is there.
    fn take(self) -> thread::Result<T> {
        let this = ManuallyDrop::new(self);
        // SAFETY: the result is there, and the handle, which has not left, is to take it.
        let ended = unsafe { TaskHead::take_ended(this.task) };
        let result = match ended {
            Ended::Value(value) => Ok(value),
            // SAFETY: the block is alive until the handle leaves, and so is its home: a scoped
            // handle cannot be used after its scope.
            Ended::Panic(kept) => Err(unsafe { (this.head().table().give_panic)(this.task, kept) }),
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
    /// Whether the task's end will wake the worker.
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
        (!std::ptr::eq(pool, self.worker.registry())).then(|| pool.addr())
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

/// Detaches the task.
impl<T> Drop for Handle<T> {
    #[inline]
    fn drop(&mut self) {
        if self.head().state.detach() {
            self.settle();
        }
    }
}

impl<T> Handle<T> {
    /// The result came before the handle went: it is the handle's to dispose of.
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
        };
        // SAFETY: this is the handle, in its drop.
        unsafe { TaskHead::leave_as_handle(self.task) };
        // Last, because a drop may panic.
        drop(value);
    }
}
