//! Tasks that begin in the order in which one worker spawned them.
//!
//! They stand in a queue of their own. For each, a *ticket* is queued where else the task would be;
//! whoever takes a ticket runs the oldest task. So they are found, stolen and counted like others.

use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

use super::TaskHead;

use crate::queue::{Deque, Stealer, until_sure};
use crate::worker::{Execute, JobRef, Worker};

/// For each worker that has spawned such tasks in one place, a scope or the pool, their queue.
#[derive(Default)]
pub(crate) struct Fifos(OnceLock<Box<[OnceLock<Arc<Fifo>>]>>);

/// Such a queue. A ticket is one of the references that its `Arc` counts.
#[repr(C)]
struct Fifo {
    /// What tickets have in common with tasks, among which they stand.
    head: TaskHead,
    /// Pushed to by the worker only.
    tasks: Deque<JobRef>,
    stealer: Stealer<JobRef>,
}

// SAFETY: `tasks` is used by whoever acts as the worker only (`Fifos::push`), the rest by all.
unsafe impl Sync for Fifo {}
// SAFETY: jobs may be sent, and nothing else in it depends on a thread.
unsafe impl Send for Fifo {}

impl Fifos {
    /// Adds a task of `worker`'s, as which the caller acts, and returns a ticket, to be queued.
    pub(crate) fn push(&self, worker: &Worker, task: JobRef) -> JobRef {
        let workers = worker.registry().workers().len();
        let fifos = self.0.get_or_init(|| (0..workers).map(|_| OnceLock::new()).collect());
        let tag = task.tag();
        let fifo = fifos[worker.index()].get_or_init(|| Arc::new(Fifo::new(tag)));
        fifo.tasks.push(task);
        Fifo::ticket(fifo.clone())
    }
}

impl Fifo {
    /// For tasks of `tag`.
    fn new(tag: usize) -> Self {
        let tasks = Deque::new_fifo();
        let stealer = tasks.stealer();
        // SAFETY: tickets point to a `Fifo`, whose first field this is.
        let head = unsafe { TaskHead::new(const { &(Fifo::execute as Execute) }, tag) };
        Fifo { head, tasks, stealer }
    }

    fn ticket(fifo: Arc<Fifo>) -> JobRef {
        // SAFETY: an `Arc`'s content has an address.
        let fifo = unsafe { NonNull::new_unchecked(Arc::into_raw(fifo).cast_mut()) };
        // SAFETY: the header comes first; the ticket keeps the queue alive; what stands in it may
        // be run on other threads; the tag is set; there are as many tickets as tasks.
        unsafe { JobRef::new(fifo.cast()) }
    }

    /// # Safety
    /// As `JobRef::execute`; the job is a ticket.
    unsafe fn execute(ticket: JobRef, worker: &Worker) {
        // SAFETY: by the premise; the reference is this call's.
        let fifo = unsafe { Arc::from_raw(ticket.cast::<Fifo>().as_ptr()) };
        let oldest = until_sure(|| fifo.stealer.steal());
        // The task may be the last of its scope.
        drop(fifo);
        match oldest {
            Some(task) => task.execute(worker),
            None => unreachable!("each ticket was queued after its task, and takes one"),
        }
    }
}
