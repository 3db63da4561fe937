//! One worker: what its core consists of, and the loop of its thread.
#![allow(unsafe_code)]

pub(crate) mod counters;
pub(crate) mod event;
#[cfg(all(test, not(loom)))]
mod faults;
mod find;
mod hand_off;
pub(crate) mod handlers;
mod idle;
pub(crate) mod join_job;
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
use find::MOST_WOKEN;

/// How many published forks a worker keeps in stock for others, at most.
const MOST_IN_STOCK: usize = 8;

thread_local! {
    /// The worker whose core this thread holds, else `OUTSIDE`.
    static CURRENT: cell::Cell<Current> = const { cell::Cell::new(OUTSIDE) };
    /// Whether this is a thread of a pool's.
    static IS_POOLS: cell::Cell<bool> = const { cell::Cell::new(false) };
}

/// A job, by whoever is to run it.
pub(crate) type JobRef = job::JobRef<Worker>;
/// What every job begins with.
pub(crate) type Header = job::Header<Worker>;
/// Runs a job on a worker.
pub(crate) type Execute = job::Execute<Worker>;
/// An isolation tag that is no job.
pub(crate) type Tag = job::Tag<Worker>;

/// A worker by its first part, the front of its fork queue.
pub(crate) type Current = *const ForkFront<JoinHeader>;

/// What stands for a worker on a thread that is none.
#[cfg(not(loom))]
const OUTSIDE: Current = &raw const FRONT_OUTSIDE;
#[cfg(not(loom))]
static FRONT_OUTSIDE: ForkFront<JoinHeader> = ForkFront::closed();
/// In a model only workers fork.
#[cfg(loom)]
const OUTSIDE: Current = ptr::null();

/// A worker's core: its queues and its state.
///
/// The owner's sides of `forks` and `tasks`, the `Cell`s, and writing the counters are for the
/// core's holder only: the worker's thread or a borrower (`fork/install.rs`). The rest is for all.
#[repr(C)]
pub(crate) struct Worker {
    /// First, because `Current` points to it.
    forks: ForkQueue<JoinHeader, JobRef>,
    tasks: TaskQueue<JobRef>,
    /// The pinned queue: jobs for this worker and no other.
    pinned: Injector<JobRef>,
    registry: *const Registry,
    index: usize,
    /// The isolation tag of the job that runs: see `job::Header`. Written by the core's holder,
    /// read also by who takes a fork from it by force.
    tag: AtomicUsize,
    /// How many jobs stand on the stack, and what the innermost wait is for (`Awaited::to_code`).
    jobs: AtomicU32,
    waits_for: AtomicU32,
    /// Whether a thread from outside has borrowed the core.
    is_lent: AtomicU32,
    nest: Nest,
    /// The innermost visit to a bridge on this stack (`iter/sources/bridge.rs`).
    visit: cell::Cell<*const ()>,
    /// Whether the worker has a thread, or had one. (If it never will, others run its
    /// pinned jobs.)
    has_thread: AtomicU32,
    /// Picks victims. Also used by the thread of a worker whose core is lent: each value is as good
    /// as another.
    rng: AtomicU32,
    /// How many looks for work are left until one that looks elsewhere first.
    looks_left: Cell<u32>,
    /// When the last theft was, by `ticks`, until it is known whether it was worth it; else 0.
    stolen: Cell<u64>,
    /// Whether it was not, and how many forks were left alone since for that.
    patient: Cell<bool>,
    refusals: Cell<u32>,
    /// A worker that hides forks, its index and how far it was, and whether it is to be forced.
    /// (Atomics, because the core may be lent while its thread looks.)
    suspect: [AtomicUsize; 3],
    forces: AtomicU32,
    /// How many forks others had published at the last look.
    forks_seen: AtomicUsize,
    /// For how many rounds to look around.
    rounds: AtomicU32,
    counters: LiveCounters,
}

