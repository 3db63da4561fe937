//! Building a pool: its settings, and its threads.

use std::any::Any;
use std::panic::resume_unwind;
use std::time::Duration;
use std::{fmt, io, thread};

use super::spawner::{NameOf, SpawnHandler, Spawner, ThreadBuilder};
use super::{BuildErrorKind, ThreadPool, ThreadPoolBuildError, global, member};
use crate::job::outcome;
use crate::observe::dump::dump;
use crate::observe::watchdog::Watchdog;
use crate::sim::{Seed, Simulation};
use crate::sleep::MAX_WORKERS;
use crate::worker::handlers::Handlers;
use crate::worker::settings::{Settings, TaskOrder, WaitPolicy};
use crate::worker::shared::Registry;

/// Every so many jobs a worker looks at the injector first. (Tokio's number; any two-digit
/// prime would do.)
const INJECTOR_INTERVAL: u32 = 61;

/// How many spare threads a pool has at most, unless told. (A guess.)
const MAX_SPARE_THREADS: usize = 64;

/// How long a deterministic pool may stand still: long for a step of a test, short for a person.
const TURN_LIMIT: Duration = Duration::from_secs(10);

/// The settings of a pool.
///
/// ```
/// let pool = filch::ThreadPoolBuilder::new()
///     .num_threads(2)
///     .thread_name(|index| format!("crunch-{index}"))
///     .build()?;
/// assert_eq!(pool.install(|| filch::current_num_threads()), 2);
/// # Ok::<(), filch::ThreadPoolBuildError>(())
/// ```
#[must_use = "a builder does nothing before `build` or `build_global`"]
pub struct ThreadPoolBuilder {
    num_threads: usize,
    name_of: Option<NameOf>,
    spawn_handler: Option<SpawnHandler<'static>>,
    settings: Settings,
    uses_current_thread: bool,
    /// Whether cores are lent, if that was said.
    lends_cores: Option<bool>,
    seed: Option<Seed>,
    turn_limit: Duration,
    watchdog: Option<Duration>,
    handlers: Handlers,
}

impl Default for ThreadPoolBuilder {
    fn default() -> Self {
        ThreadPoolBuilder {
            num_threads: 0,
            name_of: None,
            spawn_handler: None,
            settings: Settings {
                injector_interval: INJECTOR_INTERVAL,
                wait_policy: WaitPolicy::AnyWork,
                task_order: TaskOrder::NewestFirst,
                lends_cores: false,
                stack_size: None,
                max_spare_threads: MAX_SPARE_THREADS,
                simulation: None,
            },
            uses_current_thread: false,
            lends_cores: None,
            seed: None,
            turn_limit: TURN_LIMIT,
            watchdog: None,
            handlers: Handlers::default(),
        }
    }
}

#[cfg(all(test, not(loom)))]
impl ThreadPoolBuilder {
    /// What the workers of a pool share, for tests that act as the workers themselves.
    pub(crate) fn registry_without_threads(self, workers: usize) -> std::sync::Arc<Registry> {
        Registry::new(workers, self.handlers, self.settings)
    }
}

impl ThreadPoolBuilder {
    /// The default settings: as many threads as this process may use, names `filch-0`,
    /// `filch-1`, …, std's stack size, no handlers.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of workers. 0, the default, means as many as this process may use: the
    /// smaller of its CPU affinity mask and its cgroup quota, where the system has these; for
    /// the global pool, what the environment variable `FILCH_NUM_THREADS` says, if it is set and
    /// not empty.
    pub fn num_threads(mut self, num_threads: usize) -> Self {
        self.num_threads = num_threads;
        self
    }

    /// Names the thread of each worker by its index.
    pub fn thread_name<F>(mut self, name_of: F) -> Self
    where
        F: FnMut(usize) -> String + 'static,
    {
        self.name_of = Some(Box::new(name_of));
        self
    }

