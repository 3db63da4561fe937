//! `join`: two closures, perhaps in parallel.

use std::panic::resume_unwind;
use std::ptr::NonNull;

use crate::job::outcome::{self, Payload};
use crate::os::generation;
use crate::pool::with_current;
use crate::worker::join_job::{JoinHeader, JoinJob};
use crate::worker::shared::Registry;
use crate::worker::{self, Current, Worker};

/// What a side of [`join_context`] is told about where it runs.
#[derive(Debug)]
pub struct FnContext {
    migrated: bool,
}

impl FnContext {
    /// Whether this side runs on another thread than the one that called
    /// [`join_context`]. (On a worker that a thread has handed off, see
    /// [`WaitPolicy`](crate::WaitPolicy), it may say so on the same thread.)
    pub fn migrated(&self) -> bool {
        self.migrated
    }
}

/// Runs two closures, perhaps in parallel, and returns both results.
///
/// `a` runs on the calling thread; `b` may meanwhile be stolen by another worker, and runs on
/// the calling thread after `a` if it was not. Every join can be stolen from, as long as `a`
/// runs. Where nothing is stolen, the cost over calling the two closures is some twenty
/// instructions: no fence, no atomic read-modify-write, no allocation. (Where nothing else is
/// pending, as in the outermost of nested joins, it is about a hundred, two read-modify-writes
/// among them.)
///
/// Called on a thread that is no worker, it borrows the core of a worker that has nothing to do,
/// so that the calling thread works itself; if there is none, a worker runs both closures, and
/// the calling thread sleeps.
///
/// A worker that has to wait for a stolen `b` runs other work meanwhile. Do not hold a lock
/// across a `join` that such work may want, too.
///
/// # Panics
/// Both closures run in any case. If `a` panics, its panic is resumed when `b` has ended; else
/// `b`'s is, if that panics. The global pool's failure to be built, where it is needed, is a
/// panic, too.
///
/// ```
/// fn sum(numbers: &[u64]) -> u64 {
///     if numbers.len() <= 1_000 {
///         return numbers.iter().sum();
///     }
///     let (left, right) = numbers.split_at(numbers.len() / 2);
///     let (left, right) = filch::join(|| sum(left), || sum(right));
///     left + right
/// }
///
/// let numbers: Vec<u64> = (1..=100_000).collect();
/// assert_eq!(sum(&numbers), 5_000_050_000);
/// ```
///
/// The way of forking without a fence goes back to Lace (van Dijk and van de Pol, 2014), that of
/// stealing back to leapfrogging (Wagner and Calder, 1993).
#[inline]
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    join_on(
        worker::current(),
        a,
        move |_| b(),
        |a, b| join_from_outside(move |_| a(), move |_| b(false)),
    )
}

/// Like [`join`], and tells each closure whether it has migrated to another thread.
///
/// # Panics
/// As [`join`].
///
/// ```
/// let (_, moved) = filch::join_context(|_| (), |context| context.migrated());
/// println!("the second side was {}stolen", if moved { "" } else { "not " });
/// ```
#[inline]
pub fn join_context<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce(FnContext) -> RA + Send,
    B: FnOnce(FnContext) -> RB + Send,
    RA: Send,
    RB: Send,
{
    match Worker::current() {
        Some(worker) => join_context_on(worker, a, b, false),
        None => join_from_outside(a, b),
    }
}

/// [`join_context`] on a worker: what other threads need is not compiled.
#[inline]
pub(crate) fn join_on_worker<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce(FnContext) -> RA + Send,
    B: FnOnce(FnContext) -> RB + Send,
    RA: Send,
    RB: Send,
{
    match Worker::current() {
        Some(worker) => join_context_on(worker, a, b, false),
        // Only the child of a `fork()` within a loop gets here.
        None => generation::refuse(),
    }
}

#[cold]
#[inline(never)]
fn join_from_outside<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce(FnContext) -> RA + Send,
    B: FnOnce(FnContext) -> RB + Send,
    RA: Send,
    RB: Send,
{
    with_current(|registry| join_context_in(registry, a, b))
}

pub(crate) fn join_in<A, B, RA, RB>(registry: &Registry, a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    join_context_in(registry, move |_| a(), move |_| b())
}

pub(crate) fn join_context_in<A, B, RA, RB>(registry: &Registry, a: A, b: B) -> (RA, RB)
where
    A: FnOnce(FnContext) -> RA + Send,
    B: FnOnce(FnContext) -> RB + Send,
    RA: Send,
    RB: Send,
{
    registry.as_worker(|worker, migrated| join_context_on(worker, a, b, migrated))
}

