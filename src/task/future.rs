//! A future that workers poll. One block of memory is its job in a queue, what its wakers point to,
//! and the task of its handle.
//!
//! `polls.rs` says when the future is queued and which thread touches it. For its handle, the
//! future is a task that is claimed from the beginning, like that of a completer. The *entry* of
//! this task is not a job, but all references that `polls.rs` counts.

use std::any::type_name;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, offset_of};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::{self, Poll, RawWaker, RawWakerVTable, Waker};

use super::block::{Table, TaskHead};
use super::handle::Handle;
use super::home::{Ended, Home, stopped, unwound};
use super::polls::Polls;
use super::state::{Done, TaskState};
use super::waiting::take_waiting;
use crate::context::CancelReason::{self, Dropped, Requested, Shutdown};
use crate::context::Context;
use crate::job::outcome::{self, Payload};
use crate::job::{NO_TAG, Priority};
use crate::latch::EXTERNAL;
use crate::os::generation::Generation;
use crate::os::thread::Thread;
use crate::sleep::Event;
use crate::sync::slab;
use crate::worker::attached::Place;
use crate::worker::shared::Registry;
use crate::worker::timing::Queued;
use crate::worker::{Header, JobRef, Table as JobTable, Worker, pools};

/// The part of the block that does not depend on the types.
#[repr(C)]
struct FutureHead {
    task: TaskHead,
    polls: Polls,
    pool: Pool,
    /// The place of the pool's waker, from the first poll on that leaves the future waiting.
    place: Cell<Option<Place>>,
    /// Set if the next poll is timed.
    timed: Cell<Option<Box<Queued>>>,
    context: Cell<Option<Arc<Context>>>,
}

#[repr(C)]
struct FutureTask<F: Future, H> {
    head: FutureHead,
    /// `task_ended` is never called: the head keeps the context alive.
    home: H,
    content: UnsafeCell<Content<F>>,
}

/// The future until it ends, then the result.
union Content<F: Future> {
    _future: ManuallyDrop<F>,
    _ended: ManuallyDrop<Ended<F::Output>>,
}

/// The most futures of ended pools that a thread drops inside each other.
const MOST_NESTED: usize = 32;

thread_local! {
    /// How many futures of ended pools the thread is dropping inside each other.
    static NESTED: Cell<usize> = const { Cell::new(0) };
    /// Shared by the thread of the outermost drop and those that took over deeper drops.
    static DEEPER: RefCell<Option<Arc<Deeper>>> = const { RefCell::new(None) };
}

/// When its last reference is dropped, the thread of the outermost drop wakes.
struct Deeper(Arc<Event>);

impl Drop for Deeper {
    fn drop(&mut self) {
        Event::happen_shared(&self.0);
    }
}

/// A reference to a pool that may have ended.
///
/// (Not a `Weak`: each copy would write twice to a count that all workers share.)
#[derive(Clone, Copy)]
struct Pool {
    /// The address of the registry. Another pool may have this address after the end of this one.
    address: usize,
    number: usize,
    generation: Generation,
}

impl Pool {
    /// Calls `act` with the pool. Returns `None` if the pool is gone, or if it was built before a
    /// `fork()` and this process is the child. A worker of the pool always calls `act`.
    fn with<R>(self, act: impl FnOnce(&Registry) -> R) -> Option<R> {
        let own = Worker::current().map(Worker::registry);
        if let Some(own) = own.filter(|own| own.number == self.number) {
            return Some(act(own));
        }
        let registry = pools::registry_at(self.address)?;
        let result = (registry.number == self.number).then(|| act(&registry));
        // This may be the last reference, whose drop drops the captures of the pool's handlers.
        outcome::discard(registry);
        result
    }

    /// Calls code of the user. A panic goes to the pool's handler.
    fn call(self, users: impl FnOnce()) {
        let result = match Worker::current() {
            Some(worker) => worker.run_users(users),
            None => outcome::run(users),
        };
        if let Err(payload) = result {
            self.take_panic(payload);
        }
    }

