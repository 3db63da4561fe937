//! A job, one unit of work: it begins with a header that says how to run it. The thread that holds
//! a [`JobRef`] has to run the job.
//!
//! The job of a `join` is in the frame of the call (`worker/join_job.rs`), that of a spawned task
//! on the heap (`task/`).
#![allow(unsafe_code)]

pub(crate) mod join;
pub(crate) mod outcome;
mod priority;

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

pub use self::priority::Priority;
pub(crate) use self::priority::{AWAITED_BY_END, PRIORITY_BITS, origin_of, tag_of};
use crate::latch::JobName;
pub(crate) use crate::latch::{ANY_TAG, NO_TAG};

/// Runs the job on a worker, `W`. Never unwinds. The job may be gone when this returns.
pub(crate) type Execute<W> = unsafe fn(JobRef<W>, &W);

/// What is the same for all jobs of a type.
#[repr(C)]
pub(crate) struct Table<W> {
    pub(crate) execute: Execute<W>,
    /// What such jobs are, for dumps: for example the type of their closures.
    pub(crate) name: JobName,
    /// Whether a job is *empty*: to run it does nothing any more.
    pub(crate) is_empty: IsEmpty<W>,
    /// Whether the worker that takes such a job has to begin it before it calls any code of the
    /// user, such as the start handler on a further stack (`worker/in_place.rs`).
    pub(crate) is_prompt: bool,
}

impl<W> Table<W> {
    /// The table of jobs that are never empty, and that need not begin promptly.
    pub(crate) const fn new(execute: Execute<W>, name: JobName) -> Self {
        Table { execute, name, is_empty: never_empty, is_prompt: false }
    }
}

/// The job is of the table's type.
pub(crate) type IsEmpty<W> = unsafe fn(&JobRef<W>) -> bool;

/// `Table::is_empty` of jobs that never are.
///
/// # Safety
/// None: it is unsafe only to have the type of `Table::is_empty`.
unsafe fn never_empty<W>(_: &JobRef<W>) -> bool {
    false
}

/// The first field of every job. Its layout is the same for every `W`. (Three bits of its address
/// are 0: see `job/priority.rs`.)
#[repr(C, align(8))]
pub(crate) struct Header<W> {
    /// The function table of the job's type. (A pointer, since a task's table has more entries than
    /// this type says.)
    table: NonNull<Table<W>>,
    /// The *isolation tag*: the innermost enclosing task that another job may join by its handle,
    /// or `NO_TAG`. A worker that waits inside such a task runs only jobs of the same tag, so that
    /// no frame that waits for a task is on top of that task: see `worker/wait.rs`. Written before
    /// the job is public.
    ///
    /// It is the address of that task's header, which stays alive until this job has ended, and
    /// which has a tag in turn. The job's priority and `AWAITED_BY_END` are in the lowest bits
    /// of this word.
    tag: MaybeUninit<Cell<usize>>,
}

impl<W> Header<W> {
    /// # Safety
    /// `table` is static and made for the job's type, of which this header is the first field.
    #[inline(always)]
    pub(crate) unsafe fn new(table: NonNull<Table<W>>) -> Self {
        Header { table, tag: MaybeUninit::uninit() }
    }

    pub(crate) fn table(&self) -> NonNull<Table<W>> {
        self.table
    }

    /// The tag, with the bits of the priority.
    ///
    /// # Safety
    /// `set_word` was called.
    #[inline]
    pub(crate) unsafe fn word(&self) -> usize {
        // SAFETY: by the premise.
        unsafe { self.tag.assume_init_ref() }.get()
    }

    /// Sets the tag, which the caller has combined with the bits of the priority.
    pub(crate) fn set_word(&mut self, word: usize) {
        self.tag.write(Cell::new(word));
    }
}

/// An isolation tag that belongs to no job.
pub(crate) struct Tag<W>(Header<W>);

