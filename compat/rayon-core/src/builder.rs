//! The settings of a pool.

use std::any::Any;
use std::{env, fmt, io, thread};

use crate::handlers::{Handlers, shown};
use crate::thread::{CustomSpawn, DefaultSpawn, ThreadBuilder, ThreadSpawn};
use crate::{ThreadPool, ThreadPoolBuildError, global, max_num_threads};

/// The settings of a [`ThreadPool`], or of the global pool.
///
/// The environment variables `FILCH_WAIT`, `FILCH_LEND`, `FILCH_METRICS`, `FILCH_WATCHDOG` and
/// `FILCH_SEED` also apply to each pool: see [the front page](crate#environment-variables).
///
/// ```
/// let pool = rayon_core::ThreadPoolBuilder::new().num_threads(22).build()?;
/// assert_eq!(pool.current_num_threads(), 22);
/// # Ok::<(), rayon_core::ThreadPoolBuildError>(())
/// ```
pub struct ThreadPoolBuilder<S = DefaultSpawn> {
    num_threads: usize,
    use_current_thread: bool,
    stack_size: Option<usize>,
    breadth_first: bool,
    handlers: Handlers,
    spawn: S,
}

impl Default for ThreadPoolBuilder {
    fn default() -> Self {
        ThreadPoolBuilder {
            num_threads: 0,
            use_current_thread: false,
            stack_size: None,
            breadth_first: false,
            handlers: Handlers::default(),
            spawn: DefaultSpawn,
        }
    }
}

impl ThreadPoolBuilder {
    /// Returns the default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Builds a pool of scoped threads, calls `with_pool`, and ends the pool. Each thread calls
    /// `wrapper`, which may borrow from the caller and must call [`ThreadBuilder::run`].
    ///
    /// # Errors
    /// Returns the same errors as [`build`](Self::build). If it does, `with_pool` was not called.
    ///
    /// # Panics
    /// Panics if `with_pool` or `wrapper` panics.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// let started = AtomicUsize::new(0);
    /// let sum = rayon_core::ThreadPoolBuilder::new().num_threads(2).build_scoped(
    ///     |thread| {
    ///         started.fetch_add(1, Ordering::Relaxed);
    ///         thread.run();
    ///     },
    ///     |pool| pool.install(|| 1 + 2),
    /// )?;
    /// assert_eq!((sum, started.into_inner()), (3, 2));
    /// # Ok::<(), rayon_core::ThreadPoolBuildError>(())
    /// ```
    pub fn build_scoped<W, F, R>(self, wrapper: W, with_pool: F) -> Result<R, ThreadPoolBuildError>
    where
        W: Fn(ThreadBuilder) + Sync,
        F: FnOnce(&ThreadPool) -> R,
    {
        let wrapper = &wrapper;
        thread::scope(|scope| {
            let start = |thread: ThreadBuilder| {
                let std_thread = thread.std_thread();
                std_thread.spawn_scoped(scope, || wrapper(thread)).map(drop)
            };
            let pool = self.spawn_handler(start).build()?;
            Ok(with_pool(&pool))
        })
    }
}

impl<S: ThreadSpawn> ThreadPoolBuilder<S> {
    /// Builds a pool.
    ///
    /// # Errors
    /// Returns an error if
    /// - a thread cannot be started: the error holds what the system or the spawn handler returned;
    /// - [`use_current_thread`](Self::use_current_thread) is set, but the calling thread is already
    ///   in a pool;
    /// - a `FILCH_…` variable has an invalid value, or one that conflicts with the settings.
    pub fn build(self) -> Result<ThreadPool, ThreadPoolBuildError> {
        self.build_inner().map(ThreadPool::of)
    }

    /// Builds the global pool, which the free functions use on threads that are in no pool. It
    /// lives as long as the process. Without this call, the first use builds it with the default
    /// settings.
    ///
    /// # Errors
    /// Returns the same errors as [`build`](Self::build), and an error if the global pool exists
    /// already.
    pub fn build_global(self) -> Result<(), ThreadPoolBuildError> {
        global::build(self)
    }

    /// Builds filch's pool with these settings.
    pub(crate) fn build_inner(self) -> Result<filch::ThreadPool, ThreadPoolBuildError> {
        let num_threads = match self.num_threads {
            0 => default_num_threads(),
            asked => asked,
        };
        let mut builder = filch::ThreadPoolBuilder::new()
            .num_threads(num_threads.min(max_num_threads()))
            .abort_on_panic(true)
            .with_env()?;
        if env::var_os("FILCH_LEND").is_none_or(|value| value.is_empty()) {
            builder = builder.lend_seats(false);
        }
        if self.use_current_thread {
            builder = builder.use_current_thread();
        }
        if let Some(bytes) = self.stack_size {
            builder = builder.stack_size(bytes);
        }
        if self.breadth_first {
            builder = builder.task_order(filch::TaskOrder::OldestFirst);
        }
        let is_named = self.handlers.name_of.is_some();
        let pool = self.spawn.build(self.handlers.set(builder), is_named)?;
        Ok(pool)
    }
}

