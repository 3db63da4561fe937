//! At most so many workers on a loop at a time: `num_threads`.
//!
//! # Permits
//! A loop for *n* workers has *n* permits, and begins with one of them. A fork needs a second one:
//! whichever of its sides ends first returns it. A fork for which no permit is free runs one side
//! after the other, on the same worker, and each of these tries again when it forks. So no more
//! than *n* pieces are queued or run at any time, and as soon as one ends, another may be cut off.
//! A worker never waits for a permit.
//!
//! A limit covers the inner iterators of a `flat_map` and the loops that closures run. They find it
//! in a thread-local. A job that a waiting worker runs on top of the loop is none of it: it is told
//! by the number of jobs on the worker's stack.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::fork::{join, join_context};
use crate::worker::Worker;

/// How many more pieces of a loop may run at the same time.
pub(crate) struct Limit<'o> {
    threads: usize,
    free: AtomicUsize,
    /// The limit of a loop around this one, whose permits are needed as well.
    outer: Option<&'o Limit<'o>>,
}

/// A limit, and where it is in force: on this many jobs of the worker with this address.
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

/// Calls `op` with the limit of what the caller is part of.
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
    match limit {
        Some(limit) => limit.enter(op),
        None => op(),
    }
}

/// Calls `op` under a limit of `threads` in addition to those around it.
pub(crate) fn limited<R>(threads: usize, op: impl FnOnce() -> R) -> R {
    innermost(|outer| {
        let free = AtomicUsize::new(threads - 1);
        Limit { threads, free, outer }.enter(op)
    })
}

/// `join`, within the limit of what the caller is part of.
pub(crate) fn join_within<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    innermost(|limit| match limit {
        Some(limit) => limit.join(a, |_| b()),
        None => join(a, b),
    })
}

/// Takes permits for up to `most` workers, the caller included, calls `op` with the limit and the
/// number of workers, and returns the permits.
pub(crate) fn reserve<R>(most: usize, op: impl FnOnce(Option<&Limit<'_>>, usize) -> R) -> R {
    innermost(|limit| {
        let Some(limit) = limit else { return op(None, most) };
        let mut permits = Permits { limit, count: 0 };
        while permits.count + 1 < most && limit.take() {
            permits.count += 1;
        }
        op(Some(limit), permits.count + 1)
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

    fn enter<R>(&self, op: impl FnOnce() -> R) -> R {
        struct Leave(Entered);

        impl Drop for Leave {
            fn drop(&mut self) {
                INNERMOST.set(self.0);
            }
        }

        let entered = Entered(ptr::from_ref(self).cast(), place());
        let _leave = Leave(INNERMOST.replace(entered));
        op()
    }

    /// Calls both, at the same time if there is a permit. Tells `b` whether it is on another
    /// worker.
    pub(crate) fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce(bool) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        if !self.take() {
            // `b` is dropped if `a` panics.
            let a = self.enter(a);
            return (a, self.enter(|| b(false)));
        }
        let permit = Once(self, AtomicBool::new(true));
        join_context(
            |_| {
                let _end = End(&permit);
                self.enter(a)
            },
            |context| {
                let _end = End(&permit);
                self.enter(|| b(context.migrated()))
            },
        )
    }
}

/// Permits that are returned together.
struct Permits<'l> {
    limit: &'l Limit<'l>,
    count: usize,
}

impl Drop for Permits<'_> {
    fn drop(&mut self) {
        (0..self.count).for_each(|_| self.limit.give_back());
    }
}

/// The permit of a fork, and whether it is still taken.
struct Once<'l>(&'l Limit<'l>, AtomicBool);

/// Returns the permit when the first side of the fork ends.
struct End<'f>(&'f Once<'f>);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let Once(limit, is_taken) = self.0;
        // Relaxed: it carries nothing but itself.
        if is_taken.swap(false, Ordering::Relaxed) {
            limit.give_back();
        }
    }
}
