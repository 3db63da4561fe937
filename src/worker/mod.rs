//! One worker: its queues, its state, and the main loop of its thread.
#![allow(unsafe_code)]

#[cfg(feature = "futures")]
pub(crate) mod attached;
pub(crate) mod callers;
pub(crate) mod counters;
pub(crate) mod event;
#[cfg(all(test, not(loom)))]
mod faults;
mod find;
mod hand_off;
pub(crate) mod handlers;
mod idle;
pub(crate) mod join_job;
mod keep;
#[cfg(all(test, loom))]
mod models;
mod nest;
pub(crate) mod settings;
pub(crate) mod shared;
mod wait;
#[cfg(all(test, not(loom)))]
mod width;

use std::cell;
use std::ptr;
use std::sync::Arc;

use self::nest::Nest;
use crate::job;
use crate::job::outcome::{self, Payload};
use crate::job::{NO_TAG, ancestors};
use crate::latch::Awaited;
use crate::os::{self, generation};
use crate::queue::{ForkFront, ForkQueue, Injector, Popped, TaskQueue, until_sure};
use crate::sim;
use crate::sleep::{OffCore, Sleep, Stopped};
use crate::sync::{AtomicU32, AtomicUsize, Cell, Ordering, thread_local};
use crate::worker::counters::{LiveCounters, WorkerCounters};
use crate::worker::join_job::JoinHeader;
use crate::worker::settings::{TaskOrder, WaitPolicy};
use crate::worker::shared::Registry;
use callers::Length;
use find::{MOST_WOKEN, MOST_WOKEN_AHEAD};

/// The most forks that a worker keeps public for thieves.
const MOST_PUBLIC: usize = 8;

thread_local! {
    /// The worker whose core this thread holds, else `OUTSIDE`.
    static CURRENT: cell::Cell<Current> = const { cell::Cell::new(OUTSIDE) };
    /// Whether this is a thread that a pool has started.
    static IS_POOLS: cell::Cell<bool> = const { cell::Cell::new(false) };
}

/// A job, for the thread that is to run it.
pub(crate) type JobRef = job::JobRef<Worker>;
/// The first field of every job.
pub(crate) type Header = job::Header<Worker>;
/// Runs a job on a worker.
pub(crate) type Execute = job::Execute<Worker>;
/// An isolation tag that belongs to no job.
pub(crate) type Tag = job::Tag<Worker>;

/// A worker, by a pointer to its first field, the front of its fork queue.
pub(crate) type Current = *const ForkFront<JoinHeader>;

/// Stands for a worker on a thread that is none.
#[cfg(not(loom))]
const OUTSIDE: Current = &raw const FRONT_OUTSIDE;
#[cfg(not(loom))]
static FRONT_OUTSIDE: ForkFront<JoinHeader> = ForkFront::closed();
/// In a model only workers fork.
#[cfg(loom)]
const OUTSIDE: Current = ptr::null();

/// A worker: its queues and its state.
///
/// Only the holder of the core, the worker's thread or a borrower (`fork/install.rs`), uses the
/// owner's sides of `forks` and `tasks` and the `Cell`s, and writes the counters. Any thread may
/// use the rest.
#[repr(C)]
pub(crate) struct Worker {
    /// First, because `Current` points to it.
    forks: ForkQueue<JoinHeader, JobRef>,
    tasks: TaskQueue<JobRef>,
    /// The pinned queue: jobs for this worker only.
    pinned: Injector<JobRef>,
    registry: *const Registry,
    index: usize,
    /// The isolation tag of the job that runs: see `job::Header`. Written by the core's holder,
    /// read also by a thief that forces.
    tag: AtomicUsize,
    /// How many jobs are on the stack, and what the innermost wait is for (`Awaited::to_code`).
    jobs: AtomicU32,
    waits_for: AtomicU32,
    /// Whether a thread from outside has borrowed the core.
    is_lent: AtomicU32,
    nest: Nest,
    /// The innermost visit to a bridge on this stack (`iter/sources/bridge.rs`).
    visit: cell::Cell<*const ()>,
    /// Whether the worker has a thread, or had one. If it never will, others run its pinned jobs.
    has_thread: AtomicU32,
    /// Chooses victims. Also used by the thread of a worker whose core is lent.
    rng: AtomicU32,
    /// How many looks for work are left until one that begins with the injector.
    looks_left: Cell<u32>,
    /// The time of the last theft, by `ticks`; 0 after `theft_was_short` was set for it.
    stolen: Cell<u64>,
    /// Whether the job of the last theft was too short, and how many forks this worker has left
    /// alone since for that reason.
    theft_was_short: Cell<bool>,
    left_alone: Cell<u32>,
    /// A worker with private forks: its index, and its progress when it was seen. (Atomics, since
    /// the core may be lent while its thread looks.)
    suspect: [AtomicUsize; 3],
    /// Whether to take private forks by force.
    forces: AtomicU32,
    /// How many forks other workers had published at the last look.
    forks_seen: AtomicUsize,
    /// For how many rounds the worker looks around.
    rounds: AtomicU32,
    counters: LiveCounters,
}

