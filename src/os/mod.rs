//! What differs between operating systems.
#![allow(unsafe_code)]

pub(crate) mod clock;
pub(crate) mod generation;
#[cfg(feature = "deterministic")]
pub(crate) mod progress;
pub(crate) mod slack;
pub(crate) mod thread;

#[cfg(unix)]
use std::{fs::File, io::Write, mem::ManuallyDrop, os::fd::FromRawFd};

/// Writes to the standard error stream without std's lock.
pub(crate) fn write_error(text: &str) {
    #[cfg(unix)]
    {
        // SAFETY: this is the descriptor of standard error, and `ManuallyDrop` never closes it.
        let stream = unsafe { File::from_raw_fd(libc::STDERR_FILENO) };
        // Errors are ignored.
        let _ = ManuallyDrop::new(stream).write_all(text.as_bytes());
    }
    #[cfg(not(unix))]
    eprint!("{text}");
}

/// Registers `handler`, to be called when the process exits. Does nothing on other systems than
/// Unix.
#[cfg_attr(not(unix), allow(unused_variables))]
pub(crate) fn at_exit(handler: extern "C" fn()) {
    #[cfg(unix)]
    // SAFETY: the handler is a static function. (If `atexit` cannot get memory, the handler is not
    // called.)
    unsafe {
        libc::atexit(handler)
    };
}

/// If this code is part of a dynamic library, prevents the library from being unloaded, since some
/// threads that run its code live as long as the process. Does nothing except on Linux with glibc.
pub(crate) fn keep_code_loaded() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    pin::pin();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod pin {
    use std::mem::MaybeUninit;

    pub(super) fn pin() {
        let mut found = MaybeUninit::<libc::Dl_info>::uninit();
        // SAFETY: `dladdr` only looks up the address, and writes only to `found`.
        if unsafe { libc::dladdr(pin as *const libc::c_void, found.as_mut_ptr()) } == 0 {
            return;
        }
        // SAFETY: `dladdr` has succeeded, so it has filled `found`.
        let name = unsafe { found.assume_init() }.dli_fname;
        if !name.is_null() {
            // SAFETY: the name is from the loader. The call loads nothing and runs no initializer.
            // (It fails for the program itself, which is never unloaded.)
            unsafe {
                libc::dlopen(name, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE)
            };
        }
    }
}

/// Issues a full fence on all threads of this process. Each thread passes its fence at some point
/// during the call. After the call, this thread sees all that the other threads did before their
/// fences. After its fence, each thread sees all that this thread did before the call. Returns
/// `false` if the system has no such fence.
///
/// On Linux this is `membarrier(2)`, which takes a few microseconds and interrupts every processor
/// that runs a thread of this process. On Windows it is `FlushProcessWriteBuffers`.
pub(crate) fn heavy_fence() -> bool {
    // In a model, both sides of the pair are a SeqCst fence: see `sync::light_fence`.
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

/// Returns whether `heavy_fence` works in this process. Does not issue a fence.
pub(crate) fn has_heavy_fence() -> bool {
    #[cfg(target_os = "linux")]
    return membarrier::register();
    #[cfg(not(target_os = "linux"))]
    cfg!(windows)
}

#[cfg(target_os = "linux")]
mod membarrier {
    // From <linux/membarrier.h>.
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    /// Issues the fence. If the system refuses it, registers the process and tries again.
    pub(super) fn fence() -> bool {
        call(PRIVATE_EXPEDITED) || register() && call(PRIVATE_EXPEDITED)
    }

    pub(super) fn register() -> bool {
        call(REGISTER_PRIVATE_EXPEDITED)
    }

    fn call(command: libc::c_int) -> bool {
        // SAFETY: the system call takes three numbers and touches no memory of this process.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }
}
