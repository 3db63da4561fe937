//! The futures of a pool. Those that still wait when the pool has ended are dropped.
//!
//! They are in several lists, since each future is added once and removed once, and with one list
//! the workers would wait for its lock. A worker adds to its own list, and usually removes there.

use async_task::Task;
use crossbeam_utils::CachePadded;

use crate::job::outcome;
use crate::sync::Mutex;

const LISTS: usize = 8;
/// An empty list keeps memory for this many futures.
const MOST_KEPT: usize = 1024;

/// The futures attached to a pool.
#[derive(Default)]
pub(crate) struct Attached([CachePadded<Mutex<List>>; LISTS]);

#[derive(Default)]
struct List {
    /// The number of the last future.
    last: u64,
    slots: Vec<Slot>,
    /// The slots without a future.
    free: Vec<u32>,
    is_closed: bool,
}

/// A future, or none, and its number.
struct Slot {
    number: u64,
    future: Option<Task<()>>,
}

/// A list, a slot there, and the number of a future, which was in no other place.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    list: u32,
    slot: u32,
    number: u64,
}

impl Attached {
    /// Attaches the future that `make` makes, in the list of worker `index`. If the pool has ended,
    /// drops it. `make` runs no code of the user.
    pub(crate) fn attach<R>(&self, index: usize, make: impl FnOnce(Place) -> (R, Task<()>)) -> R {
        let list = index % LISTS;
        let mut attached = self.0[list].lock();
        let (slot, number) = attached.free_slot();
        let (made, future) = make(Place { list: list as u32, slot, number });
        let refused = attached.put(slot, number, future);
        drop(attached);
        drop(refused);
        made
    }

    /// Takes the future at this place, unless it was taken or dropped.
    pub(crate) fn detach(&self, place: Place) -> Option<Task<()>> {
        self.0[place.list as usize].lock().take(place.slot, place.number)
    }

    /// Drops all futures of a pool that has ended. Ignores panics of the drops.
    pub(crate) fn close(&self) {
        for list in &self.0 {
            let mut attached = list.lock();
            attached.is_closed = true;
            let all = std::mem::take(&mut attached.slots);
            drop(attached);
            all.into_iter().filter_map(|slot| slot.future).for_each(outcome::discard);
        }
    }
}

impl List {
    /// The slot and the number of the next future.
    fn free_slot(&mut self) -> (u32, u64) {
        self.last += 1;
        (self.free.last().copied().unwrap_or(self.slots.len() as u32), self.last)
    }

    /// Puts a future into the slot that `free_slot` returned, or returns it if the pool has ended.
    fn put(&mut self, slot: u32, number: u64, future: Task<()>) -> Option<Task<()>> {
        if self.is_closed {
            return Some(future);
        }
        let filled = Slot { number, future: Some(future) };
        match self.free.pop() {
            Some(_) => self.slots[slot as usize] = filled,
            None => self.slots.push(filled),
        }
        None
    }

    fn take(&mut self, at: u32, number: u64) -> Option<Task<()>> {
        let slot = self.slots.get_mut(at as usize).filter(|slot| slot.number == number)?;
        let future = slot.future.take()?;
        self.free.push(at);
        if self.free.len() == self.slots.len() && self.slots.len() > MOST_KEPT {
            (self.slots, self.free) = Default::default();
        }
        Some(future)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.close();
    }
}
