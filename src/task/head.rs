//! The first field of every task, and of what is queued like a task.

use std::ptr::NonNull;

use super::state::TaskState;
use crate::job::{Header, Table};

#[repr(C)]
pub(super) struct TaskHead<W> {
    pub(super) header: Header<W>,
    pub(super) state: TaskState,
}

impl<W> TaskHead<W> {
    /// # Safety
    /// `table` is static and made for the type that begins with this.
    pub(super) unsafe fn new(table: NonNull<Table<W>>, word: usize, state: TaskState) -> Self {
        // SAFETY: by the premise.
        let mut header = unsafe { Header::new(table) };
        header.set_word(word);
        TaskHead { header, state }
    }

    /// The tag, with the bits of the priority.
    pub(super) fn word(&self) -> usize {
        // SAFETY: `new` sets it.
        unsafe { self.header.word() }
    }
}
