//! What differs between operating systems.
#![allow(unsafe_code)]

/// Sets up the calling thread as a worker's. Where the system lets threads ask for it, its timed
/// sleeps become as exact as they can be: by default Linux may add 50 microseconds to each, more
/// than the sentry's naps are long.
pub(crate) fn prepare_worker_thread() {
    #[cfg(target_os = "linux")]
    set_timer_slack();
}

#[cfg(target_os = "linux")]
fn set_timer_slack() {
    const ONE_NANOSECOND: libc::c_ulong = 1;
    // SAFETY: this request takes one number and touches no memory. If it fails, sleeps are as
    // inexact as before.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, ONE_NANOSECOND) };
}
