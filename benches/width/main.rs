//! Pools of many threads, pools that are mostly idle, and callers beside long work. Each row takes
//! turns with rayon in the same process.
//!
//! The aim is to see on two cores how a pool behaves on a hundred. Items that sleep need no
//! processor, so a wide pool shows how fast its threads start, and how evenly it spreads long
//! items. It does not show the cost of cache lines that move between many processors. `cargo bench
//! --bench width -- [--rounds N] [FILTER]`.

#[path = "../compare/clock.rs"]
mod clock;
mod shapes;

use std::time::Duration;

use clap::Parser;
use shapes::{Measured, Row, rows};

/// Compares filch with rayon in pools that are wide, mostly idle, or busy for long.
#[derive(Parser)]
struct Arguments {
    /// Only rows whose names contain this
    filter: Option<String>,

    /// How often to measure each row; medians are printed
    #[arg(long, default_value_t = 7)]
    rounds: usize,

    /// Passed by `cargo bench` to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    println!("| row | threads | filch | rayon | ÷ rayon | CPU ÷ rayon |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for row in rows() {
        let wanted = |filter: &String| row.name.contains(filter);
        if arguments.filter.as_ref().is_none_or(wanted) {
            print(&row, arguments.rounds);
        }
    }
}

fn print(row: &Row, rounds: usize) {
    let pairs: Vec<_> = (0..rounds).map(|_| ((row.filch)(), (row.rayon)())).collect();
    let of = |pick: &dyn Fn(&(Measured, Measured)) -> Option<f64>| {
        median(pairs.iter().filter_map(pick).collect())
    };
    let ratio = |time: Option<f64>| time.map_or("–".to_string(), |ratio| format!("{ratio:.2}"));
    println!(
        "| {} | {} | {} | {} | {} | {} |",
        row.name,
        row.threads,
        time(of(&|pair| Some(pair.0.time))),
        time(of(&|pair| Some(pair.1.time))),
        ratio(of(&|(filch, rayon)| Some(filch.time / rayon.time))),
        ratio(of(&|(filch, rayon)| Some(filch.cpu? / rayon.cpu?))),
    );
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn time(seconds: Option<f64>) -> String {
    seconds.map_or("–".to_string(), |seconds| format!("{:.2?}", Duration::from_secs_f64(seconds)))
}
