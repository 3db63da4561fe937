//! The data of a pool: its workers, and the registry, which is what they share.
//!
//! The two types refer to each other, so they are defined in one file. What they do is in the other
//! files of this folder.

use std::cell;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr;
use std::sync::atomic::{AtomicPtr as PlainPtr, AtomicUsize as PlainUsize};
use std::sync::{Arc, OnceLock, Weak};

use crossbeam_utils::CachePadded;

#[cfg(feature = "futures")]
use super::attached::Attached;
use super::bound::Bound;
use super::callers::Callers;
use super::counters::{LiveCounters, PoolCounts};
use super::handlers::Handlers;
use super::settings::{Settings, TaskOrder};
use super::stack::InPlace;
use super::task_times::{Oldest, TaskTimes};
use super::threads::Threads;
use super::times::Times;
use crate::context::Context;
use crate::job::{self, NO_TAG, join, outcome};
use crate::latch::{Awaited, AwaitedTask, JobName};
use crate::os;
use crate::os::clock::nanos;
use crate::os::generation::Generation;
use crate::os::thread;
use crate::queue::{self, ForkQueue, Injector, JobQueue, TaskQueue};
use crate::sim::Simulation;
use crate::sleep::{Event, HasSleep, Sleep};
use crate::sync::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Cell, Mutex, Ordering};
use crate::task::fifo::Fifos;

/// The most forks that a worker keeps public for thieves.
const MOST_PUBLIC: usize = 8;

/// A core is lent: see `Worker::lent_to`. (No system gives a thread so high a number.)
const LENT: u32 = 1 << 31;

/// The most rounds that a worker looks around, or waits to become a searcher, before it parks.
/// (With this many, workers stay awake from one of several broadcasts to the next.)
pub(super) const ROUNDS: u32 = if cfg!(loom) { 1 } else { 24 };

/// In `Registry::signals`: a caller from outside has waited long for a job in the injector.
pub(super) const IS_LATE: u32 = 1;
/// In `Registry::signals`: the pool has, or had, jobs of high or low priority.
pub(super) const USES_PRIORITIES: u32 = 2;

static NUMBER: PlainUsize = PlainUsize::new(0);

/// A job, for the thread that is to run it.
pub(crate) type JobRef = job::JobRef<Worker>;
/// The first field of every job.
pub(crate) type Header = job::Header<Worker>;
/// What is the same for all jobs of a type.
pub(crate) type Table = job::Table<Worker>;
/// An isolation tag that belongs to no job.
pub(crate) type Tag = job::Tag<Worker>;
/// The part of a join's job that does not depend on its types.
pub(crate) type JoinHeader = join::JoinHeader<Worker>;

/// A worker, by a pointer to its first field, the front of its fork queue.
pub(crate) type Current = join::Owner<Worker>;

