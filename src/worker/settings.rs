//! The settings of a pool that its workers read.

use crate::sim::Simulation;

/// What a worker runs while it waits in a [`join`](crate::join), at the end of a
/// [`scope`](crate::scope), for a handle, or for another pool.
///
/// Such a job runs on top of the waiting frame, which may hold locks, and which cannot go on before
/// the job has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitPolicy {
    /// First what serves the wait, else any job, so no core is idle while there is work. At most 18
    /// unrelated jobs are on one stack (not counting what [`yield_now`](crate::yield_now) runs).
    ///
    /// Under either policy, a wait for another pool begins only jobs that threads of other pools
    /// ask for: what they hand over by [`install`](crate::ThreadPool::install) and the like, what
    /// they spawn here, and tasks whose handles they join. So if all jobs of a pool of `n` workers
    /// wait for another pool, `n` of them have begun. If nothing is asked for, the worker sleeps.
    ///
    /// A job that is asked for may join the task that the wait is part of. So may the closure of a
    /// [`broadcast`](crate::broadcast) and a member of a [`gang`](crate::gang()). In a wait inside
    /// a task, such a job must not run on top of the wait. So the worker's thread hands its core to
    /// a *spare thread*, which runs the job. It takes the core back when the wait is over and the
    /// spare thread ends a job or waits. The pool starts at most
    /// [`max_spare_threads`](crate::ThreadPoolBuilder::max_spare_threads), and keeps them to its
    /// end.
    ///
    /// There may be no spare thread: at that limit, if the system refuses one, or in pools whose
    /// threads a [spawn handler](crate::ThreadPoolBuilder::spawn_handler) starts. Then the job runs
    /// on top of the wait, and two pools that join each other's handles can deadlock. Say a task
    /// `t` of pool `a` waits for pool `b`, which asks `a` to run a task that joins `t`. That task
    /// runs on top of `t`, on the same stack, and each waits for the other. A
    /// [dump](crate::dump()) of `a` says that a wait keeps its core. Pools that wait for each other
    /// by locks, channels, completers, `block_on` or polling can deadlock in any case, since such
    /// waits ask for nothing.
    #[default]
    AnyWork,
    /// Only what the wait is for, and parts of it. So a frame may hold a lock across a `join` whose
    /// closures do not need it, and stacks grow only by the work's own recursion. There are two
    /// exceptions. Broadcasts run in any wait, since no other worker can run them. A wait for
    /// another pool runs what other pools ask for: then a task that waits for another pool may be
    /// under one that joins it, for ever. No spare threads are started.
    ///
    /// A worker may sleep while there is other work. It has to take a job to see what that is part
    /// of, and gives back what it may not run, so waits cost more than by default. Joining a task
    /// that has not begun costs the same as by default, since the worker runs it in place.
    OwnDescendants,
}

/// Which of its spawned tasks a worker runs first. Thieves take the oldest in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskOrder {
    /// The newest. Its data are still in the cache, and a recursion of tasks needs memory for its
    /// depth only.
    #[default]
    NewestFirst,
    /// The oldest. Tasks begin in about the order in which they were spawned. A task whose handle
    /// is joined waits for its turn, unless the joiner may run no other job meanwhile
    /// ([`WaitPolicy::OwnDescendants`], or inside a task that has a handle). The second closures of
    /// [`join`](crate::join)s are not tasks, and run newest first. To have only some tasks in
    /// order, use [`spawn_fifo`](crate::spawn_fifo).
    OldestFirst,
}

/// The default interval, in jobs, at which a worker looks at the injector first. (Tokio's number.
/// Any two-digit prime would do.)
const INJECTOR_INTERVAL: u32 = 61;

/// The default limit of spare threads for waits. (A guess.)
const MAX_SPARE_THREADS: usize = 64;

/// The default limit of spare threads for `blocking`. (Tokio's number for its blocking threads.)
const MAX_BLOCKING_THREADS: usize = 512;

/// The settings that matter as long as the pool lives.
pub(crate) struct Settings {
    pub(crate) injector_interval: u32,
    pub(crate) wait_policy: WaitPolicy,
    pub(crate) task_order: TaskOrder,
    /// Whether threads from outside may borrow cores.
    pub(crate) lends_cores: bool,
    /// The stack size of the threads, if it was set.
    pub(crate) stack_size: Option<usize>,
    /// The most spare threads that the pool starts. With 0 there are no further stacks.
    pub(crate) max_spare_threads: usize,
    /// The most spare threads that the pool starts for `blocking`.
    pub(crate) max_blocking_threads: usize,
    /// Whether the time of searches and loans is measured.
    pub(crate) times_workers: bool,
    /// The times of one task in this many are measured, or of none if this is 0.
    pub(crate) task_times: u32,
    /// The most tasks that may be queued, if that was set.
    pub(crate) max_queued: Option<usize>,
    /// The simulation of a deterministic pool.
    pub(crate) simulation: Option<Simulation>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            injector_interval: INJECTOR_INTERVAL,
            wait_policy: WaitPolicy::default(),
            task_order: TaskOrder::default(),
            lends_cores: false,
            stack_size: None,
            max_spare_threads: MAX_SPARE_THREADS,
            max_blocking_threads: MAX_BLOCKING_THREADS,
            times_workers: false,
            task_times: 0,
            max_queued: None,
            simulation: None,
        }
    }
}
