//! A future that workers poll. One block of memory is its job in a queue, what its wakers point to,
//! and the task of its handle.
//!
//! `polls.rs` says when the future is queued and which thread touches it. For its handle, the
//! future is a task that is claimed from the beginning, like that of a completer. The *entry* of
//! this task is not a job, but all references that `polls.rs` counts.

mod head;
mod pool;
mod stop;

use std::any::type_name;
use std::cell::{Cell, UnsafeCell};
use std::future::Future;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, offset_of};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::{self, Poll, Waker};

use self::head::FutureHead;
use self::pool::Pool;
use super::block::{Table, TaskHead};
use super::handle::Handle;
use super::home::{Ended, Home, stopped, unwound};
use super::polls::Polls;
use super::state::{Done, TaskState};
use super::waiting::take_waiting;
use crate::context::CancelReason::{self, Dropped, Requested, Shutdown};
use crate::context::Context;
use crate::job::outcome::{self, Payload};
use crate::job::{AWAITED_BY_END, Priority};
use crate::latch::EXTERNAL;
use crate::sync::slab;
use crate::worker::shared::Registry;
use crate::worker::{JobRef, Table as JobTable, Worker};

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

/// Makes and queues a future. `context` is that of `home`. `caller` is the calling worker, if it is
/// one of the pool `registry`. Otherwise the caller keeps the pool from ending.
pub(crate) fn spawn_future<F: Future<Output: Send + 'static> + Send + 'static, H: Home + Send>(
    future: F,
    (home, context): (H, Option<Arc<Context>>),
    priority: Priority,
    registry: &Registry,
    caller: Option<&Worker>,
) -> Handle<F::Output> {
    // SAFETY: the table is made for this type, which begins with the header.
    let task = unsafe {
        let table = NonNull::from(FutureTask::<F, H>::TABLE).cast();
        TaskHead::new(table, AWAITED_BY_END | priority.bits(), TaskState::claimed())
    };
    let head = FutureHead {
        task,
        polls: Polls::new(),
        pool: Pool::of(registry),
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

impl<F: Future, H: Home> FutureTask<F, H> {
    const TABLE: &'static Table = &Table {
        job: JobTable::new(Self::execute, type_name::<F>),
        run: |_, _, _| unreachable!("the future is claimed"),
        cancel: Self::stop,
        // SAFETY: by the premise of the entry.
        context: |block| unsafe { Self::home(block) }.context(),
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
        let is_cancelled = || home.cancelled(home.context(), worker.registry());
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
        let value = ended.unwanted();
        head.pool.call(|| drop(value));
        Some(Ended::Cancelled(Dropped))
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
        let head = unsafe { &(*this.as_ptr()).head };
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
            let value = ended.unwanted();
            pool.call(|| drop(value));
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
    unsafe { handle.task.cast::<FutureHead>().as_ref() }.pool.is_past()
}

/// A thread of another pool joins a future of this one.
pub(crate) struct Needs(Pool);

/// # Safety
/// As `cancel_future`.
pub(crate) unsafe fn needs<T>(handle: &Handle<T>) -> Option<Needs> {
    // SAFETY: by the premise; the handle keeps the block.
    let pool = unsafe { handle.task.cast::<FutureHead>().as_ref() }.pool;
    if !pool.is_other() {
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
