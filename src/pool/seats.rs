//! Callers that are no workers: they borrow the seat of a worker that has nothing to do, and
//! work themselves, so that no context switch is paid and at most as many threads are active as
//! the pool has. Where no seat is free, they hand the work over and sleep.
//!
//! A thread that is a worker of another pool never borrows, but hands over and goes on working
//! for its own pool: what it asks for may need that pool in turn.
//!
//! # What it is worth
//! What a row takes without it, as a multiple of what it takes with it: medians by
//! `benches/ablation/run`, on two shared virtual cores.
//!
//! | without | row | threads | time |
//! | --- | --- | ---: | ---: |
//! | `seat-lending` | empty joins from outside | 2 | 28.7 |
//! |  | tree sum, 1,023 nodes, outside | 2 | 3.48 |
//! |  | empty join from outside, rested | 2 | 1.38 |

use std::panic::resume_unwind;

use super::Registry;
use crate::job::stack::run_elsewhere;
use crate::worker::{Acting, Worker};

impl Registry {
    /// Runs `op` as a worker of this pool: on the calling thread if it is one, or can borrow a
    /// seat, else by handing it over.
    #[inline]
    pub(crate) fn as_worker<R: Send>(&self, op: impl FnOnce(&Worker, bool) -> R + Send) -> R {
        let seat = match Worker::current() {
            Some(worker) if std::ptr::eq(worker.registry(), self) => return op(worker, false),
            Some(_) => None,
            None => {
                self.expect_threads();
                Borrowed::seat(self)
            }
        };
        match seat {
            Some(seat) => op(seat.worker, false),
            None => self.hand_over(|worker| op(worker, true)),
        }
    }

    /// Runs `op` on a thread of this pool.
    pub(crate) fn on_thread<R: Send>(&self, op: impl FnOnce(&Worker) -> R + Send) -> R {
        match Worker::current() {
            Some(worker) if std::ptr::eq(worker.registry(), self) => op(worker),
            _ => self.hand_over(op),
        }
    }

    /// Lets a worker of this pool run `op`; meanwhile works for the pool that the calling thread
    /// is a worker of, if any, else sleeps.
    fn hand_over<R: Send>(&self, op: impl FnOnce(&Worker) -> R + Send) -> R {
        self.expect_threads();
        let result = run_elsewhere(op, Worker::current(), self);
        result.unwrap_or_else(|payload| resume_unwind(payload))
    }
}

/// A seat on loan to this thread.
struct Borrowed<'r> {
    worker: &'r Worker,
    _acting: Acting,
}

impl<'r> Borrowed<'r> {
    fn seat(registry: &'r Registry) -> Option<Self> {
        if !registry.settings().lends_seats {
            return None;
        }
        let (index, stopped) = registry.sleep().lend()?;
        let worker = &*registry.workers()[index];
        let borrowed = Borrowed { worker, _acting: Acting::start(worker) };
        worker.unparked();
        worker.look_again(stopped);
        Some(borrowed)
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.worker.give_back();
    }
}
