//! A reference to the pool of a future, which may end before the future does.

use std::ptr;

use crate::job::outcome::{self, Payload};
use crate::os::generation::Generation;
use crate::worker::shared::Registry;
use crate::worker::{Worker, pools};

/// A reference to a pool that may have ended.
///
/// (Not a `Weak`: each copy would write twice to a count that all workers share.)
#[derive(Clone, Copy)]
pub(super) struct Pool {
    /// The address of the registry. Another pool may have this address after the end of this one.
    address: usize,
    number: usize,
    generation: Generation,
}

impl Pool {
    pub(super) fn of(registry: &Registry) -> Self {
        let (address, number) = (registry.address(), registry.number);
        Pool { address, number, generation: Generation::current() }
    }

    /// Whether the pool was built before a `fork()`, and this process is the child.
    pub(super) fn is_past(self) -> bool {
        self.generation.is_past()
    }

    /// Whether the calling thread belongs to another pool.
    pub(super) fn is_other(self) -> bool {
        Worker::is_on_other_pools_thread(ptr::without_provenance(self.address))
    }

    /// Calls `act` with the pool. Returns `None` if the pool is gone, or if it was built before a
    /// `fork()` and this process is the child. A worker of the pool always calls `act`.
    pub(super) fn with<R>(self, act: impl FnOnce(&Registry) -> R) -> Option<R> {
        let own = Worker::current().map(Worker::registry);
        if let Some(own) = own.filter(|own| own.number == self.number) {
            return Some(act(own));
        }
        let registry = pools::registry_at(self.address)?;
        (registry.number == self.number).then(|| act(&registry))
    }

    /// Calls code of the user. A panic goes to the pool's handler.
    pub(super) fn call(self, users: impl FnOnce()) {
        let result = match Worker::current() {
            Some(worker) => worker.run_users(users),
            None => outcome::run(users),
        };
        if let Err(payload) = result {
            self.take_panic(payload);
        }
    }

    #[cold]
    fn take_panic(self, payload: Payload) {
        let mut payload = Some(payload);
        self.with(|registry| {
            if let Some(payload) = payload.take() {
                registry.handlers.take_panic(payload);
            }
        });
        outcome::discard(payload);
    }
}