// SAFETY: whatever is not made for sharing is touched by the core's holder only, and a core
// changes hands by operations that order what its holders do (`sleep/mod.rs`).
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
        // In a simulation each fork and its end comes to the slow path, which has a schedule point.
        // Where no thief could take a private fork of an owner that is silent, none is private.
        let (fewest, most, keeps_gate_closed) = if workers == 1 {
            (0, 0, simulated)
        } else if simulated || os::heavy_fence() {
            (1, workers.min(MOST_IN_STOCK), simulated)
        } else {
            (usize::MAX, usize::MAX, true)
        };
        Worker {
            forks: ForkQueue::new(fewest, most, keeps_gate_closed),
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
            patient: Cell::new(true),
            refusals: Cell::new(0),
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

    /// Whether this thread acts as a worker, or is a pool's thread that ends, for which a worker of
    /// another pool may wait.
    pub(crate) fn is_on_pools_thread() -> bool {
        IS_POOLS.get() || Self::current().is_some()
    }

    /// Has each child of a `fork()` from now on be of another generation.
    pub(crate) fn watch_forks() {
        generation::watch(Self::leave_lost_pool);
    }

    /// Makes the thread of a `fork()`'s child one that is no worker, whatever it is in the parent.
    /// Only frames from before the `fork()` still know the worker.
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
        // SAFETY: any other front is the first part of a worker (`Acting`), and the pointer is
        // set only while a frame below, or the thread itself (`pool/member.rs`), keeps worker and
        // registry alive; callers use the reference within the call that asked for it.
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

    /// How many tasks there are, and how many batches of more.
    pub(crate) fn tasks_pending(&self) -> (usize, usize) {
        self.tasks.pending()
    }

    /// Whether nothing is pending here but pinned jobs. (A thief could take nothing.)
    #[inline]
    pub(crate) fn is_bare(&self) -> bool {
        self.forks.hidden() == 0 && self.forks.is_empty() && self.tasks.is_empty()
    }

    /// Whether somebody has nothing to do. (A glance: nothing is ordered by it.)
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

    /// Marks the core as one that its holder, from outside, has borrowed.
    pub(crate) fn set_lent(&self, is_lent: bool) {
        self.is_lent.store(is_lent.into(), Ordering::Relaxed);
    }

    pub(crate) fn waits_for(&self) -> Option<Awaited> {
        Awaited::from_code(self.waits_for.load(Ordering::Relaxed))
    }

    /// Runs code of the user's that is part of a job. The child of a `fork()` in it ends here: what
    /// the job touches next may be in the frame of a thread that is lost, and the worker's other
    /// jobs are the parent's.
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

    /// Whether it runs its tasks oldest first.
    pub(crate) fn runs_in_order(&self) -> bool {
        self.tasks.is_in_order()
    }

    /// Whether a wait for a task of this pool may run any other.
    pub(crate) fn may_run_any_task(&self) -> bool {
        self.tag() == NO_TAG && !self.waits_for_own_work()
    }

    /// Whether this worker runs nothing but its wait's descendants while it waits.
    pub(crate) fn waits_for_own_work(&self) -> bool {
        self.registry().settings().wait_policy == WaitPolicy::OwnDescendants
    }

    /// Calls `f`, which belongs to `tag`. It must not unwind.
    pub(crate) fn within<R>(&self, tag: usize, f: impl FnOnce() -> R) -> R {
        let outer = self.enter_tag(tag);
        let result = f();
        self.leave_tag(outer);
        result
    }

    /// From here to `leave_tag` this worker runs the task that is `tag` and what belongs to it.
    pub(crate) fn enter_tag(&self, tag: usize) -> usize {
        let outer = self.tag();
        self.leave_tag(tag);
        outer
    }

    pub(crate) fn leave_tag(&self, outer: usize) {
        self.tag.store(outer, Ordering::Relaxed);
    }

    // ---- forks ------------------------------------------------------------------------------

    /// Makes `job` pending where its front could not, and returns its slot.
    #[inline]
    pub(crate) fn fork_slow(&self, job: ptr::NonNull<JoinHeader>) -> usize {
        let (slot, published) = self.forks.push_slow(job, |job| self.publish(job));
        self.published_forks(published);
        sim::point();
        self.serve_late_callers();
        slot
    }

    /// Ends a fork where its front could not: takes the newest pending job, which is `job`, back.
    /// `false`: a thief has it.
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
        // Not here, where nobody else could take the job meanwhile: at the next fork.
        if self.registry().is_late() {
            self.forks.recheck();
        }
        true
    }

    /// Has the owner come to its slow path at its next fork or end of one.
    pub(crate) fn ask_for_forks(&self) {
        self.forks.raise_demand();
    }

    /// Makes all pending forks public: the worker is about to do something else.
    fn flush_forks(&self) {
        let published = self.forks.flush(|job| self.publish(job));
        self.published_forks(published);
    }

    /// Makes all pending forks public if another worker has nothing to do: what follows may take
    /// long.
    #[inline]
    pub(crate) fn share_forks(&self) {
        if self.forks.hides_work() && self.sees_idlers() {
            self.flush_forks();
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

    /// Step (c) of publishing jobs of `tag`, within which this worker runs.
    #[inline]
    fn notify(&self, tag: usize) {
        self.sleep().notify_from_worker(tag);
        if self.waits_for_own_work() {
            // SAFETY: a worker that runs within a tag keeps it from ending.
            unsafe { ancestors(tag) }.skip(1).for_each(|tag| self.sleep().notify_restricted(tag));
        }
    }

    fn publish(&self, job: ptr::NonNull<JoinHeader>) -> JobRef {
        // SAFETY: called by the queue for forks of this worker that nobody else has seen.
        unsafe { JoinHeader::publish(job, self.tag()) }
    }

    // ---- tasks ------------------------------------------------------------------------------

    /// Queues a task of this worker's, and wakes somebody for it if nobody looks.
    #[inline]
    pub(crate) fn push_task(&self, job: JobRef) {
        let tag = job.tag();
        self.tasks.push(job);
        if self.tasks.has_thieves() {
            self.notify(tag);
        }
        sim::point();
    }

    /// Takes the entries of tasks that were run by their joiners, shells, off the top of the task
    /// queue.
    pub(crate) fn drop_shells(&self, is_shell: impl Fn(&JobRef) -> bool) {
        while let Some(job) = self.tasks.pop_newest(|| self.share_rest()) {
            if !is_shell(&job) {
                return self.push_task(job);
            }
            self.execute(job);
        }
    }

    /// Queues a task for this worker and no other; any thread may call this.
    pub(crate) fn send(&self, job: JobRef) {
        self.pinned.push(job);
        self.sleep().wake_for_pinned(self.index);
        if self.registry().has_empty_cores() {
            self.registry().notify_of_stray_pinned();
        }
    }

    /// A job pinned to a worker that has no thread and will have none, for any other to run.
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

    /// A thread comes to be this worker's own, or has gone, and no other will come.
    pub(crate) fn set_thread(&self, is_there: bool) {
        self.has_thread.store(is_there.into(), Ordering::Relaxed);
    }

    /// Whether a borrower of this core leaves work behind.
    pub(crate) fn has_own_work(&self) -> bool {
        !self.tasks.is_empty() || !self.pinned.is_empty()
    }

    // ---- running ----------------------------------------------------------------------------

    /// The life of the worker's thread `me`, which has the core at first, unless it `is_spare`.
    /// `false`: it never had it.
    pub(crate) fn main_loop(&self, me: &Arc<OffCore>, is_spare: bool) -> bool {
        if is_spare {
            if !self.wait_for_core(me) {
                return false;
            }
            self.stop_searching();
        }
        let _acting = Acting::start(self);
        IS_POOLS.set(true);
        self.set_thread(true);
        self.handle(|| self.registry().handlers().starts(self.index));
        self.work(me);
        true
    }

    /// Works until the pool ends.
    pub(crate) fn work(&self, me: &Arc<OffCore>) {
        let mut searching = false;
        while self.turn(me, &mut searching) {}
    }

    /// One turn of that: runs a job, or waits for one. `false`: the pool has ended.
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
        // Forks of threads that have handed off the core keep their slots.
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

    /// Takes up a core that was parked.
    pub(crate) fn unparked(&self) {
        self.sleep().unparked();
    }

    /// `os::heavy_fence`. In a simulation, where whoever has the turn sees all that was done
    /// before, a schedule point.
    fn heavy_fence(&self) -> bool {
        if self.registry().is_simulated() {
            sim::point();
            return true;
        }
        os::heavy_fence()
    }

    /// No longer a searcher. If others sleep, some are woken for jobs that nobody looks for.
    pub(crate) fn stop_searching(&self) {
        self.look_again(self.sleep().stop_searching());
        // A glance: if it is too early, whoever comes to the end of a job, or to a wait, sees the
        // guest.
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

/// The front that a fork on this thread goes to.
#[inline(always)]
pub(crate) fn current() -> Current {
    CURRENT.get()
}

/// While this lives, the thread acts as the worker.
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
