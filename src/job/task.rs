//! Spawned tasks: one heap block each, which holds the closure, then the result, and the state
//! that a handle needs.
//!
//! # Who owns the block
//! Two parties refer to it: the *entry*, the [`JobRef`] that stands in some queue until a worker
//! takes it out, and the *handle*. Each says when it is through (`ENTRY_GONE`; `HANDLE_GONE`, or
//! `DETACHED` before the result came); whoever finds that the other is through already frees the
//! block.
//!
//! # Who runs the task
//! Whoever sets `CLAIMED`: the worker that took the entry out, or a worker that joins the handle
//! before that, which then runs the task where it stands (the entry becomes an empty shell).
//! An entry whose handle was dropped has no rival and needs no claim.
//!
//! # Who settles the result
//! The handle, unless it went before the result came: then the worker that ran the task. A value
//! nobody wants is dropped, a panic nobody wants goes to the task's [`Home`].

use std::cell::{Cell, UnsafeCell};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;
use std::sync::Arc;
use std::thread;

use super::outcome::{self, Payload};
use super::{Header, JobRef};
use crate::latch::Wait;
use crate::pool::Registry;
use crate::sync::{AtomicU32, Ordering};
use crate::worker::{Sleeper, Worker};

/// Somebody runs the task, or has run it. Never cleared; set by the one who may run it.
const CLAIMED: u32 = 1;
/// The result is there. Set by the worker that ran the task for the entry.
const DONE: u32 = 2;
/// The handle's owner sleeps until `DONE`; `sleeper` is written. Set by the handle, at most once.
const WAITING: u32 = 4;
/// The handle was dropped. Set by the handle; where that comes before `DONE`, the handle is
/// through with the block by it, and the result is the entry's to settle.
const DETACHED: u32 = 8;
/// The entry is through with the block.
const ENTRY_GONE: u32 = 16;
/// The handle is through with the block, having taken or settled the result.
const HANDLE_GONE: u32 = 32;

/// Where a task belongs: a scope, or the pool.
pub(crate) trait Home: Copy {
    /// Takes a panic that nobody waited for.
    fn take_panic(self, payload: Payload, registry: &Registry);

    /// The task has ended. The home may be gone when this returns.
    fn task_ended(self, worker: &Worker);
}

/// What a task came to, as its handle finds it.
enum Ended<T> {
    Value(T),
    /// The registry is there for the panic handler, should the handle be dropped.
    Panic(Payload, Arc<Registry>),
}

/// What a handle needs to know of a task: all but the closure's type and the home's.
#[repr(C)]
struct TaskHead<T> {
    header: Header,
    state: AtomicU32,
    vtable: &'static VTable,
    /// Written by the handle before it sets `WAITING`, taken by the worker that sets `DONE`.
    sleeper: UnsafeCell<MaybeUninit<Sleeper>>,
    /// Written before `DONE`; taken by the one who settles it.
    ended: UnsafeCell<MaybeUninit<Ended<T>>>,
}

/// The operations that depend on the closure's and the home's types.
struct VTable {
    /// Runs the closure of a task that the caller claimed, into `ended`.
    run: unsafe fn(NonNull<Header>, &Worker),
    /// Tells the home that the task has ended.
    task_ended: unsafe fn(NonNull<Header>, &Worker),
    /// Gives the home a panic.
    take_panic: unsafe fn(NonNull<Header>, Payload, &Registry),
    /// Frees the block; closure and result are gone already.
    free: unsafe fn(NonNull<Header>),
}

#[repr(C)]
struct Task<F, T, H> {
    head: TaskHead<T>,
    home: H,
    closure: UnsafeCell<ManuallyDrop<F>>,
}

