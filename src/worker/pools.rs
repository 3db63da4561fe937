//! The list of all pools of the process.

use std::sync::Weak;

use super::shared::{Registry, RegistryRef, Worker};
use crate::os::generation::PerProcess;
use crate::sync::Mutex;

static POOLS: PerProcess<Mutex<Vec<Weak<Registry>>>> = PerProcess::new();

impl Registry {
    #[cfg(not(loom))]
    pub(super) fn register(&self) {
        let mut pools = POOLS.get().lock();
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(self.this.clone());
    }
}

/// Whether there is a pool of this process at this address.
pub(crate) fn has_registry_at(address: usize) -> bool {
    // (A model has no such list: see `Registry::new`.)
    cfg!(loom) || POOLS.get().lock().iter().any(|pool| pool.as_ptr().addr() == address)
}

/// The pool at this address, if there is one.
pub(crate) fn registry_at(address: usize) -> Option<RegistryRef> {
    let pools = POOLS.get().lock();
    RegistryRef::upgrade(pools.iter().find(|pool| pool.as_ptr().addr() == address)?)
}

/// The pools of this process, unless their list is locked.
pub(crate) fn all() -> Option<Vec<Weak<Registry>>> {
    // This may make the list of pools, of which a child needs one of its own.
    Worker::watch_forks();
    // Another thread holds the lock for a moment, unless a debugger has stopped it.
    let list = (0..100).find_map(|_| {
        let list = POOLS.get().try_lock();
        if list.is_none() {
            std::thread::yield_now();
        }
        list
    });
    // Without the lock: this may drop the last reference to a pool, whose captures may take it.
    list.map(|list| list.clone())
}