    #[cold]
    fn take_panic(self, payload: Payload) {
        let mut payload = Some(payload);
        self.with(|registry| {
            if let Some(payload) = payload.take() {
                registry.handlers.take_panic(payload);
            }
        });
        outcome::discard(payload);
    }
}

/// Makes and queues a future. `context` is that of `home`. `caller` is the calling worker, if it is
/// one of the pool `registry`. Otherwise the caller keeps the pool from ending.
pub(crate) fn spawn_future<F, H>(
    future: F,
    (home, context): (H, Option<Arc<Context>>),
    priority: Priority,
    registry: &Registry,
    caller: Option<&Worker>,
) -> Handle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    H: Home + Send,
{
    let (address, number) = (registry.address(), registry.number);
    // SAFETY: the table is made for this type, which begins with the header.
    let mut header = unsafe { Header::new(NonNull::from(FutureTask::<F, H>::TABLE).cast()) };
    header.set_word(NO_TAG | priority.bits());
    let head = FutureHead {
        task: TaskHead { header, state: TaskState::claimed() },
        polls: Polls::new(),
        pool: Pool { address, number, generation: Generation::current() },
        place: Cell::new(None),
        timed: Cell::new(None),
        context: Cell::new(context),
    };
    let block = slab::take::<FutureTask<F, H>>();
    // Field by field, so that a large future is copied once.
    // SAFETY: the block is for this type, and this function's alone.
    unsafe {
        (&raw mut (*block.as_ptr()).head).write(head);
        (&raw mut (*block.as_ptr()).home).write(home);
        (&raw mut (*block.as_ptr()).content).cast::<F>().write(future);
    }
    // SAFETY: a new future is active, and is this function's.
    unsafe { FutureHead::queue(block.cast(), registry, caller, false) };
    let pool = ptr::without_provenance(EXTERNAL);
    Handle { task: block.cast(), pool, result: PhantomData }
}

impl FutureHead {
    /// Queues a poll. If `is_last`, it is queued behind the worker's other work.
    ///
    /// # Safety
    /// The caller holds the active future, and does not touch it again. It keeps `registry`, the
    /// future's pool, from ending. `caller` is the calling worker, if it is one of that pool.
    unsafe fn queue(
        this: NonNull<Self>,
        registry: &Registry,
        caller: Option<&Worker>,
        is_last: bool,
    ) {
        // SAFETY: the block lives until the job, which has the reference of an active future, is
        // gone; a future and its output may be sent; `spawn_future` has set the tag; an active
        // future is queued once.
        let job = unsafe { JobRef::new(this.cast()) };
        let priority = job.priority();
        if registry.times_next_task() {
            // SAFETY: the caller holds it.
            unsafe { this.as_ref() }.timed.set(Some(Box::new(registry.queued(priority))));
        }
        match (caller, priority) {
            (Some(worker), Priority::Normal) if is_last => worker.push_last(job),
            (Some(_), _) if is_last => registry.queue_injected(job),
            _ => registry.submit_as_it_is(caller, job),
        }
    }

    /// Queues a poll of a future that was woken, on any thread. If its pool has ended, drops the
    /// future. If its pool was built before a `fork()` and this process is the child, forgets it,
    /// so that nothing that belongs to the pool is freed.
    ///
    /// # Safety
    /// The caller holds the active future, and does not touch it again.
    unsafe fn queue_woken(this: NonNull<Self>) {
        // SAFETY: the caller holds it.
        let pool = unsafe { this.as_ref() }.pool;
        let is_queued = pool.with(|registry| {
            let Some(_keeper) = registry.keep() else { return false };
            // SAFETY: by the premise; the keeper is there.
            unsafe { Self::queue(this, registry, registry.current_worker(), false) };
            true
        });
        if is_queued != Some(true) && !pool.generation.is_past() {
            // SAFETY: by the premise.
            unsafe { Self::stop_in_turn(this) };
        }
    }

