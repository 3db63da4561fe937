//! `task`: a task, or a whole `install`, with settings of its own.

use std::fmt;
use std::sync::Arc;

use super::handle::JoinHandle;
use super::region::with_current_token;
use super::spawn::{PoolHome, spawn_at};
use super::try_spawn::{TrySpawnError, try_spawn_at};
use crate::context::{CancelToken, Context};
use crate::job::Priority;
use crate::pool::{ThreadPool, with_current};
use crate::worker::shared::Registry;
use crate::worker::{Worker, share_current, under, with_current_context};

/// Settings of a task, which are made before it is spawned: see [`task`].
#[derive(Clone)]
#[must_use = "it spawns a task only if `spawn` or `install` is called"]
pub struct TaskBuilder<'p> {
    /// `None`: the current pool, else the global one.
    pool: Option<&'p ThreadPool>,
    name: Option<Arc<str>>,
    /// `None`: that of the caller.
    priority: Option<Priority>,
    /// Besides that of the caller.
    token: Option<CancelToken>,
}

/// Returns a builder of a task in the current pool, else in the global one.
///
/// ```
/// use filch::Priority;
///
/// let report = filch::task().name("report").priority(Priority::Low).spawn(|| 6 * 7);
/// assert_eq!(report.join().unwrap(), 42);
/// ```
pub fn task() -> TaskBuilder<'static> {
    TaskBuilder { pool: None, name: None, priority: None, token: None }
}

impl ThreadPool {
    /// [`task`] in this pool.
    pub fn task(&self) -> TaskBuilder<'_> {
        TaskBuilder { pool: Some(self), ..task() }
    }
}

impl TaskBuilder<'_> {
    /// Sets the name of the task, and of what it spawns and forks without a name of its own.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets how urgent the task is. By default it is as urgent as the task that spawns it, and
    /// [`Priority::Normal`] outside of all tasks.
    ///
    /// A worker takes a job of the highest priority that it finds, in its own queues or elsewhere
    /// in the pool. Each 64th job that it takes is of the lowest priority instead, so that none
    /// starves. Tasks of high or low priority begin in about the order in which they were spawned,
    /// with one exception: a task that a task of the same priority spawns goes ahead of older ones,
    /// the newest first.
    ///
    /// A task that has begun is never interrupted. So a task of high priority begins when some
    /// worker ends a job, at the latest: keep the jobs short that it should not wait for.
    ///
    /// What the task spawns and forks inherits its priority: the closures of a
    /// [`join`](crate::join()), the tasks of a scope, the pieces of a parallel iterator, and what
    /// it installs or spawns in other pools. A worker that joins a task which has not begun runs it
    /// at the higher of both priorities.
    ///
    /// A worker that waits in a task runs other jobs meanwhile. It takes a job of a lower priority
    /// than that task only if it would sleep otherwise. Priorities do not apply to broadcasts, nor
    /// to jobs for which a worker of another pool waits.
    ///
    /// Priorities cost nothing until they are used: as long as all tasks of a pool are of normal
    /// priority, its workers search as if there were no others.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use filch::Priority;
    ///
    /// let pool = filch::ThreadPoolBuilder::new().num_threads(1).build()?;
    /// let order = Arc::new(Mutex::new(Vec::new()));
    /// pool.install(|| {
    ///     for priority in [Priority::Low, Priority::Normal, Priority::High] {
    ///         let order = order.clone();
    ///         pool.task().priority(priority).spawn(move || order.lock().unwrap().push(priority));
    ///     }
    /// });
    /// drop(pool);
    /// assert_eq!(*order.lock().unwrap(), [Priority::High, Priority::Normal, Priority::Low]);
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Sets a token for the task and for what it spawns and forks, beside the one that it inherits:
    /// if either is cancelled, the work stops as [`scope_with`](crate::scope_with()) says. The
    /// handle of a task that has not begun by then says
    /// [cancelled](crate::JoinError::is_cancelled).
    ///
    /// ```
    /// let token = filch::CancelToken::new();
    /// token.cancel();
    /// let task = filch::task().token(&token).spawn(|| unreachable!("it is not run"));
    /// assert!(task.join().unwrap_err().is_cancelled());
    /// ```
    pub fn token(mut self, token: &CancelToken) -> Self {
        self.token = Some(token.clone());
        self
    }

    /// Spawns the task: see [`spawn`](crate::spawn()).
    ///
    /// # Panics
    /// Like [`spawn`](crate::spawn()).
    pub fn spawn<F, T>(self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let context = self.context();
        let home = |_: Option<&Worker>| PoolHome::of(context);
        self.with_registry(|registry| spawn_at(home, self.priority, registry, f))
    }

    /// Spawns the task if the pool has room for it, else returns the closure: see
    /// [`try_spawn`](crate::try_spawn).
    ///
    /// # Errors
    /// Like [`try_spawn`](crate::try_spawn).
    ///
    /// # Panics
    /// Like [`spawn`](crate::spawn()).
    pub fn try_spawn<F, T>(self, f: F) -> Result<JoinHandle<T>, TrySpawnError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let context = self.context();
        let home = |_: Option<&Worker>| PoolHome::of(context);
        self.with_registry(|registry| try_spawn_at(home, self.priority, registry, f))
    }

    /// Runs `op` on one of the pool's own threads, and returns its result: see
    /// [`ThreadPool::install`]. A worker of the pool calls `op` itself.
    ///
    /// # Panics
    /// Resumes a panic of `op`. Panics if a [token](Self::token) was set: `install` returns a plain
    /// `R`, so it could not say that the work was cancelled. Call `install` inside of
    /// [`CancelToken::run`] instead. Also panics if the global pool is needed and cannot be built.
    ///
    /// ```
    /// use filch::Priority;
    /// use filch::prelude::*;
    ///
    /// let pool = filch::ThreadPoolBuilder::new().num_threads(2).build()?;
    /// // The pieces of the loop are of high priority, like the whole.
    /// let urgent = pool.task().priority(Priority::High);
    /// let sum: u64 = urgent.install(|| (1..=1_000_u64).into_par_iter().sum());
    /// assert_eq!(sum, 500_500);
    /// # Ok::<(), filch::ThreadPoolBuildError>(())
    /// ```
    pub fn install<OP, R>(self, op: OP) -> R
    where
        OP: FnOnce() -> R + Send,
        R: Send,
    {
        assert!(
            self.token.is_none(),
            "install: a token is set; accepted: `install` within `CancelToken::run`"
        );
        let run = || self.with_registry(|registry| registry.on_thread(self.priority, op));
        if self.name.is_none() { run() } else { under(self.context().as_ref(), run) }
    }

    /// The context of the task.
    fn context(&self) -> Option<Arc<Context>> {
        if self.name.is_none() && self.token.is_none() {
            return share_current();
        }
        let mut context = with_current_context(|outer| outer.cloned().unwrap_or_default());
        context.name = self.name.clone().or(context.name);
        context.token = with_current_token(self.token.as_ref());
        Some(Arc::new(context))
    }

    fn with_registry<R>(&self, f: impl FnOnce(&Registry) -> R) -> R {
        match self.pool {
            Some(pool) => f(pool.registry()),
            None => with_current(f),
        }
    }
}

