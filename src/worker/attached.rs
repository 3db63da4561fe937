//! The futures of a pool. Those that still wait when the pool has ended are dropped.

use std::any::Any;
use std::collections::BTreeMap;

use crate::job::outcome;
use crate::sync::Mutex;

/// The futures attached to a pool, by their numbers.
#[derive(Default)]
pub(crate) struct Attached(Mutex<Numbered>);

#[derive(Default)]
struct Numbered {
    last: u64,
    all: BTreeMap<u64, Box<dyn Any + Send>>,
    is_closed: bool,
}

impl Attached {
    /// Returns a new number for `attach`.
    pub(crate) fn reserve(&self) -> u64 {
        let mut attached = self.0.lock();
        attached.last += 1;
        attached.last
    }

    /// Attaches `it`. If the pool has ended, drops it.
    pub(crate) fn attach(&self, number: u64, it: Box<dyn Any + Send>) {
        let mut attached = self.0.lock();
        let refused = match attached.is_closed {
            true => Some(it),
            false => attached.all.insert(number, it),
        };
        drop(attached);
        drop(refused);
    }

    /// Takes the future with this number, unless it was taken or dropped.
    pub(crate) fn detach(&self, number: u64) -> Option<Box<dyn Any + Send>> {
        self.0.lock().all.remove(&number)
    }

    /// Drops all futures of a pool that has ended. Ignores panics of the drops.
    pub(crate) fn close(&self) {
        let mut attached = self.0.lock();
        attached.is_closed = true;
        let all = std::mem::take(&mut attached.all);
        drop(attached);
        all.into_values().for_each(outcome::discard);
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.close();
    }
}
