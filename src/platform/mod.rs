//! What differs between operating systems.
#![allow(unsafe_code)]

pub(crate) mod clock;
#[cfg(feature = "debugger")]
mod debugger;
pub(crate) mod fork;
pub(crate) mod slack;
pub(crate) mod thread;

use std::sync::atomic::AtomicBool;

use crate::sync::Ordering;

/// How many processors this process may use.
pub(crate) fn processors() -> usize {
    /// Whether `num_cpus` has read the quota, which it does once: in the child of a `fork()` amid
    /// that, it would wait for ever.
    static READ: AtomicBool = AtomicBool::new(false);
    if fork::count() > 0 && !READ.load(Ordering::Relaxed) {
        return std::thread::available_parallelism().map_or(1, usize::from);
    }
    let processors = num_cpus::get();
    READ.store(true, Ordering::Relaxed);
    processors
}

/// Keeps the library that this code is in, if it is in one, from being unloaded: for threads that
/// live as long as the process. Where that cannot be had, the user has to see to it.
pub(crate) fn keep_code_loaded() {
    // Not in the child of a `fork()`, where the loader's lock may be lost.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if fork::count() == 0 {
        pin::pin();
    }
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
    #[cfg(target_os = "linux")]
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
    use super::fork;
    use crate::sync::{AtomicU32, Ordering};

    // From <linux/membarrier.h>.
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    /// Says `true` only in a process that has registered. To register twice does no harm, and to
    /// wait for who does might not end, after a `fork()` in the middle.
    pub(super) fn fence() -> bool {
        /// The process that has registered, as `fork::count`, plus one.
        static REGISTERED: AtomicU32 = AtomicU32::new(0);
        let process = fork::count().wrapping_add(1);
        if REGISTERED.load(Ordering::Relaxed) != process {
            if !call(REGISTER_PRIVATE_EXPEDITED) {
                return false;
            }
            REGISTERED.store(process, Ordering::Relaxed);
        }
        call(PRIVATE_EXPEDITED)
    }

    fn call(command: libc::c_int) -> bool {
        // SAFETY: the system call takes three numbers and touches no memory of this process.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }
}
