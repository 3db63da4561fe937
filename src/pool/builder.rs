//! `ThreadPoolBuilder`: the settings of a pool. `build.rs` builds it.

use std::any::Any;
use std::time::Duration;
use std::{fmt, io};

use super::spawner::{NameOf, SpawnHandler, ThreadBuilder};
use crate::sim::Seed;
use crate::worker::handlers::Handlers;
use crate::worker::settings::{Settings, TaskOrder, WaitPolicy};
#[cfg(all(test, not(loom)))]
use crate::worker::shared::Registry;

/// The default turn limit: long for a step of a test, short for a person.
pub(super) const TURN_LIMIT: Duration = Duration::from_secs(10);

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
#[derive(Default)]
#[must_use = "a builder does nothing before `build` or `build_global`"]
pub struct ThreadPoolBuilder {
    pub(super) num_threads: usize,
    pub(super) name_of: Option<NameOf>,
    pub(super) spawn_handler: Option<SpawnHandler<'static>>,
    pub(super) settings: Settings,
    /// Whether the wait policy was set.
    pub(super) has_wait_policy: bool,
    pub(super) uses_current_thread: bool,
    /// Whether cores are lent, if that was set.
    pub(super) lends_cores: Option<bool>,
    pub(super) seed: Option<Seed>,
    /// If it was set: see `TURN_LIMIT`.
    pub(super) turn_limit: Option<Duration>,
    pub(super) watchdog: Option<Duration>,
    pub(super) handlers: Handlers,
}

/// No type implements this.
#[cfg(not(feature = "deterministic"))]
#[diagnostic::on_unimplemented(
    message = "`deterministic` needs the feature `deterministic` of filch",
    label = "`cargo add filch --features deterministic` enables it"
)]
pub trait NeedsFeature {}

#[cfg(all(test, not(loom)))]
impl ThreadPoolBuilder {
    /// The registry of a pool without threads, for tests that act as the workers themselves.
    pub(crate) fn registry_without_threads(self, workers: usize) -> std::sync::Arc<Registry> {
        Registry::new(workers, self.handlers, self.settings)
    }
}

impl ThreadPoolBuilder {
    /// Returns the default settings: as many threads as this process may use, names `filch-0`,
    /// `filch-1`, …, std's stack size, no handlers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of workers. 0, the default, means as many as this process may use: the
    /// smaller of its CPU affinity mask and its cgroup quota, if the system has these. For the
    /// global pool, the environment variable `FILCH_NUM_THREADS` comes first, if it is set and not
    /// empty: see [`with_env`](Self::with_env).
    pub fn num_threads(mut self, num_threads: usize) -> Self {
        self.num_threads = num_threads;
        self
    }

    /// Sets the function that names the thread of each worker by its index.
    pub fn thread_name<F>(mut self, name_of: F) -> Self
    where
        F: FnMut(usize) -> String + 'static,
    {
        self.name_of = Some(Box::new(name_of));
        self
    }

