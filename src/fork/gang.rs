//! `gang`: closures that run at the same time, and meet at barriers.
//!
//! # States
//! A gang of n members has n jobs, each *pinned* to a worker of its own. A member *gathers* when
//! its worker begins the job: the worker waits, and runs nothing, until all n have begun. Then each
//! calls the closure. A member that arrives at a barrier before the others waits there; it may run
//! pinned jobs meanwhile, so the members of another gang. A member *leaves* when its closure has
//! returned or panicked.
//!
//! # Invariant
//! 1. The jobs of all gangs are pinned in one order ([`ORDER`]), and each worker begins them in
//!    that order.
//! 2. When a gang has gathered, each of its members is on top of its worker's stack, and none has
//!    called the closure.
//!
//! # Lemmas
//! 1. *A gang gathers.* Take the first in the order that has not. A worker of it that has not begun
//!    its job runs something else. That ends, or waits by the pool, and every such wait runs pinned
//!    jobs, of which this one is first: the gangs before it have gathered, so they have no jobs
//!    left, and no worker of it waits to gather for another gang, since that one would come later.
//! 2. *Gangs do not deadlock with each other, nor with joins and scopes.* Give each job the time at
//!    which it began, and all members of a gang the time at which it gathered. What is on top of a
//!    frame began after it, by 2. A frame waits in a join or a scope only for younger jobs, and at
//!    a barrier for members of its own gang. Of these, one waits for something younger, or is below
//!    something younger, or runs, since if all waited at the barrier, it would be over. So along a
//!    chain of waits the times grow, and it cannot close to a cycle. (This continues lemma 1 of
//!    `worker/wait.rs`.)
//! 3. *No member waits at a barrier for one that has left.* A member that leaves wakes all others
//!    (`leave`), and each that waits, or arrives later, finds that the barrier cannot be complete,
//!    and panics.
//! 4. *A member that sleeps at a barrier is woken.* It registers under the lock of `sleepers` after
//!    it has found the barrier incomplete under the same lock. The member that completes the
//!    barrier, or leaves, first says so and then takes the list under that lock.
#![allow(unsafe_code)]

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::tasks::Tasks;
use crate::job::outcome::{self, Payload};
use crate::os::clock::{TICKS_PER_MICROSECOND, ticks};
use crate::os::generation::{self, PerProcess};
use crate::pool::{ThreadPool, with_current};
use crate::sim;
use crate::sleep::Event;
use crate::sleep::Sleep;
use crate::sync::{AtomicU32, AtomicUsize, Mutex, Ordering, Parker, Unparker, spin_loop};
use crate::worker::shared::Registry;
use crate::worker::{Worker, callers};

/// How long a member spins before it sleeps, at a barrier and while the gang gathers. (A guess:
/// about what it takes to wake a sleeper.)
const PATIENCE: u64 = 20 * TICKS_PER_MICROSECOND;
/// How many other members a member wakes before it gathers.
const MOST_WOKEN: usize = 2;

/// Held while the jobs of a gang are pinned.
static ORDER: PerProcess<parking_lot::Mutex<()>> = PerProcess::new();

/// Runs `f` once for each of `members` at the same time, on as many workers of the current pool,
/// else of the global one. Returns their results in the order of their indices.
///
/// Unlike tasks, members may wait for each other, at a [`barrier`](Member::barrier): OpenMP's
/// `parallel` region. The caller is one of them if it is a worker, or can borrow a core. A gang
/// without members does nothing.
///
/// All members begin when a worker is there for each. Workers that sleep are preferred. One that is
/// busy comes to the gang when its job ends or waits, so the others may wait for it. Gangs may be
/// nested, and called from several threads: the members of two gangs may be on top of each other on
/// the same workers, and the younger gang then ends first. At a barrier a worker runs nothing but
/// members of other gangs, and broadcasts.
///
/// A member must not wait for a task that may be waiting itself, by its handle, a lock or a
/// message: like the closure of a [`broadcast`](crate::broadcast), it may be on top of that task.
/// Joins, scopes and loops within a member are fine. While a gang gathers, its members keep their
/// workers, so do not hold a lock across a `join` or another wait if a task that takes the lock may
/// keep a worker from the gang.
///
/// # Errors
/// Returns a [`GangError`] if the pool has fewer workers than there are members. A worker that
/// will never have a thread does not count, such as one whose
/// [`ThreadBuilder`](crate::ThreadBuilder) was dropped. (A gang that gathers while one is dropped
/// waits for ever.)
///
/// # Panics
/// If members panic, the first panic is resumed when all have ended. The others are stopped at
/// their next barrier, or in the one in which they wait. Also panics if the global pool is needed
/// and cannot be built.
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

