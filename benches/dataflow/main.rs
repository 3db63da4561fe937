//! Graphs, pipelines and gangs: what a task, an item or a barrier costs, compared with OpenMP,
//! oneTBB and std's threads with bounded channels.
//!
//! `cargo bench --bench dataflow -- [--rounds N] [FILTER]`. The peers in C++ are separate programs
//! (`benches/peers/dataflow.cpp`), which take turns with this one. They are skipped if g++, OpenMP
//! or oneTBB is not installed.

mod peers;
mod shapes;
mod tiles;

use clap::Parser;
use peers::Peers;

/// Compares graphs, pipelines and gangs with OpenMP, oneTBB and plain threads.
#[derive(Parser)]
struct Arguments {
    /// Only rows whose names contain this
    filter: Option<String>,

    /// How often to measure each row; medians are printed
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// Passed by `cargo bench` to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// Returns the time of an operation, in nanoseconds.
type Run = Box<dyn FnMut() -> f64>;

/// A row of the table.
struct Row {
    name: String,
    threads: usize,
    /// Measures an operation when the threads do only its work, without a scheduler.
    ideal: Option<Run>,
    /// The contestants in this process, filch first, by name.
    runs: Vec<(&'static str, Run)>,
    /// The arguments for the programs in C++, or none if they have no such row.
    arguments: Vec<String>,
}

fn main() {
    let arguments = Arguments::parse();
    let peers = Peers::build();
    println!("| row | threads | filch, ns | others, ns (filch ÷ other; work alone ÷ other) |");
    println!("| --- | ---: | ---: | --- |");
    for mut row in shapes::rows(tiles::Steps::build()) {
        let is_wanted = |filter: &String| row.name.contains(filter);
        if arguments.filter.as_ref().is_none_or(is_wanted) {
            print(&mut row, &peers, arguments.rounds);
        }
    }
}

fn print(row: &mut Row, peers: &Peers, rounds: usize) {
    let mut times: Vec<(String, Vec<f64>)> = Vec::new();
    let mut add = |who: &str, time: f64| match times.iter_mut().find(|(other, _)| other == who) {
        Some((_, times)) => times.push(time),
        None => times.push((who.into(), vec![time])),
    };
    let mut ideals = Vec::new();
    for _ in 0..rounds {
        ideals.extend(row.ideal.as_mut().map(|ideal| ideal()));
        row.runs.iter_mut().for_each(|(who, run)| add(who, run()));
        peers.run(&row.arguments).into_iter().for_each(|(who, time)| add(&who, time));
    }
    let medians: Vec<(String, f64)> =
        times.into_iter().map(|(who, times)| (who, median(times))).collect();
    let own = medians[0].1;
    let ideal = (!ideals.is_empty()).then(|| median(ideals));
    let of_ideal = |time: f64| ideal.map(|ideal| format!("; {:.2}", ideal / time));
    let other = |(who, time): &(String, f64)| {
        format!("{who} {time:.0} ({:.2}{})", own / time, of_ideal(*time).unwrap_or_default())
    };
    let others = medians[1..].iter().map(other).collect::<Vec<_>>().join(", ");
    println!("| {} | {} | {own:.0} | {others} |", row.name, row.threads);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
