//! The tour: runs the standard workloads of the field, serially and on the pool, and checks all
//! answers.

mod block;
mod case;
mod catalogue;
mod cholesky;
#[path = "../common/mod.rs"]
mod common;
mod fft;
mod halves;
mod heat;
mod knapsack;
mod lu;
#[path = "../common/output.rs"]
mod output;
mod picture;
mod primes;
mod quadrants;
mod quicksort;
mod skynet;
mod sparse_lu;
mod strassen;
mod table;
mod uts;
mod vectors;
#[path = "../../benches/workloads/mod.rs"]
mod workloads;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use case::Tally;
use catalogue::{Entry, Size};
use clap::Parser;
use common::{Failure, PoolArgs, finish, print, progress, timed, whole};
use filch::ThreadPool;
use indicatif::ProgressBar;
use output::Output;

/// Run the standard workloads serially and on the pool, and check every answer
///
/// Each answer is checked against the known one, or by multiplying a random vector, and
/// must equal that of a serial run of the same code, bit by bit. Serial and parallel runs
/// alternate; times and speed-ups are the medians of all rounds.
///
/// fib and skynet consist of forks only: their speed-up shows what a fork costs, and is
/// below 1 on few cores. Tasks, published forks, steals and parks are counted over all
/// rounds and workers.
#[derive(Parser)]
#[command(version, after_help = common::EXIT_STATUS)]
struct Args {
    /// Run only workloads whose name contains one of these
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Small sizes: a few seconds in all
    #[arg(long, conflicts_with = "full")]
    quick: bool,

    /// Large sizes: some minutes in all
    #[arg(long)]
    full: bool,

    /// How often to run each workload: 1 to 1000
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3,
        allow_negative_numbers = true,
        value_parser = whole(1..=1000_usize)
    )]
    rounds: usize,

    /// Write the table as comma-separated values
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<PathBuf>,

    /// Draw the speed-ups
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,

    #[command(flatten)]
    pool: PoolArgs,
}

impl Args {
    fn size(&self) -> Size {
        match (self.quick, self.full) {
            (true, _) => Size::Quick,
            (_, true) => Size::Full,
            _ => Size::Usual,
        }
    }
}

fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let entries = pick(catalogue::all(args.size()), &args.names)?;
    let pool = args.pool.build()?;
    let open = |path: &Option<PathBuf>| path.as_deref().map(Output::open).transpose();
    let (csv, svg) = (open(&args.csv)?, open(&args.svg)?);
    let (tallies, time) = timed(|| tour(&entries, &pool, args.rounds));
    let tallies = tallies?;
    print(table::workers(&tallies))?;
    let threads = pool.current_num_threads();
    print(table::summary(&tallies, threads, time))?;
    if let Some(csv) = csv {
        csv.write(|out| out.write_all(table::csv(&entries, &tallies, threads).as_bytes()))?;
    }
    if let Some(svg) = svg {
        svg.write(|out| out.write_all(picture::draw(&entries, &tallies, threads).as_bytes()))?;
    }

    let wrong = entries.iter().zip(&tallies).filter(|(_, tally)| !tally.is_right);
    let wrong: Vec<_> = wrong.map(|(entry, _)| entry.name).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::Wrong(format!("wrong answers: {}", wrong.join(", "))))
}

fn pick(all: Vec<Entry>, wanted: &[String]) -> Result<Vec<Entry>, Failure> {
    let names = all.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ");
    let unknown = |name: &&String| !all.iter().any(|entry| entry.name.contains(name.as_str()));
    if let Some(name) = wanted.iter().find(unknown) {
        return Err(Failure::Input(format!("no workload {name:?}; the workloads: {names}")));
    }
    let is_wanted =
        |entry: &Entry| wanted.is_empty() || wanted.iter().any(|name| entry.name.contains(name));
    Ok(all.into_iter().filter(is_wanted).collect())
}

/// Runs all entries. Prints a row of the table for each.
fn tour(entries: &[Entry], pool: &ThreadPool, rounds: usize) -> Result<Vec<Tally>, Failure> {
    let bar = progress("", Some((entries.len() * rounds) as u64));
    bar.suspend(|| print(table::head()))?;
    let tally = |entry| {
        let tally = visit(entry, pool, rounds, &bar);
        bar.suspend(|| print(table::row(entry, &tally)))?;
        Ok(tally)
    };
    let tallies = entries.iter().map(tally).collect();
    bar.finish_and_clear();
    tallies
}

fn visit(entry: &Entry, pool: &ThreadPool, rounds: usize, bar: &ProgressBar) -> Tally {
    bar.set_message(entry.name);
    let case = (entry.make)();
    let round = |_| {
        let round = case.round(pool);
        bar.inc(1);
        round
    };
    Tally::of((0..rounds).map(round).collect())
}
