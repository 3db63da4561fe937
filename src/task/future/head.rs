//! The part of a future's block that does not depend on its type: how it is queued and woken.

use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::pool::Pool;
use super::stop::stop_in_turn;
use crate::context::Context;
use crate::job::Priority;
use crate::task::block::TaskHead;
use crate::task::polls::Polls;
use crate::worker::attached::Place;
use crate::worker::shared::Registry;
use crate::worker::timing::Queued;
use crate::worker::{JobRef, Worker};

/// The part of the block that does not depend on the types.
#[repr(C)]
pub(super) struct FutureHead {
    pub(super) task: TaskHead,
    pub(super) polls: Polls,
    pub(super) pool: Pool,
    /// The place of the pool's waker, from the first poll on that leaves the future waiting.
    pub(super) place: Cell<Option<Place>>,
    /// Set if the next poll is timed.
    pub(super) timed: Cell<Option<Box<Queued>>>,
    pub(super) context: Cell<Option<Arc<Context>>>,
}

impl FutureHead {
    /// Queues a poll. If `is_last`, it is queued behind the worker's other work.
    ///
    /// # Safety
    /// The caller holds the active future, and does not touch it again. It keeps `registry`, the
    /// future's pool, from ending. `caller` is the calling worker, if it is one of that pool.
    pub(super) unsafe fn queue(
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
            _ => registry.submit_prioritized(caller, job),
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
        if is_queued != Some(true) && !pool.is_past() {
            // SAFETY: by the premise.
            unsafe { stop_in_turn(this.cast()) };
        }
    }

    /// Called by the worker whose poll has left the future waiting.
    ///
    /// # Safety
    /// The caller holds the active future, and does not touch it again.
    pub(super) unsafe fn pause(this: NonNull<Self>, worker: &Worker) {
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
    pub(super) unsafe fn cancel(this: NonNull<Self>) {
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
    pub(super) unsafe fn release(this: NonNull<Self>) {
        // SAFETY: the reference keeps the block.
        if unsafe { this.as_ref() }.polls.release() {
            // SAFETY: all references together are the entry, and this was the last.
            unsafe { TaskHead::leave_as_entry(this.cast()) };
        }
    }

    /// Returns a waker, which gets the caller's reference.
    pub(super) fn raw_waker(this: NonNull<Self>) -> RawWaker {
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
/// guest's core may be polling the future then. `cancel` keeps the future from pausing.)
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
