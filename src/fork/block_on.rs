//! `block_on`: runs a future on the calling thread.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::latch::EXTERNAL;
use crate::sim;
use crate::sleep::Event;

/// Runs `future` on the calling thread, and returns its output.
///
/// While the future waits, a worker runs other jobs on top of this call, or hands its core to a
/// spare thread. Its pool's [`WaitPolicy`](crate::WaitPolicy) decides, by the rules for a
/// [`completer`](crate::completer()). Any other thread sleeps. The future is polled on this thread
/// only, so it need not be `Send`, and it may borrow.
///
/// filch has no reactor and no timers. A future that waits for a socket or a deadline needs a
/// runtime that has them, for example tokio's handle, entered on this thread.
///
/// `block_on` may be nested. The outer call continues only after the inner one has returned, so the
/// inner future must never wait for something that only the outer future would do next.
///
/// A call costs one allocation, and about 100 ns if the future is ready.
///
/// Needs the feature `futures`.
///
/// # Panics
/// Resumes a panic of the future.
///
/// ```
/// async fn answer() -> u32 {
///     let six = filch::spawn(|| 6);
///     let seven = filch::spawn(|| 7);
///     six.await.unwrap() * seven.await.unwrap()
/// }
/// assert_eq!(filch::block_on(answer()), 42);
/// // On a worker, it works meanwhile.
/// assert_eq!(filch::spawn(|| filch::block_on(answer())).join().unwrap(), 42);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    let woken = Arc::new(Event::new(EXTERNAL));
    let waker = Waker::from(woken.clone());
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        sim::point();
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        woken.wait(|| true);
        woken.reset();
    }
}

/// Happens when the future is woken.
impl Wake for Event {
    fn wake(self: Arc<Self>) {
        Event::happen_shared(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        Event::happen_shared(self);
    }
}

#[cfg(all(test, loom))]
mod models {
    use loom::thread;

    use super::block_on;
    use crate::fork::completer;

    /// A thread runs a future that another thread wakes.
    ///
    /// Weakened: `sleep/event.rs register: self.state.lock().sleeper = Some(sleeper); =>`
    #[test]
    fn a_thread_that_blocks_on_a_future_is_woken() {
        loom::model(|| {
            let (completer, handle) = completer();
            let completes = thread::spawn(move || completer.complete(7));
            assert_eq!(block_on(handle).unwrap(), 7);
            completes.join().unwrap();
        });
    }
}
