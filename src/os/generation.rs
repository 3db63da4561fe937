//! Generations of processes: `fork()` begins another one.
//!
//! The child of a `fork()` has the memory of its parent, but of its threads only the one that
//! called. So a pool of the parent's is *lost* in the child: its workers never come. A pool notes
//! the generation in which it is built, and looks at it where it is entered from outside and where
//! a thread would wait for its workers.
//!
//! In the child, a lock of ours may be held by a thread that no longer exists. A pool of the
//! child's has locks of its own, and so have the global pool and the list of pools
//! ([`PerProcess`]). But threads that wait for a lock stand in a table of parking_lot's, one for
//! the process: if another thread was changing that table during the `fork()`, a thread of the
//! child that has to wait for a lock may wait for ever.

use std::panic::resume_unwind;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::write_error;

static CURRENT: AtomicU32 = AtomicU32::new(0);

/// The generation of the process in which something was made.
#[derive(Clone, Copy)]
pub(crate) struct Generation(u32);

impl Generation {
    pub(crate) fn current() -> Self {
        // Relaxed: it changes only where there is but one thread.
        Generation(CURRENT.load(Ordering::Relaxed))
    }

    /// Whether this process is a child of that one.
    #[inline]
    pub(crate) fn is_past(self) -> bool {
        self.0 != Self::current().0
    }

    /// Ends a process that is about to wait for threads of an earlier generation. (No panic: those
    /// threads may share the frames that it would unwind.)
    #[inline]
    pub(crate) fn abort_if_past(self) {
        if self.is_past() {
            abort();
        }
    }
}

#[cold]
fn abort() -> ! {
    // Not by std's streams, as in `refuse`.
    write_error("filch: after a fork() the child waits for threads of its parent; aborting\n");
    std::process::abort()
}

/// Tells the user of a lost pool, by a panic.
///
/// Not by the panic hook, which writes by std's streams: a thread of the parent's may hold their
/// locks.
#[cold]
pub(crate) fn refuse() -> ! {
    const LOST: &str = "this thread pool was built before a fork(): its threads are in the parent \
                        process; the child has to build a pool of its own";
    write_error(&format!("filch: {LOST}\n"));
    resume_unwind(Box::new(LOST))
}

/// From now on each child is of another generation, and begins by calling `in_child`, on its one
/// thread.
#[cfg_attr(not(unix), allow(unused_variables))]
pub(crate) fn watch(in_child: extern "C" fn()) {
    #[cfg(unix)]
    {
        // Stored last: a thread that sees it may fork at once. To be registered twice does no harm,
        // and a lock may be lost in a child.
        static WATCHED: AtomicU32 = AtomicU32::new(0);
        // Acquire: matches the Release below, over the registration.
        if WATCHED.load(Ordering::Acquire) == 0 {
            // SAFETY: the handlers are functions that live as long as the process, and only change
            // atomics and thread-locals. If the system has no room for them, forks go unnoticed.
            unsafe {
                libc::pthread_atfork(None, None, Some(begin));
                libc::pthread_atfork(None, None, Some(in_child));
            }
            // Release: matches the Acquire above.
            WATCHED.store(1, Ordering::Release);
        }
    }
}

#[cfg(unix)]
extern "C" fn begin() {
    CURRENT.fetch_add(1, Ordering::Relaxed);
}

/// Something of which each process has its own, made at its first use and never freed.
pub(crate) struct PerProcess<T>(AtomicPtr<(Generation, T)>);

impl<T: Default + Sync> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        PerProcess(AtomicPtr::new(ptr::null_mut()))
    }

    pub(crate) fn get(&'static self) -> &'static T {
        // Acquire: matches the Release in `renew`.
        let found = self.0.load(Ordering::Acquire);
        // SAFETY: what was stored there is never freed.
        match unsafe { found.as_ref() } {
            Some((generation, value)) if !generation.is_past() => value,
            _ => self.renew(found),
        }
    }

    #[cold]
    fn renew(&'static self, past: *mut (Generation, T)) -> &'static T {
        let new = Box::into_raw(Box::new((Generation::current(), T::default())));
        // Release: publishes the new one. Acquire: matches that Release of another thread.
        match self.0.compare_exchange(past, new, Ordering::Release, Ordering::Acquire) {
            // SAFETY: never freed from here on.
            Ok(_) => unsafe { &(*new).1 },
            Err(other) => {
                // SAFETY: nobody else has seen it.
                drop(unsafe { Box::from_raw(new) });
                // SAFETY: another thread of this process has stored it.
                unsafe { &(*other).1 }
            }
        }
    }
}
