//! Callers that are no workers of the pool.
//!
//! A thread that is no worker borrows the core of a parked worker, and works itself. That saves two
//! context switches, and never makes more threads active than the pool has workers. If no core is
//! parked, the thread injects a job and sleeps.
//!
//! A worker of another pool never borrows a core. It injects a job, and meanwhile works for its own
//! pool, since the job may wait for that pool in turn.
//!
//! # What it is worth
//! A row's time without a mechanism, divided by its time with it: medians by
//! `benches/ablation/run`, on two shared virtual cores.
//!
//! | without | row | threads | time |
//! | --- | --- | ---: | ---: |
//! | `core-lending` | empty joins from outside | 2 | 28.7 |
//! |  | empty join from outside, rested | 2 | 1.38 |

use std::any::type_name;
use std::cell::{Cell, UnsafeCell};
use std::panic::resume_unwind;
use std::ptr::{self, NonNull};

use crate::job::outcome::{self, Payload};
use crate::job::{AWAITED_BY_END, NO_TAG, Priority, origin_of};
use crate::os::clock::ticks;
use crate::sleep::Event;
use crate::sync::{AtomicU32, Ordering};
use crate::worker::callers::{LATE, Length};
use crate::worker::shared::Registry;
use crate::worker::{
    Acting, ContextRef, Header, JobRef, Table, Tag, Worker, current_context, inherited_context,
    with_span,
};

impl Registry {
    /// Runs `op` as a worker of this pool: on the calling thread if it is such a worker or can
    /// borrow a core, else on a thread of the pool. Also tells `op` whether it is on another
    /// thread.
    #[inline]
    pub(crate) fn as_worker<R: Send, F>(&self, op: F) -> R
    where
        F: FnOnce(&Worker, bool) -> R + Send,
    {
        let core = match Worker::current() {
            Some(worker) if std::ptr::eq(worker.registry(), self) => return op(worker, false),
            Some(_) => None,
            None => {
                self.expect_threads();
                Borrowed::core(self)
            }
        };
        match core {
            Some(core) => with_span(|| op(core.worker, false)),
            None => self.hand_over::<_, F>(None, |worker| op(worker, true)),
        }
    }

    /// Runs `op` on a thread of this pool, at `priority` or else at the caller's.
    pub(crate) fn on_thread<R: Send, F>(&self, priority: Option<Priority>, op: F) -> R
    where
        F: FnOnce() -> R + Send,
    {
        match (self.current_worker(), priority) {
            (Some(_), None) => with_span(op),
            (Some(worker), Some(priority)) => with_span(|| worker.at_priority(priority, op)),
            (None, _) => self.hand_over::<_, F>(priority, |_| op()),
        }
    }

    /// Runs `op` on a thread of this pool. Meanwhile the caller works for its own pool if it is a
    /// worker, else it sleeps. `op` has the given priority, else the caller's. A dump calls it `N`.
    fn hand_over<R: Send, N>(
        &self,
        priority: Option<Priority>,
        op: impl FnOnce(&Worker) -> R + Send,
    ) -> R {
        self.expect_threads();
        let word = Worker::current_word();
        let word = priority.map_or(word, |priority| origin_of(word) | priority.bits());
        let result = with_span(|| run_in_pool::<_, _, N>(op, word, self));
        result.unwrap_or_else(|payload| resume_unwind(payload))
    }
}

/// A core that this thread has borrowed.
pub(crate) struct Borrowed<'r> {
    pub(crate) worker: &'r Worker,
    _acting: Acting,
}

impl<'r> Borrowed<'r> {
    /// Borrows a parked core, if there is one and the caller may act as a worker.
    pub(crate) fn core(registry: &'r Registry) -> Option<Self> {
        // A thread inside `blocking` must not: it could run a job that waits for the task beneath.
        if !registry.settings.lends_cores || Worker::blocked().is_some() {
            return None;
        }
        let (index, stopped) = registry.sleep().lend()?;
        let worker = &*registry.workers()[index];
        let context = current_context();
        let borrowed = Borrowed { worker, _acting: Acting::start(worker) };
        worker.set_lent(true);
        worker.note_loan();
        worker.sleep().unparked();
        worker.look_again(stopped);
        // (A parked core has no pending fork that would get this context.)
        worker.set_context(context);
        Some(borrowed)
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.worker.set_lent(false);
        self.worker.set_context(ptr::null());
        // A panic here would lose the core.
        outcome::run_or_abort(|| self.worker.give_back());
    }
}

