//! Tickets: by one, a worker of another pool that joins a task's handle asks the task's pool to
//! begin it.
//!
//! A ticket is queued as a guest. Whoever executes it runs the task, unless somebody does so
//! already. The task's entry stays in its queue as a shell, as where a worker of the same pool
//! joins it.

use std::ptr::NonNull;
use std::sync::Arc;

use super::TaskHead;
use crate::job::NO_TAG;
use crate::sync::Mutex;
use crate::worker::settings::WaitPolicy;
use crate::worker::shared::Registry;
use crate::worker::{Execute, Header, JobRef, Worker};

/// A ticket is one of the references that its `Arc` counts, the joiner has the other.
#[repr(C)]
struct Ticket {
    header: Header,
    /// The task, until it is taken or the ticket is revoked. Under the lock it is alive.
    task: Mutex<Option<NonNull<TaskHead>>>,
}

// SAFETY: the header's tag was written before the ticket was shared.
unsafe impl Sync for Ticket {}
// SAFETY: a task may be used on any thread.
unsafe impl Send for Ticket {}

/// What the joiner has of it: dropped, it revokes the ticket.
pub(super) struct Asked(Arc<Ticket>);

impl Asked {
    /// Asks `registry` to begin `task`, for a joiner that is within `tag`.
    ///
    /// # Safety
    /// `task` is alive, and its handle waits, until this is dropped.
    pub(super) unsafe fn ask(task: NonNull<TaskHead>, registry: &Registry, tag: usize) -> Self {
        // SAFETY: `execute` is made for this type, whose first field is the header.
        let mut header =
            unsafe { Header::new(NonNull::from(const { &(Ticket::execute as Execute) })) };
        // A ticket may outlast the wait, so that its ancestors must not be looked at.
        header.set_tag(match registry.settings().wait_policy {
            WaitPolicy::AnyWork => tag,
            WaitPolicy::OwnDescendants => NO_TAG,
        });
        let ticket = Arc::new(Ticket { header, task: Mutex::new(Some(task)) });
        // SAFETY: an `Arc`'s content has an address.
        let job = unsafe { NonNull::new_unchecked(Arc::into_raw(ticket.clone()).cast_mut()) };
        // SAFETY: the header comes first; this reference keeps the ticket alive; tasks may be run
        // on other threads; the tag is set; it is the one such reference.
        registry.invite(unsafe { JobRef::new(job.cast()) });
        Asked(ticket)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        *self.0.task.lock() = None;
    }
}

impl Ticket {
    /// # Safety
    /// As `JobRef::execute`; the job is a ticket.
    unsafe fn execute(job: JobRef, worker: &Worker) {
        // SAFETY: by the premise; the reference is this call's.
        let ticket = unsafe { Arc::from_raw(job.cast::<Ticket>().as_ptr()) };
        let mut task = ticket.task.lock();
        // SAFETY: not revoked, hence alive.
        let claimed = task.take().filter(|&task| unsafe { super::claim(task) });
        drop(task);
        drop(ticket);
        if let Some(task) = claimed {
            // SAFETY: claimed just now, and its joiner waits until it has run.
            unsafe { super::run_claimed(task, worker) };
        }
    }
}
