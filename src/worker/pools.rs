//! The list of all pools of the process.

use std::sync::{Arc, Weak};

use super::shared::Registry;
use crate::os::generation::PerProcess;
use crate::sync::Mutex;

pub(crate) static POOLS: PerProcess<Mutex<Vec<Weak<Registry>>>> = PerProcess::new();

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
pub(crate) fn registry_at(address: usize) -> Option<Arc<Registry>> {
    let pools = POOLS.get().lock();
    pools.iter().find(|pool| pool.as_ptr().addr() == address)?.upgrade()
}
