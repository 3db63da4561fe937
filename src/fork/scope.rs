//! `scope`: any number of tasks that may borrow, all of which end before the scope does.

use std::fmt;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::broadcast::{BroadcastContext, Parts};
use super::tasks::Tasks;
use crate::context::{CancelReason, Stop, UNWINDS};
use crate::job::outcome;
use crate::pool::with_current;
use crate::task::{Handle, JoinError};
use crate::worker::shared::{Registry, RegistryRef};
use crate::worker::{JobRef, Worker, with_span};

/// A scope for tasks that may borrow: see [`scope`]. Tasks run in `'scope` and may borrow what
/// lives for `'env`. A function that spawns into a scope takes `&'s Scope<'s, 'e>`: see the
/// [example](crate::guide::from_rayon#what-does-not-compile).
pub struct Scope<'scope, 'env: 'scope> {
    tasks: Tasks,
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

impl<'scope, 'env> Scope<'scope, 'env> {
    fn new(tasks: Tasks) -> Self {
        Scope { tasks, scope: PhantomData, env: PhantomData }
    }

    /// Spawns a task. It may borrow anything that outlives the scope, and may spawn more tasks in
    /// the scope. Task and result share one allocation.
    ///
    /// Other workers can steal the task at once. A worker runs its own newest task first, and
    /// thieves take the oldest. If the handle is dropped, the result is dropped, but the scope
    /// still waits for the task.
    ///
    /// A queued task takes at most 100 bytes plus twice the size of its captures or of its result,
    /// whichever is larger.
    ///
    /// ```
    /// let words = ["work", "is", "for", "sharing"];
    /// let lengths = filch::scope(|s| {
    ///     let handles = words.map(|word| s.spawn(move || word.len()));
    ///     handles.map(|handle| handle.join().unwrap())
    /// });
    /// assert_eq!(lengths, [4, 2, 3, 7]);
    /// ```
    #[inline]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let queue = |_: &Registry, spawner: Option<&Worker>, job, handle| {
            self.tasks.submit(spawner, job);
            handle
        };
        // SAFETY: `'scope` outlives the wait at the end of the scope, and the handle cannot
        // outlive `'scope`.
        let handle = unsafe { self.tasks.spawn(f, queue) };
        ScopedJoinHandle { handle, scope: PhantomData }
    }

    /// Like [`spawn`](Self::spawn), but without a handle.
    #[inline]
    pub(crate) fn spawn_detached(&'scope self, f: impl FnOnce() + Send + 'scope) {
        let queue = |_: &Registry, spawner: Option<&Worker>, job, handle: Handle<()>| {
            self.tasks.submit(spawner, handle.detach(job));
        };
        // SAFETY: as in `spawn`.
        unsafe { self.tasks.spawn(f, queue) };
    }

    /// Spawns a task for other workers: queues it in the injector. Of the restricted waits
    /// (`worker/wait.rs`), only the one at the end of this scope may run it.
    pub(crate) fn spawn_for_others(&'scope self, f: impl FnOnce() + Send + 'scope) {
        let queue = |registry: &Registry, spawner: Option<&Worker>, job, handle| {
            drop(handle);
            Worker::pass_priority(spawner, &job);
            self.tasks.set_apart(&job);
            registry.queue_injected(job);
        };
        // SAFETY: as in `spawn`.
        unsafe { self.tasks.spawn(f, queue) };
    }

    /// Makes a task that some thread submits later. The scope waits for it from now on.
    pub(crate) fn defer(&'scope self, f: impl FnOnce() + Send + 'scope) -> Deferred {
        let is_cross_job = self.tasks.are_cross_jobs;
        let queue = |registry: &Registry, spawner: Option<&Worker>, job, handle| {
            drop(handle);
            Worker::pass_priority(spawner, &job);
            Deferred { job, registry: registry.share(), is_cross_job }
        };
        // SAFETY: as in `spawn`, since the scope waits for the task until it has been submitted
        // and has run.
        unsafe { self.tasks.spawn(f, queue) }
    }

    /// Like [`spawn`](Self::spawn), but tasks that one worker spawns in a scope by this method
    /// begin in the order in which it spawned them. Returns no handle.
    ///
    /// ```
    /// use std::sync::Mutex;
    /// let pool = filch::ThreadPoolBuilder::new().num_threads(1).build()?;
    /// let order = Mutex::new(Vec::new());
    /// pool.scope(|s| {
    ///     for i in 0..4 {
    ///         let order = &order;
    ///         s.spawn_fifo(move || order.lock().unwrap().push(i));
    ///     }
    /// });
    /// assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3]); // [3, 2, 1, 0] by `spawn`
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn spawn_fifo<F>(&'scope self, f: F)
    where
        F: FnOnce() + Send + 'scope,
    {
        let queue = |registry: &Registry, spawner: Option<&Worker>, job, handle| {
            drop(handle);
            let next = registry.in_order(spawner, job, self.tasks.fifos());
            self.tasks.submit(spawner, next);
        };
        // SAFETY: as in `spawn`.
        unsafe { self.tasks.spawn(f, queue) };
    }

    /// Spawns one task on every worker of the pool, which calls `op`: see
    /// [`broadcast`](crate::broadcast).
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// let calls = AtomicUsize::new(0);
    /// filch::scope(|s| {
    ///     s.spawn_broadcast(|_| _ = calls.fetch_add(1, Ordering::Relaxed));
    /// });
    /// assert_eq!(calls.into_inner(), filch::current_num_threads());
    /// ```
    pub fn spawn_broadcast<OP>(&'scope self, op: OP)
    where
        OP: Fn(BroadcastContext) + Send + Sync + 'scope,
    {
        let registry = self.tasks.registry();
        let parts = Arc::new(Parts::new(registry, op));
        BroadcastContext::all(registry).for_each(|context| {
            let own = parts.clone();
            let queue = |_: &Registry, spawner: Option<&Worker>, job, handle| {
                drop(handle);
                self.tasks.pin(spawner, job, context.index());
            };
            // SAFETY: as in `spawn`.
            unsafe { self.tasks.spawn(move || own.run(context), queue) };
        });
        parts.start(registry);
        outcome::discard(parts);
    }
}

/// A task of a scope that is not queued yet. If it is never submitted, its scope never ends.
#[must_use = "its scope waits for it"]
pub(crate) struct Deferred {
    job: JobRef,
    registry: RegistryRef,
    is_cross_job: bool,
}

impl Deferred {
    /// Queues the task. Any thread may call this.
    pub(crate) fn submit(self) {
        let caller = self.registry.current_worker();
        match self.is_cross_job {
            true => self.registry.inject_cross_job(self.job),
            false => self.registry.submit_prioritized(caller, self.job),
        }
    }
}

// A task's panic is caught before the scope counts its end, and spawning runs no code of the user.
// So a scope works as before after a panic has gone through it.
impl UnwindSafe for Scope<'_, '_> {}
impl RefUnwindSafe for Scope<'_, '_> {}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

/// The handle of a task of a scope, which joins or cancels it: see [`Scope::spawn`].
///
/// Dropping it drops the result. A panic that [`join`](Self::join) does not return is resumed at
/// the end of the scope. Leaking the handle leaks the result.
pub struct ScopedJoinHandle<'scope, T> {
    handle: Handle<T>,
    scope: PhantomData<&'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits for the task and returns its value. If the task panicked, the error has the payload,
    /// which the scope then does not resume.
    ///
    /// Meanwhile, a worker runs the task or other work, and any other thread sleeps: see
    /// [`JoinHandle::join`](crate::JoinHandle::join).
    ///
    /// # Errors
    /// Returns a [`JoinError`] if the task panicked or was [cancelled](Self::cancel).
    ///
    /// # Panics
    /// Panics if the caller is the task itself or part of it.
    pub fn join(self) -> Result<T, JoinError> {
        self.handle.join()
    }

    /// Like [`join`](Self::join), but waits for at most `limit`: see
    /// [`JoinHandle::join_timeout`](crate::JoinHandle::join_timeout).
    ///
    /// # Errors
    /// Returns the handle if the task has not ended in time.
    pub fn join_timeout(self, limit: Duration) -> Result<Result<T, JoinError>, Self> {
        let given_back = |handle| ScopedJoinHandle { handle, scope: PhantomData };
        self.handle.join_timeout(limit).map_err(given_back)
    }

    /// Cancels the task if it has not begun, and returns whether it did: see
    /// [`JoinHandle::cancel`](crate::JoinHandle::cancel). The scope does not end before a worker
    /// has come to the task's place in its queue.
    ///
    /// # Panics
    /// Resumes a panic of the closure's drop. The task is cancelled all the same.
    pub fn cancel(&self) -> bool {
        self.handle.cancel()
    }

    /// Returns whether the task has ended or was cancelled.
    pub fn is_finished(&self) -> bool {
        self.handle.poll_finished()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_finished = self.handle.is_finished();
        f.debug_struct("ScopedJoinHandle").field("is_finished", &is_finished).finish()
    }
}

