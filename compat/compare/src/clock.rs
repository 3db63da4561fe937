//! Wall time, and this process's CPU time.

use std::time::{Duration, Instant};

/// How long a piece of work took.
pub struct Times {
    pub wall: Duration,
    pub cpu: Duration,
}

/// Measures `work`.
pub fn time<R>(work: impl FnOnce() -> R) -> (R, Times) {
    let (wall, cpu) = (Instant::now(), process_time());
    let result = work();
    let times = Times { wall: wall.elapsed(), cpu: process_time().saturating_sub(cpu) };
    (result, times)
}

fn process_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a valid `timespec`.
    let outcome = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(outcome, 0, "every Linux has this clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
