//! Starts the threads of a pool, itself or by a spawn handler.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::{fmt, io, thread};

use super::{BuildErrorKind, ThreadPool, guest};
use crate::os::thread::Thread;
use crate::sleep::CoreThread;
use crate::worker::shared::{Registry, RegistryRef};

pub(super) type NameOf = Box<dyn FnMut(usize) -> String>;
pub(super) type SpawnHandler<'a> = Box<dyn FnMut(ThreadBuilder) -> io::Result<()> + 'a>;

pub(super) struct Spawner<'a> {
    pub(super) name_of: Option<NameOf>,
    pub(super) handler: Option<SpawnHandler<'a>>,
    /// Whether the calling thread is to be a worker.
    pub(super) uses_current_thread: bool,
}

impl Spawner<'_> {
    /// Starts the threads of all workers of `pool`, and drops the spawn handler.
    pub(super) fn start_all(mut self, pool: &mut ThreadPool) -> Result<(), BuildErrorKind> {
        let guest = self.uses_current_thread.then_some(guest::INDEX);
        let workers = 0..pool.registry.workers().len();
        for index in workers.filter(|&index| guest != Some(index)) {
            pool.threads.extend(self.start(index, &pool.registry)?);
        }
        drop(self.handler.take());
        if let Some(index) = pool.registry.was_refused() {
            let text = "the spawn handler dropped the ThreadBuilder without running it; accepted: \
                        a call of ThreadBuilder::run on a new thread";
            return Err(BuildErrorKind::of_thread(index, io::Error::other(text)));
        }
        let Some(index) = guest else { return Ok(()) };
        pool.registry.set_name(index, self.name(index)?);
        drop(self.name_of.take());
        // Last, since the user's code above may have made this thread a worker of another pool.
        guest::join(&pool.registry)
    }

    fn name(&mut self, index: usize) -> Result<String, BuildErrorKind> {
        let name = match &mut self.name_of {
            Some(name_of) => name_of(index),
            None => format!("filch-{index}"),
        };
        if name.contains('\0') {
            return Err(BuildErrorKind::InvalidThreadName { index, name });
        }
        Ok(name)
    }

    /// Starts the thread of a worker. Returns it, unless the spawn handler has started it.
    fn start(
        &mut self,
        index: usize,
        registry: &Registry,
    ) -> Result<Option<Thread>, BuildErrorKind> {
        let name = self.name(index)?;
        registry.set_name(index, name.clone());
        registry.thread_starts();
        let stack_size = registry.settings.stack_size;
        let theirs = Some(registry.share());
        let worker = ThreadBuilder { index, name, stack_size, registry: theirs, own: None };
        let started = match &mut self.handler {
            Some(handler) => handler(worker).map(|()| None),
            None => worker.spawn(registry).map(Some),
        };
        if let Ok(Some(_)) = started {
            registry.workers()[index].set_thread(true);
        }
        started.map_err(|error| BuildErrorKind::Spawn { index, stack_size, error })
    }
}

/// Dropped without `run`, it leaves its worker without a thread.
impl Drop for ThreadBuilder {
    fn drop(&mut self) {
        if let Some(registry) = self.registry.take() {
            registry.thread_refused(self.index, self.own.is_some());
        }
    }
}

/// The description of a worker's thread, and the worker's main loop: see
/// [`spawn_handler`](crate::ThreadPoolBuilder::spawn_handler).
///
/// If it is dropped without a call of [`run`](Self::run), its worker never gets a thread. If the
/// spawn handler itself drops it, the build returns an error. If it is dropped later, other workers
/// run what is for that worker only, such as its part of a broadcast. If there are no other
/// workers, what was submitted does not run, and each later use of the pool panics.
pub struct ThreadBuilder {
    index: usize,
    name: String,
    stack_size: Option<usize>,
    /// Taken by `run`.
    registry: Option<RegistryRef>,
    /// The thread's entry among the sleepers, if the pool itself starts it. Then it already counts
    /// as running.
    own: Option<Arc<CoreThread>>,
}

// Like the pool itself. Unwinding drops it, which tells the registry.
impl UnwindSafe for ThreadBuilder {}
impl RefUnwindSafe for ThreadBuilder {}

impl ThreadBuilder {
    /// Returns the worker's index.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the name that the thread should have.
    pub fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    /// Returns the size that the thread's stack should have, in bytes, if that was set.
    pub fn stack_size(&self) -> Option<usize> {
        self.stack_size
    }

    /// Runs the worker's main loop. Returns when the pool has been dropped and no work is left, or
    /// at once if the pool could not be built. Call it on a thread of its own: a worker of the same
    /// pool that calls it waits for itself.
    pub fn run(mut self) {
        if let Some(registry) = self.registry.take() {
            match self.own.take() {
                Some(me) => registry.run_thread(&me, registry.starts_parked()),
                None if registry.thread_runs() => registry.run_worker(self.index),
                None => {}
            }
        }
    }

    pub(super) fn std_thread(&self) -> thread::Builder {
        let builder = thread::Builder::new().name(self.name.clone());
        match self.stack_size {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        }
    }

    fn spawn(mut self, registry: &Registry) -> io::Result<Thread> {
        let starts_parked = registry.starts_parked();
        let me = CoreThread::at_bottom(self.index, !starts_parked);
        self.own = registry.thread_runs().then(|| me.clone());
        let (name, stack_size) = (self.name.clone(), self.stack_size);
        let thread = registry.start_thread(name, stack_size, move || self.run())?;
        if starts_parked {
            registry.sleep().park_new(&me);
        }
        Ok(thread)
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

#[cfg(all(test, not(loom)))]
mod tests;