/// `migrated`: whether the calling thread is not that of the user's call.
#[inline(always)]
fn join_context_on<A, B, RA, RB>(worker: &Worker, a: A, b: B, migrated: bool) -> (RA, RB)
where
    A: FnOnce(FnContext) -> RA + Send,
    B: FnOnce(FnContext) -> RB + Send,
    RA: Send,
    RB: Send,
{
    join_on(
        worker.as_current(),
        move || a(FnContext { migrated }),
        move |stolen| b(FnContext { migrated: migrated || stolen }),
        |_, _| unreachable!("the caller is a worker"),
    )
}

/// `join` on the worker `current`. `b` is told whether it was stolen. On a thread that is no
/// worker, `outside` gets both closures back.
#[inline(always)]
fn join_on<A, B, RA, RB>(
    current: Current,
    a: A,
    b: B,
    outside: impl FnOnce(A, B) -> (RA, RB),
) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce(bool) -> RB + Send,
    RA: Send,
    RB: Send,
{
    let job = JoinJob::new(current, b);
    // SAFETY: the thread is `current`'s; `OUTSIDE` lives for ever, a worker longer than its run.
    let slot = match unsafe { &*current }.push(job.head()) {
        Some(slot) => slot,
        None => match fork_slow(current, job.head()) {
            Some(slot) => slot,
            // SAFETY: nobody has the job.
            None => return outside(a, unsafe { job.take() }),
        },
    };
    job.set_slot(slot);
    let ra = match outcome::run(a) {
        Ok(ra) => ra,
        Err(payload) => after_panic(&job, payload),
    };
    if unfork(&job) {
        // SAFETY: the job came back without having been run.
        let b = unsafe { job.take() };
        return both(ra, outcome::run(move || b(false)));
    }
    both(ra, stolen_result(&job))
}

/// Makes a fork pending where the front of the queue could not, and returns its slot. `None`: the
/// thread is no worker.
#[cold]
#[inline(never)]
fn fork_slow(current: Current, job: NonNull<JoinHeader>) -> Option<usize> {
    // A thief may have the job from here on, which is in the frame of the caller.
    Worker::of(current).map(|worker| outcome::run_or_abort(|| worker.fork_slow(job)))
}

/// Both results, or the panic of the second side.
#[inline(always)]
fn both<RA, RB>(ra: RA, rb: Result<RB, Payload>) -> (RA, RB) {
    match rb {
        Ok(rb) => (ra, rb),
        Err(payload) => {
            outcome::discard(ra);
            resume_unwind(payload)
        }
    }
}

/// Takes the job of a fork that ends back. `false`: a thief has it.
#[inline(always)]
fn unfork<B, RB>(job: &JoinJob<B, RB>) -> bool
where
    B: FnOnce(bool) -> RB + Send,
    RB: Send,
{
    // SAFETY: the slot was set when the job became pending.
    let slot = unsafe { job.slot() };
    // SAFETY: the job's owner is a worker, whose run this is part of.
    unsafe { &*job.owner() }.pop(slot)
        || outcome::run_or_abort(|| owner(job).unfork_slow(slot, job.head()))
}

fn owner<B, RB>(job: &JoinJob<B, RB>) -> &Worker
where
    B: FnOnce(bool) -> RB + Send,
    RB: Send,
{
    match Worker::of(job.owner()) {
        Some(worker) => worker,
        None => unreachable!("only workers fork"),
    }
}

/// `a` has panicked; `b`, which may borrow from the same frames, has to end first.
#[cold]
#[inline(never)]
fn after_panic<B, RB>(job: &JoinJob<B, RB>, payload: Payload) -> !
where
    B: FnOnce(bool) -> RB + Send,
    RB: Send,
{
    let rb = if unfork(job) {
        // SAFETY: the job came back without having been run.
        let b = unsafe { job.take() };
        outcome::run(move || b(false))
    } else {
        stolen_result(job)
    };
    outcome::discard(rb);
    resume_unwind(payload)
}

/// Waits for the thief of a job.
#[cold]
#[inline(never)]
fn stolen_result<B, RB>(job: &JoinJob<B, RB>) -> Result<RB, Payload>
where
    B: FnOnce(bool) -> RB + Send,
    RB: Send,
{
    // SAFETY: a stolen job was published, hence prepared; its owner may share its head, whose
    // parts that a thief uses are atomics or are not written any more.
    let head = unsafe { job.head().as_ref() };
    // The thief writes to this frame, which therefore must not be left by unwinding: see
    // `wait_until`.
    owner(job).wait_until(head);
    // SAFETY: the latch is set.
    unsafe { job.take_result() }
}
