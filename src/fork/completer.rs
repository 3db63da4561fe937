//! `completer`: a handle whose result comes from elsewhere.

use super::handle::JoinHandle;
use super::spawn::{NEVER, PoolHome};
use crate::task::{Completer, new_completer};

/// Returns a handle whose result comes from elsewhere, and the *completer* that provides the
/// result: from the callback of a driver, from a thread of another runtime, or from a task.
///
/// The handle works like that of a task: it has [`join`](JoinHandle::join),
/// [`join_timeout`](JoinHandle::join_timeout), `.await` and so on. If the completer is dropped
/// without [`complete`](Completer::complete), for example by a panic, the handle says
/// [cancelled](crate::JoinError::is_cancelled). [`cancel`](JoinHandle::cancel) does nothing, as
/// for a task that has begun. The completer can check [whether the handle was
/// dropped](Completer::is_closed).
///
/// Handle and completer share one small allocation, from the free lists of tasks. They belong to
/// no pool.
///
/// # What a worker does while it waits
/// A thread that is not a worker sleeps. What a worker does depends on its pool's [`WaitPolicy`],
/// since the worker cannot know which job will complete the handle:
/// - [`AnyWork`](crate::WaitPolicy::AnyWork): it runs any job on top of the wait. Inside a task
///   that has a handle, it runs only what that task has forked, and before it sleeps it hands its
///   core to a spare thread, which runs any job. The worker takes the core back when the handle is
///   completed and the spare thread ends a job or waits. At the limit of
///   [`max_spare_threads`](crate::ThreadPoolBuilder::max_spare_threads), it sleeps with its core.
/// - [`OwnDescendants`](crate::WaitPolicy::OwnDescendants): it runs nothing but broadcasts, and
///   sleeps. So if a task is to complete the handle, another worker must be free to run that task.
///   To wait without occupying a worker, `.await` the handle.
///
/// As with locks, never keep a completer across a `join`, a scope or another wait if a job that may
/// run in that wait needs the value.
///
/// In a [deterministic](crate::ThreadPoolBuilder#method.deterministic) pool, a handle may be
/// completed from outside of the simulation. So while a thread waits for a completer, the pool does
/// not report that nothing moves.
///
/// [`WaitPolicy`]: crate::WaitPolicy
///
/// ```
/// /// A driver that calls back on a thread of its own.
/// fn read(block: u64, callback: impl FnOnce(Vec<u8>) + Send + 'static) {
///     std::thread::spawn(move || callback(vec![block as u8; 512]));
/// }
///
/// let (completer, block) = filch::completer();
/// read(7, |bytes| completer.complete(bytes));
/// assert_eq!(block.join().unwrap(), [7; 512]);
///
/// let (completer, nothing) = filch::completer::<u32>();
/// drop(completer);
/// assert!(nothing.join().unwrap_err().is_cancelled());
/// ```
#[must_use = "if the completer is dropped at once, the handle says cancelled"]
pub fn completer<T>() -> (Completer<T>, JoinHandle<T>) {
    let (completer, handle) = new_completer(PoolHome::<NEVER>::of(None));
    (completer, JoinHandle::new(handle))
}