// SAFETY: only the core's holder uses what is not made for sharing, and a core changes hands by
// operations that order what its holders do (`sleep/mod.rs`).
unsafe impl Sync for Worker {}
// SAFETY: nothing in a worker depends on the thread that made it.
unsafe impl Send for Worker {}

impl Worker {
    /// Worker `index` of the `workers` that `registry` will have.
    pub(crate) fn new(
        index: usize,
        workers: usize,
        order: TaskOrder,
        simulated: bool,
        registry: *const Registry,
    ) -> Self {
        // In a simulation, each fork and each end of one takes a slow path, which has a schedule
        // point. If no thief could take the private forks of a silent owner, no fork is private.
        let (min_public, max_public, keeps_gate_closed) = if workers == 1 {
            (0, 0, simulated)
        } else if simulated || os::has_heavy_fence() {
            (1, workers.min(MOST_PUBLIC), simulated)
        } else {
            (usize::MAX, usize::MAX, true)
        };
        Worker {
            forks: ForkQueue::new(min_public, max_public, keeps_gate_closed),
            tasks: TaskQueue::new(workers == 1, order == TaskOrder::OldestFirst),
            pinned: Injector::new(),
            registry,
            index,
            tag: AtomicUsize::new(NO_TAG),
            jobs: AtomicU32::new(0),
            waits_for: AtomicU32::new(0),
            is_lent: AtomicU32::new(0),
            nest: Nest::default(),
            visit: cell::Cell::new(ptr::null()),
            has_thread: AtomicU32::new(0),
            rng: AtomicU32::new((index as u32).wrapping_mul(0x9E37_79B9) | 1),
            looks_left: Cell::new(0),
            stolen: Cell::new(0),
            theft_was_short: Cell::new(true),
            left_alone: Cell::new(0),
            suspect: [usize::MAX, 0, 0].map(AtomicUsize::new),
            forces: AtomicU32::new(0),
            forks_seen: AtomicUsize::new(0),
            rounds: AtomicU32::new(idle::ROUNDS),
            counters: LiveCounters::new(),
        }
    }

    /// The worker whose core this thread holds.
    #[inline(always)]
    pub(crate) fn current<'a>() -> Option<&'a Worker> {
        Self::of(CURRENT.get())
    }

    /// Whether this thread acts as a worker, or is a pool's thread that is about to begin or end,
    /// for which a worker of another pool may wait.
    pub(crate) fn is_on_pools_thread() -> bool {
        IS_POOLS.get() || Self::current().is_some()
    }

    /// Notes that the calling thread is one that a pool has started.
    pub(crate) fn mark_pools_thread() {
        IS_POOLS.set(true);
    }

    /// Makes each later child of a `fork()` a new generation.
    pub(crate) fn watch_forks() {
        generation::watch(Self::leave_lost_pool);
    }

    /// In the child of a `fork()`, makes the only thread one that is no worker. Only frames from
    /// before the `fork()` still refer to a worker.
    extern "C" fn leave_lost_pool() {
        if let Some(worker) = Self::current() {
            worker.forks.forget_thief();
        }
        CURRENT.set(OUTSIDE);
        IS_POOLS.set(false);
        sim::leave();
    }

    #[inline(always)]
    pub(crate) fn of<'a>(current: Current) -> Option<&'a Worker> {
        if ptr::eq(current, OUTSIDE) {
            return None;
        }
        // SAFETY: any other front is the first field of a worker (`Acting`). The pointer is set
        // only while a frame below, or the thread itself (`pool/member.rs`), keeps the worker
        // alive, and callers use the reference inside the present call only.
        Some(unsafe { &*current.cast::<Worker>() })
    }

