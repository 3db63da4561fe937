//! `ThreadPool`, and how dropping it ends the pool.

mod build;
mod builder;
mod env;
mod error;
mod global;
mod guest;
mod spawner;
mod variables;

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::{fmt, mem, ptr};

pub use builder::ThreadPoolBuilder;
pub use error::{BuildErrorKind, ThreadPoolBuildError};
pub(crate) use global::with_current;
pub use spawner::ThreadBuilder;

use crate::job::outcome;
use crate::observe::export;
use crate::os::thread::{Stoppable, Thread};
use crate::sim;
use crate::sleep::{Event, MAX_WORKERS};
use crate::sync::Mutex;
use crate::sync::slab;
use crate::worker::Worker;
use crate::worker::shared::Registry;

/// A pool of worker threads.
///
/// Most programs do not need one: the free functions of this crate use the global pool.
///
/// Pools may wait for each other. See [`WaitPolicy`](crate::WaitPolicy) for what a worker runs
/// meanwhile, and for the one case in which two pools that join each other's handles can deadlock.
///
/// Dropping a pool runs what was submitted to it, then ends its threads and waits for them,
/// including the destructors of their thread-locals. A worker of another pool works for its own
/// pool meanwhile. In three cases dropping does not wait, and the threads end in the background: on
/// one of the pool's own workers; if a thread of the user [is a
/// worker](ThreadPoolBuilder::use_current_thread), whose end comes first; and if a task of the pool
/// waits in a drop of the caller's pool. The destructors of thread-locals of two pools' threads
/// must not drop each other's pool. Neither they nor an exit handler may wait for a pool in which a
/// task drops the pool of their thread.
pub struct ThreadPool {
    /// Ends before `registry` is dropped: its thread, for which the drop waits, must not drop the
    /// captures of the handlers.
    watchdog: Option<Box<Stoppable>>,
    registry: Arc<Registry>,
    threads: Vec<Thread>,
    /// Whether the pool was built to the end. If not, dropping it does not wait for threads that
    /// have not started.
    is_built: bool,
    /// Whether dropping it waits for its threads.
    waits: bool,
}

// As for `Registry`.
impl UnwindSafe for ThreadPool {}
impl RefUnwindSafe for ThreadPool {}

impl ThreadPool {
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Returns the number of the pool's workers.
    pub fn current_num_threads(&self) -> usize {
        self.registry.workers().len()
    }

    /// Returns the index, from 0, of the calling thread's worker if that is one of this pool.
    pub fn current_thread_index(&self) -> Option<usize> {
        self.registry.current_worker().map(|worker| worker.index())
    }

