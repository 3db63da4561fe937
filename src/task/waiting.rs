//! What a handle registers in its task's state, to be woken when the task is done: a sleeping
//! thread, or the waker of a future.

use std::ptr;
use std::task::Waker;

use super::{Handle, state};
use crate::os::generation;
use crate::sim;
use crate::worker::Worker;
use crate::worker::event::Sleeper;

/// Aligned so that its address fits into the state, above the flags.
#[repr(align(128))]
pub(crate) enum Waiting {
    Thread(Sleeper),
    Future(Waker),
}

const _: () = assert!(align_of::<Waiting>() > state::FLAGS);

impl Waiting {
    /// Wakes it. A panic of the waker unwinds.
    pub(super) fn wake(self) {
        match self {
            Waiting::Thread(sleeper) => sleeper.wake(),
            Waiting::Future(waker) => waker.wake(),
        }
    }

    /// Wakes it on a worker. A panic of the waker goes to the pool's panic handler.
    pub(crate) fn wake_on(self, worker: &Worker) {
        match self {
            Waiting::Thread(sleeper) => sleeper.wake(),
            Waiting::Future(waker) => {
                if let Err(payload) = worker.run_users(|| waker.wake()) {
                    worker.registry().handlers().take_panic(payload);
                }
            }
        }
    }

    pub(crate) fn is_future_of(&self, waker: &Waker) -> bool {
        matches!(self, Waiting::Future(own) if own.will_wake(waker))
    }
}

/// # Safety
/// `address` was exposed by `Handle::register`, and the caller owns what is there.
pub(super) unsafe fn take_waiting(address: usize) -> Waiting {
    // SAFETY: by the premise.
    *unsafe { boxed(address) }
}

/// # Safety
/// As `take_waiting`.
#[cold]
#[inline(never)]
pub(super) unsafe fn drop_waiting(address: usize) {
    // SAFETY: by the premise.
    drop(unsafe { boxed(address) });
}

/// # Safety
/// As `take_waiting`.
unsafe fn boxed(address: usize) -> Box<Waiting> {
    // SAFETY: the address came from `Box::into_raw`; it is taken once.
    unsafe { Box::from_raw(ptr::with_exposed_provenance_mut(address)) }
}

impl<T> Handle<T> {
    /// Registers `waiting`, if nothing is registered. Returns `false` if the task is done.
    pub(super) fn register(&self, waiting: Box<Waiting>) -> bool {
        let waiting = Box::into_raw(waiting);
        let address = waiting.expose_provenance();
        if self.head().state.ask_wake(address) {
            return true;
        }
        // SAFETY: the address was refused, and is still this call's.
        drop(unsafe { boxed(address) });
        false
    }

    /// Takes back what is registered, unless the task is done.
    pub(super) fn withdraw(&mut self) -> Option<Box<Waiting>> {
        // SAFETY: `withdraw` gave it to this call.
        self.head().state.withdraw().map(|address| unsafe { boxed(address) })
    }

    /// Drops what is registered, unless the task is done.
    #[inline]
    pub(crate) fn forget_waiting(&mut self) {
        if let Some(address) = self.head().state.withdraw() {
            // SAFETY: `withdraw` gave it to this call.
            unsafe { drop_waiting(address) };
        }
    }

    /// Whether the task is done. If not, `waker` is registered, in place of that of the last call.
    ///
    /// # Panics
    /// As `join`, in the child of a `fork()`.
    pub(crate) fn poll_done(&mut self, waker: &Waker) -> bool {
        sim::poll_for(self.pool.addr());
        if self.is_finished() {
            return true;
        }
        if self.is_lost(Worker::current()) {
            generation::refuse();
        }
        // The user's code runs while nothing is half done: the clone before, the drop after.
        let (waiting, _outdated) = match self.withdraw() {
            Some(same) if same.is_future_of(waker) => (same, None),
            other => (Box::new(Waiting::Future(waker.clone())), other),
        };
        !self.register(waiting)
    }
}