    /// Drops a future of a pool that has ended. That may wake or cancel another such future, and so
    /// on. A thread drops at most [`MOST_NESTED`] of these inside each other, so that no stack
    /// grows with their number. The next one gets a thread of its own at once, since any drop may
    /// wait for it. The outermost drop returns when all of them have ended.
    ///
    /// # Safety
    /// The caller holds the active future, and does not touch it again.
    unsafe fn stop_in_turn(this: NonNull<Self>) {
        let nested = NESTED.get();
        // (If no thread can be started, the drop runs on this stack.)
        // SAFETY: by the premise.
        if nested >= MOST_NESTED && unsafe { Self::stop_on_other_thread(this) }.is_ok() {
            return;
        }
        NESTED.set(nested + 1);
        // SAFETY: by the premise; no other thread has the future.
        unsafe { Self::stop(this) };
        NESTED.set(nested);
        let deeper = || DEEPER.try_with(RefCell::take).ok().flatten();
        if let Some(deeper) = (nested == 0).then(deeper).flatten() {
            let over = deeper.0.clone();
            drop(deeper);
            over.wait(|| true);
        }
    }

    /// # Safety
    /// As `stop_in_turn`. If this returns an error, the caller still holds the future.
    unsafe fn stop_on_other_thread(this: NonNull<Self>) -> io::Result<()> {
        let new = || Arc::new(Deeper(Arc::new(Event::new(EXTERNAL))));
        let deeper = DEEPER.try_with(|it| it.borrow_mut().get_or_insert_with(new).clone());
        let deeper = deeper.map_err(io::Error::other)?;
        // SAFETY: it is no job, but may be sent like one.
        let future = unsafe { JobRef::new(this.cast()) };
        Thread::start_detached("filch-drop".into(), None, move || {
            DEEPER.set(Some(deeper));
            NESTED.set(1);
            // SAFETY: the caller has left it to this thread.
            unsafe { Self::stop(future.cast()) };
            NESTED.set(0);
            DEEPER.take();
        })
    }

    /// Drops a future of a pool that has ended.
    ///
    /// # Safety
    /// The caller holds the active future, and does not touch it again.
    unsafe fn stop(this: NonNull<Self>) {
        // (`FutureTask::stop` returns no panic: it gives them to the pool.)
        // SAFETY: by the premise.
        let _ = unsafe { (this.as_ref().task.table().cancel)(this.cast(), Shutdown) };
    }

    /// Called by the worker whose poll has left the future waiting.
    ///
    /// # Safety
    /// The caller holds the active future, and does not touch it again.
    unsafe fn pause(this: NonNull<Self>, worker: &Worker) {
        let registry = worker.registry();
        // SAFETY: the caller holds it.
        let head = unsafe { this.as_ref() };
        if head.place.get().is_none() {
            head.polls.share();
            // SAFETY: the reference is the waker's.
            let waker = unsafe { Waker::new(this.as_ptr().cast_const().cast(), &ENDER) };
            head.place.set(registry.attached.attach(worker.index(), waker));
            if head.place.get().is_none() {
                // The pool has ended: `polls.pause` refuses, and the next poll drops the future.
                let _ = head.polls.stop();
            }
        }
        if !head.polls.pause() {
            // SAFETY: it is still active; the worker is at work.
            unsafe { Self::queue(this, registry, Some(worker), true) };
        }
    }

    /// Wakes the future. If `gives`, the caller gives up its reference.
    ///
    /// # Safety
    /// The caller has a reference.
    unsafe fn wake(this: NonNull<Self>, gives: bool) {
        // SAFETY: by the premise, for these three.
        unsafe {
            if this.as_ref().polls.wake(gives) {
                Self::queue_woken(this);
            } else if gives {
                Self::release(this);
            }
        }
    }

