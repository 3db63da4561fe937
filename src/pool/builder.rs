//! Building a pool: its settings, and its threads.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io, thread};

use super::handlers::Handlers;
use super::registry::Settings;
use super::watchdog::Watchdog;
use super::{BuildErrorKind, Registry, ThreadPool, ThreadPoolBuildError, global};
use crate::deterministic::{self, Seed};
use crate::job::outcome;
use crate::platform::{self, thread::Thread};
use crate::sleep::MAX_WORKERS;

/// Every so many jobs a worker looks at the injector first. (Tokio's number; any two-digit
/// prime would do.)
const INJECTOR_INTERVAL: u32 = 61;

type NameOf = Box<dyn FnMut(usize) -> String>;
type SpawnHandler = Box<dyn FnMut(ThreadBuilder) -> io::Result<()>>;

/// What a worker runs while it waits in a [`join`](crate::join), at the end of a
/// [`scope`](crate::scope), for a handle, or for another pool.
///
/// Whatever it is, it runs on top of the frame that waits, under the locks which that holds, and
/// the frame cannot go on before it has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitPolicy {
    /// What serves the wait first, else anything that can run: no core is idle while there is
    /// work. At most 16 jobs that have nothing to do with each other stand on one stack, but for
    /// waits for another pool, which may need any work that there is.
    #[default]
    AnyWork,
    /// Only what the wait is for, directly or as part of it. So a frame may hold a lock across a
    /// `join` whose closures do not want it, and stacks grow by the work's own recursion only.
    /// Excepted are broadcasts, which nobody else could run, and waits for another pool.
    ///
    /// A worker may then sleep while there is other work. It has to take a job to see what that is
    /// part of, and hands on what it may not run: waits cost more than by default.
    OwnDescendants,
}

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
    stack_size: Option<usize>,
    spawn_handler: Option<SpawnHandler>,
    settings: Settings,
    seed: Option<Seed>,
    watchdog: Option<Duration>,
    handlers: Handlers,
}

