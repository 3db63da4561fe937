//! Threads beyond one a worker: they take over the seats that others leave (`worker/away.rs`).
//!
//! A worker's thread that goes away becomes a borrower of its seat, and a stand-in the seat's own
//! thread. When the former comes to the bottom of its stack, it *rests* until the next one who goes
//! away from that seat calls it. So there are no more of them than have been away at a time, of
//! which there is a limit ([`MOST_AWAY`]); they end with the pool.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::Registry;
use crate::deterministic::{self, IDLE};
use crate::job::outcome;
use crate::platform::thread::Thread;
use crate::sync::{AtomicU32, Mutex, Ordering, Parker, Unparker, wait_outside};

/// How many threads of a pool may be away from their seats, but for one a worker, which makes way
/// for another. So a pool starts at most so many threads and one a worker beyond its own.
pub(super) const MOST_AWAY: usize = 64;

#[derive(Default)]
pub(super) struct StandIns {
    /// What the workers' threads are called.
    names: Mutex<BTreeMap<usize, String>>,
    /// Those that the pool has started.
    threads: Mutex<Vec<Thread>>,
    resting: Mutex<Vec<Arc<Resting>>>,
}

/// A thread that rests.
struct Resting {
    index: usize,
    called: AtomicU32,
    unparker: Unparker,
}

impl Resting {
    fn is_called(&self) -> bool {
        self.called.load(Ordering::Relaxed) != 0
    }
}

impl StandIns {
    /// Notes what threads of worker `index` are called.
    pub(super) fn set_name(&self, index: usize, name: String) {
        self.names.lock().insert(index, name);
    }

    pub(super) fn name(&self, index: usize) -> String {
        self.names.lock().get(&index).cloned().unwrap_or_default()
    }

    /// The threads, to be joined.
    pub(super) fn take_all(&self) -> Vec<Thread> {
        std::mem::take(&mut *self.threads.lock())
    }

    /// Has those that rest see that the pool has ended.
    pub(super) fn wake_all(&self) {
        self.resting.lock().iter().for_each(|resting| resting.unparker.unpark());
    }

    fn call(&self, index: usize) -> bool {
        let mut resting = self.resting.lock();
        let Some(at) = resting.iter().position(|resting| resting.index == index) else {
            return false;
        };
        let called = resting.swap_remove(at);
        called.called.store(1, Ordering::Relaxed);
        called.unparker.unpark();
        true
    }
}

impl Registry {
    /// Has another thread become the own one of seat `index`, which the caller holds and is to give up.
    /// `false`: there is none, and none could be started.
    pub(crate) fn call_stand_in(&self, index: usize) -> bool {
        // Who takes over in a pool that has ended would end at once.
        if !self.settings().has_stand_ins || self.has_ended() {
            return false;
        }
        // Before the other looks whether the seat is its own.
        self.sleep().leave_home(index);
        let called = self.stand_ins.call(index) || self.start_stand_in(index).is_ok();
        if called {
            self.thread_leaves();
        } else {
            self.sleep().stay_home(index);
        }
        called
    }

    fn start_stand_in(&self, index: usize) -> io::Result<()> {
        let registry = self.share();
        let body = move || {
            registry.run_stand_in(index);
            // It may be the last to know the pool, whose handlers' captures are dropped then.
            outcome::discard(registry);
        };
        self.stand_in_starts();
        let started = self.start_thread(self.stand_ins.name(index), body);
        match started {
            Ok(thread) => self.stand_ins.threads.lock().push(thread),
            Err(error) => {
                self.stand_in_refused();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Starts a thread that carries on the stack of worker `index`; it is the caller's to end.
    pub(crate) fn start_thread_of(
        &self,
        index: usize,
        stack_size: usize,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<Thread> {
        Thread::start(self.stand_ins.name(index), Some(stack_size), body)
    }

    fn run_stand_in(&self, index: usize) {
        let had_seat = self.workers()[index].take_over();
        deterministic::looks(false);
        if had_seat {
            self.handlers().exits(index);
        }
        self.thread_done();
    }

    /// Gives back the seat of worker `index`, and rests as one of its threads until it is to be the
    /// seat's own again. `false`: the pool has ended.
    pub(crate) fn rest(&self, index: usize, give_back: impl FnOnce()) -> bool {
        let parker = Parker::new();
        let unparker = parker.unparker().clone();
        let resting = Arc::new(Resting { index, called: AtomicU32::new(0), unparker });
        // First, so that whoever has the seat next finds it.
        self.stand_ins.resting.lock().push(resting.clone());
        give_back();
        self.thread_returns();
        wait_outside(&parker, IDLE, || resting.is_called() || self.has_ended());
        resting.is_called()
    }
}
