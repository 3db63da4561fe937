//! The futures of a pool that wait, or have waited. They are dropped when the pool has ended.
//!
//! They are in several lists, since with one list the workers would wait for its lock. A worker
//! adds to its own list, and usually removes there.

use std::task::Waker;

use crossbeam_utils::CachePadded;

use crate::sync::Mutex;

const LISTS: usize = 8;
/// An empty list keeps memory for this many futures.
const MOST_KEPT: usize = 1024;

#[derive(Default)]
pub(crate) struct Attached([CachePadded<Mutex<List>>; LISTS]);

#[derive(Default)]
struct List {
    futures: Vec<Option<Waker>>,
    /// The places without a future.
    free: Vec<u32>,
    is_closed: bool,
}

/// A list, and a place there, which is one future's until it is detached.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    list: u32,
    at: u32,
}

impl Attached {
    /// Attaches a future to the list of worker `index`. Returns `None` if the pool has ended.
    pub(crate) fn attach(&self, index: usize, future: Waker) -> Option<Place> {
        let list = index % LISTS;
        let mut attached = self.0[list].lock();
        if attached.is_closed {
            return None;
        }
        let at = attached.put(future);
        Some(Place { list: list as u32, at })
    }

    /// Takes a future from its place, unless the pool has ended.
    pub(crate) fn detach(&self, place: Place) -> Option<Waker> {
        self.0[place.list as usize].lock().take(place.at)
    }

    /// Called when the pool has ended. Wakes all futures, which drops them.
    pub(crate) fn close(&self) {
        for list in &self.0 {
            let mut attached = list.lock();
            attached.is_closed = true;
            let all = std::mem::take(&mut attached.futures);
            drop(attached);
            all.into_iter().flatten().for_each(Waker::wake);
        }
    }
}

impl List {
    fn put(&mut self, future: Waker) -> u32 {
        if let Some(at) = self.free.pop() {
            self.futures[at as usize] = Some(future);
            return at;
        }
        self.futures.push(Some(future));
        (self.futures.len() - 1) as u32
    }

    fn take(&mut self, at: u32) -> Option<Waker> {
        let future = self.futures.get_mut(at as usize)?.take()?;
        self.free.push(at);
        if self.free.len() == self.futures.len() && self.futures.len() > MOST_KEPT {
            (self.futures, self.free) = Default::default();
        }
        Some(future)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.close();
    }
}
