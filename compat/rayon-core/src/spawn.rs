//! `spawn`: gives a pool a task that no caller waits for.

use crate::global::{global, is_inside};

/// Gives a task to the pool that the calling thread is in, or else to the global pool.
///
/// The caller does not wait for the task. If the task has to borrow, or you need to know when it
/// has ended, use a [`scope`](crate::scope()). A pool that is dropped still runs the tasks it was
/// given. The global pool ends with the process.
///
/// # Panics
/// Panics if the global pool is needed and cannot be built. A panic of the task goes to the pool's
/// [panic handler](crate::ThreadPoolBuilder::panic_handler). Without one, it aborts the process.
///
/// ```
/// let (sender, receiver) = std::sync::mpsc::channel();
/// rayon_core::spawn(move || sender.send(6 * 7).unwrap());
/// assert_eq!(receiver.recv(), Ok(42));
/// ```
pub fn spawn<F>(func: F)
where
    F: FnOnce() + Send + 'static,
{
    drop(if is_inside() { filch::spawn(func) } else { global().spawn(func) });
}

/// Like [`spawn()`], but the tasks that a thread of the pool spawns with this function begin in the
/// order in which it spawned them.
///
/// # Panics
/// Panics as [`spawn()`] does.
pub fn spawn_fifo<F>(func: F)
where
    F: FnOnce() + Send + 'static,
{
    if is_inside() { filch::spawn_fifo(func) } else { global().spawn_fifo(func) }
}