    /// Sets the size of each thread's stack, in bytes. The system may round it up, or refuse it.
    /// Threads from outside then borrow no cores, unless [`lend_seats`](Self::lend_seats) is set.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.settings.stack_size = Some(bytes);
        self
    }

    /// Sets a handler that each worker's thread calls when it starts, with the worker's index. A
    /// worker may get more than one thread, of which one acts at a time: see [`WaitPolicy`] and
    /// [`JoinHandle::join`](crate::JoinHandle::join). Threads from outside then borrow no cores,
    /// unless [`lend_seats`](Self::lend_seats) is set.
    ///
    /// A panic in this or another handler goes to the panic handler, and the worker goes on.
    pub fn start_handler<F>(mut self, handler: F) -> Self
    where
        F: Fn(usize) + Send + Sync + 'static,
    {
        self.handlers.start = Some(Box::new(handler));
        self
    }

    /// Sets a handler that each worker's thread calls when it ends, with the worker's index.
    pub fn exit_handler<F>(mut self, handler: F) -> Self
    where
        F: Fn(usize) + Send + Sync + 'static,
    {
        self.handlers.exit = Some(Box::new(handler));
        self
    }

    /// Sets a handler that a worker's thread calls before it sleeps because the pool has no work
    /// for it, with the worker's index. If the handler makes work, the worker does that first, and
    /// then calls the handler again. It is not called once the pool is being dropped.
    pub fn park_handler<F>(mut self, handler: F) -> Self
    where
        F: Fn(usize) + Send + Sync + 'static,
    {
        self.handlers.park = Some(Box::new(handler));
        self
    }

    /// Sets a handler that a worker's thread calls after such a sleep, with the worker's index,
    /// unless the pool has ended, or was being dropped before.
    pub fn unpark_handler<F>(mut self, handler: F) -> Self
    where
        F: Fn(usize) + Send + Sync + 'static,
    {
        self.handlers.unpark = Some(Box::new(handler));
        self
    }

    /// Sets a handler for panics that no caller waits for: those of detached tasks of
    /// [`spawn`](crate::spawn), of [`spawn_broadcast`](crate::spawn_broadcast), and of handlers. It
    /// gets the payload.
    ///
    /// Without a panic handler, only the message of std's panic hook tells of such a panic. The
    /// same holds for a panic in the panic handler itself. See also
    /// [`abort_on_panic`](Self::abort_on_panic).
    pub fn panic_handler<F>(mut self, handler: F) -> Self
    where
        F: Fn(Box<dyn Any + Send>) + Send + Sync + 'static,
    {
        self.handlers.panic = Some(Box::new(handler));
        self
    }

    /// Sets whether a panic aborts the process if no caller waits for it and there is no panic
    /// handler. A panic in the panic handler itself then aborts as well. The default is no.
    pub fn abort_on_panic(mut self, aborts: bool) -> Self {
        self.handlers.abort_on_panic = aborts;
        self
    }

    /// Sets a function that starts the pool's threads. It is called once for each worker, and has
    /// to call [`ThreadBuilder::run`] on a new thread.
    ///
    /// A thread that uses another pool before it calls `run` is a caller from outside to that pool.
    /// If all workers of the other pool wait for this pool meanwhile, both pools wait for ever.
    ///
    /// Dropping the pool waits until each `run` has returned, not until the threads have ended. For
    /// a handler that borrows, call [`build_with`](Self::build_with). The pool starts no spare
    /// threads: see [`WaitPolicy::AnyWork`] on waits for other pools.
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

    /// Makes the thread that builds the pool its worker 0. Use it to have one thread less, or if
    /// some work has to be done on this thread.
    ///
    /// This thread works only while it waits ([`join`](crate::join), [`scope`](crate::scope), a
    /// handle, another pool), and in [`yield_now`](crate::yield_now). At other times other workers
    /// steal what it has queued, and its part of a [`broadcast`](crate::broadcast) has to wait. If
    /// it is the pool's only thread, nothing runs at other times. The start, exit and spawn
    /// handlers are not called for it.
    ///
    /// While this thread waits for another pool, a spare thread may take its core: see
    /// [`WaitPolicy`]. Once this thread has its core back, a task that the spare thread has begun
    /// may have to wait until this thread waits again.
    ///
    /// The thread is a worker of the pool until the thread ends, even after the pool was dropped.
    /// When it ends, the pool starts a thread in its place. If the system refuses that thread, the
    /// other workers do its work. If there are no others, the ending thread runs what is pending. A
    /// later use of the pool then panics, and what another thread submits at that very moment may
    /// never run. Dropping the pool does not wait for the end of this thread. If this thread drops
    /// the pool, it runs what is pending.
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

    /// Sets after how many jobs a busy worker looks at the injector, the queue of work from
    /// outside, and at broadcasts, before its own queues. A smaller number is fairer to these, and
    /// a larger one a little faster. The default is 61.
    pub fn injector_interval(mut self, jobs: u32) -> Self {
        self.settings.injector_interval = jobs;
        self
    }

    /// Sets which of its tasks a worker runs first: see [`TaskOrder`].
    pub fn task_order(mut self, order: TaskOrder) -> Self {
        self.settings.task_order = order;
        self
    }

    /// Sets whether a thread from outside that calls [`join`](crate::join), [`scope`](crate::scope)
    /// or the like may borrow the core of an idle worker, and work itself. If not, only the pool's
    /// own threads run closures, which may then rely on their thread-locals, names and stack sizes.
    /// The caller then waits for a worker, which costs one more wake-up.
    ///
    /// The default is yes, unless a [`stack_size`](Self::stack_size) or a
    /// [`start_handler`](Self::start_handler) is set, which a borrower would not have.
    pub fn lend_seats(mut self, lends: bool) -> Self {
        self.lends_cores = Some(lends);
        self
    }

    /// Sets the most *spare threads* that the pool starts in addition to one thread for each
    /// worker. A worker that waits may hand its core to one of them: see [`WaitPolicy`]. The
    /// default is 64.
    ///
    /// Threads that lend a worker a further stack (see
    /// [`JoinHandle::join`](crate::JoinHandle::join)) do not count. With 0, workers neither hand
    /// off their cores in waits nor get further stacks. If gangs and
    /// [`blocking`](crate::blocking()) are then used together, they may wait for ever, unless
    /// [`max_blocking_threads`](Self::max_blocking_threads) is 0 as well. A [spawn
    /// handler](Self::spawn_handler) implies both.
    ///
    /// At any limit that is reached, tasks that join handles while others of the pool are in
    /// [`blocking`](crate::blocking()) may wait for ever, each for work that no thread may begin.
    ///
    /// [`Counters::spare_threads`](crate::Counters::spare_threads) says how many there are now.
    pub fn max_spare_threads(mut self, threads: usize) -> Self {
        self.settings.max_spare_threads = threads;
        self
    }

    /// Sets the most spare threads that the pool starts for [`blocking`](crate::blocking()), in
    /// addition to [`max_spare_threads`](Self::max_spare_threads). So at most this many calls of
    /// `blocking` run at a time, plus one for each worker. The default is 512.
    ///
    /// A call for which there is no spare thread keeps its core. With 0, every call does. A [spawn
    /// handler](Self::spawn_handler) implies 0.
    pub fn max_blocking_threads(mut self, threads: usize) -> Self {
        self.settings.max_blocking_threads = threads;
        self
    }

    /// Sets the most tasks of [`spawn`](crate::spawn), [`spawn_fifo`](crate::spawn_fifo) and
    /// [`try_spawn`](crate::try_spawn) that may be queued, so that producers cannot outrun the
    /// pool. By default there is no bound. A task that has begun, or was cancelled, is not queued.
    /// Forks, tasks of scopes and sets, broadcasts and futures are not counted, since their callers
    /// wait for them.
    ///
    /// If that many tasks are queued,
    /// - `try_spawn` returns an error with the closure;
    /// - `spawn` and `spawn_fifo` on a thread that is no worker wait for room;
    /// - `spawn` and `spawn_fifo` on a worker of another pool, or in [`blocking`](crate::blocking),
    ///   queue the task anyway, and wait until it begins. (A wait for room might never end: all
    ///   workers of this pool may wait for the caller.) Meanwhile, a worker works for its
    ///   own pool: see [`WaitPolicy`];
    /// - `spawn` on one of the pool's workers runs the task at once, on top of the caller, before
    ///   it returns. So the task must not wait for the caller, or for a lock that the caller holds;
    /// - `spawn_fifo` on one of the pool's workers queues the task, and in the same way runs the
    ///   oldest task that this worker has queued by `spawn_fifo`.
    ///
    /// So each worker, and each thread in `blocking`, may exceed the bound by one for a moment. A
    /// worker also exceeds it if tasks that ran at once have used up their part of its stack: it
    /// then queues what they spawn.
    ///
    /// In such a pool, each spawn takes a lock, and so does each task when it begins.
    ///
    /// A bound of 0 is an error when the pool is built.
    ///
    /// ```
    /// let pool = filch::ThreadPoolBuilder::new().num_threads(2).max_queued(100).build()?;
    /// for request in 0..1_000_u64 {
    ///     // Waits while 100 tasks are queued.
    ///     drop(pool.spawn(move || (0..request).sum::<u64>()));
    /// }
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn max_queued(mut self, tasks: usize) -> Self {
        self.settings.max_queued = Some(tasks);
        self
    }

    /// Sets what a worker runs while it waits: see [`WaitPolicy`].
    pub fn wait_policy(mut self, policy: WaitPolicy) -> Self {
        self.settings.wait_policy = policy;
        self.has_wait_policy = true;
        self
    }

    /// Sets whether the [metrics](crate::ThreadPool::metrics) tell for how long each worker
    /// searched for work, and count a core that a thread from outside has borrowed as busy. If
    /// not, which is the default, searching counts as busy, and a borrowed core as parked.
    ///
    /// The cost is about 40 ns each time that a worker begins or ends a search, or that a thread
    /// borrows a core or gives it back. Times in which workers are parked or blocked are always
    /// measured.
    pub fn worker_times(mut self, measures: bool) -> Self {
        self.settings.times_workers = measures;
        self
    }

    /// Measures for every `every`-th task how long it waits in its queue and how long it runs, for
    /// the [metrics](crate::ThreadPool::metrics). 1 means every spawned task, and 0, the default,
    /// none. (The closures of [`join`](crate::join) are no tasks.) Each thread counts the tasks
    /// that it spawns by itself.
    ///
    /// A task that is measured costs about 130 ns more, and any other about 6 instructions more.
    pub fn task_times(mut self, every: u32) -> Self {
        self.settings.task_times = every;
        self
    }

    /// Starts a thread that checks the pool every `period`. If work is pending (queued, awaited or
    /// begun) and no job has begun or ended for that long, it writes a
    /// [`dump`](crate::ThreadPool::dump) to standard error, once for each such standstill.
    ///
    /// This includes a closure that runs for longer than `period` while nothing else begins or
    /// ends: the thread cannot tell whether it computes or is stuck.
    ///
    /// The thread also writes one dump if dropping the pool takes longer than `period`, even if
    /// jobs begin and end meanwhile.
    pub fn watchdog(mut self, period: Duration) -> Self {
        self.watchdog = Some(period);
        self
    }

    /// Makes the pool *deterministic*: its threads and the thread that builds it take turns, and
    /// `seed` decides whose turn it is. With the same seed, a program has the same schedule each
    /// time, down to which worker steals what. So try seeds to find a bug that depends on the order
    /// of events, and use its seed to see it again, in a debugger for example.
    ///
    /// Turns change at [schedule points](crate::schedule_point) only, and all threads see memory
    /// accesses in one order. So a missing fence is not found in this way. Workers run only while
    /// the thread that built the pool is in a call to this crate: to wait for a task in a loop,
    /// call [`schedule_point`](crate::schedule_point) there.
    ///
    /// A closure must not wait for another one by means that the runtime does not know: a channel,
    /// or a lock that is held over a schedule point. While it waits, it keeps its turn, and the
    /// other closure never runs. After the [turn limit](Self::turn_limit), a message says which
    /// thread has the turn and which threads wait. If the process cannot go on, it is aborted.
    ///
    /// Only the thread that builds the pool, and workers of deterministic pools that this thread
    /// has built, can use the pool. Handles may go to any thread. Deterministic pools that one
    /// thread builds take turns together. A pool that is dropped on another thread ends in the
    /// background. If the thread that built it ends, the workers go on without that thread.
    ///
    /// The schedule depends on the seed alone if all earlier deterministic pools of the thread have
    /// ended (those that end in the background take turns as well), and if the number of
    /// [threads](Self::num_threads) is set. It depends on the clock as well while a thread waits by
    /// [`join_timeout`](crate::JoinHandle::join_timeout).
    ///
    /// A schedule point costs some nanoseconds if the turn stays, and a context switch, some
    /// microseconds, if it changes.
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

    /// Stands in for the above, for a message that says what is missing.
    #[cfg(not(feature = "deterministic"))]
    #[doc(hidden)]
    pub fn deterministic(self, _: impl NeedsFeature) -> Self {
        self
    }

    /// Sets how long a [deterministic](Self::deterministic) pool may stand still: 10 seconds by
    /// default. After that the process is aborted, with a [`dump`](crate::dump()) and a message
    /// that names the threads. The message says which of these is the case:
    /// - one thread keeps its turn, and others that have work wait for theirs;
    /// - one thread keeps its turn and waits for another thread, as do all threads of the process
    ///   (a wait with a time limit counts as well), and others wait for what the pool is to do;
    /// - all threads wait for each other;
    /// - the threads that get turns only call [`schedule_point`](crate::schedule_point), yield with
    ///   no other work to do, or check whether a task has ended.
    ///
    /// A thread that computes between two schedule points does not end the process, however long
    /// that takes: if others have work meanwhile, the message is a warning, written once. The same
    /// warning is written if a thread keeps its turn in a wait that may end, such as a sleep, and
    /// others wait for what the pool is to do. Only Linux tells what a thread does. On other
    /// systems a thread counts as waiting if others have work, and as computing if not.
    ///
    /// Set a longer limit if a thread sleeps for longer than this while others have work, or if
    /// tasks do nothing but call `schedule_point` for longer. While a thread waits for a pool that
    /// is not deterministic, or that another thread has built, the limit does not apply. If one
    /// thread builds several deterministic pools, the longest of their limits applies to all. Time
    /// in which the process is stopped, by a debugger for example, does not count.
    ///
    /// Needs the feature `deterministic`.
    #[cfg(feature = "deterministic")]
    pub fn turn_limit(mut self, limit: Duration) -> Self {
        self.turn_limit = Some(limit);
        self
    }

    /// Returns whether cores are lent: by default, unless a setting is for the pool's own threads.
    pub(super) fn lends_cores(&self) -> bool {
        let is_any = self.settings.stack_size.is_none() && self.handlers.start.is_none();
        self.lends_cores.unwrap_or(is_any)
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
            .field("worker_times", &self.settings.times_workers)
            .field("task_times", &self.settings.task_times)
            .field("wait_policy", &self.settings.wait_policy)
            .field("task_order", &self.settings.task_order)
            .field("lend_seats", &self.lends_cores())
            .field("max_spare_threads", &self.settings.max_spare_threads)
            .field("max_blocking_threads", &self.settings.max_blocking_threads)
            .field("max_queued", &self.settings.max_queued)
            .finish_non_exhaustive()
    }
}