    /// Drops the pool without waiting for it: its threads run what was submitted, then end in the
    /// background. Do not unload a library whose code they run before that.
    ///
    /// A thread of the user that [is a worker](ThreadPoolBuilder::use_current_thread) then works
    /// alone: while it waits, it runs what it forks and spawns, and all parts of its
    /// [broadcasts](crate::broadcast).
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
        // This thread or a worker drops the captures of the handlers, by chance. So their panics
        // are not the caller's.
        outcome::discard(self);
    }

    /// Drops the pool, and the closures of the tasks that have not begun. Returns the number of
    /// these tasks.
    ///
    /// Tasks of [`spawn`](crate::spawn), [`spawn_fifo`](crate::spawn_fifo) and
    /// [`try_spawn`](crate::try_spawn) that have not begun are not run: their handles say
    /// *cancelled*, for the reason [`Shutdown`](crate::CancelReason::Shutdown). A task that has
    /// begun goes on to its end, with its forks, scopes, broadcasts and futures. So does all that
    /// other threads wait for. A task that is spawned from then on is dropped and counted as well,
    /// and `try_spawn` returns an error with the closure. A panic in the drop of a closure goes to
    /// the handle, or to the panic handler if the handle was dropped. A closure whose drop spawns
    /// another one of its kind, and so on without end, keeps the pool from ending.
    ///
    /// Like a drop, this waits for the pool's threads. Where a drop does not wait (see
    /// [`ThreadPool`]), the number is that of the tasks dropped so far.
    ///
    /// ```
    /// let pool = filch::ThreadPoolBuilder::new().num_threads(1).build()?;
    /// let (begins, begun) = std::sync::mpsc::channel();
    /// let (ends, end) = std::sync::mpsc::channel();
    /// let running = pool.spawn(move || {
    ///     begins.send(()).unwrap();
    ///     end.recv().unwrap()
    /// });
    /// begun.recv().unwrap();
    /// let queued = pool.spawn(|| 3);
    /// ends.send(7).unwrap();
    /// // The second one may have begun by now.
    /// let dropped = pool.shutdown_now();
    /// assert_eq!(running.join().unwrap(), 7);
    /// assert_eq!(queued.join().is_err_and(|error| error.is_cancelled()), dropped == 1);
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn shutdown_now(self) -> usize {
        let registry = self.registry.share();
        registry.shut_down();
        drop(self);
        registry.counts.dropped_tasks.load(Ordering::Relaxed)
    }

    /// Whether a drop waits for the end of the pool's threads.
    fn joins_threads(&self) -> bool {
        let registry = &*self.registry;
        let own = Worker::current().or_else(Worker::blocked).map(Worker::registry);
        let may_wait =
            || own.is_none_or(|own| !ptr::eq(own, registry) && registry.is_awaited_by(own));
        self.waits && !registry.has_guest() && !registry.is_away_from_home() && may_wait()
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        if self.registry.is_lost() {
            // In this child of a `fork()`, the threads do not exist, and nothing of theirs is
            // freed.
            return mem::forget((mem::take(&mut self.threads), self.watchdog.take()));
        }
        if !self.is_built {
            self.registry.close();
        }
        let joins = self.joins_threads();
        if !joins {
            // Before they can end: a further thread would have to join those that have.
            self.threads.clear();
        }
        self.registry.begin_end(!self.waits);
        if self.waits {
            guest::run_what_is_left(&self.registry);
        }
        if !joins {
            return;
        }
        let threads = mem::take(&mut self.threads);
        // A thread that has nothing else to do waits only once, in the joins: each wait costs some
        // microseconds. A worker goes on meanwhile, as do the others where a seed decides.
        let goes_on = Worker::current().is_some() || sim::takes_turns();
        if goes_on || !self.registry.has_started(threads.len()) {
            self.registry.wait_for_threads();
        }
        join_threads(&self.registry, threads);
        join_threads(&self.registry, self.registry.take_spare_threads());
        export::write();
        slab::empty_shared();
    }
}

/// Waits for the end of a pool's threads, including the destructors of their thread-locals. These
/// may need the pool of the calling worker, which therefore works meanwhile.
fn join_threads(registry: &Registry, threads: Vec<Thread>) {
    // The last one first, which mostly ends last: then one wait is enough.
    let join_all = |threads: Vec<Thread>| threads.into_iter().rev().for_each(Thread::join);
    // (In a simulation, all that is left of them is their last instructions.)
    if threads.is_empty() || Worker::current().is_none() || registry.is_simulated() {
        return join_all(threads);
    }
    let joined = Arc::new(Event::new(registry.address()));
    let threads = Arc::new(Mutex::new(Some(threads)));
    let theirs = (joined.clone(), threads.clone());
    let join = move || {
        let threads = theirs.1.lock().take();
        threads.into_iter().for_each(join_all);
        Event::happen_shared(&theirs.0);
    };
    match Thread::start("filch-join".into(), None, join) {
        Ok(joiner) => {
            joined.wait(|| true);
            joiner.join();
        }
        // The system refuses a thread, so this one joins.
        Err(_) => threads.lock().take().into_iter().for_each(join_all),
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPool")
            .field("num_threads", &self.current_num_threads())
            .finish_non_exhaustive()
    }
}

/// Returns the index, from 0, of the calling thread's worker, or `None` on a thread that is no
/// worker. A thread from outside is a worker while it has borrowed a core: see
/// [`join`](crate::join).
#[inline]
pub fn current_thread_index() -> Option<usize> {
    crate::worker::Worker::current().map(|worker| worker.index())
}

/// Returns the number of workers of the current pool, else of the global one.
///
/// # Panics
/// Panics if the global pool is needed and cannot be built.
pub fn current_num_threads() -> usize {
    with_current(|registry| registry.workers().len())
}

/// Returns the largest number of workers that a pool can have.
pub fn max_num_threads() -> usize {
    MAX_WORKERS
}
