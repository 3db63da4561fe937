//! `join` and `join_context`.

use std::panic::resume_unwind;
use std::ptr::NonNull;

use crate::context::Stop;
use crate::job::outcome::{self, Payload};
use crate::os::generation;
use crate::pool::with_current;
use crate::worker::join_job::JoinJob;
use crate::worker::shared::Registry;
use crate::worker::{self, Current, JoinHeader, Worker};

/// Tells a closure of [`join_context`] where it runs.
#[derive(Debug)]
pub struct FnContext {
    migrated: bool,
}

impl FnContext {
    /// Returns whether this closure runs on a different thread from the one that called
    /// [`join_context`]. After a hand-off, see [`WaitPolicy`](crate::WaitPolicy), it may return
    /// `true` on the same thread.
    pub fn migrated(&self) -> bool {
        self.migrated
    }
}

/// Runs two closures, perhaps in parallel, and returns both results.
///
/// `a` runs on the calling thread. As long as it runs, another worker may steal `b`. If none does,
/// the calling thread runs `b` after `a`. An unstolen join costs about 25 instructions more
/// than calling the two closures: no fence, no atomic read-modify-write, no allocation. (While no
/// other join is pending, as for the outermost of nested joins, it costs about a hundred, including
/// two read-modify-writes.)
///
/// A thread that is no worker borrows the core of a sleeping worker, and then works itself. If no
/// worker sleeps, a worker runs both closures, and the calling thread sleeps.
///
/// A worker that waits for a stolen `b` runs other tasks on the same stack meanwhile. Never hold a
/// lock across a `join` if another task may need it.
///
/// # Panics
/// Both closures run in any case. If `a` panics, its panic is resumed when `b` has ended. If only
/// `b` panics, its panic is resumed. Also panics if the global pool is needed and cannot be built.
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
/// Forking without a fence goes back to Lace (van Dijk and van de Pol, 2014), and stealing from the
/// thief to leapfrogging (Wagner and Calder, 1993).
#[inline]
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    join_on(worker::current(), a, move |_| b(), join_from_outside)
}

/// [`join`] for the many types of long closures of loops and sorts. The fork itself is compiled
/// only once, not for each type.
pub(crate) fn join_erased<RA: Send, RB: Send>(
    a: impl FnOnce() -> RA + Send,
    b: impl FnOnce() -> RB + Send,
) -> (RA, RB) {
    fn fork(a: First<'_>, b: Second<'_>) {
        join(a, || b(false));
    }
    erased(a, |_| b(), &fork)
}

/// The closures of [`erased`].
pub(crate) type First<'f> = &'f mut (dyn FnMut() + Send);
pub(crate) type Second<'f> = &'f mut (dyn FnMut(bool) + Send);

/// Calls `fork`, which calls both closures without knowing their types, and returns both results.
/// `fork` tells `b` whether it was stolen.
pub(crate) fn erased<RA: Send, RB: Send>(
    a: impl FnOnce() -> RA + Send,
    b: impl FnOnce(bool) -> RB + Send,
    fork: &dyn Fn(First<'_>, Second<'_>),
) -> (RA, RB) {
    let (mut a, mut b, mut ra, mut rb) = (Some(a), Some(b), None, None);
    let mut first = || {
        if let Some(a) = a.take() {
            ra = Some(a());
        }
    };
    let mut second = |stolen| {
        if let Some(b) = b.take() {
            rb = Some(b(stolen));
        }
    };
    let forked = caught(fork, &mut first, &mut second);
    match (ra, rb, forked) {
        (Some(ra), Some(rb), Ok(())) => (ra, rb),
        (ra, rb, forked) => {
            outcome::discard(ra);
            outcome::discard(rb);
            panicked(forked)
        }
    }
}

fn caught(
    fork: &dyn Fn(First<'_>, Second<'_>),
    a: First<'_>,
    b: Second<'_>,
) -> Result<(), Payload> {
    outcome::run(|| fork(a, b))
}

#[cold]
fn panicked(forked: Result<(), Payload>) -> ! {
    match forked {
        Err(payload) => resume_unwind(payload),
        Ok(()) => unreachable!("a fork calls both sides"),
    }
}

/// Like [`join`], but tells each closure whether it has migrated to another thread.
///
/// # Panics
/// Like [`join`].
///
/// ```
/// let (_, moved) = filch::join_context(|_| (), |context| context.migrated());
/// println!("the second closure was {}stolen", if moved { "" } else { "not " });
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
        None => with_current(|registry| join_context_in(registry, a, b)),
    }
}

/// [`join`] for callers that are workers, without the code for other threads. Tells `b` whether it
/// was stolen.
#[inline]
pub(crate) fn join_on_worker<RA: Send, RB: Send>(
    a: impl FnOnce() -> RA + Send,
    b: impl FnOnce(bool) -> RB + Send,
) -> (RA, RB) {
    // The child of a `fork()` inside a loop is no worker.
    join_on(worker::current(), a, b, |_, _| generation::refuse())
}

