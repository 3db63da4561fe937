//! What a pool was told that its workers go by.

use crate::sim::Simulation;

/// What a worker runs while it waits in a [`join`](crate::join), at the end of a
/// [`scope`](crate::scope), for a handle, or for another pool.
///
/// Whatever it is, it runs on top of the frame that waits, under the locks which that holds, and
/// the frame cannot go on before it has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitPolicy {
    /// What serves the wait first, else anything that can run: no core is idle while there is
    /// work. At most 18 jobs that have nothing to do with each other stand on one stack (but
    /// for broadcasts, and what [`yield_now`](crate::yield_now) runs).
    ///
    /// A wait for another pool, under either policy, begins no other job of this pool but those
    /// that workers of other pools ask for: what they hand over by
    /// [`install`](crate::ThreadPool::install) and its like, what they spawn here, and the tasks
    /// whose handles they join. So a pool of `n` workers whose jobs wait for another pool has `n`
    /// of them at a time. The worker sleeps meanwhile if nothing is asked for.
    ///
    /// Where the wait must not have such a job on top of it, since it is part of a task that may be
    /// waited for, the worker's thread hands its core to a *spare thread*, which runs the job, and
    /// takes the core back when its wait is over and the other thread comes to the end of a job or
    /// to a wait. One thread has a core at a time. The pool keeps its spare threads to its end, and
    /// starts no more than [`max_spare_threads`](crate::ThreadPoolBuilder::max_spare_threads).
    ///
    /// Beyond that, where the system gives no thread, and in pools whose threads a
    /// [spawn handler](crate::ThreadPoolBuilder::spawn_handler) makes, the job runs on top of the
    /// wait all the same. There two pools that wait for each other's handles can deadlock: a task
    /// `t` of pool `a` waits for pool `b`, which has `a` run a task that joins `t`. That one then
    /// stands on top of `t`, on the same stack, and each waits for the other. A
    /// [dump](crate::dump()) of `a` says that a wait keeps its core for want of a spare thread.
    /// Pools that wait for each other by locks, channels or polling can deadlock in any case: such
    /// waits ask for nothing.
    #[default]
    AnyWork,
    /// Only what the wait is for, directly or as part of it. So a frame may hold a lock across a
    /// `join` whose closures do not want it, and stacks grow by the work's own recursion only.
    /// Excepted are broadcasts, which nobody else could run, and waits for another pool, which run
    /// what other pools ask for: there a task that waits for another pool can come to stand under
    /// one that joins it, for ever. No spare threads are started.
    ///
    /// A worker may then sleep while there is other work. It has to take a job to see what that is
    /// part of, and gives back what it may not run: waits cost more than by default. To join a task
    /// that has not begun costs what it costs by default: the worker runs that one in place.
    OwnDescendants,
}

/// Which of its spawned tasks a worker runs first; thieves take the oldest in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskOrder {
    /// The newest: what it needs is still in the caches, and a recursion of tasks needs memory for
    /// its depth only.
    #[default]
    NewestFirst,
    /// The oldest: tasks begin in about the order in which they were spawned. A task that is joined
    /// by its handle waits for its turn, too, unless who joins it may run nothing else meanwhile
    /// ([`WaitPolicy::OwnDescendants`], or within a task that has a handle). The other sides of
    /// [`join`](crate::join)s are not tasks; they come newest first. To have some tasks in order
    /// and not all, see [`spawn_fifo`](crate::spawn_fifo).
    OldestFirst,
}

/// What a builder has set that matters as long as the pool lives.
pub(crate) struct Settings {
    pub(crate) injector_interval: u32,
    pub(crate) wait_policy: WaitPolicy,
    pub(crate) task_order: TaskOrder,
    /// Whether threads from outside may borrow cores.
    pub(crate) lends_cores: bool,
    /// That of the threads, if it was set.
    pub(crate) stack_size: Option<usize>,
    /// How many spare threads the pool may start; with 0, no further stacks either.
    pub(crate) max_spare_threads: usize,
    /// For a deterministic pool, whose turns its threads take.
    pub(crate) simulation: Option<Simulation>,
}