impl<W> Tag<W> {
    /// A tag whose own tag is `parent`.
    pub(crate) fn new(parent: usize) -> Self {
        // Has no premise: it is unsafe only to have the type of `Table::execute`.
        unsafe fn never<W>(_: JobRef<W>, _: &W) {
            unreachable!("a tag is not a job");
        }
        let table = const { &Table::new(never::<W>, || unreachable!()) };
        // SAFETY: no `JobRef` is made of this header.
        let mut header = unsafe { Header::new(NonNull::from(table)) };
        header.set_word(parent);
        Tag(header)
    }

    pub(crate) fn address(&self) -> usize {
        (&raw const self.0).expose_provenance()
    }

    pub(crate) fn parent(&self) -> usize {
        // SAFETY: written by `new`.
        unsafe { self.0.tag.assume_init_ref() }.get()
    }
}

/// The ancestors of a job of `tag`: `tag`, the tag of that, and so on.
///
/// # Safety
/// While the iterator is used, a job of `tag` has not ended.
pub(crate) unsafe fn ancestors(tag: usize) -> impl Iterator<Item = usize> {
    let is_tag = |&tag: &usize| tag != NO_TAG && tag != ANY_TAG;
    std::iter::successors(Some(tag).filter(is_tag), move |&tag| {
        let header = ptr::with_exposed_provenance::<Header<()>>(tag);
        // SAFETY: by the premise the header is alive, and so are those of all ancestors, since each
        // ends after what is inside it. Its tag was written before.
        Some(tag_of(unsafe { (*header).tag.assume_init_ref() }.get())).filter(is_tag)
    })
}

/// The right and the duty to run a job: one word.
pub(crate) struct JobRef<W>(NonNull<Header<W>>);

// SAFETY: the job may be run on another thread, by premise 2 of `JobRef::new`.
unsafe impl<W> Send for JobRef<W> {}

impl<W> JobRef<W> {
    /// # Safety
    /// 1. `header` is the first field of a job that stays alive until it has been run.
    /// 2. The job may be run on another thread.
    /// 3. Its tag has been set.
    /// 4. There is no other such reference to it as long as this one exists, unless the job is made
    ///    to be run once for each.
    #[inline(always)]
    pub(crate) unsafe fn new(header: NonNull<Header<W>>) -> Self {
        JobRef(header)
    }

    /// The job's address, which is its identity until it has run.
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

    pub(crate) fn header(&self) -> NonNull<Header<W>> {
        self.0
    }

    #[inline]
    pub(crate) fn tag(&self) -> usize {
        tag_of(self.word())
    }

    #[inline]
    pub(crate) fn priority(&self) -> Priority {
        Priority::of(self.word())
    }

    /// Sets the priority of a new job, which only the caller has seen. (Or of a placeholder, which
    /// has that priority already.)
    pub(crate) fn set_priority(&self, priority: Priority) {
        if priority != self.priority() {
            self.set_word(origin_of(self.word()) | priority.bits());
        }
    }

    pub(crate) fn set_word(&self, word: usize) {
        // SAFETY: as in `word`. The job is not public, so no other thread reads the word.
        unsafe { self.0.as_ref().tag.assume_init_ref() }.set(word);
    }

    /// The tag, with the bits of the priority.
    #[inline]
    pub(crate) fn word(&self) -> usize {
        // SAFETY: a job that has not run is alive (`new`, premise 1), and its tag was written
        // before it was queued (premise 3).
        unsafe { self.0.as_ref().word() }
    }

    /// Whether the job is empty. The task of its tag may then have ended, and another task may have
    /// its address. So what is done with an empty job must not depend on its tag: in a
    /// deterministic pool, the schedule would depend on addresses.
    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: the table fits the job (`Header::new`).
        unsafe { (self.table().is_empty)(self) }
    }

    pub(crate) fn is_prompt(&self) -> bool {
        self.table().is_prompt
    }

    /// The table of the job's type, which is static.
    pub(crate) fn table(&self) -> &Table<W> {
        // SAFETY: the job is alive by `new`, premise 1; tables are static.
        unsafe { self.0.as_ref().table.as_ref() }
    }

    pub(crate) fn execute(self, worker: &W) {
        let execute = self.table().execute;
        // SAFETY: the table fits the job (`Header::new`), and this consumes the only reference.
        unsafe { execute(self, worker) }
    }
}
