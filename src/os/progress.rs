//! Finds out whether a thread that has not run for a while can continue by itself. Linux reports
//! that in `/proc`. On other systems, nothing is known.
#![deny(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The directory in `/proc` of a thread of this process.
pub(crate) struct Place(PathBuf);

/// What a thread has done so far, and what it does now.
#[derive(PartialEq, Eq)]
pub(crate) struct Seen {
    /// The processor time that it has used.
    pub(crate) time: Duration,
    /// The system call that it is in, with its arguments, or `running`.
    call: String,
}

impl Place {
    pub(crate) fn here() -> Option<Self> {
        let own = fs::read_link("/proc/thread-self").ok()?;
        Some(Place(Path::new("/proc").join(own)))
    }

    pub(crate) fn look(&self) -> Option<Seen> {
        let read = |name| fs::read_to_string(self.0.join(name)).ok();
        let time = read("schedstat")?.split_whitespace().next()?.parse().ok()?;
        Some(Seen { time: Duration::from_nanos(time), call: read("syscall")? })
    }

    /// Returns whether every other thread of this process waits for another thread. The caller must
    /// hold no lock.
    pub(crate) fn others_wait(&self) -> bool {
        let Some(all) = self.0.parent().and_then(|all| fs::read_dir(all).ok()) else {
            return false;
        };
        let mut others = all.filter(|other| !other.as_ref().is_ok_and(|it| it.path() == self.0));
        others.all(|other| {
            let seen = other.ok().and_then(|other| Place(other.path()).look());
            seen.is_some_and(|seen| seen.wait().is_some())
        })
    }
}

impl Seen {
    /// Returns whether the thread waits for another one without a time limit.
    pub(crate) fn waits_for_thread(&self) -> bool {
        self.wait().is_some_and(|limit| limit == "0x0")
    }

    /// Returns the address of the time limit if the thread waits for another one. Such a thread is
    /// in `futex`, which the locks, channels and parkers of std and other libraries call.
    fn wait(&self) -> Option<&str> {
        #[cfg(target_os = "linux")]
        {
            let mut words = self.call.split_whitespace();
            let number: libc::c_long = words.next()?.parse().ok()?;
            let limit = words.nth(3)?;
            (number == libc::SYS_futex).then_some(limit)
        }
        #[cfg(not(target_os = "linux"))]
        None
    }
}

#[cfg(all(test, not(loom), target_os = "linux"))]
mod tests;