    /// The size of each thread's stack, in bytes. The system may round it up, or refuse it. Threads
    /// from outside then do not [work themselves](Self::lend_seats), unless that is set.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.settings.stack_size = Some(bytes);
        self
    }

    /// Called with the worker's index on each worker's thread when it starts. A worker may come to
    /// have more than one, of which one acts at a time: see [`WaitPolicy`] and
    /// [`JoinHandle::join`](crate::JoinHandle::join). Threads from outside then do not
    /// [work themselves](Self::lend_seats), unless that is set.
    ///
    /// A panic in this or another handler goes to the panic handler; the worker goes on.
    pub fn start_handler<F>(mut self, handler: F) -> Self
    where
        F: Fn(usize) + Send + Sync + 'static,
    {
        self.handlers.start = Some(Box::new(handler));
        self
    }

    /// Called with the worker's index on each worker's thread when it ends.
    pub fn exit_handler<F>(mut self, handler: F) -> Self
    where
        F: Fn(usize) + Send + Sync + 'static,
    {
        self.handlers.exit = Some(Box::new(handler));
        self
    }

    /// Called with the worker's index on each worker's thread before it goes to sleep because
    /// the pool has nothing for it.
    pub fn park_handler<F>(mut self, handler: F) -> Self
    where
        F: Fn(usize) + Send + Sync + 'static,
    {
        self.handlers.park = Some(Box::new(handler));
        self
    }

    /// Called with the worker's index on each worker's thread after such a sleep, unless the pool
    /// has ended meanwhile.
    pub fn unpark_handler<F>(mut self, handler: F) -> Self
    where
        F: Fn(usize) + Send + Sync + 'static,
    {
        self.handlers.unpark = Some(Box::new(handler));
        self
    }

    /// Called with the payload of a panic that nobody waits for: one in a detached task of
    /// [`spawn`](crate::spawn), in [`spawn_broadcast`](crate::spawn_broadcast), or in a handler.
    ///
    /// Without one such a panic leaves nothing but the message of the standard panic hook. A
    /// panic in the panic handler itself does the same. See also
    /// [`abort_on_panic`](Self::abort_on_panic).
    pub fn panic_handler<F>(mut self, handler: F) -> Self
    where
        F: Fn(Box<dyn Any + Send>) + Send + Sync + 'static,
    {
        self.handlers.panic = Some(Box::new(handler));
        self
    }

    /// Whether a panic that nobody waits for, and that no panic handler takes, aborts the process,
    /// as does a panic in the panic handler itself. Not by default.
    pub fn abort_on_panic(mut self, aborts: bool) -> Self {
        self.handlers.abort_on_panic = aborts;
        self
    }

    /// Starts the threads in a way of one's own. The handler is called once a worker, with what
    /// the thread is to be, and has to see to it that [`ThreadBuilder::run`] is called on a
    /// thread made for it.
    ///
    /// Dropping the pool waits until `run` has returned on each of them, not until the threads
    /// have ended. A handler that borrows can be given to [`build_with`](Self::build_with). The
    /// pool starts no threads but these: see [`WaitPolicy::AnyWork`] on waits for other pools.
    ///
    /// ```
    /// let pool = filch::ThreadPoolBuilder::new()
    ///     .num_threads(2)
    ///     .spawn_handler(|worker| {
    ///         std::thread::Builder::new().spawn(move || worker.run()).map(drop)
    ///     })
    ///     .build()?;
    /// assert_eq!(pool.join(|| 1, || 2), (1, 2));
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn spawn_handler<F>(mut self, handler: F) -> Self
    where
        F: FnMut(ThreadBuilder) -> io::Result<()> + 'static,
    {
        self.spawn_handler = Some(Box::new(handler));
        self
    }

    /// Makes the thread that builds the pool its worker 0, instead of a new one: for programs that
    /// have a thread too many otherwise, or work that has to be done on this one.
    ///
    /// It works while it waits for something ([`join`](crate::join), [`scope`](crate::scope), a
    /// handle, another pool), and in [`yield_now`](crate::yield_now); otherwise others have to
    /// steal what is queued there, and what is for this worker alone, as in a
    /// [`broadcast`](crate::broadcast), waits. So in a pool of this one thread nothing runs while
    /// it is elsewhere. Handlers that start and end threads, and the spawn handler, are not called
    /// for it.
    ///
    /// Where it has waited for another pool and another thread took over meanwhile (see
    /// [`WaitPolicy`]), a task of that one which is begun may have to wait until this one waits
    /// again.
    ///
    /// It is a worker of the pool to its end, also when the pool has been dropped; then a thread of
    /// the pool's own takes over. Dropping the pool does not wait for that; on this thread, it runs
    /// what is pending.
    ///
    /// ```
    /// let pool = filch::ThreadPoolBuilder::new().num_threads(2).use_current_thread().build()?;
    /// assert_eq!(filch::current_thread_index(), Some(0));
    /// assert_eq!(pool.install(|| filch::current_num_threads()), 2);
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn use_current_thread(mut self) -> Self {
        self.uses_current_thread = true;
        self
    }

    /// How often a busy worker looks at the injector, the queue of work from outside, before its
    /// own: every so many jobs. Smaller is fairer to outside callers, larger is a little faster.
    /// The default is 61.
    pub fn injector_interval(mut self, jobs: u32) -> Self {
        self.settings.injector_interval = jobs;
        self
    }

    /// Which of its tasks a worker runs first: see [`TaskOrder`].
    pub fn task_order(mut self, order: TaskOrder) -> Self {
        self.settings.task_order = order;
        self
    }

    /// Whether a thread from outside that calls [`join`](crate::join), [`scope`](crate::scope) or
    /// the like may borrow the core of a worker that has nothing to do, and work itself. If not,
    /// all work is done by the pool's own threads, and closures may rely on their thread-locals,
    /// names and stack sizes; the caller sleeps, and waits for a wake-up more.
    ///
    /// By default cores are lent, unless a [`stack_size`](Self::stack_size) or a
    /// [`start_handler`](Self::start_handler) is set, which says what threads are to be like.
    pub fn lend_seats(mut self, lends: bool) -> Self {
        self.lends_cores = Some(lends);
        self
    }

    /// The most *spare threads* that the pool starts, beyond one a worker: see [`WaitPolicy`]. A
    /// worker that waits for another pool hands its core to one of them where it has to. So at most
    /// this many jobs, and one a worker, are begun and not ended at a time. The default is 64.
    ///
    /// Threads that carry a worker's stack on (see [`JoinHandle::join`](crate::JoinHandle::join))
    /// are not among these. With 0 no worker can hand off its core, nor does what runs on top of a
    /// wait go on on a further stack. That is so where a
    /// [spawn handler](Self::spawn_handler) makes the threads.
    ///
    /// [`Counters::spare_threads`](crate::Counters::spare_threads) says how many there are.
    pub fn max_spare_threads(mut self, threads: usize) -> Self {
        self.settings.max_spare_threads = threads;
        self
    }

    /// What a worker runs while it waits: see [`WaitPolicy`].
    pub fn wait_policy(mut self, policy: WaitPolicy) -> Self {
        self.settings.wait_policy = policy;
        self
    }

    /// Has a thread look at the pool every `period`, and write [`dump`](ThreadPool::dump) to the
    /// standard error stream when the pool has not moved for that long although work is pending, be
    /// it queued, awaited or begun: once for each time that it stands still.
    ///
    /// So a closure that runs for longer than `period` while nothing else begins or ends is told
    /// of, too: whether it computes or is stuck cannot be seen from outside.
    pub fn watchdog(mut self, period: Duration) -> Self {
        self.watchdog = Some(period);
        self
    }

    /// Makes the pool *deterministic*: its threads and the thread that builds it take turns, and
    /// `seed` decides whose turn it is. The same program with the same seed has the same schedule
    /// each time, down to which worker steals what; other seeds have others. So a bug that depends
    /// on the order of things is found by trying seeds, and then shown again by its seed as often
    /// as needed, in a debugger as well.
    ///
    /// Turns change at [schedule points](crate::schedule_point), not between two instructions,
    /// and all memory accesses are seen in one order: a missing fence is not found in this way.
    /// Workers run only while the thread that built the pool is in a call to this crate: to wait
    /// for a task in a loop, call [`schedule_point`](crate::schedule_point) there.
    ///
    /// A closure must not wait for another by means that the runtime does not know: a channel, or a
    /// lock that another holds over a schedule point. While it waits it keeps its turn, and the
    /// other never runs. If nothing moves for a [limit](Self::turn_limit), the process is aborted
    /// with a message that says which threads wait.
    ///
    /// The pool can be used on the thread that builds it and by workers of deterministic pools that
    /// were built there, on no other thread; handles may go anywhere. Deterministic pools that one
    /// thread builds take turns together. A pool that is dropped on another thread ends without
    /// being waited for, and when the thread that built it ends, its workers go on without that
    /// thread. The seed alone decides where all earlier deterministic pools of the thread have
    /// ended: those that still end in the background take turns as well. Say how many
    /// [threads](Self::num_threads) it is to have, or the schedule will depend on the machine.
    ///
    /// A schedule point at which the turn stays where it is costs some nanoseconds, one at which it
    /// changes what the system needs to switch between threads, some microseconds.
    ///
    /// Needs the feature `deterministic`.
    ///
    /// ```
    /// use std::sync::Mutex;
    /// let order_by = |seed| {
    ///     let pool = filch::ThreadPoolBuilder::new().num_threads(3).deterministic(seed).build()?;
    ///     let order = Mutex::new(Vec::new());
    ///     pool.scope(|s| {
    ///         for i in 0..10 {
    ///             let order = &order;
    ///             s.spawn(move || order.lock().unwrap().push(i));
    ///         }
    ///     });
    ///     Ok::<_, filch::ThreadPoolBuildError>(order.into_inner().unwrap())
    /// };
    /// assert_eq!(order_by(1)?, order_by(1)?);
    /// assert!((2..100).any(|seed| order_by(seed).unwrap() != order_by(1).unwrap()));
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    #[cfg(feature = "deterministic")]
    pub fn deterministic(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How long a [deterministic](Self::deterministic) pool may stand still: 10 seconds by default.
    /// After that the process is aborted, with a [`dump`](crate::dump()) and a message that names
    /// the threads and says which of these it is:
    /// - one keeps its turn, and others that have work wait for theirs;
    /// - all wait for each other;
    /// - those that have turns only call [`schedule_point`](crate::schedule_point), yield in vain,
    ///   or ask whether a task has ended, and what they wait for does not come.
    ///
    /// A thread that computes for longer between two [schedule points](crate::schedule_point) needs
    /// a longer limit, if others wait for their turn; so do tasks that call nothing but
    /// `schedule_point` for so long. Where a thread waits for a pool that is not deterministic, or
    /// that was built by another thread, nothing is taken for a deadlock. Of deterministic pools
    /// that one thread builds the longest limit holds for all. Time while the process is stopped,
    /// as in a debugger, does not count.
    ///
    /// Needs the feature `deterministic`.
    #[cfg(feature = "deterministic")]
    pub fn turn_limit(mut self, limit: Duration) -> Self {
        self.turn_limit = limit;
        self
    }

    /// Builds the pool and starts its threads.
    ///
    /// # Errors
    /// When a setting is not acceptable, and when a thread cannot be started; the error says
    /// which and why. Threads that had started have ended then.
    pub fn build(self) -> Result<ThreadPool, ThreadPoolBuildError> {
        self.try_build().map_err(|failed| ThreadPoolBuildError::new(failed.into_kind()))
    }

    /// Like [`build`](Self::build), with a [spawn handler](Self::spawn_handler) that may borrow;
    /// one that was set before is not called.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    ///
    /// ```
    /// use std::sync::Mutex;
    /// let threads = Mutex::new(Vec::new());
    /// let pool = filch::ThreadPoolBuilder::new().num_threads(2).build_with(|worker| {
    ///     threads.lock().unwrap().push(std::thread::spawn(|| worker.run()));
    ///     Ok(())
    /// })?;
    /// assert_eq!(pool.join(|| 1, || 2), (1, 2));
    /// drop(pool);
    /// threads.into_inner().unwrap().into_iter().for_each(|thread| thread.join().unwrap());
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn build_with<F>(self, spawn_handler: F) -> Result<ThreadPool, ThreadPoolBuildError>
    where
        F: FnMut(ThreadBuilder) -> io::Result<()>,
    {
        let built = self.try_build_with(Some(Box::new(spawn_handler)));
        built.map_err(|failed| ThreadPoolBuildError::new(failed.into_kind()))
    }

    /// Builds a pool of scoped threads, calls `with_pool`, and ends the pool. Each thread calls
    /// `wrapper`, which has to call [`ThreadBuilder::run`] and may borrow: say, to keep something
    /// on the thread's stack for the tasks. A spawn handler that was set before is not called.
    ///
    /// # Errors
    /// As [`build`](Self::build); then `with_pool` was not called.
    ///
    /// # Panics
    /// When `with_pool` does, with its payload, or else when `wrapper` does; when all threads have
    /// ended.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// let started = AtomicUsize::new(0);
    /// let sum = filch::ThreadPoolBuilder::new().num_threads(2).build_scoped(
    ///     |worker| {
    ///         started.fetch_add(1, Ordering::Relaxed);
    ///         worker.run();
    ///     },
    ///     |pool| pool.install(|| 1 + 2),
    /// )?;
    /// assert_eq!((sum, started.into_inner()), (3, 2));
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn build_scoped<W, F, R>(self, wrapper: W, with_pool: F) -> Result<R, ThreadPoolBuildError>
    where
        W: Fn(ThreadBuilder) + Sync,
        F: FnOnce(&ThreadPool) -> R,
    {
        let wrapper = &wrapper;
        thread::scope(|scope| {
            let has_member = self.uses_current_thread;
            let pool = self.build_with(|worker| {
                let thread = worker.std_thread();
                thread.spawn_scoped(scope, || wrapper(worker)).map(drop)
            })?;
            let result = outcome::run(|| with_pool(&pool));
            // In the child of a `fork()` the scope would wait for threads that are not there.
            pool.registry.abort_if_lost();
            if has_member {
                member::end_with_pool(&pool.registry);
            }
            drop(pool);
            Ok(result.unwrap_or_else(|payload| resume_unwind(payload)))
        })
    }

    /// `build` that leaves it to the caller when to wait for the threads of a pool that failed.
    pub(super) fn try_build(mut self) -> Result<ThreadPool, Failed> {
        let spawn_handler = self.spawn_handler.take();
        self.try_build_with(spawn_handler)
    }

    fn try_build_with(self, spawn_handler: Option<SpawnHandler<'_>>) -> Result<ThreadPool, Failed> {
        let workers = match self.num_threads {
            0 => num_cpus::get().clamp(1, MAX_WORKERS),
            asked if asked <= MAX_WORKERS => asked,
            asked => {
                return Err(BuildErrorKind::TooManyThreads { asked, max: MAX_WORKERS }.into());
            }
        };
        if self.settings.injector_interval == 0 {
            return Err(BuildErrorKind::InvalidInjectorInterval.into());
        }
        if self.seed.is_some() && spawn_handler.is_some() {
            return Err(BuildErrorKind::Deterministic { setting: "spawn_handler" }.into());
        }
        if self.seed.is_some() && self.uses_current_thread {
            return Err(BuildErrorKind::Deterministic { setting: "use_current_thread" }.into());
        }
        if self.watchdog.is_some_and(|period| period.is_zero()) {
            return Err(BuildErrorKind::InvalidWatchdogPeriod.into());
        }
        if self.turn_limit.is_zero() {
            return Err(BuildErrorKind::InvalidTurnLimit.into());
        }
        let report = || dump().to_string();
        let simulation = self.seed.map(|seed| Simulation::enter(seed, self.turn_limit, report));
        let simulation = simulation.transpose();
        let simulation = simulation.map_err(|error| BuildErrorKind::Spawn { index: 0, error })?;
        let (simulation, _building) = simulation.unzip();
        let max_spare_threads =
            if spawn_handler.is_none() { self.settings.max_spare_threads } else { 0 };
        let lends_cores = self.lends_cores();
        let settings = Settings { simulation, max_spare_threads, lends_cores, ..self.settings };
        // Dropped early, by an error or a panic in a closure of the user's, it ends its threads.
        let mut pool = ThreadPool::new(Registry::new(workers, self.handlers, settings));
        if let Some(period) = self.watchdog {
            match Watchdog::start(&pool.registry, period) {
                Ok(watchdog) => pool.watchdog = Some(watchdog),
                Err(error) => {
                    return Err(Failed::new(BuildErrorKind::Watchdog { error }, pool));
                }
            }
        }
        let spawner = Spawner {
            name_of: self.name_of,
            handler: spawn_handler,
            uses_current_thread: self.uses_current_thread,
        };
        if let Err(kind) = spawner.start_all(&mut pool) {
            return Err(Failed::new(kind, pool));
        }
        Ok(pool.finished())
    }

    /// Builds the pool that the free functions use outside of any pool. It lives as long as the
    /// process.
    ///
    /// Without this call, the first use builds it by the default settings.
    ///
    /// # Panics
    /// When called, or when the global pool is used, by a closure of this builder's that runs as
    /// part of the call.
    ///
    /// # Errors
    /// Those of [`build`](Self::build); when the global pool exists already; and when
    /// `FILCH_NUM_THREADS` is set, `num_threads` is not, and it is not a number.
    pub fn build_global(self) -> Result<(), ThreadPoolBuildError> {
        global::build(self)
    }

    /// Callers work themselves where nothing was said of what the threads that work are to be like.
    fn lends_cores(&self) -> bool {
        let is_any = self.settings.stack_size.is_none() && self.handlers.start.is_none();
        self.lends_cores.unwrap_or(is_any)
    }

    pub(super) fn is_deterministic(&self) -> bool {
        self.seed.is_some()
    }

    /// Takes the number of threads from the environment, unless it is set.
    pub(super) fn num_threads_from_env(mut self) -> Result<Self, ThreadPoolBuildError> {
        const VARIABLE: &str = "FILCH_NUM_THREADS";
        if self.num_threads > 0 {
            return Ok(self);
        }
        let Some(value) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
            return Ok(self);
        };
        let number = value.to_str().and_then(|text| text.trim().parse().ok());
        match number.filter(|&number| number <= MAX_WORKERS) {
            Some(number) => self.num_threads = number,
            None => {
                let value = value.to_string_lossy().into_owned();
                let kind = BuildErrorKind::InvalidEnv { variable: VARIABLE, value };
                return Err(ThreadPoolBuildError::new(kind));
            }
        }
        Ok(self)
    }
}

impl fmt::Debug for ThreadPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPoolBuilder")
            .field("num_threads", &self.num_threads)
            .field("stack_size", &self.settings.stack_size)
            .field("use_current_thread", &self.uses_current_thread)
            .field("injector_interval", &self.settings.injector_interval)
            .field("watchdog", &self.watchdog)
            .field("wait_policy", &self.settings.wait_policy)
            .field("task_order", &self.settings.task_order)
            .field("lend_seats", &self.lends_cores())
            .field("max_spare_threads", &self.settings.max_spare_threads)
            .finish_non_exhaustive()
    }
}

/// A build that failed, and the pool as far as it came, which ends when this is dropped.
pub(super) struct Failed {
    kind: BuildErrorKind,
    pool: Option<ThreadPool>,
}

impl Failed {
    fn new(kind: BuildErrorKind, pool: ThreadPool) -> Self {
        Failed { kind, pool: Some(pool) }
    }

    /// Why; when the pool has ended.
    pub(super) fn into_kind(self) -> BuildErrorKind {
        drop(self.pool);
        self.kind
    }
}

impl From<BuildErrorKind> for Failed {
    fn from(kind: BuildErrorKind) -> Self {
        Failed { kind, pool: None }
    }
}