impl fmt::Debug for TaskBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskBuilder")
            .field("name", &self.name)
            .field("priority", &self.priority)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::prelude::*;
    use crate::{JoinError, ThreadPoolBuilder, WaitPolicy};

    const ALL: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

    fn pool(threads: usize, policy: WaitPolicy) -> ThreadPool {
        ThreadPoolBuilder::new().num_threads(threads).wait_policy(policy).build().unwrap()
    }

    fn policies() -> [WaitPolicy; 2] {
        [WaitPolicy::AnyWork, WaitPolicy::OwnDescendants]
    }

    fn current() -> Priority {
        Worker::current_priority()
    }

    fn name() -> Option<String> {
        with_current_context(|context| Some(context?.name.as_ref()?.to_string()))
    }

    /// Both closures of a join of which the second is stolen.
    fn in_both<R: Send>(f: impl Fn() -> R + Sync) -> [R; 2] {
        let begun = AtomicBool::new(false);
        let first = || {
            while !begun.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            f()
        };
        let second = || {
            begun.store(true, Ordering::Relaxed);
            f()
        };
        let (a, b) = crate::join(first, second);
        [a, b]
    }

    #[test]
    fn what_a_task_forks_and_spawns_inherits_its_priority() {
        for policy in policies() {
            let (pool, other) = (pool(2, policy), pool(1, policy));
            for priority in ALL {
                pool.task().priority(priority).install(|| {
                    assert_eq!(current(), priority);
                    assert_eq!(in_both(current), [priority; 2], "stolen");
                    assert_eq!(crate::spawn(current).join().unwrap(), priority);
                    assert_eq!(other.install(current), priority, "in another pool");
                    assert_eq!(other.spawn(current).join().unwrap(), priority);
                    assert_eq!(crate::broadcast(|_| current()), [priority; 2]);
                    let seen = Mutex::new(Vec::new());
                    let note = || seen.lock().unwrap().push(current());
                    crate::scope(|s| {
                        (0..10).for_each(|_| drop(s.spawn(note)));
                        (0..10).for_each(|_| s.spawn_fifo(note));
                        s.spawn_broadcast(|_| note());
                    });
                    (0..100).into_par_iter().for_each(|_| note());
                    other.scope(|s| (0..10).for_each(|_| drop(s.spawn(note))));
                    let seen = seen.into_inner().unwrap();
                    assert!(seen.len() == 132 && seen.iter().all(|&it| it == priority));
                    let mut set = crate::TaskSet::new();
                    set.spawn(current);
                    assert_eq!(set.join_next().unwrap().unwrap(), priority);
                });
                assert_eq!(pool.install(current), Priority::Normal, "of the next job");
            }
        }
    }

    #[test]
    fn a_task_that_is_joined_has_the_higher_priority() {
        for policy in policies() {
            let (one, other) = (pool(1, policy), pool(1, policy));
            for (mine, its) in ALL.iter().flat_map(|&mine| ALL.map(|its| (mine, its))) {
                one.task().priority(mine).install(|| {
                    // In place, with forks that have the joiner's priority.
                    let joined = |pool: &ThreadPool| {
                        let task = pool.task().priority(its).spawn(current);
                        crate::join(|| task.join().unwrap(), || assert_eq!(current(), mine)).0
                    };
                    assert_eq!(joined(&one), mine.max(its), "{mine:?} joins {its:?}");
                    // The other pool's worker may take it before the request comes.
                    assert!([its, mine.max(its)].contains(&joined(&other)));
                    assert_eq!(current(), mine);
                });
            }
        }
    }

    #[test]
    fn forks_that_are_pending_keep_their_priority() {
        for policy in policies() {
            let pool = pool(2, policy);
            let begun = AtomicBool::new(false);
            let second = || {
                let seen = current();
                begun.store(true, Ordering::Relaxed);
                seen
            };
            // (The outer fork takes the fast slot, so that the inner one is private.)
            let inner = || {
                crate::join(
                    || {
                        pool.task().priority(Priority::High).install(|| {
                            while !begun.load(Ordering::Relaxed) {
                                crate::join(|| (), std::thread::yield_now);
                            }
                        });
                    },
                    second,
                )
            };
            let ((_, seen), ()) = pool.install(|| crate::join(inner, || ()));
            assert_eq!(seen, Priority::Normal);
        }
    }

    #[cfg(feature = "futures")]
    #[test]
    fn a_future_keeps_the_priority_of_its_spawner() {
        let pool = pool(2, WaitPolicy::AnyWork);
        for priority in ALL {
            let (completer, handle) = crate::completer();
            let spawn = || {
                crate::spawn_future(async move {
                    let before = current();
                    handle.await.unwrap();
                    [before, current()]
                })
            };
            let future = pool.task().priority(priority).install(spawn);
            completer.complete(());
            assert_eq!(future.join().unwrap(), [priority; 2]);
        }
    }

    #[test]
    fn names_and_tokens_are_inherited() {
        let pool = pool(2, WaitPolicy::AnyWork);
        let token = CancelToken::new();
        let named = pool.task().name("outer").token(&token).spawn(|| {
            let inner = crate::task().name("inner").spawn(name).join().unwrap();
            let names = [name(), in_both(name)[1].clone(), inner];
            (names, CancelToken::current().is_some_and(|it| it.is_cancelled()))
        });
        let expected = ["outer", "outer", "inner"].map(|name| Some(name.to_owned()));
        assert_eq!(named.join().unwrap(), (expected, false));
        assert_eq!(pool.task().name("whole").install(name).as_deref(), Some("whole"));
        assert_eq!(pool.install(name), None);
        // Both tokens count.
        let outer = CancelToken::new();
        let task = outer.run(|| pool.task().token(&token).spawn(|| ())).unwrap();
        task.join().unwrap();
        let is_dropped = |task: Result<(), JoinError>| task.unwrap_err().is_cancelled();
        let inside = outer.run(|| {
            token.cancel();
            is_dropped(pool.task().token(&token).spawn(|| ()).join())
        });
        assert_eq!(inside, Ok(true));
    }

    #[test]
    #[should_panic = "`CancelToken::run`"]
    fn install_refuses_a_token() {
        task().token(&CancelToken::new()).install(|| ());
    }
}
