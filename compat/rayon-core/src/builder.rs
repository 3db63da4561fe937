//! The settings of a pool.

use std::any::Any;
use std::{env, fmt, io, thread};

use crate::handlers::{Handlers, shown};
use crate::thread::{CustomSpawn, DefaultSpawn, ThreadBuilder, ThreadSpawn};
use crate::{ThreadPool, ThreadPoolBuildError, global, max_num_threads};

/// The settings of a [`ThreadPool`], or of the global one.
///
/// Each pool also has what the variables `FILCH_WAIT`, `FILCH_LEND`, `FILCH_METRICS`,
/// `FILCH_WATCHDOG` and `FILCH_SEED` say: see
/// [the front page](crate#by-the-environment).
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
    /// The default settings: see each method.
    pub fn new() -> Self {
        Self::default()
    }

    /// Builds a pool of scoped threads, calls `with_pool`, and ends the pool. Each thread calls
    /// `wrapper`, which has to call [`ThreadBuilder::run`] and may borrow.
    ///
    /// # Errors
    /// As [`build`](Self::build); then `with_pool` was not called.
    ///
    /// # Panics
    /// When `with_pool` does, or else `wrapper`.
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
    /// When a thread cannot be started, with what the system or the spawn handler said; when
    /// [`use_current_thread`](Self::use_current_thread) is asked for on a thread that is in a pool;
    /// when one of the variables `FILCH_…` has a value that is not accepted, or does not go with
    /// the settings.
    pub fn build(self) -> Result<ThreadPool, ThreadPoolBuildError> {
        self.build_inner().map(ThreadPool::of)
    }

    /// Builds the pool that the free functions use on threads that are in none. It lives as long
    /// as the process. Without this call, the first use builds it by the default settings.
    ///
    /// # Errors
    /// As [`build`](Self::build), and when there is a global pool already.
    pub fn build_global(self) -> Result<(), ThreadPoolBuildError> {
        global::build(self)
    }

    /// The runtime's pool by these settings.
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

/// What the environment says, else as many as there are processors for this process.
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
    /// Starts the threads in a way of one's own. The handler is called once a thread, with what
    /// that is to be, and has to see to it that [`ThreadBuilder::run`] is called on a thread made
    /// for it.
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

    /// Names each thread by its index.
    pub fn thread_name<F>(mut self, closure: F) -> Self
    where
        F: FnMut(usize) -> String + 'static,
    {
        self.handlers.name_of = Some(Box::new(closure));
        self
    }

    /// The number of threads. 0, the default, means what the environment variable
    /// `RAYON_NUM_THREADS` says, or, if that holds no number, the older `RAYON_RS_NUM_CPUS`; if
    /// neither does, or the number is 0, as many as this process has processors.
    pub fn num_threads(mut self, num_threads: usize) -> Self {
        self.num_threads = num_threads;
        self
    }

    /// Makes the thread that builds the pool its thread 0, instead of a new one.
    ///
    /// It works while it waits for something of the pool's, and in
    /// [`yield_now`](crate::yield_now); otherwise others have to steal what is queued there. Start
    /// and exit handlers, and the spawn handler, are not called for it. It is in the pool to its
    /// end.
    pub fn use_current_thread(mut self) -> Self {
        self.use_current_thread = true;
        self
    }

    /// Called with the payload of a panic that nobody waits for: one in a task of
    /// [`spawn`](crate::spawn()), in [`spawn_broadcast`](crate::spawn_broadcast), or in another
    /// handler.
    ///
    /// Without a panic handler, such a panic aborts the process, as does one in the panic handler.
    pub fn panic_handler<H>(mut self, panic_handler: H) -> Self
    where
        H: Fn(Box<dyn Any + Send>) + Send + Sync + 'static,
    {
        self.handlers.panic = Some(Box::new(panic_handler));
        self
    }

    /// The size of each thread's stack, in bytes.
    pub fn stack_size(mut self, stack_size: usize) -> Self {
        self.stack_size = Some(stack_size);
        self
    }

    /// Lets each thread run the oldest of its spawned tasks first, instead of the newest.
    #[deprecated(note = "use `scope_fifo` and `spawn_fifo`")]
    pub fn breadth_first(mut self) -> Self {
        self.breadth_first = true;
        self
    }

    /// Called on each thread, with its index, when it starts.
    pub fn start_handler<H>(mut self, start_handler: H) -> Self
    where
        H: Fn(usize) + Send + Sync + 'static,
    {
        self.handlers.start = Some(Box::new(start_handler));
        self
    }

    /// Called on each thread, with its index, when it ends.
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
