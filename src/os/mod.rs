//! What differs between operating systems.
#![allow(unsafe_code)]

pub(crate) mod clock;
pub(crate) mod generation;
pub(crate) mod slack;
pub(crate) mod thread;

#[cfg(unix)]
use std::{fs::File, io::Write, mem::ManuallyDrop, os::fd::FromRawFd};

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

/// Keeps the library that this code is in, if it is in one, from being unloaded: for threads that
/// live as long as the process. Where that cannot be had, the user has to see to it.
pub(crate) fn keep_code_loaded() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    pin::pin();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod pin {
    use std::mem::MaybeUninit;

    pub(super) fn pin() {
        let mut found = MaybeUninit::<libc::Dl_info>::uninit();
        // SAFETY: the address is only looked up; the place is for what is found.
        if unsafe { libc::dladdr(pin as *const libc::c_void, found.as_mut_ptr()) } == 0 {
            return;
        }
        // SAFETY: filled, as something was found.
        let name = unsafe { found.assume_init() }.dli_fname;
        if !name.is_null() {
            // SAFETY: a name that the loader gave; nothing is loaded that is not, and no
            // initializer runs. Of the program itself there is nothing to keep.
            unsafe {
                libc::dlopen(name, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE)
            };
        }
    }
}

/// A fence for all threads of this process at once: what each of them did before some point in
/// time is then visible to this thread, and what this thread did before is visible to them after
/// it. `false`: the system has no such thing.
///
/// On Linux `membarrier(2)`: some microseconds, and an interrupt of every processor that runs a
/// thread of this process. On Windows `FlushProcessWriteBuffers`.
pub(crate) fn heavy_fence() -> bool {
    // As in `sync::light_fence`, both sides of the pair are the same in a model.
    #[cfg(loom)]
    {
        use crate::sync::{Ordering, fence};
        fence(Ordering::SeqCst);
        return true;
    }
    #[cfg(all(target_os = "linux", not(loom)))]
    return membarrier::fence();
    #[cfg(windows)]
    {
        unsafe extern "system" {
            safe fn FlushProcessWriteBuffers();
        }
        FlushProcessWriteBuffers();
        return true;
    }
    #[cfg(not(any(target_os = "linux", windows)))]
    false
}

#[cfg(target_os = "linux")]
mod membarrier {
    // From <linux/membarrier.h>.
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    /// The system refuses the fence to a process that has not registered for it.
    pub(super) fn fence() -> bool {
        call(PRIVATE_EXPEDITED) || call(REGISTER_PRIVATE_EXPEDITED) && call(PRIVATE_EXPEDITED)
    }

    fn call(command: libc::c_int) -> bool {
        // SAFETY: the system call takes three numbers and touches no memory of this process.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }
}
