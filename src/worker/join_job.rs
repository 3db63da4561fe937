//! The second closure of a `join`: a job in the frame of the call, which does not end, by return or
//! by unwinding, before the job has been taken back or has run.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use crate::job::outcome::Payload;
use crate::latch::{Latch, Waiter};
use crate::sync::Ordering;
use crate::worker::{Current, JobRef, JoinHeader, Table, Worker};

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
        let table = NonNull::from(const { &Table::new(Self::execute, || "a fork") });
        // SAFETY: `execute` is made for this type, whose first field is the header.
        let head = unsafe { JoinHeader::new(table, owner) };
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
            let context = (*head).context.assume_init();
            let run = || worker.under(context, || worker.run_users(|| closure(migrated)));
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