    #[inline(always)]
    pub(crate) fn as_current(&self) -> Current {
        ptr::from_ref(self).cast()
    }

    #[inline]
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    #[inline]
    pub(crate) fn registry(&self) -> &Registry {
        // SAFETY: a worker is part of its registry.
        unsafe { &*self.registry }
    }

    pub(crate) fn sleep(&self) -> &Sleep {
        self.registry().sleep()
    }

    pub(crate) fn snapshot(&self) -> WorkerCounters {
        self.counters.snapshot()
    }

    // ---- for dumps --------------------------------------------------------------------------

    /// How many forks are private, and how many public.
    pub(crate) fn forks_pending(&self) -> (usize, usize) {
        (self.forks.hidden(), self.forks.public())
    }

    /// How many tasks are queued one by one, and how many batches.
    pub(crate) fn tasks_pending(&self) -> (usize, usize) {
        self.tasks.pending()
    }

    /// Whether only pinned jobs are pending here, so a thief could take nothing.
    #[inline]
    pub(crate) fn is_bare(&self) -> bool {
        self.forks.hidden() == 0 && self.forks.is_empty() && self.tasks.is_empty()
    }

    /// Whether a worker has no work. (Relaxed: it orders nothing.)
    #[inline]
    pub(crate) fn sees_idlers(&self) -> bool {
        self.sleep().counts().somebody_idles()
    }

    pub(crate) fn visit(&self) -> &cell::Cell<*const ()> {
        &self.visit
    }

    pub(crate) fn pinned_pending(&self) -> usize {
        self.pinned.len()
    }

    pub(crate) fn jobs_on_stack(&self) -> u32 {
        self.jobs.load(Ordering::Relaxed)
    }

    pub(crate) fn is_lent(&self) -> bool {
        self.is_lent.load(Ordering::Relaxed) != 0
    }

    /// Notes whether a thread from outside has borrowed the core.
    pub(crate) fn set_lent(&self, is_lent: bool) {
        self.is_lent.store(is_lent.into(), Ordering::Relaxed);
    }

    pub(crate) fn waits_for(&self) -> Option<Awaited> {
        Awaited::from_code(self.waits_for.load(Ordering::Relaxed))
    }

    /// Calls code of the user that is part of a job. The child of a `fork()` in it ends here: what
    /// the job uses next may be in the frame of a thread that does not exist, and the worker's
    /// other jobs belong to the parent.
    #[inline]
    pub(crate) fn run_users<R>(&self, f: impl FnOnce() -> R) -> Result<R, Payload> {
        let result = outcome::run(f);
        self.registry().abort_if_lost();
        result
    }

    #[inline]
    pub(crate) fn count_task(&self) {
        self.counters.tasks_run.add(1);
    }

    pub(crate) fn tag(&self) -> usize {
        self.tag.load(Ordering::Relaxed)
    }

    /// Whether it runs tasks oldest first.
    pub(crate) fn runs_in_order(&self) -> bool {
        self.tasks.is_in_order()
    }

    /// Whether a wait for a task of this pool may run any other.
    pub(crate) fn may_run_any_task(&self) -> bool {
        self.tag() == NO_TAG && !self.waits_for_own_work()
    }

    /// Whether the pool's policy is `WaitPolicy::OwnDescendants`.
    pub(crate) fn waits_for_own_work(&self) -> bool {
        self.registry().settings().wait_policy == WaitPolicy::OwnDescendants
    }

    /// Calls `f`, whose isolation tag is `tag`. It must not unwind.
    pub(crate) fn within<R>(&self, tag: usize, f: impl FnOnce() -> R) -> R {
        let outer = self.enter_tag(tag);
        let result = f();
        self.leave_tag(outer);
        result
    }

    /// From here to `leave_tag`, what this worker runs has the isolation tag `tag`. Returns the tag
    /// before.
    pub(crate) fn enter_tag(&self, tag: usize) -> usize {
        let outer = self.tag();
        self.leave_tag(tag);
        outer
    }

    pub(crate) fn leave_tag(&self, outer: usize) {
        self.tag.store(outer, Ordering::Relaxed);
    }

    // ---- forks ------------------------------------------------------------------------------

    /// Makes `job` pending after the front of the queue refused it, and returns its slot.
    #[inline]
    pub(crate) fn fork_slow(&self, job: ptr::NonNull<JoinHeader>) -> usize {
        let (slot, published) = self.forks.push_slow(job, |job| self.publish(job));
        self.published_forks(published);
        sim::point();
        self.serve_late_callers();
        slot
    }

