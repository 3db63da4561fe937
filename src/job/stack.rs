//! Jobs that live in the frame of the call that made them: the second side of a `join`, and
//! what a thread from outside hands to a pool.
//!
//! Both are sound for the same reason: the frame does not end, by return or by unwinding, before
//! its job has been taken back or has been run.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use super::outcome::{self, Payload};
use super::{Execute, Header, JobRef, NO_ROOT};
use crate::dump::Awaited;
use crate::latch::{Latch, Wait, Waiter};
use crate::pool::Registry;
use crate::queue::Published;
use crate::sync::{AtomicU32, Ordering};
use crate::worker::sleeper::{self, Event};
use crate::worker::{Current, Worker};

/// No worker runs the job yet.
const NOBODY: u32 = u32::MAX;

/// The part of a join's job that does not depend on its types.
///
/// Only `header.table`, `owner` and `slot` are written at a fork; `publish` writes the rest when the job
/// is published, because only then can anybody else see it.
#[repr(C)]
pub(crate) struct JoinHeader {
    header: Header,
    latch: MaybeUninit<Latch>,
    /// The worker that runs the job, once there is one: a hint for whom to steal back from.
    runner: MaybeUninit<AtomicU32>,
    /// The worker whose fork this is; once published, a worker in any case.
    owner: Current,
    /// What its owner's queue calls the place where the job was put; for the owner only.
    slot: MaybeUninit<usize>,
}

impl JoinHeader {
    /// Makes a private job fit to be seen by others, as which it is returned.
    ///
    /// # Safety
    /// `this` is a job that its owner alone has seen.
    pub(crate) unsafe fn publish(this: NonNull<JoinHeader>, root: usize) -> JobRef {
        let job = this.as_ptr();
        // SAFETY: the job is alive and only its owner sees it.
        unsafe {
            (*job).header.set_root(root);
            (*job).latch.write(Latch::new());
            (*job).runner.write(AtomicU32::new(NOBODY));
        }
        // SAFETY: the header is the first field; the join that owns the frame waits for the job;
        // `JoinJob::new` takes only closures that may be sent; the root is set; a job is in its
        // owner's queue once.
        unsafe { JobRef::new(this.cast()) }
    }
}

impl Published<JoinHeader> for JobRef {
    fn into_pointer(self) -> NonNull<JoinHeader> {
        self.cast()
    }

    unsafe fn from_pointer(job: NonNull<JoinHeader>) -> Self {
        // SAFETY: it was a `JobRef` before, of which by the premise there is one again.
        unsafe { JobRef::new(job.cast()) }
    }

    fn is(&self, private: NonNull<JoinHeader>) -> bool {
        self.address() == private.as_ptr() as usize
    }
}

/// A published job of a join, as its owner waits for it.
impl Wait for JoinHeader {
    fn done(&self) -> bool {
        // SAFETY: waited for only after it was published, hence complete.
        unsafe { self.latch.assume_init_ref() }.done()
    }

    fn ask_wake(&self) -> bool {
        // SAFETY: as in `done`.
        unsafe { self.latch.assume_init_ref() }.ask_wake()
    }

    fn what(&self) -> Awaited {
        Awaited::Fork(self.runner())
    }

    fn root(&self) -> Option<usize> {
        Some(ptr::from_ref(self).addr())
    }

    fn runner(&self) -> Option<usize> {
        // SAFETY: as in `done`.
        let runner = unsafe { self.runner.assume_init_ref() };
        // Relaxed: a hint.
        Some(runner.load(Ordering::Relaxed)).filter(|&r| r != NOBODY).map(|r| r as usize)
    }
}