/// A worker: its queues and its state.
///
/// Only the holder of the core, the worker's thread or a borrower (`fork/install.rs`), uses the
/// owner's sides of `forks` and `tasks` and the `Cell`s, and writes the counters. Any thread may
/// use the rest.
#[repr(C)]
pub(crate) struct Worker {
    /// First, because `Current` points to it.
    pub(super) forks: ForkQueue<JoinHeader, JobRef>,
    pub(super) tasks: TaskQueue<JobRef>,
    /// Tasks of high and of low priority. Made when the first of these is spawned.
    pub(super) own_queues: OnceLock<Box<[TaskQueue<JobRef>; 2]>>,
    /// The pinned queue: jobs for this worker only. Any thread may add one, and then wakes the
    /// worker, by `Registry::wake_for_pinned` or `Sleep::wake_for_pinned`.
    pub(crate) pinned: JobQueue<JobRef>,
    pub(super) registry: *const Registry,
    pub(super) index: usize,
    /// The isolation tag and the priority of the job that runs: see `job::Header`. Written by the
    /// core's holder, read also by thieves.
    pub(super) tag: AtomicUsize,
    /// The context of the job that runs, or null: see `ambient.rs`. Read and written like `tag`.
    pub(super) context: AtomicPtr<Context>,
    /// How many jobs are on the stack, and what the innermost wait is for (`Awaited::to_code`).
    pub(super) jobs: AtomicU32,
    pub(super) waits_for: AtomicU32,
    /// The task of that wait: what it is, and the address of its context. (For dumps.)
    pub(super) awaited: PlainPtr<JobName>,
    pub(super) awaited_context: AtomicUsize,
    /// The table of the job that runs, or of the last one that ran here. (For dumps.)
    pub(super) running: PlainPtr<Table>,
    /// [`LENT`] and the number of the thread from outside that has borrowed the core, if one has.
    pub(super) lent_to: AtomicU32,
    pub(super) in_place: InPlace,
    /// The innermost visit to a bridge on this stack (`iter/sources/bridge.rs`).
    pub(crate) visit: cell::Cell<*const ()>,
    /// Whether the worker has a thread, or had one. If it never will, others run its pinned jobs.
    pub(super) has_thread: AtomicU32,
    /// Chooses victims. Also used by the thread of a worker whose core is lent.
    pub(super) rng: AtomicU32,
    /// How many looks for work are left until one that begins with the injector.
    pub(super) looks_left: Cell<u32>,
    /// How many jobs it has taken by priority.
    pub(super) jobs_taken: Cell<u32>,
    /// The time of the last steal, by `ticks`; 0 after `last_steal_was_short` was set for it.
    pub(super) stolen: Cell<u64>,
    /// Whether the job of the last steal was too short. If so, how many forks, and how many only
    /// tasks of victims, this worker has skipped since, in a row.
    pub(super) last_steal_was_short: Cell<bool>,
    pub(super) forks_skipped: Cell<u32>,
    pub(super) tasks_skipped: Cell<u32>,
    /// A worker with private forks that may be silent: its index, and its progress when it was
    /// seen. (Atomics, since the core may be lent while its thread looks.)
    pub(super) suspect: [AtomicUsize; 3],
    /// Whether to take private forks by force.
    pub(super) forces: AtomicU32,
    /// How many forks other workers had published at the last look.
    pub(super) forks_seen: AtomicUsize,
    /// How many rounds the worker looks around before it parks.
    pub(super) rounds: AtomicU32,
    pub(crate) counters: LiveCounters,
    pub(super) times: Times,
    /// Present if the pool measures the times of tasks.
    pub(crate) task_times: Option<Box<TaskTimes>>,
}

// SAFETY: only the core's holder uses what is not made for sharing, and a core changes hands by
// operations that order what its holders do (`sleep/mod.rs`).
unsafe impl Sync for Worker {}
// SAFETY: nothing in a worker depends on the thread that made it.
unsafe impl Send for Worker {}

/// Jobs of high or of low priority (`priorities.rs`).
#[derive(Default)]
pub(super) struct ClassQueue {
    pub(super) injector: Injector<JobRef>,
    /// Whether workers may have work of this priority.
    pub(super) is_marked: CachePadded<AtomicBool>,
}

