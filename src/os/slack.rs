//! The timer slack of a thread: by how much the system may prolong its timed sleeps.

/// Makes timed sleeps of the calling thread as exact as the system can until this is dropped. By
/// default Linux may add 50 microseconds to each, which is longer than the sentry sleeps. (Without
/// this, a join of 100 µs closures after 100 joins of empty ones takes 1.8 times as long:
/// `exact-sleeps` in `benches/ablation`.)
///
/// A new thread inherits the slack of the thread that starts it. So no code of the user may run
/// before this is dropped.
pub(crate) struct ExactSleeps {
    /// The thread's previous slack in nanoseconds, if it was changed.
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

    /// Sets the calling thread's slack, and returns the previous one. Returns `None` if the slack
    /// was not changed, as for a real-time thread, which has none.
    pub(super) fn set_slack(nanoseconds: c_long) -> Option<c_long> {
        let before = call(libc::PR_GET_TIMERSLACK, 0);
        // (Setting 0 would set the default.)
        let changes = before > 0 && call(libc::PR_SET_TIMERSLACK, nanoseconds) == 0;
        changes.then_some(before)
    }

    /// (Not `prctl`, which returns an `int`.)
    fn call(request: libc::c_int, argument: c_long) -> c_long {
        // SAFETY: these requests take one number and touch no memory.
        unsafe { libc::syscall(libc::SYS_prctl, request as c_long, argument, 0, 0, 0) }
    }
}
