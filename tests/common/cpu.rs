//! The CPU time that threads use.

use std::thread;
use std::time::Duration;

pub const MILLISECOND: Duration = Duration::from_millis(1);

/// The time that a pool may take from its last job until all its workers sleep.
pub const SETTLE: Duration = Duration::from_millis(300);

/// The CPU time that the threads whose names begin with `prefix` have used, if the system reports
/// it.
fn cpu_time(prefix: &str) -> Option<Duration> {
    let mut nanoseconds = 0;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let task = task.ok()?.path();
        if std::fs::read_to_string(task.join("comm")).ok()?.starts_with(prefix) {
            let stat = std::fs::read_to_string(task.join("schedstat")).ok()?;
            nanoseconds += stat.split(' ').next()?.parse::<u64>().ok()?;
        }
    }
    Some(Duration::from_nanos(nanoseconds))
}

/// The CPU time that these threads use in the second after they have gone to sleep, or after five
/// times [`SETTLE`] if they do not: on a slow machine, as under valgrind, that may take longer.
pub fn cpu_use_of_a_second(prefix: &str) -> Option<Duration> {
    for _ in 0..5 {
        if cpu_use(prefix, SETTLE)?.is_zero() {
            break;
        }
    }
    cpu_use(prefix, Duration::from_secs(1))
}

fn cpu_use(prefix: &str, during: Duration) -> Option<Duration> {
    let before = cpu_time(prefix)?;
    thread::sleep(during);
    Some(cpu_time(prefix)?.saturating_sub(before))
}

#[track_caller]
pub fn assert_below(limit: Duration, used: Option<Duration>) {
    match used {
        Some(used) => assert!(used < limit, "used {used:?} in a second"),
        None => crate::common::say("SKIPPED: this system does not report the CPU time of threads"),
    }
}
