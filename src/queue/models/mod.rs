//! loom models of the queues. "Fails when" names a change for which a model was seen to fail.

mod forks;
mod tasks;

use loom::sync::Arc;
use loom::thread;

/// Starts a thread beside the model's first one.
fn start<T: 'static, R: 'static>(
    shared: &Arc<T>,
    act: impl FnOnce(&T) -> R + 'static,
) -> thread::JoinHandle<R> {
    let shared = shared.clone();
    thread::spawn(move || act(&shared))
}