/// Runs `closure` on a worker of `registry`, waits, and returns its result. `word` has the
/// priority and the caller's isolation tag. A dump calls the job `N`.
fn run_in_pool<F: FnOnce(&Worker) -> R + Send, R: Send, N>(
    closure: F,
    word: usize,
    registry: &Registry,
) -> Result<R, Payload> {
    let table = const { &Table::new(InstallJob::<F, R>::execute, type_name::<N>) };
    let mut job = InstallJob {
        // SAFETY: the table is made for this type, whose first field is the header.
        header: unsafe { Header::new(NonNull::from(table)) },
        closure: UnsafeCell::new(Some(closure)),
        result: UnsafeCell::new(None),
        stage: AtomicU32::new(QUEUED),
        done: Event::new(registry.address()),
        context: inherited_context(),
    };
    let own_tag = Tag::new(NO_TAG);
    let own_word = own_tag.address() | Priority::bits_of(word);
    // What a detached task or a handler of another pool asks for needs a tag: see the invariant in
    // `worker/wait.rs`.
    let is_detached = word & AWAITED_BY_END != 0 && Worker::is_on_other_pools_thread(registry);
    job.header.set_word(if is_detached { own_word } else { word });
    // SAFETY: the header is the first field; this frame lives until the job is done, since a panic
    // aborts; closure and result may be sent; the tag is set; there is one reference.
    let reference = unsafe { JobRef::new(NonNull::from(&job).cast()) };
    outcome::run_or_abort(|| {
        registry.inject(reference);
        wait(&job.done, &job.stage, Priority::of(word), registry);
    });
    match job.result.into_inner() {
        Some(result) => result,
        None => unreachable!("the job is done, so the result is there"),
    }
}

/// Waits for the job. If the caller becomes the sentry, it resigns after a while. As long as the job
/// is queued, it asks workers every [`LATE`] to serve it, unless its priority is low. (Not generic,
/// so it is compiled once.)
fn wait(done: &Event, stage: &AtomicU32, priority: Priority, registry: &Registry) {
    // (A model has no clock.)
    if Worker::current().is_some() || registry.is_simulated() || cfg!(loom) {
        return done.wait(|| true);
    }
    let (sleep, callers) = (registry.sleep(), &registry.callers);
    let expected = callers.expect();
    // If few workers are enough, the caller is the sentry for this long (`worker/callers.rs`).
    let watch = expected.enough().and_then(|(enough, time)| {
        let leaves_some = enough < registry.workers().len();
        (leaves_some && sleep.watch_from_outside(enough)).then_some(time)
    });
    match expected {
        Length::Short => {
            callers.look(|| stage.load(Ordering::Relaxed) == OVER && done.has_happened());
        }
        // The job may fork, and this thread has the time to wake a second worker for that.
        _ => sleep.wake_helper(),
    }
    let watches = Cell::new(watch.is_some());
    let call = || {
        if watches.take() {
            registry.stop_watching();
            sleep.wake_helper();
            return Some(LATE);
        }
        registry.ask_for(stage.load(Ordering::Relaxed) == QUEUED, priority)
    };
    if !done.has_happened() {
        done.wait_with_calls(watch.unwrap_or(LATE), call);
    }
    if watches.get() {
        registry.stop_watching();
    }
}

const QUEUED: u32 = 0;
const BEGUN: u32 = 1;
/// A worker has run the job, and is about to make `done` happen.
const OVER: u32 = 2;

/// The job of a thread that is no worker of the pool, in the frame in which that thread waits.
#[repr(C)]
struct InstallJob<F, R> {
    header: Header,
    closure: UnsafeCell<Option<F>>,
    result: UnsafeCell<Option<Result<R, Payload>>>,
    /// `QUEUED`, `BEGUN` or `OVER`. (Relaxed: only a hint. `done` decides.)
    stage: AtomicU32,
    done: Event,
    /// The caller's.
    context: ContextRef,
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
        // SAFETY: until `done` has happened, the frame is alive and only this thread uses the
        // cells.
        unsafe {
            (*this).stage.store(BEGUN, Ordering::Relaxed);
            // (A caller that still waits repeats its request.)
            worker.registry().withdraw_request();
            worker.begin_from_outside();
            let closure = (*(*this).closure.get()).take();
            let start = ticks();
            let run = |closure: F| worker.run_users(|| closure(worker));
            let result = closure.map(|closure| worker.under((*this).context, || run(closure)));
            // (No schedule that a seed decides may depend on the time.)
            if !worker.registry().is_simulated() {
                worker.registry().callers.job_took(ticks().wrapping_sub(start));
            }
            *(*this).result.get() = result;
            (*this).stage.store(OVER, Ordering::Relaxed);
            Event::happen(&raw const (*this).done);
        }
    }
}
