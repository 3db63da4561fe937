//! The part of a join's job that does not depend on its types, by which queues and waits know it.

use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use super::{Header, JobRef, Table};
use crate::context::Context;
use crate::latch::{Awaited, Latch, Wait};
use crate::queue::{ForkFront, Published};
use crate::sync::{AtomicU32, Ordering};

/// The worker `W` that has made a fork, by a pointer to its first field, the front of its queue.
pub(crate) type Owner<W> = *const ForkFront<JoinHeader<W>>;

/// No worker runs the job yet.
const NOBODY: u32 = u32::MAX;

/// The part of a join's job that does not depend on its types.
///
/// A fork writes only `header.table`, `owner` and `slot`. `publish` writes the rest, since no other
/// thread sees the job before.
#[repr(C)]
pub(crate) struct JoinHeader<W> {
    header: Header<W>,
    pub(crate) latch: MaybeUninit<Latch>,
    /// The index of the worker that runs the job, or `NOBODY`: a hint for leapfrogging.
    pub(crate) runner: MaybeUninit<AtomicU32>,
    /// The context that was current at the fork, or null. It is alive until the join is over.
    pub(crate) context: MaybeUninit<*const Context>,
    /// The worker whose fork this is. In a job that is never published, it may be no worker.
    pub(crate) owner: Owner<W>,
    /// The job's slot in its owner's queue; for the owner only.
    pub(crate) slot: MaybeUninit<usize>,
}

impl<W> JoinHeader<W> {
    /// # Safety
    /// `table` is static and made for the job's type, of which this header is the first field.
    #[inline(always)]
    pub(crate) unsafe fn new(table: NonNull<Table<W>>, owner: Owner<W>) -> Self {
        JoinHeader {
            // SAFETY: by the premise; a header is the first field of this one.
            header: unsafe { Header::new(table) },
            latch: MaybeUninit::uninit(),
            runner: MaybeUninit::uninit(),
            context: MaybeUninit::uninit(),
            owner,
            slot: MaybeUninit::uninit(),
        }
    }

    /// Completes a private job for other threads, and returns its public form.
    ///
    /// # Safety
    /// `this` is a job that only its owner has seen.
    pub(crate) unsafe fn publish(
        this: NonNull<JoinHeader<W>>,
        tag: usize,
        context: *const Context,
    ) -> JobRef<W> {
        let job = this.as_ptr();
        // SAFETY: the job is alive and only its owner sees it.
        unsafe {
            (*job).header.set_word(tag);
            (*job).latch.write(Latch::new());
            (*job).runner.write(AtomicU32::new(NOBODY));
            (*job).context.write(context);
        }
        // SAFETY: the header is the first field; the join that owns the frame waits for the job;
        // `JoinJob::new` takes only closures that may be sent; the tag is set; a job is in its
        // owner's queue once.
        unsafe { JobRef::new(this.cast()) }
    }
}

impl<W> Published<JoinHeader<W>> for JobRef<W> {
    fn into_pointer(self) -> NonNull<JoinHeader<W>> {
        self.cast()
    }

    unsafe fn from_pointer(job: NonNull<JoinHeader<W>>) -> Self {
        // SAFETY: by the premise, `job` was the one `JobRef`, which this makes again.
        unsafe { JobRef::new(job.cast()) }
    }

    fn is(&self, private: NonNull<JoinHeader<W>>) -> bool {
        self.address() == private.as_ptr() as usize
    }
}

/// The owner's wait for a published job.
impl<W> Wait for JoinHeader<W> {
    fn done(&self) -> bool {
        // SAFETY: an owner waits only for a published job, which is complete.
        unsafe { self.latch.assume_init_ref() }.done()
    }

    fn register_waker(&self) -> bool {
        // SAFETY: as in `done`.
        unsafe { self.latch.assume_init_ref() }.register_waker()
    }

    fn what(&self) -> Awaited {
        Awaited::Fork(self.runner())
    }

    fn tag(&self) -> Option<usize> {
        Some(ptr::from_ref(self).addr())
    }

    fn runner(&self) -> Option<usize> {
        // SAFETY: as in `done`.
        let runner = unsafe { self.runner.assume_init_ref() };
        // Relaxed: a hint.
        Some(runner.load(Ordering::Relaxed)).filter(|&r| r != NOBODY).map(|r| r as usize)
    }
}
