//! `gang`: closures that run at the same time, and meet at barriers.
//!
//! # States
//! A gang of n members has n jobs, each *pinned* to a worker of its own. A member *gathers* when
//! its worker begins the job: the worker waits, and runs nothing, until all n jobs have begun. Then
//! each member calls the closure. A member that arrives at a barrier before the others waits there.
//! Meanwhile its worker may run pinned jobs, which include members of other gangs, and cross-pool
//! jobs: it waits as for another pool (`worker/wait.rs`). A member *leaves* when its closure has
//! returned or panicked.
//!
//! # Invariant
//! 1. The jobs of all gangs are pinned in one order ([`ORDER`]), and each worker begins them in
//!    that order. (If the caller has no pinned jobs, its own job is the next one in that order, and
//!    the caller begins it without queueing it. A worker that has taken such a job begins it before
//!    it calls a handler of the user, which might begin the next one: `Table::is_prompt`.)
//! 2. When a gang has gathered, each of its members is on top of its worker's stack, and none has
//!    called the closure.
//!
//! # Lemmas
//! 1. *A gang gathers.* Take the first gang in the order that has not gathered, and a worker of it
//!    that has not begun the gang's job. That worker runs something else, which ends or waits by
//!    the pool. Every such wait runs pinned jobs or hands off the core for them, and the gang's job
//!    is the first of them: the gangs before it have gathered, so they have no queued jobs left.
//!    The worker is not waiting to gather for another gang: that gang would be later in the order,
//!    and by invariant 1 the worker would have begun this gang's job first.
//! 2. *Gangs do not deadlock with each other, nor with joins and scopes.* Assign to each job the
//!    time at which it began, and to all members of a gang the time at which the gang gathered. By
//!    invariant 2, what is on top of a frame began after that frame. In a join or a scope, a frame
//!    waits only for younger jobs. At a barrier, it waits for members of its own gang. If all of
//!    them waited at the barrier, it would be complete. So one of them runs, or waits for something
//!    younger, or is below something younger. Along a chain of waits the times grow, so the chain
//!    cannot close to a cycle. (This extends lemma 1 of `worker/wait.rs`.)
//!    Nor is a member under a job that joins a task, or on top of a task that it may join: by the
//!    invariant of `worker/wait.rs`, since a member has the gang's tag.
//! 3. *No member waits at a barrier for one that has left.* A member that leaves wakes all others
//!    (`leave`). A member that waits, or arrives later, finds that the barrier cannot be complete,
//!    and panics. That a member which sleeps is woken is lemma 2 of `barrier.rs`.
#![allow(unsafe_code)]

mod member;

use std::cell::UnsafeCell;
use std::error::Error;
use std::fmt;
use std::panic::resume_unwind;
use std::ptr::NonNull;

use crate::job::outcome;
use crate::latch::count::TaskCount;
use crate::latch::{Wait, Waiter};
use crate::os::clock::TICKS_PER_MICROSECOND;
use crate::os::generation::PerProcess;
use crate::pool::{ThreadPool, with_current};
use crate::sync::{Mutex, spin_loop};
use crate::worker::shared::Registry;
use crate::worker::{Header, JobRef, Table, Worker};

use member::Gang;
pub use member::Member;

/// How long the caller spins at the end of the gang, before it works for others. (A guess.)
const AT_END: u64 = 2 * TICKS_PER_MICROSECOND;
/// How long another worker spins after its member's end, before it looks for other work. (A guess:
/// longer than the caller takes to call the next gang.)
const AFTER_END: u64 = TICKS_PER_MICROSECOND;
/// Held while the jobs of a gang are pinned.
static ORDER: PerProcess<parking_lot::Mutex<()>> = PerProcess::new();

