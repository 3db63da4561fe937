//! How much CPU time an idle pool uses.

use crate::clock::cpu_time;
use crate::table::{Row, Verdict, duration};
use crate::workloads::{Filch, Fork, Rayon};
use std::thread;
use std::time::{Duration, Instant};

/// The name of the row.
pub const NAME: &str = "idle pool, CPU a second";

const THREADS: usize = 8;
const AT_MOST: f64 = 1e6;

/// The row of the table.
pub fn row(rounds: usize) -> Row {
    let time = Duration::from_millis(40) * rounds.min(50) as u32;
    let filch = idle_cpu::<Filch>(time);
    let rayon = idle_cpu::<Rayon>(time);
    Row {
        name: NAME.to_string(),
        threads: THREADS,
        time: filch.map(duration),
        rayon: None,
        rayon_cpu: filch.zip(rayon).map(|(filch, rayon)| filch / rayon),
        chili: None,
        ideal: None,
        goal: vec![format!("< {}", duration(AT_MOST))],
        verdict: filch.map_or(Verdict::NoGoal, |cpu| Verdict::of([cpu < AT_MOST].into_iter())),
    }
}

/// Returns the CPU time in nanoseconds that a pool uses per second, measured over `time`, after it
/// has run a job.
fn idle_cpu<F: Fork>(time: Duration) -> Option<f64> {
    let pool = F::pool(THREADS);
    F::install(&pool, |_| ());
    thread::sleep(Duration::from_millis(100));

    let (cpu, start) = (cpu_time()?, Instant::now());
    thread::sleep(time);
    let used = cpu_time()? - cpu;
    Some(used.as_secs_f64() * 1e9 / start.elapsed().as_secs_f64())
}