/// Calls `f` with a scope to spawn tasks in, and returns when all of them have ended.
///
/// The shape is that of [`std::thread::scope`]: the tasks take no argument and may borrow the scope
/// and anything that outlives it.
///
/// `f` runs as a worker of the current pool, else of the global one. A thread that is no worker
/// borrows the core of a sleeping worker. If no worker sleeps, a worker runs `f`. To stay on the
/// calling thread in any case, use [`in_place_scope`].
///
/// # Panics
/// If `f` panics, its panic is resumed when all tasks have ended. If not, the first panic of a task
/// whose handle was not joined is resumed. Also panics if the global pool is needed and cannot be
/// built.
///
/// ```
/// let mut squares = vec![0; 100];
/// filch::scope(|s| {
///     for (i, square) in squares.iter_mut().enumerate() {
///         s.spawn(move || *square = i * i);
///     }
/// });
/// assert_eq!(squares[9], 81);
/// ```
pub fn scope<'env, F, R>(f: F) -> R
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R + Send,
    R: Send,
{
    with_current(|registry| scope_in(registry, UNWINDS, f))
}

pub(super) fn scope_in<'env, R: Send>(
    registry: &Registry,
    drops: bool,
    f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R + Send,
) -> R {
    scope_on_worker(registry, drops, f).unwrap_or_else(|reason| Stop::unwind(reason))
}