/// Runs `f` once for each of `members` at the same time, on as many workers of the current pool, or
/// of the global pool if the caller is in none. Returns their results in the order of their
/// indices.
///
/// Unlike tasks, members may wait for each other, at a [`barrier`](Member::barrier): a gang is like
/// OpenMP's `parallel` region. If the caller is a worker, or can act as one because a worker
/// sleeps, it is member 0. A gang without members does nothing.
///
/// The members begin together, once each of them has a worker. Sleeping workers are preferred. A
/// busy worker joins the gang when its job ends or waits. The members that have a worker wait for
/// it, and run nothing else until all have one. Gangs may be nested, and several threads may call
/// them. While a member waits at a barrier, its worker runs members of other gangs, broadcasts, and
/// work that threads of other pools have given to this pool, but no other tasks. If such a job may
/// join the task or the gang that waits, a spare thread takes the worker's core and runs it: see
/// [`WaitPolicy`](crate::WaitPolicy). The same holds for a member that begins while its worker
/// waits in a task. (If there is no spare thread, the member runs on top of that task, and must not
/// join it.)
///
/// Joins, scopes and loops within a member are fine: while it waits for them, its worker begins no
/// task from outside the gang. A job that holds a lock across a `join` or another wait, and a task
/// on another worker that waits for this lock, can keep a gang from getting its workers for ever:
/// see [locks and deadlocks](crate::guide::faq#locks-and-deadlocks).
///
/// # Errors
/// Returns a [`GangError`] if the pool has fewer workers than there are members. A worker that
/// will never have a thread does not count, such as one whose
/// [`ThreadBuilder`](crate::ThreadBuilder) was dropped. (A gang that gathers while one is dropped
/// waits for ever.)
///
/// # Panics
/// If members panic, resumes the first panic when all members have ended. Members that have not
/// panicked are stopped at their next barrier, or in the one at which they wait. Also panics if the
/// global pool is needed and cannot be built.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// let pool = filch::ThreadPoolBuilder::new().num_threads(3).build()?;
/// let arrived = AtomicUsize::new(0);
/// let seen = pool.gang(3, |member| {
///     arrived.fetch_add(1, Ordering::Relaxed);
///     member.barrier();
///     let seen = arrived.load(Ordering::Relaxed); // all three
///     member.reduce(seen, |a, b| a + b)
/// })?;
/// assert_eq!(seen, [9, 9, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn gang<F, R>(members: usize, f: F) -> Result<Vec<R>, GangError>
where
    F: Fn(&mut Member<'_>) -> R + Sync,
    R: Send,
{
    with_current(|registry| gang_in(registry, members, &f))
}

impl ThreadPool {
    /// [`gang`] in this pool.
    ///
    /// # Errors
    /// Like [`gang`].
    ///
    /// # Panics
    /// Like [`gang`].
    pub fn gang<F, R>(&self, members: usize, f: F) -> Result<Vec<R>, GangError>
    where
        F: Fn(&mut Member<'_>) -> R + Sync,
        R: Send,
    {
        gang_in(self.registry(), members, &f)
    }
}

fn gang_in<R: Send>(
    registry: &Registry,
    members: usize,
    f: &(impl Fn(&mut Member<'_>) -> R + Sync),
) -> Result<Vec<R>, GangError> {
    if members == 0 {
        return Ok(Vec::new());
    }
    let workers = registry.workers().len();
    if members > workers {
        return Err(GangError { members, workers });
    }
    registry.as_worker(|caller, _| {
        // If worker 0 is a thread of the user's, the pool's own threads could end before the gang.
        let _keeper = if registry.has_guest() { registry.keep_workers() } else { None };
        Ok(run(registry, choose(caller, members)?, caller, f))
    })
}

fn run<R: Send>(
    registry: &Registry,
    workers: Vec<usize>,
    caller: &Worker,
    f: &(impl Fn(&mut Member<'_>) -> R + Sync),
) -> Vec<R> {
    let members = workers.len();
    let gang = Gang::new(registry, workers, caller.tag());
    let jobs: Vec<_> = (0..members).map(|index| Job::new(&gang, f, index)).collect();
    outcome::run_or_abort(|| {
        let pin = |index: usize| {
            gang.count.add_local();
            // SAFETY: each job is queued once, and counted. The wait below, which a panic cannot
            // skip, is for its end, and the gang, the jobs and what `f` borrows outlive the wait.
            // `f` may be shared, the result may be sent, and the tag is set.
            let job = unsafe { JobRef::new(NonNull::from(&jobs[index]).cast()) };
            job.set_priority(caller.priority());
            registry.workers()[gang.relay.workers()[index]].pinned.push(job);
        };
        // The thieves of its private forks must not have to wait for the gang.
        caller.flush_forks();
        let order = ORDER.get().lock();
        (1..members).for_each(pin);
        let is_queued = !caller.pinned.is_empty();
        if is_queued {
            pin(0);
        }
        drop(order);
        gang.relay.start(registry.sleep(), 1);
        if !is_queued {
            gang.begin();
            let outer = caller.enter_tag(gang.tag());
            // SAFETY: the job is not queued, so it is run once, here. It has begun.
            unsafe { jobs[0].run(caller) };
            caller.set_word(outer);
        }
        // Members often end at about the same time.
        gang.spin(AT_END, || gang.done());
        caller.wait_until(&gang);
    });
    // Drops the values that the members have exchanged. Their drops may panic.
    let Gang { panic, parts, values, .. } = gang;
    let (parts, values) = (parts.into_inner().into_iter(), values.map(Mutex::into_inner));
    let parts = parts.map(|part| outcome::run(|| drop(part)));
    let values = values.into_iter().map(|value| outcome::run(|| drop(value)));
    let panics = panic.into_inner().map(Err).into_iter().chain(parts).chain(values);
    if let Some(first) = outcome::first_panic(panics) {
        jobs.into_iter().for_each(outcome::discard);
        resume_unwind(first);
    }
    jobs.into_iter().filter_map(|job| job.result.into_inner()).collect()
}

#[repr(C)]
struct Job<'g, F, R> {
    header: Header,
    gang: *const Gang<'g>,
    f: *const F,
    index: usize,
    /// Written by the worker that runs the job.
    result: UnsafeCell<Option<R>>,
}

impl<'g, F, R> Job<'g, F, R>
where
    F: Fn(&mut Member<'_>) -> R + Sync,
    R: Send,
{
    fn new(gang: &Gang<'g>, f: &F, index: usize) -> Self {
        let table = const {
            &Table { is_prompt: true, ..Table::new(Self::execute, || "a member of a gang") }
        };
        // SAFETY: `execute` is made for this type, whose first field is the header.
        let mut header = unsafe { Header::new(NonNull::from(table)) };
        header.set_word(gang.tag());
        Job { header, gang, f, index, result: UnsafeCell::new(None) }
    }

    /// # Safety
    /// Called once, when the member has begun. The job, its gang and what `f` borrows outlive the
    /// call.
    unsafe fn run(&self, worker: &Worker) {
        worker.count_task();
        // SAFETY: by the premise.
        let (gang, f) = unsafe { (&*self.gang, &*self.f) };
        let value = worker.under(gang.context, || gang.member(self.index, f));
        // As in `Worker::run_users`, but before this write.
        worker.registry().abort_if_lost();
        // SAFETY: the job is run once, and the result is read after that.
        unsafe { *self.result.get() = value };
    }

    /// # Safety
    /// As `JobRef::execute`; the job is of this type.
    unsafe fn execute(job: JobRef, worker: &Worker) {
        let this: NonNull<Self> = job.cast();
        // SAFETY: the job and its gang are alive until the job's end is counted, below.
        let gang = unsafe {
            (*this.as_ref().gang).begin();
            // `run_in_wait` gives a prompt job no room on the stack, so it gets that here.
            worker.run_in_place(|| this.as_ref().run(worker));
            this.as_ref().gang
        };
        // SAFETY: as above.
        let (caller, spins) = unsafe { ((*gang).relay.workers()[0], (*gang).spins) };
        // SAFETY: the job is counted.
        if unsafe { TaskCount::end_remote(&raw const (*gang).count) } == Waiter::Asleep {
            worker.sleep().wake_blocked(caller, gang.addr());
        }
        // Gangs often follow each other.
        if spins && worker.index() != caller {
            member::spin(AFTER_END, spin_loop, || worker.has_own_work());
        }
    }
}

/// Chooses the workers of a gang: the caller, then those that sleep, then others. Leaves out a
/// worker that will never have a thread: any other worker may take what is pinned to it, even one
/// that has a member of its own.
fn choose(caller: &Worker, members: usize) -> Result<Vec<usize>, GangError> {
    let (sleep, own, all) = (caller.sleep(), caller.index(), caller.registry().workers());
    let others = (0..all.len()).filter(|index| *index != own && all[*index].may_have_thread());
    let mut workers = vec![own];
    if members == all.len() {
        workers.extend(others);
    } else if members > 1 {
        let (asleep, busy): (Vec<usize>, Vec<usize>) =
            others.partition(|index| sleep.is_parked(*index));
        workers.extend(asleep.into_iter().chain(busy));
    }
    if workers.len() < members {
        return Err(GangError { members, workers: workers.len() });
    }
    workers.truncate(members);
    Ok(workers)
}

/// The error of a [`gang`] that has more members than its pool has workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GangError {
    members: usize,
    workers: usize,
}

impl fmt::Display for GangError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GangError { members, workers } = self;
        write!(
            f,
            "a gang of {members} in a pool of {workers} workers: each member needs one of its own"
        )
    }
}

impl Error for GangError {}
