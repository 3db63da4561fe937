//! Hunts a bug that depends on the order of tasks: tries seeds until one shows it, then shows it
//! again by that seed.
//!
//! The bug: a transfer between accounts reads both balances, decides, and writes both, with no
//! lock that spans it. In most schedules nothing is lost.
//!
//! ```text
//! cargo run --release --features deterministic --example lost_update -- --seeds 10000
//! ```

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use clap::Parser;

#[derive(Parser)]
#[command(about = "Finds a lost update by trying schedules, and replays it")]
struct Args {
    /// How many schedules to try at most
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// Workers of the pool
    #[arg(long, default_value_t = 3)]
    threads: usize,
    /// Shows the schedule of this seed, and tries no others
    #[arg(long)]
    seed: Option<u64>,
}

const ACCOUNTS: usize = 4;
const BALANCE: i64 = 100;

/// What a schedule came to.
#[derive(PartialEq)]
struct Outcome {
    /// Of all accounts together.
    total: i64,
    /// Each step, in order.
    steps: Vec<String>,
}

impl Outcome {
    fn is_right(&self) -> bool {
        self.total == ACCOUNTS as i64 * BALANCE
    }
}

/// Four transfers round the accounts, each a task.
fn transfers(seed: u64, threads: usize) -> Result<Outcome, filch::ThreadPoolBuildError> {
    let pool = filch::ThreadPoolBuilder::new().num_threads(threads).deterministic(seed).build()?;
    let accounts = [const { AtomicI64::new(BALANCE) }; ACCOUNTS];
    let steps = Mutex::new(Vec::new());
    let note = |text: String| {
        let worker = filch::current_thread_index().map_or(-1, |index| index as i64);
        steps.lock().expect("nothing panics").push(format!("worker {worker}: {text}"));
    };
    pool.scope(|s| {
        for from in 0..ACCOUNTS {
            let (accounts, note) = (&accounts, &note);
            s.spawn(move || {
                let to = (from + 1) % ACCOUNTS;
                let balances = [from, to].map(|i| accounts[i].load(Ordering::SeqCst));
                note(format!("reads {balances:?} of accounts {from} and {to}"));
                // Whoever comes in between is overwritten.
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

fn main() -> Result<ExitCode, filch::ThreadPoolBuildError> {
    let args = Args::parse();
    let mut found = args.seed;
    for seed in (0..args.seeds).take_while(|_| args.seed.is_none()) {
        if !transfers(seed, args.threads)?.is_right() {
            println!("seed {seed} of {}: money is lost or made", args.seeds);
            found = Some(seed);
            break;
        }
    }
    let Some(seed) = found else {
        println!("none of {} schedules shows it", args.seeds);
        return Ok(ExitCode::FAILURE);
    };
    let first = transfers(seed, args.threads)?;
    first.steps.iter().for_each(|step| println!("  {step}"));
    println!("  in all: {} instead of {}", first.total, ACCOUNTS as i64 * BALANCE);
    for _ in 0..10 {
        if transfers(seed, args.threads)? != first {
            println!("seed {seed} gave another schedule: that must not be");
            return Ok(ExitCode::FAILURE);
        }
    }
    println!("ten replays of seed {seed}: the same steps each time");
    Ok(ExitCode::SUCCESS)
}