/// The second side of a join.
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
        // Of all of it, and not of its first field, since it is made a `JoinJob` again.
        NonNull::from(self).cast()
    }

    // Owner and slot are kept in memory because that costs less than two registers that outlast
    // the first side, which every call of a recursive function would have to save.

    /// The worker whose fork this is.
    #[inline(always)]
    pub(crate) fn owner(&self) -> Current {
        // SAFETY: written when the job was made, and never again.
        unsafe { (*self.head.get()).owner }
    }

    /// Notes where the owner put the job.
    #[inline(always)]
    pub(crate) fn set_slot(&self, slot: usize) {
        // SAFETY: only the owner touches the slot.
        unsafe { (*self.head.get()).slot.write(slot) };
    }

    /// # Safety
    /// After `set_slot`.
    #[inline(always)]
    pub(crate) unsafe fn slot(&self) -> usize {
        // SAFETY: by the premise; only the owner touches the slot.
        unsafe { (*self.head.get()).slot.assume_init() }
    }

    /// The closure, of a job that came back to its owner.
    ///
    /// # Safety
    /// Nobody else has or had the job; called once.
    #[inline(always)]
    pub(crate) unsafe fn take(&self) -> B {
        // SAFETY: by the premise, the closure is there and only the owner reads it.
        unsafe { (*self.closure.get()).assume_init_read() }
    }

    /// What the thief came to.
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
            // A fork that another thread runs in its owner's place has migrated, too.
            let migrated = owner != worker.as_current() || worker.threads_off() > 0;
            let run = || outcome::run(|| closure(migrated));
            let result =
                if worker.waits_for_own_work() { worker.within(address, run) } else { run() };
            (*(*this).result.get()).write(result);
            let waiter = Latch::set((*head).latch.as_ptr());
            // The frame may be gone from here on; the owner is a worker of this pool.
            if let (Waiter::Asleep, Some(owner)) = (waiter, Worker::of(owner)) {
                worker.sleep().wake_blocked(owner.index(), address);
            }
        }
    }
}

/// Runs `closure` on whatever worker of `registry` takes the job, waits, and returns what it came to.
/// `caller`: the worker of another pool that the calling thread is.
pub(crate) fn run_elsewhere<F, R>(
    closure: F,
    caller: Option<&Worker>,
    registry: &Registry,
) -> Result<R, Payload>
where
    F: FnOnce(&Worker) -> R + Send,
    R: Send,
{
    let mut job = InstallJob {
        // SAFETY: `execute` is made for this type, whose first field is the header.
        header: unsafe {
            Header::new(NonNull::from(const { &(InstallJob::<F, R>::execute as Execute) }))
        },
        closure: UnsafeCell::new(Some(closure)),
        result: UnsafeCell::new(None),
        begun: AtomicU32::new(0),
        done: Event::new(registry),
    };
    job.header.set_root(caller.map_or(NO_ROOT, Worker::root));
    // SAFETY: the header is the first field; the frame does not end before the job is done, since
    // a panic aborts; closure and result may be sent; the root is set; there is one reference.
    let reference = unsafe { JobRef::new(NonNull::from(&job).cast()) };
    outcome::run_or_abort(|| {
        registry.inject(reference);
        wait(&job.done, &job.begun, registry);
    });
    match job.result.into_inner() {
        Some(result) => result,
        None => unreachable!("the job is done, so the result is there"),
    }
}

/// Not generic, hence compiled once, and not in the user's crate.
fn wait(done: &Event, begun: &AtomicU32, registry: &Registry) {
    if Worker::current().is_some() || registry.is_simulated() {
        return done.wait(|| true);
    }
    // What it runs may fork, and this thread has the time to wake a helper for that.
    registry.sleep().wake_helper();
    let calls = || {
        let is_late = begun.load(Ordering::Relaxed) == 0;
        if is_late {
            registry.call_for_injected();
        }
        is_late
    };
    done.wait_with_calls(sleeper::LATE, calls);
}

/// Work that a thread which is no worker of the pool hands over and waits for.
#[repr(C)]
struct InstallJob<F, R> {
    header: Header,
    closure: UnsafeCell<Option<F>>,
    result: UnsafeCell<Option<Result<R, Payload>>>,
    /// Whether a worker runs the job.
    begun: AtomicU32,
    done: Event,
}

impl<F, R> InstallJob<F, R>
where
    F: FnOnce(&Worker) -> R + Send,
    R: Send,
{
    /// # Safety
    /// As `JobRef::execute`; the job is an `InstallJob<F, R>`.
    unsafe fn execute(job: JobRef, worker: &Worker) {
        let this = job.cast::<Self>().as_ptr();
        worker.count_task();
        // SAFETY: the frame is alive until `done` has happened; the runner alone touches the
        // cells until then.
        unsafe {
            (*this).begun.store(1, Ordering::Relaxed);
            // Who still waits calls again.
            worker.registry().is_served();
            let closure = (*(*this).closure.get()).take();
            let result = closure.map(|closure| outcome::run(|| closure(worker)));
            *(*this).result.get() = result;
            Event::happen(&raw const (*this).done);
        }
    }
}