fn gang_in<F, R>(registry: &Registry, members: usize, f: &F) -> Result<Vec<R>, GangError>
where
    F: Fn(&mut Member<'_>) -> R + Sync,
    R: Send,
{
    if members == 0 {
        return Ok(Vec::new());
    }
    let workers = registry.workers().len();
    if members > workers {
        return Err(GangError { members, workers });
    }
    registry.as_worker(|caller, _| Ok(run(registry, choose(caller, members)?, caller, f)))
}

fn run<F, R>(registry: &Registry, workers: Vec<usize>, caller: &Worker, f: &F) -> Vec<R>
where
    F: Fn(&mut Member<'_>) -> R + Sync,
    R: Send,
{
    let members = workers.len();
    let gang = Gang::new(registry, workers);
    let mut results: Vec<Option<R>> = (0..members).map(|_| None).collect();
    let tasks = Tasks::new(registry, Some(caller));
    outcome::run_or_abort(|| {
        let mut jobs = Vec::with_capacity(members);
        for (index, result) in results.iter_mut().enumerate() {
            let gang = &gang;
            let work = move || {
                if let Some(value) = gang.member(index, f) {
                    // As in `Worker::run_users`, but before this write.
                    registry.abort_if_lost();
                    *result = Some(value);
                }
            };
            // SAFETY: what it borrows outlives the wait below, which a panic cannot skip; the
            // handle is dropped here.
            unsafe {
                tasks.spawn(work, |_, _, job, handle| {
                    drop(handle);
                    jobs.push(job);
                });
            }
        }
        let order = ORDER.get().lock();
        for (&worker, job) in gang.workers.iter().zip(jobs) {
            registry.workers()[worker].pin(job);
        }
        drop(order);
        // Release: matches the Acquire in `Gang::member`.
        gang.is_ready.store(1, Ordering::Release);
        gang.wake(registry.sleep(), members);
        tasks.wait();
    });
    let Gang { panic, parts, values, .. } = gang;
    // Drops what the members have exchanged, which may panic.
    let dropped = outcome::run(|| drop((parts, values)));
    if let Some(payload) = panic.into_inner().or(dropped.err()) {
        outcome::discard(results);
        resume_unwind(payload);
    }
    tasks.result(results).into_iter().flatten().collect()
}

/// The workers of a gang: the caller, then those that sleep, then others. (Not one that will never
/// have a thread: other workers run what is pinned to it, but no two members.)
fn choose(caller: &Worker, members: usize) -> Result<Vec<usize>, GangError> {
    let (sleep, own, all) = (caller.sleep(), caller.index(), caller.registry().workers());
    let others = (0..all.len()).filter(|index| *index != own && all[*index].may_have_thread());
    let (asleep, busy): (Vec<usize>, Vec<usize>) =
        others.partition(|index| sleep.is_parked(*index));
    let mut workers = vec![own];
    workers.extend(asleep.into_iter().chain(busy));
    if workers.len() < members {
        return Err(GangError { members, workers: workers.len() });
    }
    workers.truncate(members);
    Ok(workers)
}

/// What the members of a gang share.
struct Gang<'g> {
    registry: &'g Registry,
    /// The worker of each member.
    workers: Vec<usize>,
    /// How many barriers are complete.
    phase: CachePadded<AtomicU32>,
    /// How many members have arrived at the next one.
    arrived: CachePadded<AtomicU32>,
    /// How many members have left.
    left: AtomicU32,
    sleepers: Mutex<Vec<Sleeper>>,
    /// Whether all jobs are pinned.
    is_ready: AtomicU32,
    /// The next member whose worker is to be woken.
    next_woken: AtomicUsize,
    spins: bool,
    /// The first panic.
    panic: Mutex<Option<Payload>>,
    /// What `reduce` has been given.
    parts: Mutex<Vec<Option<Box<dyn Any + Send>>>>,
    /// The values of the last two `broadcast` and `reduce`.
    values: [Mutex<Option<Arc<dyn Any + Send + Sync>>>; 2],
}

/// A member that sleeps.
enum Sleeper {
    /// In a barrier, in the frame of which the event is.
    InBarrier(*const Event),
    Gathering(Unparker),
}

// SAFETY: an event may be made happen by any thread, and its frame waits for that.
unsafe impl Send for Sleeper {}

/// The payload of a member that is stopped since another one has panicked.
struct Stopped;

impl<'g> Gang<'g> {
    fn new(registry: &'g Registry, workers: Vec<usize>) -> Self {
        let size = workers.len();
        Gang {
            registry,
            workers,
            phase: CachePadded::new(AtomicU32::new(0)),
            arrived: CachePadded::new(AtomicU32::new(0)),
            left: AtomicU32::new(0),
            sleepers: Mutex::default(),
            is_ready: AtomicU32::new(0),
            next_woken: AtomicUsize::new(0),
            spins: size <= callers::processors() && !registry.is_simulated(),
            panic: Mutex::default(),
            parts: Mutex::new((0..size).map(|_| None).collect()),
            values: Default::default(),
        }
    }

    /// Wakes the workers of up to `most` members.
    fn wake(&self, sleep: &Sleep, most: usize) {
        for _ in 0..most {
            // Relaxed: it only shares out the workers.
            let next = self.next_woken.fetch_add(1, Ordering::Relaxed);
            match self.workers.get(next) {
                Some(worker) => sleep.wake_for_pinned(*worker),
                None => return,
            }
        }
    }

    /// Runs a member, on its worker. Returns `None` if it panicked.
    fn member<R>(&self, index: usize, f: &impl Fn(&mut Member<'_>) -> R) -> Option<R> {
        // Acquire: matches the Release in `run`, so that all jobs are pinned before a worker is
        // woken here.
        if self.is_ready.load(Ordering::Acquire) != 0 {
            self.wake(self.registry.sleep(), MOST_WOKEN);
        }
        self.gather();
        let mut member =
            Member { gang: self, index, phase: 1, exchanges: 0, not_send: PhantomData };
        let result = outcome::run(|| f(&mut member));
        let result = result.map_err(|payload| {
            let mut first = self.panic.lock();
            let other = if first.is_none() { first.replace(payload) } else { Some(payload) };
            drop(first);
            // Its drop may be the user's code.
            outcome::discard(other);
        });
        self.leave();
        result.ok()
    }

    /// Waits until all members have begun, without running anything.
    fn gather(&self) {
        if self.arrive() || self.spin(0) {
            return;
        }
        if self.registry.is_simulated() {
            while !self.is_released(0) {
                sim::poll();
            }
            return;
        }
        let parker = Parker::new();
        let register = || Sleeper::Gathering(parker.unparker().clone());
        while self.register(0, register) {
            parker.park();
        }
    }

    /// Arrives at the next barrier. Returns whether that is complete now.
    fn arrive(&self) -> bool {
        let all = self.workers.len() as u32;
        // AcqRel: the last one acquires what the others did before, and releases it by `phase`.
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 < all {
            return false;
        }
        // Relaxed: the next ones arrive after they have acquired `phase`.
        self.arrived.store(0, Ordering::Relaxed);
        // Release: matches the Acquire in `is_complete`. Only one member is here, since nobody
        // arrives at the next barrier before this.
        self.phase.fetch_add(1, Ordering::Release);
        self.wake_sleepers();
        true
    }

    fn is_complete(&self, phase: u32) -> bool {
        // Acquire: matches the Release in `arrive`.
        self.phase.load(Ordering::Acquire) != phase
    }

    fn has_left(&self) -> bool {
        // Acquire: matches the Release in `leave`, so that the phase that the caller looks at next
        // shows all barriers that the member had passed.
        self.left.load(Ordering::Acquire) > 0
    }

    /// Whether nobody has to wait for the barrier: it is complete, or cannot be.
    fn is_released(&self, phase: u32) -> bool {
        self.is_complete(phase) || self.has_left()
    }

    /// Spins for a while. Returns whether the barrier is released.
    fn spin(&self, phase: u32) -> bool {
        let begin = ticks();
        while self.spins && ticks().wrapping_sub(begin) < PATIENCE {
            for _ in 0..16 {
                if self.is_released(phase) {
                    return true;
                }
                spin_loop();
            }
        }
        self.is_released(phase)
    }

    /// Registers a sleeper, unless the barrier is released.
    fn register(&self, phase: u32, sleeper: impl FnOnce() -> Sleeper) -> bool {
        let mut sleepers = self.sleepers.lock();
        let waits = !self.is_released(phase);
        if waits {
            sleepers.push(sleeper());
        }
        waits
    }

    /// Waits for a barrier. Runs pinned jobs meanwhile.
    fn sleep(&self, phase: u32) {
        loop {
            let event = Event::new(self.registry.address());
            if !self.register(phase, || Sleeper::InBarrier(&raw const event)) {
                return;
            }
            event.wait(|| true);
        }
    }

    fn wake_sleepers(&self) {
        let sleepers = std::mem::take(&mut *self.sleepers.lock());
        for sleeper in sleepers {
            match sleeper {
                // SAFETY: the event was registered, so it waits for this, which happens once, since
                // the list was taken.
                Sleeper::InBarrier(event) => unsafe { Event::happen(event) },
                Sleeper::Gathering(unparker) => unparker.unpark(),
            }
        }
    }

    /// A member's closure has ended.
    fn leave(&self) {
        // Release: matches the Acquire in `is_released`.
        self.left.fetch_add(1, Ordering::Release);
        self.wake_sleepers();
    }
}

/// A member of a [`gang`], which stays on its thread.
pub struct Member<'g> {
    gang: &'g Gang<'g>,
    index: usize,
    /// The number of the next barrier. The first one is that of `gather`.
    phase: u32,
    /// How many `broadcast` and `reduce` it has taken part in.
    exchanges: usize,
    not_send: PhantomData<*const ()>,
}

impl Member<'_> {
    /// The number of the member, from 0. Member 0 is on the worker that called the gang.
    pub fn index(&self) -> usize {
        self.index
    }

    /// How many members the gang has.
    pub fn size(&self) -> usize {
        self.gang.workers.len()
    }

    /// Waits until all members have called this. What they wrote before is visible then.
    ///
    /// A member spins for some microseconds if the gang is not larger than the number of
    /// processors, and then sleeps, or runs a member of another gang.
    ///
    /// # Panics
    /// Panics if a member has returned, so that this would wait for ever. If another member has
    /// panicked, unwinds to the end of this one, without a message of its own.
    #[track_caller]
    pub fn barrier(&mut self) {
        let phase = self.phase;
        self.phase = phase.wrapping_add(1);
        let gang = self.gang;
        // A member that has left does not come to this barrier.
        if gang.has_left() {
            self.broken();
        }
        if gang.arrive() {
            return;
        }
        if !gang.spin(phase) {
            if gang.registry.is_lost() {
                generation::refuse();
            }
            gang.sleep(phase);
        }
        if !gang.is_complete(phase) {
            self.broken();
        }
    }

    #[cold]
    #[track_caller]
    fn broken(&self) -> ! {
        if self.gang.panic.lock().is_some() {
            resume_unwind(Box::new(Stopped));
        }
        panic!("a member of the gang has returned, so not all will come to this barrier");
    }

    /// Gives all members a clone of the value that member `root` makes by `value`. All members have
    /// to call this, with the same `root`. It is also a barrier.
    ///
    /// # Panics
    /// Like [`barrier`](Self::barrier). Also panics if there is no member `root`, or if members
    /// call this with different types.
    ///
    /// ```
    /// let pool = filch::ThreadPoolBuilder::new().num_threads(2).build()?;
    /// let words = pool.gang(2, |member| member.broadcast(1, || String::from("from 1")))?;
    /// assert_eq!(words, ["from 1", "from 1"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn broadcast<T>(&mut self, root: usize, value: impl FnOnce() -> T) -> T
    where
        T: Clone + Send + Sync + 'static,
    {
        assert!(root < self.size(), "there is no member {root} in a gang of {}", self.size());
        // This member alone writes this place, and all have read what was there: that was two
        // exchanges ago, and the one between had a barrier.
        let place = self.next_place();
        let value = (self.index == root).then(value);
        if let Some(value) = value {
            self.put(place, value);
        }
        self.barrier();
        self.value(place)
    }

    /// Gives all members the combination of their values by `op`, in the order of their indices.
    /// All members have to call this. Member 0 calls `op`. It is also a barrier.
    ///
    /// `op` is to be associative for the result to be the same for each number of members. For a
    /// given number it is always the same.
    ///
    /// # Panics
    /// Like [`barrier`](Self::barrier). Also panics if members call this with different types.
    #[track_caller]
    pub fn reduce<T>(&mut self, value: T, op: impl FnMut(T, T) -> T) -> T
    where
        T: Clone + Send + Sync + 'static,
    {
        let place = self.next_place();
        // What is left there of an exchange that was broken off is dropped without the lock.
        let before = self.gang.parts.lock()[self.index].replace(Box::new(value));
        drop(before);
        self.barrier();
        if self.index == 0 {
            let parts: Vec<_> = self.gang.parts.lock().iter_mut().map(Option::take).collect();
            let values =
                parts.into_iter().map(|part| same(part.and_then(|part| part.downcast::<T>().ok())));
            let all = values.map(|value| *value).reduce(op);
            self.put(place, same(all));
        }
        self.barrier();
        self.value(place)
    }

    fn next_place(&mut self) -> usize {
        self.exchanges += 1;
        self.exchanges % 2
    }

    fn put<T: Send + Sync + 'static>(&self, place: usize, value: T) {
        let before = self.gang.values[place].lock().replace(Arc::new(value));
        drop(before);
    }

    #[track_caller]
    fn value<T: Clone + Send + Sync + 'static>(&self, place: usize) -> T {
        let value = self.gang.values[place].lock().clone();
        let value: Arc<T> = same(value.and_then(|value| value.downcast().ok()));
        T::clone(&value)
    }
}

#[track_caller]
fn same<T>(value: Option<T>) -> T {
    value.expect("members of a gang exchange values of different types")
}

impl fmt::Debug for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("index", &self.index).field("size", &self.size()).finish()
    }
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
        write!(f, "a gang of {members} in a pool of {workers}: there is a worker for each member")
    }
}

impl Error for GangError {}
