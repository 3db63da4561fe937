//! `blocking`: a closure that may block, beside which the pool goes on. `worker/hand_off.rs` has
//! the mechanism.

use crate::worker::Worker;

/// Calls `f`, which may block: on a file, a socket, a lock, a channel or a sleep. Meanwhile other
/// work of the pool runs.
///
/// A worker's *core*, which is no processor, is its index and its queues. The worker hands the core
/// to a *spare thread*, with the forks and tasks that are pending there, and takes it back when `f`
/// has returned or panicked. If there is no spare thread, the worker starts one. The pool starts at
/// most [`max_blocking_threads`](crate::ThreadPoolBuilder::max_blocking_threads) for this purpose,
/// and keeps them to its end. On a thread that is not a worker, this function only calls `f`. As
/// tokio's `block_in_place`, it stays on the calling thread, so `f` may borrow and need not be
/// `Send`.
///
/// **The return.** A worker needs its own core back. If another thread has it by then, the caller
/// waits. That thread makes way when its job ends, waits, yields or calls `blocking`; after 4 ms,
/// also at its next fork, and in a loop whose items are shared among workers. A longer job delays
/// the return. So do not return the guard of a lock that other jobs may need: the lock is held
/// during this wait.
///
/// **Inside `f`** the thread is not a worker: [`current_thread_index`](crate::current_thread_index)
/// is `None`. The free functions of this crate still act on the worker's pool. What `f` hands to
/// this pool or another one runs on other threads, and `f` may wait for it. A further call of
/// `blocking` only calls its closure.
///
/// **The worker keeps its core**, and `f` blocks it like any other code of a job,
/// - if the pool has as many such threads as it may have, or the system refuses another;
/// - in pools whose threads a [spawn handler](crate::ThreadPoolBuilder::spawn_handler) starts;
/// - under [`WaitPolicy::OwnDescendants`](crate::WaitPolicy), which lets a job hold a lock over a
///   wait.
///
/// [`Counters`](crate::Counters) counts such calls. A [dump](crate::dump()) shows all calls that
/// have not returned.
///
/// In a [deterministic](crate::ThreadPoolBuilder::deterministic) pool the core is handed off as
/// well, but `f` keeps its turn: no other thread of the simulation runs before `f` comes to a
/// [`schedule_point`](crate::schedule_point), or calls this crate in another way.
///
/// If no other work is pending, a call costs about a microsecond, and else two wake-ups, of some
/// microseconds each. The first calls also start threads.
///
/// # Panics
/// Panics if `f` does, after the worker has its core back.
///
/// ```
/// use std::sync::mpsc;
/// // One worker. Without `blocking`, the task that sends would never run.
/// let pool = filch::ThreadPoolBuilder::new().num_threads(1).build()?;
/// let (sender, receiver) = mpsc::channel();
/// let sum = pool.install(move || {
///     filch::spawn(move || sender.send(42).unwrap());
///     filch::blocking(|| receiver.recv().unwrap())
/// });
/// assert_eq!(sum, 42);
/// # Ok::<(), filch::ThreadPoolBuildError>(())
/// ```
pub fn blocking<F, R>(f: F) -> R
where
    F: FnOnce() -> R,
{
    let _blocking = Worker::current().map(Worker::begin_blocking);
    f()
}
