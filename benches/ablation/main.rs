//! What each mechanism is worth: `benches/ablation/run` builds this bench with and without it. Runs
//! one row, and prints its wall and CPU time in nanoseconds.
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
use clock::Sample;
use rows::Run;
use std::time::{Duration, Instant};

/// Measures one row.
#[derive(Parser)]
struct Arguments {
    /// Which row
    #[arg(required_unless_present = "list")]
    row: Option<String>,

    /// Prints the rows' names
    #[arg(long)]
    list: bool,

    /// Runs the row once, without a warm-up, for a counter of instructions
    #[arg(long)]
    once: bool,

    /// What `cargo bench` says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// For how long a row is run, at least, and how often.
const TIME: Duration = Duration::from_millis(15);
const TIMES: usize = 5;

fn main() {
    let arguments = Arguments::parse();
    if arguments.list {
        return rows::all().iter().for_each(|row| println!("{}", row.name));
    }
    let name = arguments.row.unwrap_or_default();
    let row = rows::all().into_iter().find(|row| row.name == name);
    let row = row.unwrap_or_else(|| panic!("no row is called {name:?}"));
    workloads::pin_threads();
    let mut run = (row.make)();
    if arguments.once {
        run();
        return;
    }
    let samples = samples(&mut run);
    let wall = median(samples.iter().map(|sample| sample.wall));
    let cpu = median(samples.iter().map(|sample| sample.cpu.unwrap_or_default()));
    println!("{wall:.1} {cpu:.1}");
}

fn samples(run: &mut Run) -> Vec<Sample> {
    run();
    let (mut samples, start) = (Vec::new(), Instant::now());
    while samples.len() < TIMES || start.elapsed() < TIME {
        samples.push(run());
    }
    samples
}

/// The median of an odd number, else the greater of the two in the middle.
fn median(times: impl Iterator<Item = f64>) -> f64 {
    let mut times: Vec<f64> = times.collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