    /// Lets the future be dropped: by a worker, or here if its pool has ended.
    ///
    /// # Safety
    /// The caller has a reference, or the handle.
    unsafe fn cancel(this: NonNull<Self>) {
        // SAFETY: by the premise. `stop` made it active for this call.
        unsafe {
            if this.as_ref().polls.stop() {
                Self::queue_woken(this);
            }
        }
    }

    /// Gives up a reference.
    ///
    /// # Safety
    /// The caller has the reference, and does not use it again.
    unsafe fn release(this: NonNull<Self>) {
        // SAFETY: the reference keeps the block.
        if unsafe { this.as_ref() }.polls.release() {
            // SAFETY: all references together are the entry, and this was the last.
            unsafe { TaskHead::leave_as_entry(this.cast()) };
        }
    }

    /// Returns a waker, which gets the caller's reference.
    fn raw_waker(this: NonNull<Self>) -> RawWaker {
        RawWaker::new(this.as_ptr().cast_const().cast(), &WAKER)
    }
}

/// Each pointer is that of a `FutureHead`, to which the waker is a reference.
static WAKER: RawWakerVTable = RawWakerVTable::new(
    clone_waker,
    // SAFETY: the waker gives its reference.
    |this| unsafe { FutureHead::wake(future_of(this), true) },
    // SAFETY: the waker has a reference.
    |this| unsafe { FutureHead::wake(future_of(this), false) },
    drop_waker,
);

/// The pool's waker, which the pool calls when it has ended. (A thread that has taken over a
/// member's core may be polling the future then. `cancel` keeps the future from pausing.)
static ENDER: RawWakerVTable = RawWakerVTable::new(
    clone_waker,
    // SAFETY: the waker has a reference, which it gives up.
    |this| unsafe {
        FutureHead::cancel(future_of(this));
        FutureHead::release(future_of(this));
    },
    // SAFETY: the waker has a reference.
    |this| unsafe { FutureHead::cancel(future_of(this)) },
    drop_waker,
);

/// # Safety
/// It is called by a waker.
unsafe fn clone_waker(this: *const ()) -> RawWaker {
    let this = future_of(this);
    // SAFETY: the waker's reference keeps the block.
    unsafe { this.as_ref() }.polls.share();
    FutureHead::raw_waker(this)
}

/// # Safety
/// It is called by a waker, which is dropped.
unsafe fn drop_waker(this: *const ()) {
    // SAFETY: by the premise.
    unsafe { FutureHead::release(future_of(this)) };
}

fn future_of(waker: *const ()) -> NonNull<FutureHead> {
    // SAFETY: the pointer of a waker is that of a block.
    unsafe { NonNull::new_unchecked(waker.cast_mut().cast()) }
}

