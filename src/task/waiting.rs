//! What a handle registers in its task's state, to be woken when the task is done: a sleeping
//! thread, or the waker of a future.

use std::ptr;
use std::task::Waker;

use super::state;
use crate::sleep::Sleeper;
use crate::worker::Worker;

/// Aligned so that its address fits into the state, above the flags.
#[repr(align(128))]
pub(crate) enum Waiting {
    Thread(Sleeper),
    Future(Waker),
}

const _: () = assert!(align_of::<Waiting>() > state::FLAGS);

impl Waiting {
    /// Wakes it. A panic of the waker unwinds.
    pub(crate) fn wake(self) {
        match self {
            Waiting::Thread(sleeper) => sleeper.wake(),
            Waiting::Future(waker) => waker.wake(),
        }
    }

    /// Wakes it on a worker. A panic of the waker goes to the pool's panic handler.
    pub(crate) fn wake_on(self, worker: &Worker) {
        if let Err(payload) = worker.run_users(|| self.wake()) {
            worker.registry().handlers.take_panic(payload);
        }
    }

    pub(crate) fn is_future_of(&self, waker: &Waker) -> bool {
        matches!(self, Waiting::Future(own) if own.will_wake(waker))
    }
}

/// # Safety
/// `address` was exposed by `Handle::register`, and the caller owns what is there.
pub(super) unsafe fn take_waiting(address: usize) -> Box<Waiting> {
    // SAFETY: the address came from `Box::into_raw`; it is taken once.
    unsafe { Box::from_raw(ptr::with_exposed_provenance_mut(address)) }
}

/// # Safety
/// As `take_waiting`.
#[cold]
#[inline(never)]
pub(super) unsafe fn drop_waiting(address: usize) {
    // SAFETY: by the premise.
    drop(unsafe { take_waiting(address) });
}