/// What the workers of a pool share. It lives as long as one of them.
pub(crate) struct Registry {
    pub(super) workers: Box<[CachePadded<Worker>]>,
    /// Jobs from outside, and reinjected ones.
    pub(crate) injector: Injector<JobRef>,
    /// The same, of high and of low priority.
    pub(super) classes: [ClassQueue; 2],
    /// Jobs that threads of other pools ask for, by priority: see `worker/wait.rs`.
    pub(super) cross_jobs: CachePadded<[JobQueue<JobRef>; 3]>,
    /// The tasks of `spawn_fifo`.
    pub(crate) fifos: Fifos<Worker>,
    pub(super) sleep: Sleep,
    pub(crate) handlers: Handlers,
    pub(crate) settings: Settings,
    /// The generation in which the pool was built.
    pub(super) generation: Generation,
    pub(super) ending: AtomicBool,
    pub(super) ended: AtomicBool,
    /// How many threads keep the pool from ending (`keep.rs`). Changed under the sleepers' lock.
    pub(super) keepers: PlainUsize,
    /// The pool whose thread waits for the end of this one: see `is_awaited_by`.
    pub(super) awaited_by: PlainUsize,
    /// Whether a guest is worker 0.
    pub(super) has_guest: AtomicBool,
    /// Whether the other workers end although the guest has not.
    pub(super) leaves_guest: AtomicBool,
    /// Whether there is a worker that will never have a thread.
    pub(super) has_empty_cores: AtomicBool,
    /// Whether no worker will have a thread again.
    pub(crate) is_deserted: AtomicBool,
    pub(super) threads: Mutex<Threads>,
    /// The bound on tasks that are queued, if there is one.
    pub(crate) bound: Option<Arc<Bound>>,
    /// Whether workers drop the pool's tasks that have not begun.
    is_shut_down: AtomicBool,
    pub(crate) counts: PoolCounts,
    /// What makes workers look elsewhere before they take their own newest task: [`IS_LATE`] and
    /// [`USES_PRIORITIES`].
    pub(super) signals: CachePadded<AtomicU32>,
    /// Whether a thief has closed an open gate of a fork queue since the last `fence_forks`.
    pub(super) unfenced: CachePadded<AtomicU32>,
    /// How many pools the process had before this one: its number.
    pub(crate) number: usize,
    /// The oldest of the tasks that are timed.
    pub(super) oldest: Arc<Oldest>,
    /// When the pool was built, by `nanos`.
    pub(super) built: u64,
    pub(crate) callers: CachePadded<Callers>,
    /// Happens when the pool is being dropped and no thread is left.
    pub(super) all_left: Event,
    /// What is dropped when the pool has ended.
    #[cfg(feature = "futures")]
    pub(crate) attached: Attached,
    pub(super) this: Weak<Registry>,
}

