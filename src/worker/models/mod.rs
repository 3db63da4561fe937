//! Models of the search for work, of sleeping and waking, of waits, hand-offs and the end of a
//! pool, for the model checker, to which a lost wake-up is a deadlock.
//!
//! They run what is shipped: a registry with its workers, as the pool's builder makes it. Only the
//! threads that act as the workers, and the jobs, are the models' own. At the end of most models no
//! worker must be counted that is not there.

mod end;
mod fork;
mod hand_off;
mod lend;
mod pool;
mod search;
mod wait;

use std::sync::Arc;

use loom::thread;

use self::pool::{Pool, Thread, check, check_within};
use super::*;
use crate::job::NO_TAG;
use crate::latch::{Awaited, Latch, Wait, Waiter};
use crate::sleep::counts::Counts;
use crate::sleep::{CoreThread, Kind, Stopped};
use crate::sync::{AtomicUsize, Ordering};

/// The thread of worker `me`, until it has run a job.
fn run_one(me: usize) -> impl FnOnce(&Pool) {
    move |pool| pool.run_one(&CoreThread::at_bottom(me, true))
}

/// Lets worker `me` sleep, and not as the sentry. Its thread then starts with `sleep_on`.
fn fall_asleep(pool: &Pool, me: usize) -> Thread {
    let thread = CoreThread::at_bottom(me, true);
    pool.sleep().announce(me, Kind::Idle(&thread), false);
    thread
}

/// The thread of a worker, which sleeps, until it has run a job.
fn sleep_on(me: Thread) -> impl FnOnce(&Pool) {
    move |pool| {
        if pool.worker(me.core).wait_for_core(&me) {
            pool.run_one(&me);
        }
    }
}

/// Sets a latch that worker `waiter` waits for, or a thread without its core.
fn set(pool: &Pool, waiter: usize, latch: &Latch) {
    // SAFETY: each latch of these models is set once, and lives as long as its model.
    if unsafe { Latch::set(latch) } == Waiter::Asleep {
        pool.sleep().wake_blocked(waiter, latch.address());
    }
}

/// A wait for a latch that a job of this tag sets, or if there is none, that any job may set.
struct SetBy<'l>(&'l Latch, Option<usize>);

impl Wait for SetBy<'_> {
    fn done(&self) -> bool {
        self.0.done()
    }

    fn register_waker(&self) -> bool {
        self.0.register_waker()
    }

    fn tag(&self) -> Option<usize> {
        self.1
    }

    fn is_external(&self) -> bool {
        self.1.is_none()
    }

    fn address(&self) -> usize {
        self.0.address()
    }
}

/// A job of `tag` that sets such a latch.
fn setter(pool: &Pool, tag: usize, waiter: usize, latch: &Arc<Latch>) -> JobRef {
    let (theirs, latch) = (pool.clone(), latch.clone());
    pool.job_of(tag, move |_| set(&theirs, waiter, &latch))
}
