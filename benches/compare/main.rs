//! Compares filch with its peers, interleaved in one process, and judges the
//! goals that it was built to reach. Reports; fails only on a wrong result.
//!
//! ```text
//! cargo bench --bench compare -- [--quick] [--rounds N] [--pin] [FILTER]
//! ```

mod clock;
mod contest;
mod goal;
mod idle;
mod loops;
mod records;
mod rows;
mod statistics;
mod table;
mod tasks;
#[path = "../workloads/mod.rs"]
mod workloads;

use clap::Parser;
use contest::Outcome;
use rows::Arena;
use table::Table;

/// Compares filch with rayon, chili and plain threads, and judges its goals.
#[derive(Parser)]
struct Arguments {
    /// Fewer rounds, for a first impression
    #[arg(long)]
    quick: bool,

    /// How many rounds each row has
    #[arg(long)]
    rounds: Option<usize>,

    /// Bind worker i of each pool to CPU i: for a kernel that packs threads
    /// onto few CPUs, which makes two threads as slow as one at its whim
    #[arg(long)]
    pin: bool,

    /// Only rows whose name and threads ("fib 2") contain this
    #[arg(default_value = "")]
    filter: String,

    /// What `cargo bench` says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    fn rounds(&self) -> usize {
        let usual = if self.quick { 21 } else { 101 };
        self.rounds.unwrap_or(usual).max(1)
    }
}

fn main() {
    let arguments = Arguments::parse();
    let rounds = arguments.rounds();
    if arguments.pin {
        workloads::pin_threads();
    }
    let mut table = Table::start();

    // First, while no other pool's threads are there to use the CPU.
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
}
