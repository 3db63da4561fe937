//! One unit of work: a pointer to a header that knows how to run it.
//!
//! Jobs of `join` live in the frame of the call (`worker/join_job.rs`), spawned tasks on the heap
//! (`task/`), where they may keep an order behind tickets (`task/fifo.rs`). Workers of other pools
//! ask for one by a ticket (`task/ticket.rs`). Whoever holds a [`JobRef`] must run it.
#![allow(unsafe_code)]

pub(crate) mod outcome;

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

pub(crate) use crate::latch::{ANY_TAG, NO_TAG};

/// Runs the job on a worker, `W`. It never unwinds, and the job may be gone when it returns.
pub(crate) type Execute<W> = unsafe fn(JobRef<W>, &W);

/// What every job begins with. Its layout is the same for every `W`.
#[repr(C)]
pub(crate) struct Header<W> {
    /// How to run the job: the first entry of its type's table, which for tasks has more. (A
    /// pointer to all of the table, and not a reference to the entry.)
    table: NonNull<Execute<W>>,
    /// The *isolation tag*: the innermost enclosing task for which another job may wait by a
    /// handle, or `NO_TAG`. A worker that waits inside such a task runs only jobs of the same tag
    /// on top of it, so that the task never ends up beneath the frame that waits for it: see
    /// `worker/wait.rs`. Written when the job is queued where others may see it.
    ///
    /// It is the address of that task's header, which is alive as long as this job has not ended,
    /// and has a tag in turn.
    tag: MaybeUninit<Cell<usize>>,
}

impl<W> Header<W> {
    /// # Safety
    /// `table` is, or begins with, a static entry made for the type of the job that this header is
    /// the first field of.
    #[inline(always)]
    pub(crate) unsafe fn new(table: NonNull<Execute<W>>) -> Self {
        Header { table, tag: MaybeUninit::uninit() }
    }

    /// What the job was made with (`Header::new`).
    pub(crate) fn table(&self) -> NonNull<Execute<W>> {
        self.table
    }

    pub(crate) fn set_tag(&mut self, tag: usize) {
        self.tag.write(Cell::new(tag));
    }
}

/// An isolation tag that is no job.
pub(crate) struct Tag<W>(Header<W>);

impl<W> Tag<W> {
    /// One within `parent`.
    pub(crate) fn new(parent: usize) -> Self {
        unsafe fn never<W>(_: JobRef<W>, _: &W) {
            unreachable!("a tag is not a job");
        }
        // SAFETY: it is called for no type.
        let mut header =
            unsafe { Header::new(NonNull::from(const { &(never::<W> as Execute<W>) })) };
        header.set_tag(parent);
        Tag(header)
    }

    pub(crate) fn address(&self) -> usize {
        (&raw const self.0).expose_provenance()
    }

    /// The tag of what it is within.
    pub(crate) fn parent(&self) -> usize {
        // SAFETY: written by `new`.
        unsafe { self.0.tag.assume_init_ref() }.get()
    }
}

/// The ancestors of a job of `tag`: that, its own tag, and so on.
///
/// # Safety
/// `tag` is that of a job that has not ended for as long as the iterator is used.
pub(crate) unsafe fn ancestors(tag: usize) -> impl Iterator<Item = usize> {
    let is_tag = |&tag: &usize| tag != NO_TAG && tag != ANY_TAG;
    std::iter::successors(Some(tag).filter(is_tag), move |&tag| {
        let header = ptr::with_exposed_provenance::<Header<()>>(tag);
        // SAFETY: by the premise the header is alive, and so are those of all ancestors: each
        // belongs to something that what is inside it keeps from ending. Its tag was written
        // before.
        Some(unsafe { (*header).tag.assume_init_ref() }.get()).filter(is_tag)
    })
}

/// The right, and the duty, to run a job: one word.
pub(crate) struct JobRef<W>(NonNull<Header<W>>);

// SAFETY: whoever makes a `JobRef` promises (in `JobRef::new`) that the job may be run on
// another thread.
unsafe impl<W> Send for JobRef<W> {}

impl<W> JobRef<W> {
    /// # Safety
    /// 1. `header` is the first field of a job that stays alive until it has been run.
    /// 2. The job may be run on another thread.
    /// 3. Its tag has been set.
    /// 4. Nobody else has such a reference to it, or will before this one has been given back;
    ///    unless it is made to be run once for each.
    #[inline(always)]
    pub(crate) unsafe fn new(header: NonNull<Header<W>>) -> Self {
        JobRef(header)
    }

    /// The job's address, its identity as long as it has not run.
    pub(crate) fn address(&self) -> usize {
        self.0.as_ptr().expose_provenance()
    }

    /// This job and its ancestors.
    pub(crate) fn ancestors(&self) -> impl Iterator<Item = usize> {
        // SAFETY: the job has not run.
        std::iter::once(self.address()).chain(unsafe { ancestors(self.tag()) })
    }

    pub(crate) fn cast<T>(self) -> NonNull<T> {
        self.0.cast()
    }

    /// The job's header, which is alive as long as this is.
    pub(crate) fn header(&self) -> NonNull<Header<W>> {
        self.0
    }

    pub(crate) fn tag(&self) -> usize {
        // SAFETY: a job that has not run is alive (`new`, premise 1), and its tag was written
        // before it was queued (premise 3).
        unsafe { self.0.as_ref().tag.assume_init_ref() }.get()
    }

    /// Runs the job.
    pub(crate) fn execute(self, worker: &W) {
        // SAFETY: alive by `new`, premise 1; tables are static.
        let execute = unsafe { *self.0.as_ref().table.as_ptr() };
        // SAFETY: the header's table fits the job that it was made for (`Header::new`), and
        // this, which takes the only reference, is the one run.
        unsafe { execute(self, worker) }
    }
}