impl<F: Future, H: Home> FutureTask<F, H> {
    const TABLE: &'static Table = &Table {
        job: JobTable::new(Self::execute, type_name::<F>),
        run: |_, _, _| unreachable!("the future is claimed"),
        cancel: Self::stop,
        // SAFETY: by the premise of the entry.
        context: |block| unsafe { Self::home(block) }.context(),
        // SAFETY: as above.
        give_panic: |block, kept| unsafe { Self::home(block) }.give_panic(kept),
        // SAFETY: as above.
        claim_panic: |block, kept| unsafe { Self::home(block) }.claim_panic(kept),
        // SAFETY: the block came from `slab::take` in `spawn_future`; `finish` has emptied it.
        free: |block| unsafe { slab::give(block.cast::<Self>()) },
        ended_at: offset_of!(Self, content),
    };

    /// # Safety
    /// `block` is a live `FutureTask<F, H>`.
    unsafe fn home(block: NonNull<TaskHead>) -> H {
        // SAFETY: by the premise.
        unsafe { (*block.cast::<Self>().as_ptr()).home }
    }

    /// Polls the future, or drops it if it was stopped or its context is cancelled.
    ///
    /// # Safety
    /// As `JobRef::execute`; the job is a `FutureTask<F, H>`.
    unsafe fn execute(job: JobRef, worker: &Worker) {
        let block: NonNull<TaskHead> = job.cast();
        let this: NonNull<Self> = block.cast();
        // SAFETY: the job has a reference, which `finish` or `pause` gives up.
        let (head, home) = unsafe { (&(*this.as_ptr()).head, Self::home(block)) };
        let is_cancelled = || home.is_cancelled(home.context(), worker.registry());
        let stop = || if worker.registry().has_ended() { Shutdown } else { Requested };
        let reason = if head.polls.begin() { Some(stop()) } else { is_cancelled() };
        // Another job may join the handle: see `Header::tag`.
        let outer = worker.enter_tag(block.as_ptr().expose_provenance());
        let ended = match reason {
            None => {
                worker.count_task();
                // SAFETY: the job holds the future, which has not ended.
                worker.under(home.context(), || unsafe { Self::poll(this, worker) })
            }
            Some(reason) => {
                // Under no context, so that no loop in the drop is stopped.
                // SAFETY: as above.
                worker.under(ptr::null(), || unsafe { Self::drop_future(this) });
                stopped(home, reason, worker);
                Some(Ended::Cancelled(reason))
            }
        };
        worker.set_word(outer);
        match ended {
            // SAFETY: as above; the future was dropped.
            Some(ended) => unsafe { Self::finish(this, ended) },
            // SAFETY: as above.
            None => unsafe { FutureHead::pause(this.cast(), worker) },
        }
    }

    /// Polls the future once. If it ends, drops it, and returns the result.
    ///
    /// # Safety
    /// The caller holds the future, which has not ended.
    unsafe fn poll(this: NonNull<Self>, worker: &Worker) -> Option<Ended<F::Output>> {
        // SAFETY: by the premise.
        let (head, home) = unsafe { (&(*this.as_ptr()).head, Self::home(this.cast())) };
        // SAFETY: this waker is never dropped, so it needs no reference of its own.
        let waker = unsafe { Waker::from_raw(FutureHead::raw_waker(this.cast())) };
        let waker = ManuallyDrop::new(waker);
        // SAFETY: by the premise. The future is dropped where it is.
        let future = unsafe { Pin::new_unchecked(&mut *Self::future(this)) };
        let poll = || future.poll(&mut task::Context::from_waker(&waker));
        let polled = match head.timed.take() {
            None => worker.run_users(poll),
            Some(queued) => worker.run_users(queued.carried_by(poll)),
        };
        let ended = match polled {
            Ok(Poll::Pending) => return None,
            Ok(Poll::Ready(value)) => Ended::Value(value),
            Err(payload) => unwound(payload, home, worker),
        };
        // SAFETY: by the premise.
        unsafe { Self::drop_future(this) };
        if !head.task.state.has_dropped_handle() {
            return Some(ended);
        }
        Self::drop_result(ended, home, head.pool);
        Some(Ended::Cancelled(Dropped))
    }

    fn drop_result(ended: Ended<F::Output>, home: H, pool: Pool) {
        match ended {
            Ended::Value(value) => pool.call(|| drop(value)),
            Ended::Panic(kept) => home.claim_panic(kept),
            Ended::Cancelled(_) => {}
        }
    }

    fn future(this: NonNull<Self>) -> *mut F {
        // SAFETY: only the place is computed, in the block.
        unsafe { (&raw mut (*this.as_ptr()).content).cast() }
    }

    /// # Safety
    /// The caller holds the future, which has not been dropped.
    unsafe fn drop_future(this: NonNull<Self>) {
        // SAFETY: by the premise.
        let pool = unsafe { (*this.as_ptr()).head.pool };
        // SAFETY: by the premise.
        pool.call(|| unsafe { ptr::drop_in_place(Self::future(this)) });
    }

    /// `Table::cancel`: drops a future that waits, and ends it.
    ///
    /// # Safety
    /// `block` is a `FutureTask<F, H>`, which the caller holds and does not touch again.
    unsafe fn stop(block: NonNull<TaskHead>, reason: CancelReason) -> Result<(), Payload> {
        // SAFETY: by the premise.
        unsafe {
            Self::drop_future(block.cast());
            Self::finish(block.cast(), Ended::Cancelled(reason));
        }
        Ok(())
    }

    /// Ends the future, and gives up the reference that an active future has.
    ///
    /// # Safety
    /// The caller holds the future, which was dropped, and does not touch it again.
    unsafe fn finish(this: NonNull<Self>, ended: Ended<F::Output>) {
        let block: NonNull<TaskHead> = this.cast();
        // SAFETY: the reference keeps the block until it is released, below.
        let (head, home) = unsafe { (&(*this.as_ptr()).head, Self::home(block)) };
        let (pool, context, state) = (head.pool, head.context.take(), &head.task.state);
        drop(head.timed.take());
        if let Some(place) = head.place.take() {
            drop(pool.with(|registry| registry.attached.detach(place)));
        }
        let (mut unwanted, mut waiting) = (None, None);
        if state.has_dropped_handle() {
            unwanted = Some(ended);
        } else {
            // SAFETY: no thread reads the result before `DONE` is set.
            unsafe { TaskHead::put_ended(block, ended) };
            match state.finish() {
                Done::Nothing => {}
                // SAFETY: `finish` gave it to this call.
                Done::Wake(address) => waiting = Some(unsafe { take_waiting(address) }),
                // SAFETY: the handle went before the result came, so this call owns it.
                Done::Settle => unwanted = Some(unsafe { TaskHead::take_ended(block) }),
            }
        }
        // The handle has gone if the result is unwanted. Then the last reference frees the block.
        // SAFETY: the caller has this reference.
        unsafe {
            if unwanted.is_some() && head.polls.is_sole() {
                (head.task.table().free)(block);
            } else {
                let _ = unwanted.is_some() && state.leave_as_handle();
                FutureHead::release(this.cast());
            }
        }
        if let Some(ended) = unwanted {
            Self::drop_result(ended, home, pool);
        }
        if let Some(waiting) = waiting {
            pool.call(|| waiting.wake());
        }
        outcome::discard(context);
    }
}

