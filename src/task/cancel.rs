//! Cancelling a task that has not begun.

use std::panic::resume_unwind;

use super::handle::Handle;
use super::state::Done;
use super::waiting::take_waiting;
use crate::context::CancelReason;
use crate::job::outcome::{self, Payload};
use crate::sim;
use crate::worker::pools;

impl<T> Handle<T> {
    /// Cancels the task if it is not claimed. Returns whether it did. Then the closure has been
    /// dropped, and the result is `Ended::Cancelled`.
    ///
    /// The task's entry stays in its queue, empty. The worker that takes it tells the home, which
    /// until then does not end. (The caller may be no worker.)
    ///
    /// # Panics
    /// Resumes a panic of the closure's drop, or else of the waker of a future. If both panic, the
    /// waker's panic goes to the panic handler of the task's pool, as it does if a worker wakes.
    pub(crate) fn cancel(&self) -> bool {
        let state = &self.head().state;
        // The load may save the write.
        if state.is_claimed() || !state.cancel() {
            return false;
        }
        // SAFETY: claimed, so the closure is this call's. The caller is in the home.
        let dropped = unsafe { (self.head().table().cancel)(self.task, CancelReason::Requested) };
        let woken = match state.finish() {
            // SAFETY: `finish` gave it to this call.
            Done::Wake(address) => outcome::run(|| unsafe { take_waiting(address) }.wake()),
            Done::Nothing => Ok(()),
            Done::Settle => unreachable!("the handle is not dropped"),
        };
        sim::point();
        match (dropped, woken) {
            (Ok(()), Ok(())) => true,
            (Err(first), woken) => {
                if let Err(second) = woken {
                    self.give_to_pool(second);
                }
                resume_unwind(first)
            }
            (Ok(()), Err(only)) => resume_unwind(only),
        }
    }

    /// Gives a panic to the handler of the task's pool. If the pool has ended, it has no handler.
    fn give_to_pool(&self, payload: Payload) {
        match pools::registry_at(self.pool.addr()) {
            Some(registry) => registry.handlers.take_panic(payload),
            None => outcome::discard(payload),
        }
    }
}
