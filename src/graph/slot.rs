//! The place of a value in a graph: the value of a cell, or the result of a task.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use super::owner::Owner;

/// What the handles of a cell or a task share with the graph. (In one allocation: see
/// `benches/dataflow`, graphs that are built each time.)
pub(super) struct Slot<T> {
    pub(super) owner: Owner,
    /// The number of the cell among the graph's cells, or of the task among its tasks.
    pub(super) index: usize,
    /// The invariant of `access.rs` says which code may access it.
    value: UnsafeCell<T>,
}

// SAFETY: a shared reference to a slot gives no access by itself. By the invariant of `access.rs`,
// tasks on several threads get `&T` at once only by `Read` and `&Node`, which demand `T: Sync`. In
// all other cases there is one reference at a time, and `T: Send` lets it move between threads.
unsafe impl<T: Send> Sync for Slot<T> {}

// A handle gives no access to the value. The graph does, and is not unwind safe.
impl<T> UnwindSafe for Slot<T> {}
impl<T> RefUnwindSafe for Slot<T> {}

impl<T> Slot<T> {
    pub(super) fn new(owner: Owner, index: usize, value: T) -> Arc<Self> {
        Arc::new(Slot { owner, index, value: UnsafeCell::new(value) })
    }

    /// # Safety
    /// By the invariant, the caller may read, and nothing writes while the reference lives. The
    /// slot outlives the reference.
    pub(super) unsafe fn get<'r>(&self) -> &'r T
    where
        T: 'r,
    {
        // SAFETY: by the caller's premise.
        unsafe { &*self.value.get() }
    }

    /// # Safety
    /// By the invariant, the caller may write, and nothing else reads or writes while the reference
    /// lives. The slot outlives the reference.
    pub(super) unsafe fn get_mut<'r>(&self) -> &'r mut T
    where
        T: 'r,
    {
        // SAFETY: by the caller's premise.
        unsafe { &mut *self.value.get() }
    }
}

impl<A> fmt::Debug for Slot<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}
