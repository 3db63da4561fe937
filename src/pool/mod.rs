//! A pool of workers: the public type, and how it ends.

mod builder;
mod error;
mod global;
mod member;
mod spawner;

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::{fmt, mem};

pub use builder::ThreadPoolBuilder;
pub use error::{BuildErrorKind, ThreadPoolBuildError};
pub(crate) use global::with_current;
pub use spawner::ThreadBuilder;

use crate::job::outcome;
use crate::observe::watchdog;
use crate::os::thread::Thread;
use crate::sleep::MAX_WORKERS;
use crate::sync::Mutex;
use crate::sync::slab;
use crate::worker::Worker;
use crate::worker::counters::Counters;
use crate::worker::event::Event;
use crate::worker::shared::Registry;

/// A pool of worker threads.
///
/// Most programs need none of their own: the free functions of this crate use the global pool.
///
/// Pools may wait for each other: see [`WaitPolicy`](crate::WaitPolicy) for what a worker does
/// meanwhile, and for the one shape in which two pools that wait for each other's handles can
/// deadlock.
///
/// Dropping a pool runs what was submitted to it, then ends its threads and waits for them, the
/// destructors of their thread-locals included. (Not for those of a thread that took over from a
/// member whose thread has ended.) A worker of another pool works for that one meanwhile. Dropped
/// by one of its own workers it does not wait: the threads end by themselves when nothing is left
/// to do. Nor does it where a thread of the user's
/// [is a worker](ThreadPoolBuilder::use_current_thread): the threads end after that one has. Two
/// pools must not be dropped by tasks of each other, which would wait for each other.
pub struct ThreadPool {
    registry: Arc<Registry>,
    threads: Vec<Thread>,
    /// Whether it was built to the end. If not, dropping it does not wait for threads that have not
    /// come.
    is_built: bool,
    /// Whether dropping it waits for its threads.
    waits: bool,
    watchdog: Option<watchdog::Watchdog>,
}

// Panics of closures and handlers are caught where they are called, before the pool's own state is
// touched again, and go on only where that is whole; its locks guard none of the user's code. So a
// panic that goes through a call on a pool leaves nothing of it broken.
impl UnwindSafe for ThreadPool {}
impl RefUnwindSafe for ThreadPool {}

impl ThreadPool {
    fn new(registry: Arc<Registry>) -> Self {
        ThreadPool { registry, threads: Vec::new(), is_built: false, waits: true, watchdog: None }
    }

    fn finished(mut self) -> Self {
        self.is_built = true;
        self
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The number of the pool's workers.
    pub fn current_num_threads(&self) -> usize {
        self.registry.workers().len()
    }

    /// The index of the worker that the calling thread is in this pool, from 0.
    pub fn current_thread_index(&self) -> Option<usize> {
        self.registry.current_worker().map(|worker| worker.index())
    }

    /// Drops the pool without waiting for it: its threads run what was submitted, then end by
    /// themselves.
    ///
    /// A library whose code they run must not be unloaded before that.
    ///
    /// A thread of the user's that [is a worker](ThreadPoolBuilder::use_current_thread) is then one
    /// without others, which do not wait for its end: it still runs what it forks and spawns itself
    /// while it waits, but a [`broadcast`](crate::broadcast) of its would wait for ever.
    ///
    /// ```
    /// let pool = filch::ThreadPoolBuilder::new().num_threads(1).build()?;
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// pool.spawn(move || receiver.recv().unwrap());
    /// pool.shutdown_background(); // to drop it here would wait for the task
    /// sender.send("go on").unwrap();
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn shutdown_background(mut self) {
        self.waits = false;
        // Whether this or a worker is the last to know the pool, and drops what its handlers have
        // captured, is chance: so a panic of that is not the caller's.
        outcome::discard(self);
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        if self.registry.is_lost() {
            // They can be neither waited for nor detached, nor what they hold be freed.
            return mem::forget((mem::take(&mut self.threads), self.watchdog.take()));
        }
        if !self.is_built {
            self.registry.close();
        }
        self.registry.begin_end(!self.waits);
        if self.waits {
            member::run_what_is_left(&self.registry);
        }
        let waits = self.waits && !self.registry.has_member();
        let on_worker = self.registry.current_worker().is_some();
        if !waits || on_worker || self.registry.is_away_from_home() {
            return;
        }
        self.registry.wait_for_threads();
        let mut threads = mem::take(&mut self.threads);
        threads.append(&mut self.registry.take_spare_threads());
        join_threads(&self.registry, threads);
        slab::empty_shared();
    }
}

/// Waits for the ends of a pool's threads, destructors of thread-locals included. These may need
/// the pool of which the calling thread is a worker: then that goes on meanwhile.
#[allow(unsafe_code)]
fn join_threads(registry: &Registry, threads: Vec<Thread>) {
    let join_all = |threads: Vec<Thread>| threads.into_iter().for_each(Thread::join);
    // (In a simulation they have ended but for their last instructions.)
    if threads.is_empty() || Worker::current().is_none() || registry.is_simulated() {
        return join_all(threads);
    }
    let joined = Arc::new((Event::new(registry), Mutex::new(Some(threads))));
    let theirs = joined.clone();
    let join = move || {
        let threads = theirs.1.lock().take();
        threads.into_iter().for_each(join_all);
        // SAFETY: the `Arc` keeps the event.
        unsafe { Event::happen(&raw const theirs.0) };
    };
    match Thread::start("filch-join".into(), None, join) {
        Ok(joiner) => {
            joined.0.wait(|| true);
            joiner.join();
        }
        // Where no thread can be had, this one joins.
        Err(_) => joined.1.lock().take().into_iter().for_each(join_all),
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPool")
            .field("num_threads", &self.current_num_threads())
            .finish_non_exhaustive()
    }
}

/// The index of the worker that the calling thread is in its pool, from 0; `None` on a thread
/// that is no worker.
///
/// A thread from outside that runs a [`join`](crate::join) or a [`scope`](crate::scope) is a
/// worker meanwhile.
#[inline]
pub fn current_thread_index() -> Option<usize> {
    crate::worker::Worker::current().map(|worker| worker.index())
}

/// The number of workers of the current pool, else of the global one.
///
/// # Panics
/// When the global pool is needed and cannot be built.
pub fn current_num_threads() -> usize {
    with_current(|registry| registry.workers().len())
}

/// The largest number of workers a pool can have.
pub fn max_num_threads() -> usize {
    MAX_WORKERS
}

/// What the workers of the current pool, else of the global one, did so far.
///
/// # Panics
/// When the global pool is needed and cannot be built.
pub fn counters() -> Counters {
    with_current(Registry::counters)
}
