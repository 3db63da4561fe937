//! The request of a thread that joins a task of another pool: it asks that pool to begin the task.
//!
//! A request is queued as a cross-pool job. The worker that takes it runs the task, unless the task
//! is claimed. The task's entry stays in its queue, empty.

use std::ptr::NonNull;
use std::sync::Arc;

use super::block::{self, TaskHead};
use crate::job::Priority;
use crate::sync::Mutex;
use crate::worker::settings::WaitPolicy;
use crate::worker::shared::RegistryRef;
use crate::worker::{Header, JobRef, Table, Worker};

/// A request. Its `Arc` counts two references, one in the queue and one of the joiner.
#[repr(C)]
struct Request {
    header: Header,
    /// The task, until it is taken or the request is revoked. While the lock is held it is alive.
    task: Mutex<Option<NonNull<TaskHead>>>,
}

// SAFETY: the header's tag was written before the request was shared.
unsafe impl Sync for Request {}
// SAFETY: a task may be used on any thread.
unsafe impl Send for Request {}

/// The joiner's reference to its request, which is revoked when this is dropped. It also keeps the
/// pool: if no worker takes the request, the pool drops it.
pub(super) struct Requested {
    request: Arc<Request>,
    _registry: RegistryRef,
}

impl Requested {
    /// Asks `registry` to begin `task`, for a joiner of this isolation tag and priority.
    ///
    /// # Safety
    /// `task` is alive, and its handle waits, until this is dropped.
    pub(super) unsafe fn new(task: NonNull<TaskHead>, registry: RegistryRef, word: usize) -> Self {
        // SAFETY: the table is made for this type, whose first field is the header.
        let mut header = unsafe { Header::new(NonNull::from(Request::TABLE)) };
        // A request may outlive the joiner's ancestors, at which waits for own work would look.
        header.set_word(match registry.settings.wait_policy {
            WaitPolicy::AnyWork => word,
            WaitPolicy::OwnDescendants => Priority::bits_of(word),
        });
        let request = Arc::new(Request { header, task: Mutex::new(Some(task)) });
        // SAFETY: the pointer of an `Arc` is not null.
        let job = unsafe { NonNull::new_unchecked(Arc::into_raw(request.clone()).cast_mut()) };
        // SAFETY: the header comes first; this reference keeps the request alive; tasks may be run
        // on other threads; the tag is set; it is the only such reference.
        registry.inject_cross_job(unsafe { JobRef::new(job.cast()) });
        Requested { request, _registry: registry }
    }
}

impl Drop for Requested {
    fn drop(&mut self) {
        *self.request.task.lock() = None;
    }
}

impl Request {
    const TABLE: &'static Table = &Table {
        is_empty: Self::is_revoked,
        ..Table::new(Self::execute, || "a task that a thread of another pool joins")
    };

    /// `Table::is_empty`.
    ///
    /// # Safety
    /// The job is a request.
    unsafe fn is_revoked(job: &JobRef) -> bool {
        // SAFETY: by the premise; the job is a reference.
        unsafe { job.header().cast::<Request>().as_ref() }.task.lock().is_none()
    }

    /// # Safety
    /// As `JobRef::execute`; the job is a request.
    unsafe fn execute(job: JobRef, worker: &Worker) {
        // SAFETY: by the premise; this call owns the reference.
        let request = unsafe { Arc::from_raw(job.cast::<Request>().as_ptr()) };
        let mut task = request.task.lock();
        // SAFETY: not revoked, hence alive.
        let claimed = task.take().filter(|task| unsafe { task.as_ref() }.state.claim());
        drop(task);
        drop(request);
        if let Some(task) = claimed {
            // SAFETY: claimed above, and its joiner waits until it has run.
            unsafe { block::run_claimed(task, worker) };
        }
    }
}

#[cfg(all(test, not(loom), feature = "deterministic"))]
mod tests;
