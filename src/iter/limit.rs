//! Limits how many workers work on a loop at a time: `num_threads`.
//!
//! # Permits
//! A loop that is limited to *n* workers has *n* permits. The caller holds one from the start. Each
//! fork takes one more, and whichever side of the fork ends first returns it. If no permit is free,
//! the fork runs its two sides one after the other on the same worker, and each side tries again
//! when it forks itself. So at most *n* pieces are queued or running at any time, and as soon as
//! one ends, another may be cut off. A worker never waits for a permit.
//!
//! A limit also covers the inner iterators of a `flat_map` and the loops that closures run. They
//! find it in a thread-local. While a worker waits in the loop, it may run an unrelated job on top,
//! which the limit must not cover. `innermost` recognizes such a job by the number of jobs on the
//! worker's stack.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::fork::{First, Second, erased, join_on_worker};
use crate::job::outcome::{self, Deferred};
use crate::worker::Worker;

/// A limit of a loop, and how many permits are `free`.
pub(crate) struct Limit<'o> {
    threads: usize,
    free: AtomicUsize,
    /// The limit of a loop around this one, whose permits are needed as well.
    outer: Option<&'o Limit<'o>>,
}

/// A limit, and the `place` where it is in force.
#[derive(Clone, Copy)]
struct Entered(*const Limit<'static>, (usize, u32));

thread_local! {
    /// The innermost limit on this thread's stack.
    static INNERMOST: Cell<Entered> = const { Cell::new(Entered(ptr::null(), (0, 0))) };
}

/// The address of the current worker, and the number of jobs on its stack.
fn place() -> (usize, u32) {
    let of = |worker: &Worker| (ptr::from_ref(worker).addr(), worker.jobs_on_stack());
    Worker::current().map_or((0, 0), of)
}

/// Calls `op` with the innermost limit that the caller is under, if any.
#[inline(always)]
pub(crate) fn innermost<R>(op: impl FnOnce(Option<&Limit<'_>>) -> R) -> R {
    let Entered(limit, entered_at) = INNERMOST.get();
    if limit.is_null() || entered_at != place() {
        return op(None);
    }
    // SAFETY: a frame of `enter` below on this stack has set it, and borrows the limit until it
    // takes it back.
    op(Some(unsafe { &*limit }))
}

/// Calls `op` under `limit`.
#[inline]
pub(crate) fn under<R>(limit: Option<&Limit<'_>>, op: impl FnOnce() -> R) -> R {
    let _leave = limit.map(Limit::enter);
    op()
}

/// Calls `op` under a limit of `threads` in addition to those around it.
pub(crate) fn limited<R>(threads: usize, op: impl FnOnce() -> R) -> R {
    innermost(|outer| {
        let free = AtomicUsize::new(threads - 1);
        under(Some(&Limit { threads, free, outer }), op)
    })
}

/// `join_context` on a worker, under `limit`. `b` is told whether it was stolen.
pub(crate) fn join_under<RA: Send, RB: Send>(
    limit: Option<&Limit<'_>>,
    a: impl FnOnce() -> RA + Send,
    b: impl FnOnce(bool) -> RB + Send,
) -> (RA, RB) {
    erased(a, b, &|a, b| fork_under(limit, a, b))
}

/// Not generic, hence compiled once.
fn fork_under(limit: Option<&Limit<'_>>, a: First<'_>, b: Second<'_>) {
    if let Some(permit) = permit(limit) {
        join_on_worker(|| permit.run(a), |stolen| permit.run(|| b(stolen)));
    } else {
        a();
        b(false);
    }
}

/// Takes the permit of a fork. Returns `None` if its sides have to run one after the other.
fn permit<'l>(limit: Option<&'l Limit<'l>>) -> Option<Permit<'l>> {
    limit.is_none_or(Limit::take).then(|| Permit { limit, is_taken: AtomicBool::new(true) })
}

/// Takes permits for up to `most` workers, the caller included, calls `op` with the limit and the
/// number of workers, and returns the permits.
pub(crate) fn reserve<R>(most: usize, op: impl FnOnce(Option<&Limit<'_>>, usize) -> R) -> R {
    innermost(|limit| {
        let Some(limit) = limit else { return op(None, most) };
        let helpers = (1..most).take_while(|_| limit.take()).count();
        let _end = outcome::defer(|| (0..helpers).for_each(|_| limit.give_back()));
        op(Some(limit), helpers + 1)
    })
}

impl Limit<'_> {
    /// Returns how many of `threads` workers may work on the loop.
    pub(crate) fn of(&self, threads: usize) -> usize {
        self.outer.map_or(threads, |outer| outer.of(threads)).min(self.threads)
    }

    /// Whether a fork would find a permit.
    pub(crate) fn has_free(&self) -> bool {
        self.free.load(Ordering::Relaxed) > 0 && self.outer.is_none_or(Limit::has_free)
    }

    fn take(&self) -> bool {
        let less = |free: usize| free.checked_sub(1);
        // Acquire: matches the Release in `give_back`. The piece whose permit it was has ended.
        if self.free.fetch_update(Ordering::Acquire, Ordering::Relaxed, less).is_err() {
            return false;
        }
        let is_taken = self.outer.is_none_or(Limit::take);
        if !is_taken {
            self.free.fetch_add(1, Ordering::Relaxed);
        }
        is_taken
    }

    fn give_back(&self) {
        if let Some(outer) = self.outer {
            outer.give_back();
        }
        // Release: matches the Acquire in `take`.
        self.free.fetch_add(1, Ordering::Release);
    }

    /// Puts the limit in force until the result is dropped.
    fn enter(&self) -> Deferred<impl FnMut()> {
        let outer = INNERMOST.replace(Entered(ptr::from_ref(self).cast(), place()));
        outcome::defer(move || INNERMOST.set(outer))
    }
}

/// The permit of a fork, if that has a limit, and whether it is still taken.
struct Permit<'l> {
    limit: Option<&'l Limit<'l>>,
    is_taken: AtomicBool,
}

impl Permit<'_> {
    /// Runs a side of the fork. The first that ends returns the permit.
    fn run<R>(&self, side: impl FnOnce() -> R) -> R {
        let _end = outcome::defer(|| self.give_back());
        under(self.limit, side)
    }

    /// Returns the permit, unless that was done.
    fn give_back(&self) {
        let Permit { limit: Some(limit), is_taken } = self else { return };
        // Relaxed: it carries nothing but itself.
        if is_taken.swap(false, Ordering::Relaxed) {
            limit.give_back();
        }
    }
}

/// For a fork that panics before a side of it begins.
impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