/// `run_scope` on a worker of the pool.
pub(super) fn scope_on_worker<'env, R: Send>(
    registry: &Registry,
    drops: bool,
    f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R + Send,
) -> Result<R, CancelReason> {
    registry.as_worker(|worker, _| run_scope(worker.registry(), Some(worker), drops, f))
}

/// Like `scope`, but runs all tasks even if the context is cancelled.
pub(crate) fn whole_scope<'env, R: Send>(
    f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R + Send,
) -> R {
    with_current(|registry| scope_in(registry, false, f))
}

/// Like [`scope`], but `f` runs on the calling thread, and need not be [`Send`].
///
/// On a thread that is no worker, `f` may block until its tasks do something, since workers run
/// them. Such a thread sleeps at the end of the scope.
///
/// # Panics
/// Like [`scope`].
///
/// ```
/// let (sender, receiver) = std::sync::mpsc::channel();
/// let sum: i32 = filch::in_place_scope(|s| {
///     for i in 1..=10 {
///         let sender = sender.clone();
///         s.spawn(move || sender.send(i * i).unwrap());
///     }
///     drop(sender);
///     receiver.into_iter().sum() // a `Receiver` is not `Sync`
/// });
/// assert_eq!(sum, 385);
/// ```
pub fn in_place_scope<'env, F, R>(f: F) -> R
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
{
    with_current(|registry| in_place_scope_in(registry, f))
}

pub(super) fn in_place_scope_in<'env, R>(
    registry: &Registry,
    f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
) -> R {
    let result = run_scope(registry, registry.expect_worker(), UNWINDS, f);
    result.unwrap_or_else(|reason| Stop::unwind(reason))
}

/// Runs a scope. If `drops`, a task that has not begun when the context's token is cancelled is
/// dropped. Returns the reason as an error if a task was dropped or stopped.
fn run_scope<'env, R>(
    registry: &Registry,
    opener: Option<&Worker>,
    drops: bool,
    f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
) -> Result<R, CancelReason> {
    // Under the context that the tasks inherit.
    with_span(|| {
        let scope = Scope::new(Tasks::new(registry, opener, drops));
        let result = outcome::run(|| f(&scope));
        outcome::run_or_abort(|| scope.tasks.wait());
        let value = match result {
            Ok(value) => scope.tasks.result(value),
            Err(payload) => resume_unwind(scope.tasks.panic_or(payload)),
        };
        match scope.tasks.stopped() {
            None => Ok(value),
            Some(reason) => {
                outcome::discard(value);
                Err(reason)
            }
        }
    })
}
