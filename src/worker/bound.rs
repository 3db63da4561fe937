//! A bound on the tasks of a pool that are queued and have not begun (`max_queued`).
//!
//! Each such task carries a [`Place`], which is dropped when the task begins, or with its closure
//! if that is never called. A thread that waits for a place gets the next one that is given up, in
//! the order in which such threads came.
#![deny(unsafe_code)]

use std::collections::VecDeque;
use std::sync::Arc;

use crate::os::generation::Generation;
use crate::sleep::Event;
use crate::sync::Mutex;

/// The bound of a pool.
pub(crate) struct Bound {
    most: usize,
    state: Mutex<State>,
    /// That of the pool. In another one, a thread that does not exist may hold the lock.
    generation: Generation,
}

#[derive(Default)]
struct State {
    taken: usize,
    waiting: VecDeque<Arc<Event>>,
}

/// The right of one task to be queued.
pub(crate) struct Place(Arc<Bound>);

impl Bound {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        let (state, generation) = (Mutex::default(), Generation::current());
        Arc::new(Bound { most, state, generation })
    }

    pub(crate) fn try_take(self: &Arc<Self>) -> Option<Place> {
        let mut state = self.state.lock();
        let is_free = state.taken < self.most;
        state.taken += usize::from(is_free);
        is_free.then(|| Place(self.clone()))
    }

    /// Takes a place, if necessary one too many. Then also returns `true`.
    pub(crate) fn take_at_once(self: &Arc<Self>) -> (Place, bool) {
        let mut state = self.state.lock();
        state.taken += 1;
        (Place(self.clone()), state.taken > self.most)
    }

    /// Waits for a place in the pool at the address `pool`. A worker of another pool works
    /// meanwhile.
    pub(crate) fn take(self: &Arc<Self>, pool: usize) -> Place {
        let mut state = self.state.lock();
        if state.taken < self.most {
            state.taken += 1;
        } else {
            let event = Arc::new(Event::new(pool));
            state.waiting.push_back(event.clone());
            drop(state);
            event.wait(|| true);
        }
        Place(self.clone())
    }
}

impl Place {
    /// Returns `f`, which gives up the place when it is called or dropped.
    pub(crate) fn carried_by<T>(self, f: impl FnOnce() -> T) -> impl FnOnce() -> T {
        move || {
            drop(self);
            f()
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let bound = &*self.0;
        if bound.generation.is_past() {
            return;
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
