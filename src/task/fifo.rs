//! Tasks that begin in the order in which one worker spawned them.
//!
//! They are in a queue of their own. For each, a *placeholder* is queued where the task would be
//! otherwise. A worker that takes a placeholder runs the oldest task. So these tasks are found,
//! stolen and counted like others.

use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

use super::TaskHead;
use crate::queue::{Deque, Stealer, until_sure};
use crate::worker::{Execute, JobRef, Worker};

/// The queues of one scope or pool: one for each worker that has spawned such tasks there.
#[derive(Default)]
pub(crate) struct Fifos(OnceLock<Box<[OnceLock<Arc<Fifo>>]>>);

/// The queue of one worker. Each placeholder is a reference that its `Arc` counts.
#[repr(C)]
struct Fifo {
    /// Placeholders are queued among tasks, and begin like them.
    head: TaskHead,
    /// Only the worker pushes.
    tasks: Deque<JobRef>,
    stealer: Stealer<JobRef>,
}

// SAFETY: only the thread that acts as the worker uses `tasks` (`Fifos::push`).
unsafe impl Sync for Fifo {}
// SAFETY: jobs may be sent, and nothing else in it depends on a thread.
unsafe impl Send for Fifo {}

impl Fifos {
    /// Adds a task of `worker`, as which the caller acts. Returns a placeholder, which the caller
    /// queues.
    pub(crate) fn push(&self, worker: &Worker, task: JobRef) -> JobRef {
        let workers = worker.registry().workers().len();
        let fifos = self.0.get_or_init(|| (0..workers).map(|_| OnceLock::new()).collect());
        let tag = task.tag();
        let fifo = fifos[worker.index()].get_or_init(|| Arc::new(Fifo::new(tag)));
        fifo.tasks.push(task);
        Fifo::placeholder(fifo.clone())
    }
}

impl Fifo {
    /// A queue for tasks of isolation tag `tag`.
    fn new(tag: usize) -> Self {
        let tasks = Deque::new_fifo();
        let stealer = tasks.stealer();
        // SAFETY: `execute` is made for `Fifo`, whose first field this is.
        let head = unsafe { TaskHead::new(const { &(Fifo::execute as Execute) }, tag) };
        Fifo { head, tasks, stealer }
    }

    fn placeholder(fifo: Arc<Fifo>) -> JobRef {
        // SAFETY: the pointer of an `Arc` is not null.
        let fifo = unsafe { NonNull::new_unchecked(Arc::into_raw(fifo).cast_mut()) };
        // SAFETY: the header comes first; the reference keeps the queue alive; its tasks may be run
        // on other threads; the tag is set; there are as many placeholders as tasks.
        unsafe { JobRef::new(fifo.cast()) }
    }

    /// # Safety
    /// As `JobRef::execute`; the job is a placeholder.
    unsafe fn execute(placeholder: JobRef, worker: &Worker) {
        // SAFETY: by the premise; this call owns the reference.
        let fifo = unsafe { Arc::from_raw(placeholder.cast::<Fifo>().as_ptr()) };
        let oldest = until_sure(|| fifo.stealer.steal());
        // Before the task runs, which may be the last of its scope.
        drop(fifo);
        match oldest {
            Some(task) => task.execute(worker),
            None => unreachable!("each placeholder was queued after its task, and takes one"),
        }
    }
}
