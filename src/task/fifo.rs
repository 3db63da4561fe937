//! Tasks that begin in the order in which one worker spawned them.
//!
//! They are in a queue of their own. For each, a *placeholder* is queued where the task would be
//! otherwise. A worker that takes a placeholder runs the oldest task. So these tasks are found,
//! stolen and counted like others.

use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

use super::head::TaskHead;
use super::state::TaskState;
use crate::job::{JobRef, PRIORITY_BITS, Table};
use crate::queue::{Deque, Stealer, until_sure};

/// The queues of one scope or pool: one for each worker that has spawned such tasks there, and for
/// each of their priorities.
pub(crate) struct Fifos<W>(OnceLock<PerWorker<Arc<Fifo<W>>>>);

type PerWorker<T> = Box<[OnceLock<T>]>;

impl<W> Default for Fifos<W> {
    fn default() -> Self {
        Fifos(OnceLock::new())
    }
}

/// The queue of one worker. Each placeholder is a reference that its `Arc` counts.
#[repr(C)]
struct Fifo<W> {
    /// Placeholders are queued among tasks, and begin like them.
    head: TaskHead<W>,
    /// Only the worker pushes.
    tasks: Deque<JobRef<W>>,
    stealer: Stealer<JobRef<W>>,
}

// SAFETY: only the thread that acts as the worker uses `tasks` (`Fifos::push`).
unsafe impl<W> Sync for Fifo<W> {}
// SAFETY: jobs may be sent, and nothing else in it depends on a thread.
unsafe impl<W> Send for Fifo<W> {}

impl<W> Fifos<W> {
    /// Adds a task of the worker `index` of `workers`, as which the caller acts. Returns a
    /// placeholder, which the caller queues.
    pub(crate) fn push(&self, workers: usize, index: usize, task: JobRef<W>) -> JobRef<W> {
        let count = workers << PRIORITY_BITS;
        let fifos = self.0.get_or_init(|| (0..count).map(|_| OnceLock::new()).collect());
        let index = index << PRIORITY_BITS | task.priority().bits();
        let word = task.word();
        let fifo = fifos[index].get_or_init(|| Arc::new(Fifo::new(word)));
        fifo.tasks.push(task);
        // SAFETY: the pointer of an `Arc` is not null.
        let fifo = unsafe { NonNull::new_unchecked(Arc::into_raw(fifo.clone()).cast_mut()) };
        // SAFETY: the header comes first; the reference keeps the queue alive; its tasks may be run
        // on other threads; the tag is set; there are as many placeholders as tasks.
        unsafe { JobRef::new(fifo.cast()) }
    }
}

impl<W> Fifo<W> {
    /// A queue for tasks of this isolation tag and priority.
    fn new(word: usize) -> Self {
        let tasks = Deque::new_fifo();
        let stealer = tasks.stealer();
        let table = const { &Table::new(Self::execute, || "a task of `spawn_fifo`") };
        // SAFETY: the table is made for `Fifo`, whose first field this is.
        let head = unsafe { TaskHead::new(NonNull::from(table), word, TaskState::new()) };
        Fifo { head, tasks, stealer }
    }

    /// # Safety
    /// As `JobRef::execute`; the job is a placeholder.
    unsafe fn execute(placeholder: JobRef<W>, worker: &W) {
        // SAFETY: by the premise; this call owns the reference.
        let fifo = unsafe { Arc::from_raw(placeholder.cast::<Self>().as_ptr()) };
        let oldest = until_sure(|| fifo.stealer.steal());
        // Before the task runs, which may be the last of its scope.
        drop(fifo);
        match oldest {
            Some(task) => task.execute(worker),
            None => unreachable!("each placeholder was queued after its task, and takes one"),
        }
    }
}
