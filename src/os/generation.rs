//! Generations of processes: each `fork()` begins a new one.
//!
//! The child of a `fork()` has the memory of its parent, but only one of its threads: the one that
//! called `fork()`. So a pool of the parent is *lost* in the child: its workers do not exist. A
//! pool stores the generation in which it was built. It checks that where a caller enters it from
//! outside, and where a thread would wait for its workers.
//!
//! In the child, locks may be held by threads that no longer exist. So the child's pools, its
//! global pool and its list of pools have locks of their own ([`PerProcess`]). One shared structure
//! remains: parking_lot's table of the threads that wait for locks. If a thread of the parent was
//! changing this table during the `fork()`, a thread of the child that blocks on a lock may block
//! for ever.

use std::panic::resume_unwind;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::write_error;

static CURRENT: AtomicU32 = AtomicU32::new(0);

/// The generation of a process.
#[derive(Clone, Copy)]
pub(crate) struct Generation(u32);

impl Generation {
    #[inline]
    pub(crate) fn current() -> Self {
        // Relaxed: it changes only while the process has one thread.
        Generation(CURRENT.load(Ordering::Relaxed))
    }

    /// Returns whether this process was forked from one of that generation.
    #[inline]
    pub(crate) fn is_past(self) -> bool {
        self.0 != Self::current().0
    }

    /// Aborts if this generation is past. The caller is about to wait for its threads, which do not
    /// exist. A panic is not possible, since those threads may share the frames that would unwind.
    #[inline]
    pub(crate) fn abort_if_past(self) {
        if self.is_past() {
            abort();
        }
    }
}

#[cold]
fn abort() -> ! {
    // Without std's lock on the stream: see `refuse`.
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
        // Stored after the registration, since a thread that sees it may fork at once. There is no
        // lock, because a child could inherit it locked. Registering twice does no harm.
        static WATCHED: AtomicU32 = AtomicU32::new(0);
        // Acquire: matches the Release below, over the registration.
        if WATCHED.load(Ordering::Acquire) == 0 {
            // SAFETY: the handlers are static functions. Those in the child only change atomics and
            // thread-locals. If the system has no memory for them, forks go unnoticed.
            unsafe {
                libc::pthread_atfork(Some(prepare), None, Some(begin));
                libc::pthread_atfork(None, None, Some(in_child));
            }
            // Release: matches the Acquire above.
            WATCHED.store(1, Ordering::Release);
        }
    }
}

/// Completes the first call of `num_cpus`, which holds a lock while it runs. A child that inherited
/// the held lock would wait for it for ever. (Every other use of `num_cpus` comes after `watch`.)
#[cfg(unix)]
extern "C" fn prepare() {
    let _ = num_cpus::get();
}

#[cfg(unix)]
extern "C" fn begin() {
    CURRENT.fetch_add(1, Ordering::Relaxed);
}

/// A value of which each process has its own. It is made at the first use and never freed.
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
        // Release: publishes the new one. Acquire: matches that Release of another thread.
        match self.0.compare_exchange(past, new, Ordering::Release, Ordering::Acquire) {
            // SAFETY: it is stored, hence never freed.
            Ok(_) => unsafe { &(*new).1 },
            Err(other) => {
                // SAFETY: no other thread has seen it.
                drop(unsafe { Box::from_raw(new) });
                // SAFETY: another thread of this process has stored it; never freed.
                unsafe { &(*other).1 }
            }
        }
    }
}