    /// Ends a fork after the front of the queue refused it: takes back the newest pending job,
    /// which is `job`. Returns `false` if a thief has it.
    #[cold]
    #[inline(never)]
    pub(crate) fn unfork_slow(&self, slot: usize, job: ptr::NonNull<JoinHeader>) -> bool {
        sim::point();
        let (popped, published) = self.forks.pop_slow(slot, job, |job| self.publish(job));
        self.published_forks(published);
        if popped == Popped::Stolen {
            // An older one may have been taken out and put back.
            self.notify_of_forks();
            return false;
        }
        // The next fork serves the late caller. Here, no other thread could take the job meanwhile.
        if self.registry().is_late() {
            self.forks.recheck();
        }
        true
    }

    /// Makes the owner's next fork, or next end of one, take a slow path.
    pub(crate) fn ask_for_forks(&self) {
        self.forks.raise_demand();
    }

    /// Publishes all private forks, before the worker does something else.
    fn flush_forks(&self) {
        let published = self.forks.flush(|job| self.publish(job));
        self.published_forks(published);
    }

    /// Publishes all private forks if another worker is idle, before work that may take long.
    #[inline]
    pub(crate) fn share_forks(&self) {
        if self.forks.hides_work() && self.sees_idlers() {
            self.flush_forks();
            self.wake_ahead();
        }
    }

    /// If long jobs are expected, wakes workers for its public jobs before it begins one itself: a
    /// worker that was woken already may come late.
    pub(super) fn wake_ahead(&self) {
        if self.registry().callers().expect() == Length::Long {
            let public = self.forks.public() + self.tasks.public();
            self.sleep().wake_for_each(public.min(MOST_WOKEN_AHEAD));
        }
    }

    /// Step (c) of publishing (`sleep/mod.rs`).
    fn published_forks(&self, published: usize) {
        if published > 0 {
            self.counters.forks_published.add(published);
            self.notify_of_forks();
        }
    }

    fn notify_of_forks(&self) {
        self.notify(self.tag());
    }

    /// Step (c) of publishing jobs of `tag`, which is also the tag of this worker's present job.
    #[inline]
    fn notify(&self, tag: usize) {
        self.sleep().notify_from_worker(tag);
        if self.waits_for_own_work() {
            // SAFETY: a worker that runs within a tag keeps it from ending.
            unsafe { ancestors(tag) }.skip(1).for_each(|tag| self.sleep().notify_restricted(tag));
        }
    }

    fn publish(&self, job: ptr::NonNull<JoinHeader>) -> JobRef {
        // SAFETY: the queue calls this for forks of this worker that no other thread has seen.
        unsafe { JoinHeader::publish(job, self.tag()) }
    }

    // ---- tasks ------------------------------------------------------------------------------

    /// Queues a task of this worker, and wakes a worker for it if none searches.
    #[inline]
    pub(crate) fn push_task(&self, job: JobRef) {
        let tag = job.tag();
        self.tasks.push(job);
        if self.tasks.has_thieves() {
            self.notify(tag);
        }
        sim::point();
    }

    /// Drops the empty entries at the newest end of the task queue.
    pub(crate) fn drop_empty_entries(&self, is_empty: impl Fn(&JobRef) -> bool) {
        while let Some(job) = self.tasks.pop_newest(|| self.share_rest()) {
            if !is_empty(&job) {
                return self.push_task(job);
            }
            self.execute(job);
        }
    }

    /// Queues a task for this worker only. Any thread may call this, and then has the worker woken
    /// (`Registry::wake_for_pinned`).
    pub(crate) fn pin(&self, job: JobRef) {
        self.pinned.push(job);
    }

    /// Takes a job pinned to a worker that will never have a thread.
    fn pop_stray_pinned(&self) -> Option<JobRef> {
        if !self.registry().has_empty_cores() {
            return None;
        }
        self.without_thread().find_map(|other| until_sure(|| other.pinned.steal()))
    }

    fn sees_stray_pinned(&self) -> bool {
        self.registry().has_empty_cores()
            && self.without_thread().any(|other| !other.pinned.is_empty())
    }

    fn without_thread(&self) -> impl Iterator<Item = &Worker> {
        let workers = self.registry().workers().iter().map(|worker| &**worker);
        workers.filter(|worker| worker.has_thread.load(Ordering::Relaxed) == 0)
    }

