//! How late a timed sleep of a thread may end.

/// While this lives, timed sleeps of the calling thread are as exact as they can be, where the
/// system lets threads ask for that: by default Linux may add 50 microseconds to each, more than
/// the sentry's naps are long. Then the thread has what it had before.
///
/// A thread inherits this from the one that starts it, so no code of the user's may run meanwhile.
pub(crate) struct ExactSleeps {
    /// The thread's own slack in nanoseconds, if it was changed.
    #[cfg(target_os = "linux")]
    own: Option<libc::c_long>,
}

impl ExactSleeps {
    pub(crate) fn begin() -> Self {
        ExactSleeps {
            #[cfg(target_os = "linux")]
            own: linux::set_slack(1),
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for ExactSleeps {
    fn drop(&mut self) {
        if let Some(own) = self.own {
            linux::set_slack(own);
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use libc::c_long;

    /// Returns the calling thread's slack before. `None`: it was not changed, as for a real-time
    /// thread, which has none.
    pub(super) fn set_slack(nanoseconds: c_long) -> Option<c_long> {
        let before = call(libc::PR_GET_TIMERSLACK, 0);
        // (To set 0 would be to set the thread's default.)
        let changes = before > 0 && call(libc::PR_SET_TIMERSLACK, nanoseconds) == 0;
        changes.then_some(before)
    }

    /// (Not `prctl`, which returns an `int`.)
    fn call(request: libc::c_int, argument: c_long) -> c_long {
        // SAFETY: these requests take one number and touch no memory.
        unsafe { libc::syscall(libc::SYS_prctl, request as c_long, argument, 0, 0, 0) }
    }
}