impl Default for ThreadPoolBuilder {
    fn default() -> Self {
        ThreadPoolBuilder {
            num_threads: 0,
            name_of: None,
            stack_size: None,
            spawn_handler: None,
            settings: Settings {
                injector_interval: INJECTOR_INTERVAL,
                wait_policy: WaitPolicy::AnyWork,
                home: None,
            },
            seed: None,
            watchdog: None,
            handlers: Handlers::default(),
        }
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
    /// the global pool, what the environment variable `FILCH_NUM_THREADS` says, if it is set.
    pub fn num_threads(mut self, num_threads: usize) -> Self {
        self.num_threads = num_threads;
        self
    }

    /// Names the thread of each worker by its index. (In the child of a `fork()` these are no
    /// threads of std's: there at most the system knows the names.)
    pub fn thread_name<F>(mut self, name_of: F) -> Self
    where
        F: FnMut(usize) -> String + 'static,
    {
        self.name_of = Some(Box::new(name_of));
        self
    }

    /// The size of each thread's stack, in bytes. The system may round it up, or refuse it.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Called with the worker's index on each worker's thread when it starts.
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
    /// panic in the panic handler itself does the same.
    pub fn panic_handler<F>(mut self, handler: F) -> Self
    where
        F: Fn(Box<dyn Any + Send>) + Send + Sync + 'static,
    {
        self.handlers.panic = Some(Box::new(handler));
        self
    }

    /// Starts the threads in a way of one's own. The handler is called once a worker, with what
    /// the thread is to be, and has to see to it that [`ThreadBuilder::run`] is called on a
    /// thread made for it.
    ///
    /// Dropping the pool waits until `run` has returned on each of them, not until the threads
    /// have ended.
    ///
    /// (In the child of a `fork()` a thread of std's can hang as it starts, when one of the parent's
    /// was just starting or ending. Threads that pools start themselves do not.)
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

    /// How often a busy worker looks at the injector, the queue of work from outside, before its
    /// own: every so many jobs. Smaller is fairer to outside callers, larger is a little faster.
    /// The default is 61.
    pub fn injector_interval(mut self, jobs: u32) -> Self {
        self.settings.injector_interval = jobs;
        self
    }

    /// What a worker runs while it waits: see [`WaitPolicy`].
    pub fn wait_policy(mut self, policy: WaitPolicy) -> Self {
        self.settings.wait_policy = policy;
        self
    }

    /// Has a thread look at the pool every `period`, and write [`dump`](ThreadPool::dump) to the
    /// standard error stream when the pool has not moved for that long although work is queued or
    /// awaited: once for each time that it stands still.
    ///
    /// A single closure that runs for longer than `period` while others wait for it looks like
    /// that, too.
    pub fn watchdog(mut self, period: Duration) -> Self {
        self.watchdog = Some(period);
        self
    }

    /// Makes the pool *deterministic*: its workers take turns on the thread that builds it, as
    /// fibers, each with a stack of its own, and `seed` decides whose turn it is. The same program
    /// with the same seed has the same schedule each time, down to who steals what; other seeds
    /// have others. So a bug that depends on the order of things is found by trying seeds, and then
    /// shown again by its seed as often as needed, in a debugger, too.
    ///
    /// Turns change at [scheduling points](crate::schedule_point), not between two instructions,
    /// and all memory accesses are seen in one order: a missing fence is not found in this way.
    /// Nothing runs while the thread is not in a call to this crate: to wait for a task in a loop,
    /// call [`schedule_point`](crate::schedule_point) there. A task must not block for another by
    /// means that the runtime does not know, such as a channel: the thread would sleep for good. Where everybody
    /// waits for everybody, that is told on the standard error stream.
    ///
    /// The pool can be used on its thread only, but handles may go elsewhere. Dropped on another
    /// thread, it ends when its own thread does, or calls in again. Say how many
    /// [threads](Self::num_threads) it is to have, or the schedule will depend on the machine.
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

    /// Builds the pool and starts its threads.
    ///
    /// # Errors
    /// When a setting is not acceptable, and when a thread cannot be started; the error says
    /// which and why. Threads that had started have ended then.
    pub fn build(self) -> Result<ThreadPool, ThreadPoolBuildError> {
        self.try_build().map_err(|failed| ThreadPoolBuildError::new(failed.into_kind()))
    }

    /// `build` that leaves it to the caller when to wait for the threads of a pool that failed.
    pub(super) fn try_build(self) -> Result<ThreadPool, Failed> {
        let workers = match self.num_threads {
            0 => platform::processors().clamp(1, MAX_WORKERS),
            asked if asked <= MAX_WORKERS => asked,
            asked => {
                return Err(BuildErrorKind::TooManyThreads { asked, max: MAX_WORKERS }.into());
            }
        };
        if self.settings.injector_interval == 0 {
            return Err(BuildErrorKind::InvalidInjectorInterval.into());
        }
        if self.seed.is_some() && self.spawn_handler.is_some() {
            return Err(BuildErrorKind::Deterministic { setting: "spawn_handler" }.into());
        }
        let home = self.seed.map(|_| thread::current().id());
        let settings = Settings { home, ..self.settings };
        // Dropped early, by an error or a panic in a closure of the user's, it ends its threads,
        // after the spawner has given up those that it keeps.
        let mut pool = ThreadPool::new(Registry::new(workers, self.handlers, settings));
        if let Some(seed) = self.seed {
            return match deterministic::start(seed, &pool.registry, self.stack_size) {
                Ok(()) => Ok(pool),
                Err((index, error)) => {
                    Err(Failed { kind: BuildErrorKind::Spawn { index, error }, pool: Some(pool) })
                }
            };
        }
        if let Some(period) = self.watchdog {
            match Watchdog::start(&pool.registry, period) {
                Ok(watchdog) => pool.watchdog = Some(watchdog),
                Err(error) => {
                    let kind = BuildErrorKind::Watchdog { error };
                    return Err(Failed { kind, pool: Some(pool) });
                }
            }
        }
        let mut spawner = Spawner {
            name_of: self.name_of,
            stack_size: self.stack_size,
            handler: self.spawn_handler,
        };
        for index in 0..workers {
            match spawner.start(index, &pool.registry) {
                Ok(thread) => pool.threads.extend(thread),
                Err(kind) => return Err(Failed { kind, pool: Some(pool) }),
            }
        }
        drop(spawner);
        match pool.registry.was_refused() {
            Some(index) => Err(Failed { kind: refused(index), pool: Some(pool) }),
            None => Ok(pool),
        }
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

    pub(super) fn is_deterministic(&self) -> bool {
        self.seed.is_some()
    }

    /// Takes the number of threads from the environment, unless it is set.
    pub(super) fn num_threads_from_env(mut self) -> Result<Self, ThreadPoolBuildError> {
        const VARIABLE: &str = "FILCH_NUM_THREADS";
        if self.num_threads > 0 {
            return Ok(self);
        }
        // (Its lock is lost in a child whose parent was just changing the environment, which it
        // must not where it has other threads.)
        let Some(value) = std::env::var_os(VARIABLE) else {
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
            .field("stack_size", &self.stack_size)
            .field("injector_interval", &self.settings.injector_interval)
            .field("watchdog", &self.watchdog)
            .field("wait_policy", &self.settings.wait_policy)
            .finish_non_exhaustive()
    }
}

/// Starts a pool's threads.
struct Spawner {
    name_of: Option<NameOf>,
    stack_size: Option<usize>,
    handler: Option<SpawnHandler>,
}

impl Spawner {
    /// Starts the thread of a worker, and returns it unless the spawn handler has it.
    fn start(
        &mut self,
        index: usize,
        registry: &Arc<Registry>,
    ) -> Result<Option<Thread>, BuildErrorKind> {
        let name = match &mut self.name_of {
            Some(name_of) => name_of(index),
            None => format!("filch-{index}"),
        };
        if name.contains('\0') {
            return Err(BuildErrorKind::InvalidThreadName { index, name });
        }
        registry.thread_starts();
        let registry = Some(registry.clone());
        let worker = ThreadBuilder { index, name, stack_size: self.stack_size, registry };
        let started = match &mut self.handler {
            Some(handler) => handler(worker).map(|()| None),
            None => worker.spawn().map(Some),
        };
        started.map_err(|error| BuildErrorKind::Spawn { index, error })
    }
}

fn refused(index: usize) -> BuildErrorKind {
    let text = "the spawn handler dropped the ThreadBuilder without running it";
    BuildErrorKind::Spawn { index, error: io::Error::other(text) }
}

/// A build that failed, and the pool as far as it came, which ends when this is dropped.
pub(super) struct Failed {
    kind: BuildErrorKind,
    pool: Option<ThreadPool>,
}

impl Failed {
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

/// A worker that gave up its thread.
impl Drop for ThreadBuilder {
    fn drop(&mut self) {
        if let Some(registry) = self.registry.take() {
            registry.thread_refused(self.index);
        }
    }
}

/// What the thread of a worker is to be: see [`ThreadPoolBuilder::spawn_handler`].
///
/// Dropped without being run, it leaves its worker without a thread, for good: within the spawn
/// handler that is an error of the build; later on, whatever waits for that worker (a broadcast)
/// waits in vain.
pub struct ThreadBuilder {
    index: usize,
    name: String,
    stack_size: Option<usize>,
    /// There until `run`.
    registry: Option<Arc<Registry>>,
}

impl ThreadBuilder {
    /// The worker's index.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The name that the thread should have.
    pub fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    /// The size its stack should have, in bytes, if that was set.
    pub fn stack_size(&self) -> Option<usize> {
        self.stack_size
    }

    /// Works. Returns when the pool has been dropped and nothing is left to do.
    pub fn run(mut self) {
        if let Some(registry) = self.registry.take() {
            platform::prepare_worker_thread();
            registry.run_worker(self.index);
            // It may be the last to know the pool, whose handlers' captures are dropped then.
            outcome::discard(registry);
        }
    }

    fn spawn(self) -> io::Result<Thread> {
        Thread::start(self.name.clone(), self.stack_size, move || self.run())
    }
}

impl fmt::Debug for ThreadBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadBuilder")
            .field("index", &self.index)
            .field("name", &self.name)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}