impl Worker {
    /// Makes the worker `index` of the `workers` that `registry` will have. `can_force`: whether
    /// thieves can take the private forks of a silent owner.
    pub(crate) fn new(
        index: usize,
        workers: usize,
        settings: &Settings,
        can_force: bool,
        registry: *const Registry,
    ) -> Self {
        let simulated = settings.simulation.is_some();
        // In a simulation, each fork and each end of one takes a slow path, which has a schedule
        // point. If no thief can take private forks, no fork is private.
        let (min_public, max_public, keeps_gate_closed) = if workers == 1 {
            (0, 0, simulated)
        } else if can_force {
            (1, workers.min(MOST_PUBLIC), simulated)
        } else {
            (usize::MAX, usize::MAX, true)
        };
        Worker {
            forks: ForkQueue::new(min_public, max_public, keeps_gate_closed),
            tasks: TaskQueue::new(workers == 1, settings.task_order == TaskOrder::OldestFirst),
            own_queues: OnceLock::new(),
            pinned: JobQueue::default(),
            registry,
            index,
            tag: AtomicUsize::new(NO_TAG),
            context: AtomicPtr::new(ptr::null_mut()),
            jobs: AtomicU32::new(0),
            waits_for: AtomicU32::new(0),
            awaited: PlainPtr::new(ptr::null_mut()),
            awaited_context: AtomicUsize::new(0),
            running: PlainPtr::new(ptr::null_mut()),
            lent_to: AtomicU32::new(0),
            in_place: InPlace::default(),
            visit: cell::Cell::new(ptr::null()),
            has_thread: AtomicU32::new(0),
            rng: AtomicU32::new((index as u32).wrapping_mul(0x9E37_79B9) | 1),
            looks_left: Cell::new(0),
            jobs_taken: Cell::new(0),
            stolen: Cell::new(0),
            last_steal_was_short: Cell::new(true),
            forks_skipped: Cell::new(0),
            tasks_skipped: Cell::new(0),
            suspect: [usize::MAX, 0, 0].map(AtomicUsize::new),
            forces: AtomicU32::new(0),
            forks_seen: AtomicUsize::new(0),
            rounds: AtomicU32::new(ROUNDS),
            counters: LiveCounters::default(),
            times: Times::new(settings.times_workers, nanos()),
            task_times: (settings.task_times > 0).then(|| Box::new(TaskTimes::new())),
        }
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

    pub(crate) fn forks_pending(&self) -> (usize, usize) {
        (self.forks.hidden(), self.forks.public())
    }

    /// Returns whether a thief would find nothing here. (Pinned jobs are not for thieves.)
    #[inline]
    pub(crate) fn is_bare(&self) -> bool {
        self.forks.hidden() == 0 && self.forks.is_empty() && self.has_no_task()
    }

    /// Whether a worker has no work. (Relaxed: it orders nothing.)
    #[inline]
    pub(crate) fn sees_idlers(&self) -> bool {
        self.sleep().counts().any_idle()
    }

    pub(crate) fn jobs_on_stack(&self) -> u32 {
        self.jobs.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn note_running(&self, table: *mut Table) {
        self.running.store(table, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn running(&self) -> *mut Table {
        self.running.load(Ordering::Relaxed)
    }

    /// What the job that runs is, or the last one that ran.
    pub(crate) fn name_of_running(&self) -> Option<&'static str> {
        // SAFETY: tables are static.
        let table = unsafe { self.running().as_ref() };
        table.map(|table| (table.name)())
    }

    pub(crate) fn is_lent(&self) -> bool {
        self.lent_to().is_some()
    }

    /// The system's number of the thread from outside that has borrowed the core, or 0 if the
    /// system has no such numbers.
    pub(crate) fn lent_to(&self) -> Option<u32> {
        self.lent_to.load(Ordering::Relaxed).checked_sub(LENT)
    }

    /// Notes whether the calling thread, which is from outside, has borrowed the core.
    pub(crate) fn set_lent(&self, is_lent: bool) {
        let lent_to = if is_lent { LENT + thread::number() } else { 0 };
        self.lent_to.store(lent_to, Ordering::Relaxed);
    }

    pub(crate) fn waits_for(&self) -> Option<Awaited> {
        let what = Awaited::from_code(self.waits_for.load(Ordering::Relaxed))?;
        let Awaited::Task(_) = what else { return Some(what) };
        // SAFETY: null, or from a `&'static`.
        let name = unsafe { self.awaited.load(Ordering::Relaxed).as_ref() };
        let context = self.awaited_context.load(Ordering::Relaxed);
        Some(Awaited::Task(name.map(|name| AwaitedTask { name, context })))
    }

    pub(super) fn set_waits_for(&self, what: Option<Awaited>) {
        if let Some(Awaited::Task(task)) = what {
            let name = task.map_or(ptr::null(), |task| ptr::from_ref(task.name));
            self.awaited.store(name.cast_mut(), Ordering::Relaxed);
            self.awaited_context.store(task.map_or(0, |task| task.context), Ordering::Relaxed);
        }
        self.waits_for.store(what.map_or(0, Awaited::to_code), Ordering::Relaxed);
    }
}

impl Registry {
    pub(crate) fn new(workers: usize, handlers: Handlers, settings: Settings) -> Arc<Self> {
        queue::prepare();
        let bound = settings.max_queued.map(Bound::new);
        let can_force = settings.simulation.is_some() || os::has_heavy_fence();
        let registry = Arc::new_cyclic(|this: &Weak<Registry>| Registry {
            workers: (0..workers)
                .map(|index| Worker::new(index, workers, &settings, can_force, this.as_ptr()))
                .map(CachePadded::new)
                .collect(),
            injector: Injector::default(),
            classes: Default::default(),
            cross_jobs: Default::default(),
            fifos: Fifos::default(),
            sleep: Sleep::new(workers),
            handlers,
            settings,
            generation: Generation::current(),
            ending: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            keepers: PlainUsize::new(0),
            awaited_by: PlainUsize::new(0),
            has_guest: AtomicBool::new(false),
            leaves_guest: AtomicBool::new(false),
            has_empty_cores: AtomicBool::new(false),
            is_deserted: AtomicBool::new(false),
            threads: Mutex::new(Threads::default()),
            bound,
            is_shut_down: AtomicBool::new(false),
            counts: PoolCounts::default(),
            signals: CachePadded::default(),
            unfenced: CachePadded::default(),
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            oldest: Arc::new(Oldest::new()),
            built: nanos(),
            callers: CachePadded::new(Callers::new()),
            all_left: Event::new(this.as_ptr().addr()),
            #[cfg(feature = "futures")]
            attached: Attached::default(),
            this: this.clone(),
        });
        // The list outlives a model, of which pools are a part.
        #[cfg(not(loom))]
        registry.register();
        registry
    }

    #[inline]
    pub(crate) fn workers(&self) -> &[CachePadded<Worker>] {
        &self.workers
    }

    pub(crate) fn sleep(&self) -> &Sleep {
        &self.sleep
    }

    /// Whether this is a deterministic pool, and the calling thread is not in its simulation.
    pub(crate) fn is_away_from_home(&self) -> bool {
        self.simulation().is_some_and(|simulation| !simulation.is_here())
    }

    pub(crate) fn simulation(&self) -> Option<&Simulation> {
        self.settings.simulation.as_ref()
    }

    #[inline]
    pub(crate) fn is_simulated(&self) -> bool {
        self.settings.simulation.is_some()
    }

    /// The identity of this pool as long as it lives.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// From now on, tasks of the pool that have not begun are dropped. (Relaxed: it orders
    /// nothing.)
    pub(crate) fn shut_down(&self) {
        self.is_shut_down.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_shut_down(&self) -> bool {
        self.is_shut_down.load(Ordering::Relaxed)
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Called before a thread waits for the pool's workers.
    #[inline]
    pub(crate) fn abort_if_lost(&self) {
        self.generation.abort_if_past();
    }

    pub(crate) fn downgrade(&self) -> Weak<Registry> {
        self.this.clone()
    }

    pub(crate) fn share(&self) -> RegistryRef {
        RegistryRef(ManuallyDrop::new(self.arc()))
    }

    pub(crate) fn arc(&self) -> Arc<Registry> {
        match self.this.upgrade() {
            Some(registry) => registry,
            None => unreachable!("a registry in use has an owner"),
        }
    }
}

/// A reference to a pool, other than that of a `ThreadPool`. The last one drops the captures of the
/// pool's handlers: panics in their drops are discarded.
#[derive(Clone)]
pub(crate) struct RegistryRef(ManuallyDrop<Arc<Registry>>);

impl RegistryRef {
    /// Returns `None` if the pool is gone.
    pub(crate) fn upgrade(pool: &Weak<Registry>) -> Option<Self> {
        pool.upgrade().map(|pool| RegistryRef(ManuallyDrop::new(pool)))
    }
}

impl Deref for RegistryRef {
    type Target = Registry;

    fn deref(&self) -> &Registry {
        &self.0
    }
}

impl Drop for RegistryRef {
    // Not inlined into the loops and handles that may have one.
    #[cold]
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: it is not used again.
        outcome::discard(unsafe { ManuallyDrop::take(&mut self.0) });
    }
}

// Panics of closures and handlers are caught where the pool calls them, and resumed only while its
// state is consistent. No code of the user runs under its locks.
impl UnwindSafe for Registry {}
impl RefUnwindSafe for Registry {}

impl HasSleep for Registry {
    fn sleep(&self) -> &Sleep {
        &self.sleep
    }
}
