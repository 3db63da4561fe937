//! `completer`: a handle whose result comes from elsewhere.

use super::handle::JoinHandle;
use crate::task::{Completer, new_completer};

/// Returns a handle whose result comes from elsewhere, and its *completer*, which gives it the
/// result: from the callback of a driver, from a thread of another runtime, or from a task.
///
/// The handle is that of a task, for [`join`](JoinHandle::join),
/// [`join_timeout`](JoinHandle::join_timeout), `.await` and the like. If the completer is dropped
/// without [`complete`](Completer::complete), for example by a panic, the handle says
/// [cancelled](crate::JoinError::is_cancelled). [`cancel`](JoinHandle::cancel) does nothing, since
/// the work has begun, so to speak; but the completer [sees](Completer::is_closed) whether the
/// handle was dropped.
///
/// Both share one small allocation, from the free lists of tasks. They belong to no pool.
///
/// # What a worker does while it waits
/// A thread that is no worker sleeps. A worker goes on by its pool's [`WaitPolicy`]. It cannot know
/// which job will complete the handle, if any does:
/// - [`AnyWork`](crate::WaitPolicy::AnyWork): it runs any job on top of the wait. Inside a task
///   that has a handle, it runs only what that task has forked, and before it sleeps it hands its
///   core to a spare thread, which runs any job. It takes the core back when the handle is
///   completed and that thread ends a job or waits. At the limit of
///   [`max_spare_threads`](crate::ThreadPoolBuilder::max_spare_threads), it sleeps with its core.
/// - [`OwnDescendants`](crate::WaitPolicy::OwnDescendants): it runs nothing but broadcasts, and
///   sleeps. So if a task is to complete the handle, another worker must be free to run that. To
///   wait without a worker, `.await` the handle.
///
/// Never wait for what a frame beneath is to complete: do not keep a completer across a `join`, a
/// scope or another wait if what may run in that wait needs the value. This is the rule for locks,
/// and it has the same reason: a waiting worker runs other jobs on the same stack, and the frame
/// beneath cannot go on before they have ended.
///
/// In a [deterministic](crate::ThreadPoolBuilder#method.deterministic) pool a handle may be
/// completed from outside of the simulation. So while a thread waits for one, the pool does not
/// complain that nothing moves.
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
pub fn completer<T>() -> (Completer<T>, JoinHandle<T>) {
    let (completer, handle) = new_completer();
    (completer, JoinHandle::new(handle))
}