/// `FutureHead::cancel`.
///
/// # Safety
/// The handle is one of `spawn_future`.
pub(crate) unsafe fn cancel_future<T>(handle: &Handle<T>) {
    // SAFETY: by the premise; the handle keeps the block.
    unsafe { FutureHead::cancel(handle.task.cast()) };
}

/// Whether the pool of a future was built before a `fork()`, and this process is the child.
///
/// # Safety
/// As `cancel_future`.
pub(crate) unsafe fn is_past<T>(handle: &Handle<T>) -> bool {
    // SAFETY: by the premise; the handle keeps the block.
    unsafe { handle.task.cast::<FutureHead>().as_ref() }.pool.generation.is_past()
}

/// A thread of another pool joins a future of this one.
pub(crate) struct Needs(Pool);

/// # Safety
/// As `cancel_future`.
pub(crate) unsafe fn needs<T>(handle: &Handle<T>) -> Option<Needs> {
    // SAFETY: by the premise; the handle keeps the block.
    let pool = unsafe { handle.task.cast::<FutureHead>().as_ref() }.pool;
    if !Worker::is_on_other_pools_thread(ptr::without_provenance(pool.address)) {
        return None;
    }
    pool.with(|registry| registry.sleep().begin_to_need_any())?;
    Some(Needs(pool))
}

impl Drop for Needs {
    fn drop(&mut self) {
        self.0.with(|registry| registry.sleep().end_to_need_any());
    }
}
