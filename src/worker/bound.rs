//! A bound on the tasks of a pool that are queued and have not begun (`max_queued`).
//!
//! Each such task carries a [`Place`], which is dropped when the task begins, or with its closure
//! if that is never called. A thread that waits for a place gets the next one that is given up, in
//! the order in which such threads came. A worker of another pool does not wait for a place: if all
//! workers of this pool wait for that worker, they begin no task and give up no place. It takes a
//! place beyond the bound, queues its task as a cross-pool job, and waits until the task begins.
#![deny(unsafe_code)]

use std::collections::VecDeque;
use std::sync::Arc;

use crate::os::generation::Generation;
use crate::sleep::Event;
use crate::sync::Mutex;

pub(crate) struct Bound {
    most: usize,
    state: Mutex<State>,
    /// Of the process in which the pool was built. In the child of a `fork()`, the lock may be held
    /// by a thread that does not exist there.
    generation: Generation,
}

#[derive(Default)]
struct State {
    taken: usize,
    waiting: VecDeque<Arc<Event>>,
}

/// The right of one task to be queued.
pub(crate) struct Place {
    bound: Arc<Bound>,
    /// Happens when the place is given up.
    begun: Option<Arc<Event>>,
}

impl Bound {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        let (state, generation) = (Mutex::default(), Generation::current());
        Arc::new(Bound { most, state, generation })
    }

    pub(crate) fn try_take(self: &Arc<Self>) -> Option<Place> {
        let mut state = self.state.lock();
        let is_free = state.taken < self.most;
        state.taken += usize::from(is_free);
        is_free.then(|| self.place())
    }

    /// Takes a place even if none is free. Returns also whether more places are taken than the
    /// bound allows.
    pub(crate) fn take_at_once(self: &Arc<Self>) -> (Place, bool) {
        let mut state = self.state.lock();
        state.taken += 1;
        (self.place(), state.taken > self.most)
    }

    fn place(self: &Arc<Self>) -> Place {
        Place { bound: self.clone(), begun: None }
    }

    /// Takes a place, for a thread that is no worker of the pool at the address `pool`. If none is
    /// free, a thread that `may_wait` waits for one. Any other takes one all the same, and gets an
    /// event that happens when the place is given up. Both waits count as ones for that pool.
    pub(crate) fn take(
        self: &Arc<Self>,
        pool: usize,
        may_wait: bool,
    ) -> (Place, Option<Arc<Event>>) {
        let mut state = self.state.lock();
        let event = (state.taken >= self.most).then(|| Arc::new(Event::new(pool)));
        if let Some(event) = event.as_ref().filter(|_| may_wait) {
            state.waiting.push_back(event.clone());
            drop(state);
            event.wait(|| true);
            return (self.place(), None);
        }
        state.taken += 1;
        (Place { bound: self.clone(), begun: event.clone() }, event)
    }
}

impl Place {
    /// Returns `f`, which gives up the place when it is called or dropped.
    pub(crate) fn carried_by<F: FnOnce() -> T, T>(self, f: F) -> impl FnOnce() -> T {
        move || {
            drop(self);
            f()
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let bound = &*self.bound;
        if bound.generation.is_past() {
            return;
        }
        if let Some(begun) = self.begun.take() {
            Event::happen_shared(&begun);
        }
        let mut state = bound.state.lock();
        // If there is one place too many, it goes to no thread that waits.
        let is_within = state.taken <= bound.most;
        let next = if is_within { state.waiting.pop_front() } else { None };
        match next {
            Some(next) => {
                drop(state);
                Event::happen_shared(&next);
            }
            None => state.taken -= 1,
        }
    }
}
