//! Counts the ways to place N queens, with a fork at every row and a progress bar.

mod common;
#[path = "common/times.rs"]
mod times;
#[path = "common/watched.rs"]
mod watched;
#[path = "../benches/workloads/mod.rs"]
mod workloads;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use common::{Failure, PoolArgs, finish, print, progress, timed, whole};
use times::Times;
use watched::{Watch, Watched};
use workloads::{Filch, Fork, Queens, Serial, Workload};

/// Count the ways to place N queens on a board of N by N so that none attacks another
///
/// The count is compared with the published one and with that of a serial run.
/// N = 16 takes seconds, and each larger N about eight times as long.
#[derive(Parser)]
#[command(version, after_help = common::EXIT_STATUS)]
struct Args {
    /// The number of queens, rows and columns: 1 to 22
    #[arg(
        value_name = "N",
        default_value_t = 13,
        allow_negative_numbers = true,
        value_parser = whole(1..=22_u32)
    )]
    size: u32,

    /// Do not check the count against a serial run
    #[arg(long)]
    no_check: bool,

    #[command(flatten)]
    pool: PoolArgs,
}

/// The counts from one queen on, from <https://oeis.org/A000170>.
const PUBLISHED: [u64; 22] = [
    1,
    0,
    0,
    2,
    10,
    4,
    40,
    92,
    352,
    724,
    2_680,
    14_200,
    73_712,
    365_596,
    2_279_184,
    14_772_512,
    95_815_104,
    666_090_624,
    4_968_057_848,
    39_029_188_884,
    314_666_222_712,
    2_691_008_701_644,
];

fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let pool = args.pool.build()?;
    let (count, parallel) = pool.install(|| count::<Filch>("on the pool", args.size));
    print(format!("{0} by {0}: {count} ways", args.size))?;
    check("the published count", count, PUBLISHED[args.size as usize - 1])?;

    let serial = (!args.no_check).then(|| count_serially(args.size));
    if let Some((expected, _)) = serial {
        check("the serial count", count, expected)?;
    }
    print(Times {
        serial: serial.map(|(_, time)| time),
        parallel,
        threads: pool.current_num_threads(),
    })
}

fn count_serially(size: u32) -> (u64, Duration) {
    count::<Serial>("serially", size)
}

fn count<F>(doing: &'static str, size: u32) -> (u64, Duration)
where
    F: for<'a> Fork<Context<'a> = ()>,
{
    let bar = progress(doing, Some(Watch::SHARES));
    let result = timed(|| Queens(size).run::<Watched<F>>(&mut Watch::new(&bar)));
    bar.finish_and_clear();
    result
}

fn check(what: &str, count: u64, expected: u64) -> Result<(), Failure> {
    if count == expected {
        return print(format!("check: {what} is the same"));
    }
    Err(Failure::Wrong(format!("{count} ways were counted, but {what} is {expected}")))
}