/// Returns the number of threads from the environment, or the number of processors that this
/// process may use.
fn default_num_threads() -> usize {
    let from_env = |name| env::var(name).ok()?.parse().ok();
    let number = match from_env("RAYON_NUM_THREADS") {
        None => from_env("RAYON_RS_NUM_CPUS"),
        number => number,
    };
    match number {
        None | Some(0) => thread::available_parallelism().map_or(1, usize::from),
        Some(number) => number,
    }
}

impl<S> ThreadPoolBuilder<S> {
    /// Sets a function that starts the pool's threads.
    ///
    /// It is called once for each thread, with a [`ThreadBuilder`]. It must start a thread that
    /// calls [`ThreadBuilder::run`].
    ///
    /// ```
    /// let pool = rayon_core::ThreadPoolBuilder::new()
    ///     .num_threads(2)
    ///     .spawn_handler(|thread| {
    ///         std::thread::Builder::new().spawn(|| thread.run()).map(drop)
    ///     })
    ///     .build()?;
    /// assert_eq!(pool.join(|| 1, || 2), (1, 2));
    /// # Ok::<(), rayon_core::ThreadPoolBuildError>(())
    /// ```
    pub fn spawn_handler<F>(self, spawn: F) -> ThreadPoolBuilder<CustomSpawn<F>>
    where
        F: FnMut(ThreadBuilder) -> io::Result<()>,
    {
        ThreadPoolBuilder {
            num_threads: self.num_threads,
            use_current_thread: self.use_current_thread,
            stack_size: self.stack_size,
            breadth_first: self.breadth_first,
            handlers: self.handlers,
            spawn: CustomSpawn(spawn),
        }
    }

    /// Sets a function that returns the name of a thread, given its index.
    pub fn thread_name<F>(mut self, closure: F) -> Self
    where
        F: FnMut(usize) -> String + 'static,
    {
        self.handlers.name_of = Some(Box::new(closure));
        self
    }

    /// Sets the number of threads.
    ///
    /// If it is 0, the default, the environment variable `RAYON_NUM_THREADS` decides, or the older
    /// `RAYON_RS_NUM_CPUS` if the former holds no number. If neither holds a number, or the number
    /// is 0, the pool has as many threads as this process has processors.
    pub fn num_threads(mut self, num_threads: usize) -> Self {
        self.num_threads = num_threads;
        self
    }

    /// Makes the thread that builds the pool its thread 0, instead of a new thread.
    ///
    /// That thread runs jobs of the pool while it waits for the pool, and in
    /// [`yield_now`](crate::yield_now). At other times, the other threads have to steal what is
    /// queued at it. The start, exit and spawn handlers are not called for it. It stays in the pool
    /// until the thread ends.
    pub fn use_current_thread(mut self) -> Self {
        self.use_current_thread = true;
        self
    }

    /// Sets a function that is called with the payload of a panic that cannot be resumed in a
    /// caller: a panic in a task of [`spawn`](crate::spawn()) or
    /// [`spawn_broadcast`](crate::spawn_broadcast), or in another handler.
    ///
    /// Without a panic handler, such a panic aborts the process. So does a panic in the panic
    /// handler.
    pub fn panic_handler<H>(mut self, panic_handler: H) -> Self
    where
        H: Fn(Box<dyn Any + Send>) + Send + Sync + 'static,
    {
        self.handlers.panic = Some(Box::new(panic_handler));
        self
    }

    /// Sets the size of each thread's stack, in bytes.
    pub fn stack_size(mut self, stack_size: usize) -> Self {
        self.stack_size = Some(stack_size);
        self
    }

    /// Makes each thread run the oldest of its spawned tasks first, instead of the newest.
    #[deprecated(note = "use `scope_fifo` and `spawn_fifo`")]
    pub fn breadth_first(mut self) -> Self {
        self.breadth_first = true;
        self
    }

    /// Sets a function that each thread calls with its index when it starts.
    pub fn start_handler<H>(mut self, start_handler: H) -> Self
    where
        H: Fn(usize) + Send + Sync + 'static,
    {
        self.handlers.start = Some(Box::new(start_handler));
        self
    }

    /// Sets a function that each thread calls with its index when it ends.
    pub fn exit_handler<H>(mut self, exit_handler: H) -> Self
    where
        H: Fn(usize) + Send + Sync + 'static,
    {
        self.handlers.exit = Some(Box::new(exit_handler));
        self
    }
}

impl<S> fmt::Debug for ThreadPoolBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPoolBuilder")
            .field("num_threads", &self.num_threads)
            .field("use_current_thread", &self.use_current_thread)
            .field("get_thread_name", &shown(&self.handlers.name_of))
            .field("panic_handler", &shown(&self.handlers.panic))
            .field("stack_size", &self.stack_size)
            .field("start_handler", &shown(&self.handlers.start))
            .field("exit_handler", &shown(&self.handlers.exit))
            .field("breadth_first", &self.breadth_first)
            .finish()
    }
}
