//! Finds a bug that depends on the order of tasks: tries seeds, prints how many show the bug, and
//! replays the first of them.
//!
//! The bug: a transfer between accounts reads both balances and then writes both, with no lock held
//! in between. Only the first and the last of eight transfers have an account in common. The bug
//! shows only if these two run at the same time, so most schedules do not show it.
//!
//! ```text
//! cargo run --release --features deterministic --example lost_update -- --seeds 10000
//! ```

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use clap::Parser;

#[derive(Parser)]
#[command(about = "Finds a lost update by trying schedules, and replays the schedule")]
struct Args {
    /// How many schedules to try
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// Workers of the pool
    #[arg(long, default_value_t = 3)]
    threads: usize,
    /// Show the schedule of this seed, and try no others; fails if it does not show the bug
    #[arg(long)]
    seed: Option<u64>,
}

const TRANSFERS: usize = 8;
const ACCOUNTS: usize = 2 * TRANSFERS - 1;
const BALANCE: i64 = 100;

/// The result of one schedule.
#[derive(PartialEq)]
struct Outcome {
    /// The sum of all balances at the end.
    total: i64,
    /// The steps of all transfers, in the order of the schedule.
    steps: Vec<String>,
}

impl Outcome {
    fn is_right(&self) -> bool {
        self.total == ACCOUNTS as i64 * BALANCE
    }
}

/// Runs the transfers, each as a task: from account 0 to 1, from 2 to 3, and so on. The last one
/// goes to account 0.
fn transfers(seed: u64, threads: usize) -> Result<Outcome, filch::ThreadPoolBuildError> {
    let pool = filch::ThreadPoolBuilder::new().num_threads(threads).deterministic(seed).build()?;
    let accounts = [const { AtomicI64::new(BALANCE) }; ACCOUNTS];
    let steps = Mutex::new(Vec::new());
    let note = |text: String| {
        let worker = filch::current_thread_index().map_or(-1, |index| index as i64);
        steps.lock().expect("nothing panics").push(format!("worker {worker}: {text}"));
    };
    pool.scope(|s| {
        for transfer in 0..TRANSFERS {
            let (accounts, note) = (&accounts, &note);
            s.spawn(move || {
                let from = 2 * transfer;
                let to = (from + 1) % ACCOUNTS;
                let balances = [from, to].map(|i| accounts[i].load(Ordering::SeqCst));
                note(format!("reads {balances:?} of accounts {from} and {to}"));
                // A transfer that writes one of these accounts here is overwritten below.
                filch::schedule_point();
                accounts[from].store(balances[0] - 10, Ordering::SeqCst);
                accounts[to].store(balances[1] + 10, Ordering::SeqCst);
                note(format!("writes [{}, {}]", balances[0] - 10, balances[1] + 10));
            });
        }
    });
    drop(pool);
    let total = accounts.iter().map(|account| account.load(Ordering::SeqCst)).sum();
    Ok(Outcome { total, steps: steps.into_inner().expect("nothing panics") })
}

/// Tries all seeds. Returns the first that shows the bug, with its outcome.
fn hunt(args: &Args) -> Result<Option<(u64, Outcome)>, filch::ThreadPoolBuildError> {
    let (mut shows, mut first) = (0, None);
    for seed in 0..args.seeds {
        let outcome = transfers(seed, args.threads)?;
        if !outcome.is_right() {
            shows += 1;
            first = first.or(Some((seed, outcome)));
        }
    }
    match &first {
        Some((seed, _)) => println!(
            "in {shows} of {} schedules, money is lost or created; the schedule of seed {seed}:",
            args.seeds
        ),
        None => println!("none of {} schedules shows the bug", args.seeds),
    }
    Ok(first)
}

fn main() -> Result<ExitCode, filch::ThreadPoolBuildError> {
    let args = Args::parse();
    let found = match args.seed {
        Some(seed) => Some((seed, transfers(seed, args.threads)?)),
        None => hunt(&args)?,
    };
    let Some((seed, first)) = found else { return Ok(ExitCode::FAILURE) };
    first.steps.iter().for_each(|step| println!("  {step}"));
    println!("  in all: {} instead of {}", first.total, ACCOUNTS as i64 * BALANCE);
    for _ in 0..10 {
        if transfers(seed, args.threads)? != first {
            println!("WRONG: a replay of seed {seed} had another schedule");
            return Ok(ExitCode::FAILURE);
        }
    }
    println!("ten replays of seed {seed}: the same steps each time");
    Ok(if first.is_right() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
