//! The second closure of a `join`: a job in the frame of the call, which does not end, by return or
//! by unwinding, before the job has been taken back or has run.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use crate::job::outcome::Payload;
use crate::latch::{Awaited, Latch, Wait, Waiter};
use crate::queue::Published;
use crate::sync::{AtomicU32, Ordering};
use crate::worker::{Current, Execute, Header, JobRef, Worker};

/// No worker runs the job yet.
const NOBODY: u32 = u32::MAX;

/// The part of a join's job that does not depend on its types.
///
/// A fork writes only `header.table`, `owner` and `slot`. `publish` writes the rest, since no other
/// thread sees the job before.
#[repr(C)]
pub(crate) struct JoinHeader {
    header: Header,
    latch: MaybeUninit<Latch>,
    /// The index of the worker that runs the job, or `NOBODY`: a hint for leapfrogging.
    runner: MaybeUninit<AtomicU32>,
    /// The worker whose fork this is. (`OUTSIDE` in a job that is never published.)
    owner: Current,
    /// The job's slot in its owner's queue; for the owner only.
    slot: MaybeUninit<usize>,
}

impl JoinHeader {
    /// Completes a private job for other threads, and returns its public form.
    ///
    /// # Safety
    /// `this` is a job that only its owner has seen.
    pub(crate) unsafe fn publish(this: NonNull<JoinHeader>, tag: usize) -> JobRef {
        let job = this.as_ptr();
        // SAFETY: the job is alive and only its owner sees it.
        unsafe {
            (*job).header.set_tag(tag);
            (*job).latch.write(Latch::new());
            (*job).runner.write(AtomicU32::new(NOBODY));
        }
        // SAFETY: the header is the first field; the join that owns the frame waits for the job;
        // `JoinJob::new` takes only closures that may be sent; the tag is set; a job is in its
        // owner's queue once.
        unsafe { JobRef::new(this.cast()) }
    }
}

impl Published<JoinHeader> for JobRef {
    fn into_pointer(self) -> NonNull<JoinHeader> {
        self.cast()
    }

    unsafe fn from_pointer(job: NonNull<JoinHeader>) -> Self {
        // SAFETY: by the premise, `job` was the one `JobRef`, which this makes again.
        unsafe { JobRef::new(job.cast()) }
    }

    fn is(&self, private: NonNull<JoinHeader>) -> bool {
        self.address() == private.as_ptr() as usize
    }
}

/// The owner's wait for a published job.
impl Wait for JoinHeader {
    fn done(&self) -> bool {
        // SAFETY: an owner waits only for a published job, which is complete.
        unsafe { self.latch.assume_init_ref() }.done()
    }

    fn ask_wake(&self) -> bool {
        // SAFETY: as in `done`.
        unsafe { self.latch.assume_init_ref() }.ask_wake()
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

/// The second closure of a join, and its result.
#[repr(C)]
pub(crate) struct JoinJob<B, R> {
    head: UnsafeCell<JoinHeader>,
    closure: UnsafeCell<MaybeUninit<B>>,
    result: UnsafeCell<MaybeUninit<Result<R, Payload>>>,
}

impl<B, R> JoinJob<B, R>
where
    B: FnOnce(bool) -> R + Send,
    R: Send,
{
    #[inline(always)]
    pub(crate) fn new(owner: Current, closure: B) -> Self {
        let head = JoinHeader {
            // SAFETY: `execute` is made for this type, whose first field is the header.
            header: unsafe { Header::new(NonNull::from(const { &(Self::execute as Execute) })) },
            latch: MaybeUninit::uninit(),
            runner: MaybeUninit::uninit(),
            owner,
            slot: MaybeUninit::uninit(),
        };
        JoinJob {
            head: UnsafeCell::new(head),
            closure: UnsafeCell::new(MaybeUninit::new(closure)),
            result: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    #[inline(always)]
    pub(crate) fn head(&self) -> NonNull<JoinHeader> {
        // From a reference to all of it, since it becomes a `JoinJob` again.
        NonNull::from(self).cast()
    }

    // Owner and slot are kept in memory: in two registers they would have to outlive the first
    // closure, and each call of a recursive function would save these.

    /// The worker whose fork this is.
    #[inline(always)]
    pub(crate) fn owner(&self) -> Current {
        // SAFETY: it was written when the job was made, and is never changed.
        unsafe { (*self.head.get()).owner }
    }

    #[inline(always)]
    pub(crate) fn set_slot(&self, slot: usize) {
        // SAFETY: only the owner touches the slot.
        unsafe { (*self.head.get()).slot.write(slot) };
    }

    /// # Safety
    /// `set_slot` was called.
    #[inline(always)]
    pub(crate) unsafe fn slot(&self) -> usize {
        // SAFETY: by the premise; only the owner touches the slot.
        unsafe { (*self.head.get()).slot.assume_init() }
    }

    /// Takes the closure of a job that its owner has taken back.
    ///
    /// # Safety
    /// No other thread has or had the job; called once.
    #[inline(always)]
    pub(crate) unsafe fn take(&self) -> B {
        // SAFETY: by the premise, the closure is there and only the owner reads it.
        unsafe { (*self.closure.get()).assume_init_read() }
    }

    /// Takes the result that the thief wrote.
    ///
    /// # Safety
    /// The job's latch is set; called once.
    pub(crate) unsafe fn take_result(&self) -> Result<R, Payload> {
        // SAFETY: the thief wrote the result before it set the latch.
        unsafe { (*self.result.get()).assume_init_read() }
    }

    /// # Safety
    /// As `JobRef::execute`; the job is a published `JoinJob<B, R>`.
    unsafe fn execute(job: JobRef, worker: &Worker) {
        let address = job.address();
        let this = job.cast::<Self>().as_ptr();
        // SAFETY: the owner waits until the latch is set, so the frame is alive up to there; the
        // fields were written before the job was published; only the thief touches closure and
        // result meanwhile; the latch is unset.
        unsafe {
            let head = (*this).head.get();
            let owner = (*head).owner;
            (*head).runner.assume_init_ref().store(worker.index() as u32, Ordering::Relaxed);
            let closure = (*(*this).closure.get()).assume_init_read();
            worker.count_task();
            // It has also migrated if another thread now holds the owner's core.
            let migrated = owner != worker.as_current() || worker.threads_off() > 0;
            let run = || worker.run_users(|| closure(migrated));
            let result =
                if worker.waits_for_own_work() { worker.within(address, run) } else { run() };
            (*(*this).result.get()).write(result);
            let waiter = Latch::set((*head).latch.as_ptr());
            // From here on the frame may be gone. The owner is a worker of this pool.
            if let (Waiter::Asleep, Some(owner)) = (waiter, Worker::of(owner)) {
                worker.sleep().wake_blocked(owner.index(), address);
            }
        }
    }
}
