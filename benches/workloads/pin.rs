//! Binds threads to CPUs on request, so that comparisons do not depend on where the kernel places
//! threads.

use std::cell::Cell;
use std::sync::OnceLock;

/// The CPUs to bind to. No thread is bound until this is set.
static CPUS: OnceLock<Vec<usize>> = OnceLock::new();

thread_local! {
    static PLACE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// From now on, binds worker `i` of each new pool to the `i`-th CPU that this
/// process may use, and plain threads likewise. Does nothing except on Linux.
pub fn pin_threads() {
    CPUS.get_or_init(system::allowed_cpus);
}

/// Binds this thread to the CPU of its place, if `pin_threads` was called.
pub fn take_place(place: usize) {
    let Some(cpus) = CPUS.get().filter(|cpus| !cpus.is_empty()) else {
        return;
    };
    if PLACE.replace(Some(place)) != Some(place) {
        system::bind_to(cpus[place % cpus.len()]);
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::mem::zeroed;

    pub fn allowed_cpus() -> Vec<usize> {
        // SAFETY: a set of CPUs is plain bits, and all zero is the empty set.
        let mut set: libc::cpu_set_t = unsafe { zeroed() };
        // SAFETY: `set` may be written to, and has the size given.
        let failed = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) };
        assert_eq!(failed, 0, "the CPUs of this process cannot be read");
        (0..libc::CPU_SETSIZE as usize)
            // SAFETY: `cpu` is less than the size of a set.
            .filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) })
            .collect()
    }

    pub fn bind_to(cpu: usize) {
        // SAFETY: a set of CPUs is plain bits, and all zero is the empty set.
        let mut set: libc::cpu_set_t = unsafe { zeroed() };
        // SAFETY: `cpu` was read from a set, so it is less than the size of one.
        unsafe { libc::CPU_SET(cpu, &mut set) };
        // SAFETY: `set` may be read, and has the size given.
        let failed = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) };
        assert_eq!(failed, 0, "this thread cannot be bound to CPU {cpu}");
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub fn allowed_cpus() -> Vec<usize> {
        Vec::new()
    }

    pub fn bind_to(_cpu: usize) {}
}
