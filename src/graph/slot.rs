//! Where the values of a graph are: those of its cells, and the results of its tasks.
//!
//! A graph owns its values and its tasks' closures, and drops them when it is dropped itself.
//! Handles and tasks have pointers to values. A handle may outlive its graph, but uses its pointer
//! only together with a reference to the graph.
#![allow(unsafe_code)]

use std::alloc::Layout;
use std::cell::UnsafeCell;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;

use crate::job::outcome::defer;
use crate::sync::slab;

/// Points to a value that a graph owns.
#[derive(Debug)]
pub(super) struct Slot<T>(NonNull<UnsafeCell<T>>);

// SAFETY: a slot gives no access by itself. By the invariant of `access.rs`, tasks on several
// threads get `&T` at once only by `Read` and `&Node`, which demand `T: Sync`. In all other cases
// there is one reference at a time, and `T: Send` lets it move between threads.
unsafe impl<T: Send> Send for Slot<T> {}
// SAFETY: the same.
unsafe impl<T: Send> Sync for Slot<T> {}

// A handle gives no access to the value. The graph does, and is not unwind safe.
impl<T> UnwindSafe for Slot<T> {}
impl<T> RefUnwindSafe for Slot<T> {}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Slot<T> {}

impl<T> Slot<T> {
    /// # Safety
    /// By the invariant of `access.rs`, the caller may read, and nothing writes while the reference
    /// lives. The graph outlives the reference.
    pub(super) unsafe fn get<'r>(self) -> &'r T
    where
        T: 'r,
    {
        // SAFETY: by the caller's premise.
        unsafe { &*self.0.as_ref().get() }
    }

    /// # Safety
    /// By the invariant of `access.rs`, the caller may write, and nothing else reads or writes
    /// while the reference lives. The graph outlives the reference.
    pub(super) unsafe fn get_mut<'r>(self) -> &'r mut T
    where
        T: 'r,
    {
        // SAFETY: by the caller's premise.
        unsafe { &mut *self.0.as_ref().get() }
    }
}

/// Owns a value to which slots point. (A `Box` would claim that nothing else points to it.) The
/// memory is the slab's, since a program may build a graph for each run.
pub(super) struct Owned<P: ?Sized>(NonNull<P>);

// SAFETY: as a `Box`.
unsafe impl<P: ?Sized + Send> Send for Owned<P> {}
// SAFETY: as a `Box`.
unsafe impl<P: ?Sized + Sync> Sync for Owned<P> {}

impl<P: ?Sized> Drop for Owned<P> {
    fn drop(&mut self) {
        // SAFETY: the value lives, and no slot is used after the drop of its graph.
        let layout = Layout::for_value(unsafe { self.0.as_ref() });
        // The memory is given back even if the drop panics.
        // SAFETY: `new` has taken it for a value of this layout.
        let _memory = defer(|| unsafe { slab::give_any(self.0.cast(), layout) });
        // SAFETY: as above. This is the only drop.
        unsafe { self.0.drop_in_place() };
    }
}

/// Moves a value into memory of the slab, which becomes an `Owned`.
fn place<T>(value: T) -> NonNull<T> {
    let place = slab::take::<T>();
    // SAFETY: the memory is for a `T`.
    unsafe { place.write(value) };
    place
}

/// The value of a cell, as its graph sees it: of any type.
pub(super) trait Value {}

impl<A> Value for UnsafeCell<A> {}

/// Makes the value of a cell.
pub(super) fn value<'env, A: Send + 'env>(value: A) -> (Owned<dyn Value + Send + 'env>, Slot<A>) {
    let value = place(UnsafeCell::new(value));
    (Owned(value), Slot(value))
}

/// A task's closure, and the place of its result.
struct TaskBody<T, C> {
    result: UnsafeCell<Option<T>>,
    call: UnsafeCell<C>,
}

// SAFETY: `call` says what a thread must know before it uses the closure or the result. Both are
// `Send`.
unsafe impl<T: Send, C: Send> Sync for TaskBody<T, C> {}

/// A task, as its graph sees it. `E` is the type of the closure's errors.
pub(super) trait Body<E>: Send + Sync {
    /// Calls the closure, and stores its result.
    ///
    /// # Safety
    /// 1. No other thread uses the closure at the same time.
    /// 2. By the invariant of `access.rs`, the caller may write the result.
    unsafe fn call(&self) -> Result<(), E>;
}

impl<T, C, E> Body<E> for TaskBody<T, C>
where
    T: Send,
    C: FnMut() -> Result<T, E> + Send,
{
    unsafe fn call(&self) -> Result<(), E> {
        // SAFETY: the caller's premise 1.
        let value = unsafe { &mut *self.call.get() }()?;
        // SAFETY: the caller's premise 2.
        let result = unsafe { &mut *self.result.get() };
        // A write takes the cache line from workers that run tasks nearby. All values of a type
        // without a size are alike, so the old one may stay, and the new one is dropped.
        if size_of::<T>() > 0 || result.is_none() {
            *result = Some(value);
        }
        Ok(())
    }
}

/// Makes a task.
pub(super) fn task<'env, T, C, E>(call: C) -> (Owned<dyn Body<E> + 'env>, Slot<Option<T>>)
where
    T: Send + 'env,
    C: FnMut() -> Result<T, E> + Send + 'env,
{
    let body = place(TaskBody { result: UnsafeCell::new(None), call: UnsafeCell::new(call) });
    // SAFETY: the body was just made.
    let result = unsafe { NonNull::new_unchecked(&raw mut (*body.as_ptr()).result) };
    (Owned(body), Slot(result))
}

impl<E> Owned<dyn Body<E> + '_> {
    /// # Safety
    /// As [`Body::call`].
    pub(super) unsafe fn call(&self) -> Result<(), E> {
        // SAFETY: the body lives as long as `self`, and only `self` drops it. The caller's premise.
        unsafe { self.0.as_ref().call() }
    }
}
