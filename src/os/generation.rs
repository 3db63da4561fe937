//! Generations of processes: each `fork()` begins a new one.
//!
//! The child of a `fork()` has the memory of its parent, but only one of its threads: the one that
//! called `fork()`. So a pool of the parent is *lost* in the child: its workers do not exist. A
//! pool stores the generation in which it was built. The pool checks this generation where a caller
//! enters from outside, and where a thread would wait for the pool's workers.
//!
//! In the child, locks may be held by threads that no longer exist. So the child has a global pool
//! and a list of pools of its own, with their own locks ([`PerProcess`]). One shared structure
//! remains: parking_lot's table of the threads that wait for locks. If a thread of the parent was
//! changing this table during the `fork()`, a thread of the child that blocks on a lock may block
//! for ever.

use std::panic::resume_unwind;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::write_error;

static CURRENT: AtomicU32 = AtomicU32::new(0);

/// The generation of a process: a number that changes in the child of each `fork()`.
#[derive(Clone, Copy)]
pub(crate) struct Generation(u32);

impl Generation {
    #[inline]
    pub(crate) fn current() -> Self {
        // Relaxed: the generation changes only while the process has one thread.
        Generation(CURRENT.load(Ordering::Relaxed))
    }

    /// Returns whether this process is a later generation: a child that was forked since.
    #[inline]
    pub(crate) fn is_past(self) -> bool {
        self.0 != Self::current().0
    }

    /// Aborts the process if this generation is past: the caller is about to wait for threads of
    /// that generation, which do not exist here. It must not panic instead, since those threads may
    /// have been using the frames that a panic would unwind.
    #[inline]
    pub(crate) fn abort_if_past(self) {
        if self.is_past() {
            abort();
        }
    }
}

#[cold]
fn abort() -> ! {
    // Does not take std's lock on the stream: see `refuse`.
    write_error("filch: after a fork() the child waits for threads of its parent; aborting\n");
    std::process::abort()
}

/// Panics because the pool is lost.
///
/// Does not run the panic hook. The hook writes to std's stream, whose lock may be held by a thread
/// that exists only in the parent.
#[cold]
pub(crate) fn refuse() -> ! {
    const LOST: &str = "this thread pool was built before a fork(): its threads are in the parent \
                        process; the child has to build a pool of its own";
    write_error(&format!("filch: {LOST}\n"));
    resume_unwind(Box::new(LOST))
}

/// Makes each later child of this process a new generation. The child begins by calling `in_child`
/// on its only thread.
#[cfg_attr(not(unix), allow(unused_variables))]
pub(crate) fn watch(in_child: extern "C" fn()) {
    #[cfg(unix)]
    {
        // Set after the registration, since a thread that sees it set may fork at once. No lock
        // guards it, because a child could inherit the lock held. Registering twice does no harm.
        static WATCHED: AtomicU32 = AtomicU32::new(0);
        // Acquire: matches the Release below, over the registration.
        if WATCHED.load(Ordering::Acquire) == 0 {
            // SAFETY: the handlers are static functions. Those that run in the child only change
            // atomics and thread-locals. (If the system has no memory for the handlers, forks go
            // unnoticed.)
            unsafe {
                libc::pthread_atfork(Some(prepare), None, Some(begin));
                libc::pthread_atfork(None, None, Some(in_child));
            }
            // Release: matches the Acquire above.
            WATCHED.store(1, Ordering::Release);
        }
    }
}

/// Completes the first call of `num_cpus` before the fork, since that call holds a lock. A child
/// that inherited the held lock would wait for it for ever. (Every other use of `num_cpus` comes
/// after `watch`.)
#[cfg(unix)]
extern "C" fn prepare() {
    let _ = num_cpus::get();
}

#[cfg(unix)]
extern "C" fn begin() {
    CURRENT.fetch_add(1, Ordering::Relaxed);
}

/// A static of which each process has its own value, made at the first use and never freed.
pub(crate) struct PerProcess<T>(AtomicPtr<(Generation, T)>);

impl<T: Default + Sync> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        PerProcess(AtomicPtr::new(ptr::null_mut()))
    }

    pub(crate) fn get(&'static self) -> &'static T {
        // Acquire: matches the Release in `renew`.
        let found = self.0.load(Ordering::Acquire);
        // SAFETY: a stored value is never freed.
        match unsafe { found.as_ref() } {
            Some((generation, value)) if !generation.is_past() => value,
            _ => self.renew(found),
        }
    }

    #[cold]
    fn renew(&'static self, past: *mut (Generation, T)) -> &'static T {
        let new = Box::into_raw(Box::new((Generation::current(), T::default())));
        // Release: publishes the new value. Acquire: matches this Release on another thread.
        match self.0.compare_exchange(past, new, Ordering::Release, Ordering::Acquire) {
            // SAFETY: `new` is stored, hence never freed.
            Ok(_) => unsafe { &(*new).1 },
            Err(other) => {
                // SAFETY: `new` was not stored, so no other thread has seen it.
                drop(unsafe { Box::from_raw(new) });
                // SAFETY: another thread of this process has stored `other`, hence it is not freed.
                unsafe { &(*other).1 }
            }
        }
    }
}