/// Makes a task: the job to queue, and the handle. `root`: that of the task that waits for it by
/// its scope.
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
    root: usize,
) -> (JobRef, Handle<T>)
where
    F: FnOnce() -> T,
    H: Home,
{
    let mut task = Box::new(Task {
        head: TaskHead::<T> {
            // SAFETY: `execute` is made for this type, whose first field is the header.
            header: unsafe { Header::new(Task::<F, T, H>::execute) },
            state: AtomicU32::new(0),
            vtable: const {
                &VTable {
                    run: Task::<F, T, H>::run,
                    task_ended: Task::<F, T, H>::task_ended,
                    take_panic: Task::<F, T, H>::take_panic,
                    free: Task::<F, T, H>::free,
                }
            },
            sleeper: UnsafeCell::new(MaybeUninit::uninit()),
            ended: UnsafeCell::new(MaybeUninit::uninit()),
        },
        home,
        closure: UnsafeCell::new(ManuallyDrop::new(closure)),
    });
    task.head.header.set_root(root);
    let task = NonNull::from(Box::leak(task));
    // SAFETY: the block lives until the entry is gone; the root is set; the rest is this
    // function's premise.
    let job = unsafe { JobRef::new(task.cast()) };
    (job, Handle { task: task.cast(), pool })
}

