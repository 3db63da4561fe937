//! A slot: the place of a value in a graph. The value is that of a cell, or the result of a task. A
//! task's slot also has its closure.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use super::owner::Owner;

/// What the handles of a cell or a task share with the graph. (It is one allocation, because graphs
/// may be built for each run: see `benches/dataflow`.)
pub(super) struct Slot<T, C: ?Sized = ()> {
    pub(super) owner: Owner,
    /// The index of the cell among the graph's cells, or of the task among the graph's tasks.
    pub(super) index: usize,
    /// The invariant of `access.rs` says which code may access it.
    value: UnsafeCell<T>,
    /// The closure of the task, as an `Option`. Only the graph's `Body` uses it.
    call: UnsafeCell<C>,
}

/// The type of a task's closure, as the task's handles see it: they know nothing about it.
pub(super) trait Unknown {}

impl<C> Unknown for C {}

/// The slot of a task, as its handles see it: without the type of the closure, and without what the
/// closure borrows.
pub(super) type ResultSlot<T> = Slot<Option<T>, dyn Unknown + Send>;

// SAFETY: a shared reference to a slot gives no access by itself. By the invariant of `access.rs`,
// tasks on several threads get `&T` at once only by `Read` and `&Node`, which demand `T: Sync`. In
// all other cases there is one reference at a time, and `T: Send` lets it move between threads.
// The closure is used by the one thread that calls or drops it (`Body`), and is `Send`.
unsafe impl<T: Send, C: ?Sized + Send> Sync for Slot<T, C> {}

// A handle gives no access to the value. The graph does, and is not unwind safe.
impl<T, C: ?Sized> UnwindSafe for Slot<T, C> {}
impl<T, C: ?Sized> RefUnwindSafe for Slot<T, C> {}

impl<T> Slot<T> {
    pub(super) fn cell(owner: Owner, index: usize, value: T) -> Arc<Self> {
        Arc::new(Slot { owner, index, value: UnsafeCell::new(value), call: UnsafeCell::new(()) })
    }
}

/// The slot of a task, as its graph sees it. `E` is the type of the closure's errors.
pub(super) trait Body<E>: Send + Sync {
    /// Calls the closure, and stores its result.
    ///
    /// # Safety
    /// 1. No other thread uses the closure at the same time.
    /// 2. By the invariant of `access.rs`, the caller may write the value.
    /// 3. `drop_closure` was not called.
    unsafe fn call(&self) -> Result<(), E>;

    /// Drops the closure.
    ///
    /// # Safety
    /// No other thread uses the closure at the same time, or later.
    unsafe fn drop_closure(&self);
}

impl<T, C, E> Body<E> for Slot<Option<T>, Option<C>>
where
    T: Send,
    C: FnMut() -> Result<T, E> + Send,
{
    unsafe fn call(&self) -> Result<(), E> {
        // SAFETY: the caller's premise 1.
        let call = unsafe { &mut *self.call.get() };
        let value =
            call.as_mut().map_or_else(|| unreachable!("the graph is gone"), |call| call())?;
        // SAFETY: the caller's premise 2.
        unsafe { *self.get_mut() = Some(value) };
        Ok(())
    }

    unsafe fn drop_closure(&self) {
        // SAFETY: the caller's premise.
        let call = unsafe { &mut *self.call.get() }.take();
        drop(call);
    }
}

/// Makes a task. Returns the graph's part of it, and the handles' part.
pub(super) fn task<'env, T, C, E>(
    owner: Owner,
    index: usize,
    call: C,
) -> (TaskBody<'env, E>, Arc<ResultSlot<T>>)
where
    T: Send + 'env,
    C: FnMut() -> Result<T, E> + Send + 'env,
{
    let (value, call) = (UnsafeCell::new(None), UnsafeCell::new(Some(call)));
    let slot = Arc::new(Slot { owner, index, value, call });
    let erased: Arc<Slot<Option<T>, dyn Unknown + Send + 'env>> = slot.clone();
    // SAFETY: this changes only the bound on what the closure borrows. Handles do not use the
    // closure. The last handle may free the slot after `'env`, but by then the slot has no closure:
    // the `TaskBody` drops the closure, and keeps the slot alive until then.
    let erased = unsafe {
        std::mem::transmute::<Arc<Slot<Option<T>, dyn Unknown + Send + 'env>>, Arc<ResultSlot<T>>>(
            erased,
        )
    };
    (TaskBody(slot), erased)
}

/// The graph's part of a task. It drops the closure when it is dropped itself, since handles may
/// outlive what the closure borrows.
pub(super) struct TaskBody<'env, E>(Arc<dyn Body<E> + 'env>);

impl<E> TaskBody<'_, E> {
    /// # Safety
    /// Premises 1 and 2 of [`Body::call`].
    pub(super) unsafe fn call(&self) -> Result<(), E> {
        // SAFETY: 1 and 2 are the caller's premises. 3: only the drop of `self` drops the closure.
        unsafe { self.0.call() }
    }
}

impl<E> Drop for TaskBody<'_, E> {
    fn drop(&mut self) {
        // SAFETY: only `self` uses the closure, and it is going away.
        unsafe { self.0.drop_closure() };
    }
}

impl<T, C: ?Sized> Slot<T, C> {
    /// # Safety
    /// By the invariant of `access.rs`, the caller may read, and nothing writes while the reference
    /// lives. The slot outlives the reference.
    pub(super) unsafe fn get<'r>(&self) -> &'r T
    where
        T: 'r,
    {
        // SAFETY: by the caller's premise.
        unsafe { &*self.value.get() }
    }

    /// # Safety
    /// By the invariant of `access.rs`, the caller may write, and nothing else reads or writes
    /// while the reference lives. The slot outlives the reference.
    pub(super) unsafe fn get_mut<'r>(&self) -> &'r mut T
    where
        T: 'r,
    {
        // SAFETY: by the caller's premise.
        unsafe { &mut *self.value.get() }
    }
}

impl<A, C: ?Sized> fmt::Debug for Slot<A, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}
