//! A result that comes from elsewhere: a task without a closure.
//!
//! The task is claimed from the beginning. Besides the handle, `state.rs` knows the thread that
//! claimed the task, and the entry. The completer is both of these, and the entry is in no queue.
//! So all lemmas of `state.rs` hold.

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{RefUnwindSafe, UnwindSafe, resume_unwind};
use std::ptr::{self, NonNull};

use super::block::{Task, TaskHead};
use super::handle::Handle;
use super::home::{Ended, Home};
use super::state::{Done, TaskState};
use super::waiting::take_waiting;
use crate::context::CancelReason;
use crate::job::NO_TAG;
use crate::job::outcome::{self, Payload};
use crate::latch::EXTERNAL;
use crate::sim;
use crate::sync::slab;

/// The right to complete a [`JoinHandle`](crate::JoinHandle): see [`completer`](crate::completer).
pub struct Completer<T> {
    task: NonNull<TaskHead>,
    /// Contravariant: a completer that takes a `T` must not become one that takes a shorter-lived
    /// `T`.
    takes: PhantomData<fn(T)>,
}

// SAFETY: the value moves to the thread that has the handle, or is dropped here; what is shared in
// the block is atomic, or ordered by atomics.
unsafe impl<T: Send> Send for Completer<T> {}
// SAFETY: by reference, a completer only reads an atomic.
unsafe impl<T: Send> Sync for Completer<T> {}
// `complete` consumes the completer, so a panic in it leaves nothing to observe.
impl<T> UnwindSafe for Completer<T> {}
impl<T> RefUnwindSafe for Completer<T> {}

/// Makes a task whose result comes from elsewhere. Its `home` gets no panics. Returns the
/// completer, which ends the task, and the handle.
pub(crate) fn new_completer<T, H: Home>(home: H) -> (Completer<T>, Handle<T>) {
    let table = NonNull::from(Task::<fn() -> T, T, H>::TABLE).cast();
    let block = slab::take::<Task<fn() -> T, T, H>>();
    // SAFETY: the table and the block are for this type, which begins with the head; the block is
    // this function's alone. There is no closure.
    unsafe {
        let head = TaskHead::new(table, NO_TAG, TaskState::claimed());
        (&raw mut (*block.as_ptr()).head).write(head);
        (&raw mut (*block.as_ptr()).home).write(home);
    }
    let task = block.cast();
    let handle = Handle { task, pool: ptr::without_provenance(EXTERNAL), result: PhantomData };
    (Completer { task, takes: PhantomData }, handle)
}

impl<T> Completer<T> {
    /// Completes the handle with `value`. If the handle was dropped, drops `value`.
    ///
    /// Wakes the thread or the future that waits for the handle. Any thread may call this. If it
    /// wakes a thread, it takes a microsecond or two. If not, it takes no lock of the runtime.
    ///
    /// # Panics
    /// Resumes a panic of the future's waker, or of the drop of `value`. The handle is completed
    /// regardless.
    pub fn complete(self, value: T) {
        let this = ManuallyDrop::new(self);
        // SAFETY: called once, since `this` is not dropped.
        if let Err(payload) = unsafe { this.end(Ended::Value(value)) } {
            resume_unwind(payload);
        }
    }

    /// Returns whether the handle was dropped. `complete` would then drop the value. Use this to
    /// stop work whose result can no longer be taken.
    pub fn is_closed(&self) -> bool {
        sim::poll_for(EXTERNAL);
        // SAFETY: the block is alive until the completer has gone.
        unsafe { self.task.as_ref() }.state.has_dropped_handle()
    }

    /// Writes the result, and wakes the waiter. If the waker or a drop panics, returns the panic.
    ///
    /// # Safety
    /// Called once. The completer does not touch the block again.
    unsafe fn end(&self, ended: Ended<T>) -> Result<(), Payload> {
        // SAFETY: no thread reads the result before `DONE` is set.
        unsafe { TaskHead::put_ended(self.task, ended) };
        // SAFETY: the block is alive until both parties have gone.
        let done = unsafe { self.task.as_ref() }.state.finish();
        let result = match done {
            // SAFETY: the handle went before the result came, so this call owns both.
            Done::Settle => unsafe {
                let ended = TaskHead::take_ended::<T>(self.task);
                (self.task.as_ref().table().free)(self.task);
                outcome::run(|| drop(ended))
            },
            Done::Wake(address) => {
                // SAFETY: this is the entry's part, which ends here.
                unsafe { TaskHead::leave_as_entry(self.task) };
                // SAFETY: `finish` gave it to this call.
                outcome::run(|| unsafe { take_waiting(address) }.wake())
            }
            Done::Nothing => {
                // SAFETY: as above.
                unsafe { TaskHead::leave_as_entry(self.task) };
                Ok(())
            }
        };
        sim::point();
        result
    }
}

/// Without a value, the handle says *cancelled*.
impl<T> Drop for Completer<T> {
    fn drop(&mut self) {
        // SAFETY: `complete` was not called.
        if let Err(payload) = unsafe { self.end(Ended::Cancelled(CancelReason::Dropped)) } {
            // Not resumed, since a panic in a drop may abort. The panic hook has reported it.
            outcome::discard(payload);
        }
    }
}

impl<T> fmt::Debug for Completer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completer").field("is_closed", &self.is_closed()).finish()
    }
}

#[cfg(all(test, loom))]
mod models;