#[cold]
#[inline(never)]
fn join_from_outside<RA: Send, RB: Send>(
    a: impl FnOnce() -> RA + Send,
    b: impl FnOnce(bool) -> RB + Send,
) -> (RA, RB) {
    // `a` and `b` are of the types that `join` has, so that the code of their job is compiled once.
    let fork = |worker: &Worker| join_on(worker.as_current(), a, b, never_outside);
    with_current(|registry| registry.as_worker(|worker, _| fork(worker)))
}

fn never_outside<A, B, R>(_: A, _: B) -> R {
    unreachable!("the caller is a worker")
}

pub(super) fn join_context_in<RA: Send, RB: Send>(
    registry: &Registry,
    a: impl FnOnce(FnContext) -> RA + Send,
    b: impl FnOnce(FnContext) -> RB + Send,
) -> (RA, RB) {
    registry.as_worker(|worker, migrated| join_context_on(worker, a, b, migrated))
}

/// `migrated`: whether the user's call was on another thread than this one.
#[inline(always)]
fn join_context_on<RA: Send, RB: Send>(
    worker: &Worker,
    a: impl FnOnce(FnContext) -> RA + Send,
    b: impl FnOnce(FnContext) -> RB + Send,
    migrated: bool,
) -> (RA, RB) {
    join_on(
        worker.as_current(),
        move || a(FnContext { migrated }),
        move |stolen| b(FnContext { migrated: migrated || stolen }),
        never_outside,
    )
}

/// `join` on the worker `current`, which tells `b` whether it was stolen. On a thread that is no
/// worker, calls `outside` with both closures.
#[inline(always)]
fn join_on<A: FnOnce() -> RA + Send, B: FnOnce(bool) -> RB + Send, RA: Send, RB: Send>(
    current: Current,
    a: A,
    b: B,
    outside: impl FnOnce(A, B) -> (RA, RB),
) -> (RA, RB) {
    let job = JoinJob::new(current, b);
    // SAFETY: this thread acts as `current`, which is alive: `OUTSIDE` is static, and a worker
    // outlives all that it runs.
    let slot = match unsafe { &*current }.push(job.head()) {
        Some(slot) => slot,
        None => match fork_slow(current, job.head()) {
            Some(slot) => slot,
            // SAFETY: the job is in no queue.
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

/// Called if the fast path refused the fork. Returns its slot, or `None` if the thread is no
/// worker.
#[cold]
#[inline(never)]
fn fork_slow(current: Current, job: NonNull<JoinHeader>) -> Option<usize> {
    // A panic must not leave the caller's frame, where from now on a thief may use the job.
    Worker::of(current).map(|worker| outcome::run_or_abort(|| worker.fork_slow(job)))
}

/// Returns both results, or resumes the panic of `b`.
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

/// Takes back the job of a fork that ends. Returns `false` if a thief has it.
#[inline(always)]
fn unfork<B: FnOnce(bool) -> RB + Send, RB: Send>(job: &JoinJob<B, RB>) -> bool {
    // SAFETY: the slot was set when the job became pending.
    let slot = unsafe { job.slot() };
    // SAFETY: the job's owner is a worker, which is running this.
    unsafe { &*job.owner() }.pop(slot) || unfork_slow(job.owner(), slot, job.head())
}

#[cold]
#[inline(never)]
fn unfork_slow(current: Current, slot: usize, job: NonNull<JoinHeader>) -> bool {
    outcome::run_or_abort(|| owner(current).unfork_slow(slot, job))
}

fn owner<'w>(current: Current) -> &'w Worker {
    match Worker::of(current) {
        Some(worker) => worker,
        None => unreachable!("only workers fork"),
    }
}

/// Resumes the panic of `a` when `b` has ended, which may borrow from the same frames.
#[cold]
#[inline(never)]
fn after_panic<B: FnOnce(bool) -> RB + Send, RB: Send>(
    job: &JoinJob<B, RB>,
    payload: Payload,
) -> ! {
    let rb = if unfork(job) {
        // SAFETY: the job came back without having been run.
        let b = unsafe { job.take() };
        outcome::run(move || b(false))
    } else {
        stolen_result(job)
    };
    match rb {
        // A panic takes precedence over an unwinding that only stops `a`.
        Err(panic) if payload.is::<Stop>() => resume_unwind(panic),
        rb => outcome::discard(rb),
    }
    resume_unwind(payload)
}

/// Waits for the thief of `b`, and returns what `b` returned.
#[cold]
#[inline(never)]
fn stolen_result<B: FnOnce(bool) -> RB + Send, RB: Send>(
    job: &JoinJob<B, RB>,
) -> Result<RB, Payload> {
    // SAFETY: a stolen job was published, so its head is initialized; what a thief uses of it is
    // atomic, or is not written any more.
    let head = unsafe { job.head().as_ref() };
    // The thief writes to this frame. `wait_until` aborts if it would unwind.
    owner(job.owner()).wait_until(head);
    // SAFETY: the latch is set.
    unsafe { job.take_result() }
}
