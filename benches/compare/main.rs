//! Compares filch with its peers, interleaved in one process, and reports which goals filch
//! reaches. Fails only on a wrong result.
//!
//! ```text
//! cargo bench --bench compare -- [--quick] [--rounds N] [--pin] [FILTER]
//! cargo bench --bench compare -- --svg docs/ratios.svg --from BENCHMARKS.md
//! ```

mod clock;
mod contest;
mod goal;
mod idle;
mod loops;
mod picture;
mod records;
mod rows;
mod statistics;
mod table;
mod tasks;
#[path = "../workloads/mod.rs"]
mod workloads;

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap::Parser;
use contest::Outcome;
use picture::Bar;
use rows::Arena;
use table::Table;

/// Compares filch with rayon, chili and plain threads, and reports which goals it reaches.
#[derive(Parser)]
struct Arguments {
    /// Fewer rounds, for a first impression
    #[arg(long)]
    quick: bool,

    /// How many rounds to measure for each row
    #[arg(long)]
    rounds: Option<usize>,

    /// Bind worker i of each pool to CPU i: some kernels pack threads onto few
    /// CPUs at random, which makes two threads as slow as one
    #[arg(long)]
    pin: bool,

    /// Draw the main rows to this file
    #[arg(long)]
    svg: Option<PathBuf>,

    /// Draw the tables in this file, and measure nothing
    #[arg(long, requires = "svg")]
    from: Option<PathBuf>,

    /// Only rows whose name and threads ("fib 2") contain this
    #[arg(default_value = "")]
    filter: String,

    /// Passed by `cargo bench` to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    fn rounds(&self) -> usize {
        let usual = if self.quick { 21 } else { 101 };
        self.rounds.unwrap_or(usual).max(1)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let bars = match &arguments.from {
        Some(tables) => picture::bars_of(&fs::read_to_string(tables)?),
        None => measure(&arguments),
    };
    match &arguments.svg {
        Some(file) => picture::write(file, &bars),
        None => Ok(()),
    }
}

/// Measures all rows, and prints the table.
fn measure(arguments: &Arguments) -> Vec<Bar> {
    let rounds = arguments.rounds();
    if arguments.pin {
        workloads::pin_threads();
    }
    let mut table = Table::start();

    // First, while there are no other pools whose threads could use the CPU.
    if idle::NAME.contains(&arguments.filter) {
        table.add(&idle::row(rounds));
    }

    let arenas = [Arena::new(1), Arena::new(2)];
    let data = loops::Data::new();
    let outcomes: Vec<Outcome> = rows::all(&arenas)
        .into_iter()
        .chain(arenas.iter().flat_map(tasks::rows))
        .chain(arenas.iter().flat_map(records::rows))
        .chain(arenas.iter().flat_map(|arena| loops::rows(arena, &data)))
        .filter(|contest| contest.label().contains(&arguments.filter))
        .map(|contest| {
            let outcome = contest.hold(rounds);
            table.add(&outcome.row());
            outcome
        })
        .collect();
    for family in [&rows::RECURSIONS, &loops::LOOPS] {
        if let Some(row) = contest::mean_row(family, &outcomes) {
            table.add(&row);
        }
    }
    table.end(rounds);
    for note in outcomes.iter().filter_map(Outcome::note) {
        println!("{note}");
    }
    outcomes.iter().filter_map(Outcome::bar).collect()
}
