//! Measures what each mechanism is worth: `benches/ablation/run` builds this bench with and without
//! the mechanism. Runs one row, and prints its wall and CPU time in nanoseconds.
//!
//! ```text
//! cargo bench --bench ablation -- --list
//! cargo bench --bench ablation -- "fib 2"
//! ```

#[path = "../compare/clock.rs"]
mod clock;
mod rows;
#[path = "../workloads/mod.rs"]
mod workloads;

use clap::Parser;
use clock::cpu_time;
use rows::Run;
use std::time::{Duration, Instant};

/// Measures one row.
#[derive(Parser)]
struct Arguments {
    /// The row to run
    #[arg(required_unless_present = "list")]
    row: Option<String>,

    /// Print the rows' names
    #[arg(long)]
    list: bool,

    /// Run the row once, without a warm-up, to count its instructions
    #[arg(long)]
    once: bool,

    /// Passed by `cargo bench` to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// How long a row is run at least, and how often.
const TIME: Duration = Duration::from_millis(25);
const TIMES: usize = 5;

fn main() {
    let arguments = Arguments::parse();
    if arguments.list {
        return rows::all().iter().for_each(|row| println!("{}", row.name));
    }
    let name = arguments.row.unwrap_or_default();
    let row = rows::all().into_iter().find(|row| row.name == name);
    let row = row.unwrap_or_else(|| panic!("no row {name:?}"));
    workloads::pin_threads();
    let mut run = (row.make)();
    if arguments.once {
        run();
        return;
    }
    let (walls, cpu) = samples(&mut run);
    println!("{:.1} {cpu:.1}", median(walls));
}

/// Returns the wall time of each run, and the mean CPU time of a run. The mean, since the system
/// counts the CPU time of a running thread some milliseconds later, which may be in a later run.
fn samples(run: &mut Run) -> (Vec<f64>, f64) {
    run();
    let (mut walls, start, before) = (Vec::new(), Instant::now(), cpu_time());
    while walls.len() < TIMES || start.elapsed() < TIME {
        walls.push(run().wall);
    }
    let used = cpu_time().zip(before).map(|(after, before)| after - before);
    let cpu = used.unwrap_or_default().as_secs_f64() * 1e9 / walls.len() as f64;
    (walls, cpu)
}

/// Returns the median. Of an even number of times, returns the greater of the two in the middle.
fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
