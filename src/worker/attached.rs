//! The futures of a pool. Those that still wait when the pool has ended are dropped.
//!
//! They are in several lists, since each future is added once and removed once, and with one list
//! the workers would wait for its lock. A worker adds to its own list, and usually removes there.

use std::collections::BTreeMap;

use async_task::Task;
use crossbeam_utils::CachePadded;

use crate::job::outcome;
use crate::sync::Mutex;

const LISTS: usize = 8;

/// The futures attached to a pool.
#[derive(Default)]
pub(crate) struct Attached([CachePadded<Mutex<Numbered>>; LISTS]);

/// The futures of a list, by their numbers.
#[derive(Default)]
struct Numbered {
    last: u64,
    all: BTreeMap<u64, Task<()>>,
    is_closed: bool,
}

/// A list, and the number of a future there.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    list: usize,
    number: u64,
}

impl Attached {
    /// Returns a new place for `attach`, in the list of worker `index`.
    pub(crate) fn reserve(&self, index: usize) -> Place {
        let list = index % LISTS;
        let mut attached = self.0[list].lock();
        attached.last += 1;
        Place { list, number: attached.last }
    }

    /// Attaches `it`. If the pool has ended, drops it.
    pub(crate) fn attach(&self, place: Place, it: Task<()>) {
        let mut attached = self.0[place.list].lock();
        let refused = match attached.is_closed {
            true => Some(it),
            false => attached.all.insert(place.number, it),
        };
        drop(attached);
        drop(refused);
    }

    /// Takes the future at this place, unless it was taken or dropped.
    pub(crate) fn detach(&self, place: Place) -> Option<Task<()>> {
        self.0[place.list].lock().all.remove(&place.number)
    }

    /// Drops all futures of a pool that has ended. Ignores panics of the drops.
    pub(crate) fn close(&self) {
        for list in &self.0 {
            let mut attached = list.lock();
            attached.is_closed = true;
            let all = std::mem::take(&mut attached.all);
            drop(attached);
            all.into_values().for_each(outcome::discard);
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.close();
    }
}