impl<F, T, H> Task<F, T, H>
where
    F: FnOnce() -> T,
    H: Home,
{
    /// Runs a task for its entry.
    ///
    /// # Safety
    /// As `JobRef::execute`; the job is a `Task<F, T, H>`.
    unsafe fn execute(job: JobRef, worker: &Worker) {
        let this: NonNull<Self> = job.cast();
        // SAFETY: the block is alive until the entry, which is this call, is gone.
        let head = unsafe { &(*this.as_ptr()).head };
        // Acquire: matches the handle's Release when it is dropped.
        if head.state.load(Ordering::Acquire) & DETACHED != 0 {
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
        let closure = unsafe { ManuallyDrop::take(&mut *(*this.as_ptr()).closure.get()) };
        // SAFETY: the block is alive.
        let home = unsafe { (*this.as_ptr()).home };
        // SAFETY: nobody refers to the block after this.
        unsafe { Self::free(this.cast()) };
        // The value is dropped inside: a panic of its drop is the task's.
        if let Err(payload) = outcome::run(|| drop(closure())) {
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
        let block: NonNull<Header> = this.cast();
        // SAFETY: the block is alive until the entry is gone, below.
        let head = unsafe { &(*this.as_ptr()).head };
        // AcqRel: one of entry and handle is first; the second sees what the first did.
        if head.state.fetch_or(CLAIMED, Ordering::AcqRel) & CLAIMED != 0 {
            // SAFETY: this call is the entry.
            return unsafe { head.leave(ENTRY_GONE, block) };
        }
        // Somebody may wait for this task: see `Header::root`.
        let outer = worker.enter_root(block.as_ptr() as usize);
        // SAFETY: claimed.
        unsafe { Self::run(block, worker) };
        worker.leave_root(outer);
        // Release: publishes the result. Acquire: matches the handle's Release.
        let state = head.state.fetch_or(DONE, Ordering::AcqRel);
        // SAFETY: the block is alive, as is the home until it is told that the task has ended.
        let home = unsafe { (*this.as_ptr()).home };
        if state & DETACHED != 0 {
            // SAFETY: the handle went before the result came, so that result and block are this
            // call's.
            unsafe { Self::settle(this, home, worker) };
        } else {
            if state & WAITING != 0 {
                // SAFETY: written before `WAITING` was set; taken once, here.
                unsafe { (*head.sleeper.get()).assume_init_read() }.wake();
            }
            // SAFETY: this call is the entry; nothing uses `head` after this.
            unsafe { head.leave(ENTRY_GONE, block) };
        }
        home.task_ended(worker);
    }

    /// Disposes of the result of a task whose handle went meanwhile, and of the block.
    ///
    /// # Safety
    /// The result is there; only the caller refers to the block.
    unsafe fn settle(this: NonNull<Self>, home: H, worker: &Worker) {
        // SAFETY: by the premise.
        let ended = unsafe { (*(*this.as_ptr()).head.ended.get()).assume_init_read() };
        // SAFETY: by the premise.
        unsafe { Self::free(this.cast()) };
        let panic = match ended {
            Ended::Value(value) => outcome::run(|| drop(value)).err(),
            Ended::Panic(payload, _) => Some(payload),
        };
        if let Some(payload) = panic {
            home.take_panic(payload, worker.registry());
        }
    }

    /// `VTable::run`.
    ///
    /// # Safety
    /// `block` is a `Task<F, T, H>` that the caller claimed and has not run yet.
    unsafe fn run(block: NonNull<Header>, worker: &Worker) {
        let this = block.cast::<Self>().as_ptr();
        // SAFETY: the claim makes this the only read of the closure.
        let closure = unsafe { ManuallyDrop::take(&mut *(*this).closure.get()) };
        let ended = match outcome::run(closure) {
            Ok(value) => Ended::Value(value),
            Err(payload) => Ended::Panic(payload, worker.registry().share()),
        };
        // SAFETY: nobody reads the result before `DONE`, or before this call returns.
        unsafe { (*(*this).head.ended.get()).write(ended) };
    }

    /// `VTable::task_ended`.
    ///
    /// # Safety
    /// `block` is a live `Task<F, T, H>` that has run; called once.
    unsafe fn task_ended(block: NonNull<Header>, worker: &Worker) {
        // SAFETY: the block is alive.
        unsafe { (*block.cast::<Self>().as_ptr()).home }.task_ended(worker);
    }

    /// `VTable::take_panic`.
    ///
    /// # Safety
    /// `block` is a live `Task<F, T, H>`, and its home is alive.
    unsafe fn take_panic(block: NonNull<Header>, payload: Payload, registry: &Registry) {
        // SAFETY: the block is alive.
        unsafe { (*block.cast::<Self>().as_ptr()).home }.take_panic(payload, registry);
    }

    /// `VTable::free`.
    ///
    /// # Safety
    /// `block` is a `Task<F, T, H>` that nobody refers to any more; closure and result are gone.
    unsafe fn free(block: NonNull<Header>) {
        // SAFETY: the block came from `Box::leak` in `new_task`.
        drop(unsafe { Box::from_raw(block.cast::<Self>().as_ptr()) });
    }
}

impl<T> TaskHead<T> {
    /// One party is through with the block: frees it if the other is, too.
    ///
    /// # Safety
    /// `party` is the caller's, who does not touch the block again.
    unsafe fn leave(&self, party: u32, block: NonNull<Header>) {
        let free = self.vtable.free;
        let other = ENTRY_GONE | HANDLE_GONE;
        // AcqRel: the last to go sees all that the other did.
        if self.state.fetch_or(party, Ordering::AcqRel) & other != 0 {
            // SAFETY: both parties are through.
            unsafe { free(block) };
        }
    }
}

/// The right to a task's result.
pub(crate) struct Handle<T> {
    task: NonNull<TaskHead<T>>,
    /// The pool that the task was given to: an identity, never dereferenced.
    pool: *const Registry,
}

// SAFETY: a handle is moved with the right to take the `T`; the block's shared parts are atomics,
// or are ordered by them.
unsafe impl<T: Send> Send for Handle<T> {}
// SAFETY: by reference a handle only reads an atomic.
unsafe impl<T: Send> Sync for Handle<T> {}

impl<T> Handle<T> {
    fn head(&self) -> &TaskHead<T> {
        // SAFETY: the block is alive until the handle leaves.
        unsafe { self.task.as_ref() }
    }

    pub(crate) fn is_finished(&self) -> bool {
        // Acquire: matches the Release of the worker that set it.
        self.head().state.load(Ordering::Acquire) & DONE != 0
    }

    /// Waits for the task: by running it, if nobody does yet and this is a worker of its pool;
    /// by running other work on any other worker; else by sleeping.
    pub(crate) fn join(self) -> thread::Result<T> {
        match Worker::current() {
            Some(worker) if self.claim(worker) => self.run_here(worker),
            Some(worker) => {
                let wait = HandleWait { handle: &self, worker, asked: Cell::new(false) };
                worker.wait_until(&wait);
                self.take()
            }
            None => {
                let (sleeper, parker) = Sleeper::for_this_thread();
                if self.ask_wake(sleeper) {
                    while !self.is_finished() {
                        parker.park();
                    }
                }
                self.take()
            }
        }
    }

    fn claim(&self, worker: &Worker) -> bool {
        // Relaxed: a glance that saves the write; AcqRel: as in `execute_joinable`.
        std::ptr::eq(self.pool, worker.registry())
            && self.head().state.load(Ordering::Relaxed) & CLAIMED == 0
            && self.head().state.fetch_or(CLAIMED, Ordering::AcqRel) & CLAIMED == 0
    }

    /// Runs the task that this call claimed.
    fn run_here(self, worker: &Worker) -> thread::Result<T> {
        let block: NonNull<Header> = self.task.cast();
        // SAFETY: claimed, and not run yet.
        unsafe { (self.head().vtable.run)(block, worker) };
        worker.count_task();
        // SAFETY: has run. The home stays alive while its user, who called this, is in it.
        unsafe { (self.head().vtable.task_ended)(block, worker) };
        self.take()
    }

    /// Asks the worker that ends the task to wake `sleeper`. `false`: it has ended already.
    fn ask_wake(&self, sleeper: Sleeper) -> bool {
        let head = self.head();
        // SAFETY: only the handle writes this, and nobody reads it before `WAITING` is set.
        unsafe { (*head.sleeper.get()).write(sleeper) };
        // Release: publishes the sleeper. Acquire: matches the Release of `DONE`.
        if head.state.fetch_or(WAITING, Ordering::AcqRel) & DONE == 0 {
            return true;
        }
        // SAFETY: whoever set `DONE` did so before `WAITING`, and so leaves the sleeper alone.
        unsafe { (*head.sleeper.get()).assume_init_drop() };
        false
    }

    /// Takes the result, which is there.
    fn take(self) -> thread::Result<T> {
        let this = ManuallyDrop::new(self);
        // SAFETY: the result is there, and the handle, which has not left, is to take it.
        let ended = unsafe { (*this.head().ended.get()).assume_init_read() };
        // SAFETY: this is the handle, and it is not dropped.
        unsafe { this.head().leave(HANDLE_GONE, this.task.cast()) };
        match ended {
            Ended::Value(value) => Ok(value),
            Ended::Panic(payload, _) => Err(payload),
        }
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

    fn ask_wake(&self) -> bool {
        if !self.asked.get() {
            self.asked.set(self.handle.ask_wake(Sleeper::worker(self.worker)));
        }
        self.asked.get()
    }
}

/// Detaches the task.
impl<T> Drop for Handle<T> {
    #[inline]
    fn drop(&mut self) {
        // AcqRel: one of this and `DONE` is first; the second settles the result.
        let state = self.head().state.fetch_or(DETACHED, Ordering::AcqRel);
        if state & DONE != 0 {
            self.settle();
        }
    }
}

impl<T> Handle<T> {
    /// The result came before the handle went: it is the handle's to dispose of.
    #[cold]
    fn settle(&self) {
        // SAFETY: `DONE` is set, and the handle did not take the result.
        let ended = unsafe { (*self.head().ended.get()).assume_init_read() };
        let value = match ended {
            Ended::Value(value) => Some(value),
            Ended::Panic(payload, registry) => {
                // SAFETY: the block is alive until the handle leaves, and so is its home: a
                // scoped handle cannot be used after its scope.
                unsafe { (self.head().vtable.take_panic)(self.task.cast(), payload, &registry) };
                None
            }
        };
        // SAFETY: this is the handle, in its drop.
        unsafe { self.head().leave(HANDLE_GONE, self.task.cast()) };
        // Last, because a drop may panic.
        drop(value);
    }
}
