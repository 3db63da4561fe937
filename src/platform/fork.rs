//! `fork()`: the child has the memory of its parent, and of its threads only the one that called.
//! So a pool of before is lost there: its workers will never come.
//!
//! Each process counts the forks in its line, and each pool notes the count when it is built. Where
//! the two differ the pool is lost, and its user is told so by a panic, or, where nothing can
//! be unwound because lost threads were at it, by the end of the child.

use std::ops::Deref;
use std::panic::resume_unwind;
use std::ptr;
use std::sync::OnceLock;
#[cfg(unix)]
use std::{fs::File, io::Write, mem::ManuallyDrop, os::fd::FromRawFd};

use crate::sync::{AtomicPtr, AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// How many forks lead to this process, as far as it was [`watch`]ed for them.
#[inline]
pub(crate) fn count() -> u32 {
    // Relaxed: it changes only where there is but one thread.
    COUNT.load(Ordering::Relaxed)
}

/// Has forks counted from now on.
pub(crate) fn watch() {
    #[cfg(unix)]
    {
        // To have them counted twice does no harm, and to wait for who does this might not end,
        // after a `fork()` in the middle.
        static WATCHED: AtomicU32 = AtomicU32::new(0);
        if WATCHED.load(Ordering::Relaxed) == 0 {
            super::thread::note_stack_size();
            // SAFETY: the handler is a function of the process's life that only changes an atomic.
            // If the system has no room for it, forks are not noticed, as they were not before.
            unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
            WATCHED.store(1, Ordering::Relaxed);
        }
    }
}

#[cfg(unix)]
extern "C" fn in_child() {
    COUNT.fetch_add(1, Ordering::Relaxed);
}

/// Something of which each process has its own, made at its first use and never freed. In the
/// child of a `fork()` that of the parent, with its threads and locks, is lost.
pub(crate) struct PerProcess<T>(AtomicPtr<Made<T>>);

struct Made<T> {
    forks: u32,
    value: T,
}

impl<T: Default + Sync> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        PerProcess(AtomicPtr::new(ptr::null_mut()))
    }

    pub(crate) fn get(&'static self) -> &'static T {
        watch();
        let forks = count();
        loop {
            // Acquire: matches the Release below.
            let found = self.0.load(Ordering::Acquire);
            // SAFETY: what was stored there is never freed.
            if let Some(made) = unsafe { found.as_ref() }.filter(|made| made.forks == forks) {
                return &made.value;
            }
            let new = Box::into_raw(Box::new(Made { forks, value: T::default() }));
            // Release: publishes the new one.
            if self.0.compare_exchange(found, new, Ordering::Release, Ordering::Relaxed).is_err() {
                // SAFETY: nobody else has seen it.
                drop(unsafe { Box::from_raw(new) });
            }
        }
    }
}

/// Something that a lost thread may have left in the middle of a change, for which others would
/// wait; so in a child another stands for it. Made for what one thread at most of a child uses.
pub(crate) struct Replaced<T> {
    parents: T,
    childs: OnceLock<Box<T>>,
    /// `count` when it was made.
    forks: u32,
}

impl<T: Default> Replaced<T> {
    pub(crate) fn new() -> Self {
        Replaced { parents: T::default(), childs: OnceLock::new(), forks: count() }
    }
}

impl<T: Default> Deref for Replaced<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        if self.forks == count() { &self.parents } else { self.childs.get_or_init(Box::default) }
    }
}

/// Tells the user of a pool that it is lost, by a panic.
///
/// Not by way of the panic hook, which writes by std's streams: their locks may be lost, too.
pub(crate) fn refuse() -> ! {
    const LOST: &str = "this thread pool was built before a fork(): its threads are in the parent \
                        process; the child has to build a pool of its own";
    write_error(&format!("filch: {LOST}\n"));
    resume_unwind(Box::new(LOST))
}

/// Ends a child that waits for what only a lost worker could do.
pub(crate) fn end_lost() -> ! {
    // Not by std's streams, as in `refuse`.
    write_error("filch: after a fork() the child waits for threads of its parent; aborting\n");
    std::process::abort()
}

/// Writes to the standard error stream, whatever state std's is in.
pub(crate) fn write_error(text: &str) {
    #[cfg(unix)]
    {
        // SAFETY: the number is the stream's as long as the process lives, and is not closed here.
        let stream = unsafe { File::from_raw_fd(libc::STDERR_FILENO) };
        // What cannot be written is lost.
        let _ = ManuallyDrop::new(stream).write_all(text.as_bytes());
    }
    #[cfg(not(unix))]
    eprint!("{text}");
}