    /// Notes that this worker has a thread, or that it never will.
    pub(crate) fn set_thread(&self, is_there: bool) {
        self.has_thread.store(is_there.into(), Ordering::Relaxed);
    }

    /// Whether tasks or pinned jobs are queued here.
    pub(crate) fn has_own_work(&self) -> bool {
        !self.tasks.is_empty() || !self.pinned.is_empty()
    }

    // ---- running ----------------------------------------------------------------------------

    /// The body of the worker's thread `me`, which has the core at first unless it `is_spare`.
    /// Returns `false` if it never had the core.
    pub(crate) fn main_loop(&self, me: &Arc<OffCore>, is_spare: bool) -> bool {
        if is_spare {
            if !self.wait_for_core(me) {
                return false;
            }
            self.stop_searching();
        }
        let _acting = Acting::start(self);
        Self::mark_pools_thread();
        self.set_thread(true);
        self.handle(|| self.registry().handlers().starts(self.index));
        self.work(me);
        true
    }

    /// The main loop. Returns when the pool has ended.
    pub(crate) fn work(&self, me: &Arc<OffCore>) {
        let mut searching = false;
        while self.turn(me, &mut searching) {}
    }

    /// One turn of that: runs a job, or waits for one. Returns `false` if the pool has ended.
    #[inline]
    fn turn(&self, me: &Arc<OffCore>, searching: &mut bool) -> bool {
        sim::looks(true);
        if self.is_wanted() {
            return self.pass_on(me, searching);
        }
        let Some(job) = self.next_job() else {
            return match self.stands_in() {
                true => self.pass_on(me, searching),
                false => self.idle(me, searching),
            };
        };
        if std::mem::take(searching) {
            self.stop_searching();
        }
        sim::looks(false);
        self.run(job);
        sim::looks(true);
        sim::point();
        true
    }

    fn next_job(&self) -> Option<JobRef> {
        match self.stands_in() {
            true => self.pop_pinned().or_else(|| self.guest()),
            false => self.find(),
        }
    }

    /// Runs a job at the bottom of the stack.
    fn run(&self, job: JobRef) {
        // Forks on the stacks of threads that have handed off the core keep their slots.
        if self.threads_off() == 0 {
            self.forks.rewind();
        }
        self.jobs.store(1, Ordering::Relaxed);
        self.enter_tag(job.tag());
        self.execute(job);
        self.leave_tag(NO_TAG);
        self.jobs.store(0, Ordering::Relaxed);
    }

    fn execute(&self, job: JobRef) {
        outcome::run_or_abort(|| job.execute(self));
    }

    /// Called by the new holder of a core that was parked.
    pub(crate) fn unparked(&self) {
        self.sleep().unparked();
    }

    /// `os::heavy_fence`. In a simulation a schedule point, since a thread that has the turn sees
    /// all that was done before.
    fn heavy_fence(&self) -> bool {
        if self.registry().is_simulated() {
            sim::point();
            return true;
        }
        os::heavy_fence()
    }

    /// Stops searching. Wakes parked workers if more jobs are public than searchers are left.
    pub(crate) fn stop_searching(&self) {
        self.look_again(self.sleep().stop_searching());
        // Relaxed: if it comes too early, the next worker that ends a job or waits sees the guest.
        if !self.registry().guests().is_empty() {
            self.sleep().notify_of_guest();
        }
    }

    pub(crate) fn look_again(&self, stopped: Stopped) {
        let wanted = match stopped {
            Stopped::Fine => 0,
            Stopped::OthersSearch(others) => {
                self.public_jobs(self.victims(), others + MOST_WOKEN).saturating_sub(others)
            }
            Stopped::LookAgain => self.jobs_for_others(),
        };
        (0..wanted).for_each(|_| self.sleep().wake_one());
    }
}

/// Whether this thread acts as a worker of a deterministic pool.
#[inline]
pub(crate) fn is_simulated() -> bool {
    Worker::current().is_some_and(|worker| worker.registry().is_simulated())
}

/// The front of the queue for forks of this thread.
#[inline(always)]
pub(crate) fn current() -> Current {
    CURRENT.get()
}

/// The thread acts as the worker until this is dropped.
pub(crate) struct Acting {
    before: Current,
}

impl Acting {
    pub(crate) fn start(worker: &Worker) -> Self {
        Acting { before: CURRENT.replace(worker.as_current()) }
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}
