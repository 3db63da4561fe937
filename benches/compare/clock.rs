//! Measures wall time, and CPU time of the whole process.

use std::ops::Div;
use std::time::{Duration, Instant};

/// Time taken, in nanoseconds.
#[derive(Clone, Copy)]
pub struct Sample {
    pub wall: f64,
    /// The CPU time of all threads of the process, or `None` if it cannot be read.
    pub cpu: Option<f64>,
}

impl Div<f64> for Sample {
    type Output = Sample;

    fn div(self, operations: f64) -> Sample {
        Sample { wall: self.wall / operations, cpu: self.cpu.map(|cpu| cpu / operations) }
    }
}

/// Runs `work`, and returns its result and its times.
pub fn measure<R>(work: impl FnOnce() -> R) -> (R, Sample) {
    let cpu_start = cpu_time();
    let start = Instant::now();
    let result = work();
    let wall = start.elapsed();
    let cpu = cpu_time().zip(cpu_start).map(|(end, start)| end - start);
    let sample = Sample { wall: nanoseconds(wall), cpu: cpu.map(nanoseconds) };
    (result, sample)
}

fn nanoseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// Returns the CPU time that all threads of this process have used.
#[cfg(target_os = "linux")]
pub fn cpu_time() -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec that the call may write to.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    (failed == 0).then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// Returns `None`: the CPU time cannot be read on this system.
#[cfg(not(target_os = "linux"))]
pub fn cpu_time() -> Option<Duration> {
    None
}
