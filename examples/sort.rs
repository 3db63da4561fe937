//! Sorts a file's lines, or generated records, by a stable parallel merge sort.

mod common;
#[path = "common/output.rs"]
mod output;
#[path = "common/times.rs"]
mod times;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use common::{Failure, PoolArgs, finish, print, progress, timed, whole};
use indicatif::ProgressBar;
use output::Output;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use times::Times;

/// Sort a file's lines, or generated records, by a stable parallel merge sort
///
/// Lines are compared byte by byte, as by `LC_ALL=C sort`.
/// The result is compared with that of the standard library's stable sort.
#[derive(Parser)]
#[command(version, after_help = common::EXIT_STATUS)]
#[command(group = clap::ArgGroup::new("input").required(true))]
struct Args {
    /// Sort the lines of this file
    #[arg(long, value_name = "FILE", group = "input", requires = "out")]
    lines: Option<PathBuf>,

    /// Write the sorted lines to this file; an existing one is replaced, which may be the input
    #[arg(long, value_name = "FILE", conflicts_with = "generate")]
    out: Option<PathBuf>,

    /// Sort N random records, many with equal keys: up to 1000000000
    #[arg(
        long,
        value_name = "N",
        group = "input",
        allow_negative_numbers = true,
        value_parser = whole(0..=1_000_000_000_usize)
    )]
    generate: Option<usize>,

    /// Seed of the random keys
    #[arg(
        long,
        value_name = "S",
        conflicts_with = "lines",
        default_value_t = 1,
        allow_negative_numbers = true,
        value_parser = whole(0..=u64::MAX)
    )]
    seed: u64,

    /// Do not check the result against the standard library's
    #[arg(long)]
    no_check: bool,

    #[command(flatten)]
    pool: PoolArgs,
}

fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    match (&args.lines, &args.out, args.generate) {
        (Some(input), Some(out), _) => sort_file(input, out, args),
        (_, _, Some(count)) => sort_records(random_records(count, args.seed), args).map(drop),
        _ => unreachable!("clap requires --lines with --out, or --generate"),
    }
}

fn sort_file(input: &Path, out: &Path, args: &Args) -> Result<(), Failure> {
    let text = fs::read(input)
        .map_err(|error| Failure::Input(format!("cannot read {}: {error}", input.display())))?;
    let file = Output::open(out)?;
    let sorted = sort_records(numbered(lines(&text)), args)?;
    file.write(|file| {
        sorted.iter().try_for_each(|record| {
            file.write_all(record.key)?;
            file.write_all(b"\n")
        })
    })?;
    print(format!("wrote {}", out.display()))
}

/// Sorts, prints how long it took, and checks the result.
fn sort_records<K>(records: Vec<Record<K>>, args: &Args) -> Result<Vec<Record<K>>, Failure>
where
    K: Ord + Copy + Send + Sync,
{
    let pool = args.pool.build()?;
    let mut sorted = records.clone();
    let bar = progress("sorted and merged", Some(steps(records.len())));
    let ((), parallel) = timed(|| pool.install(|| merge_sort(&mut sorted, &bar)));
    bar.finish_and_clear();

    let serial = (!args.no_check).then(|| {
        let mut expected = records;
        let bar = progress("sorted serially", Some(1));
        let ((), time) = timed(|| expected.sort_by(Record::by_key));
        bar.finish_and_clear();
        (expected, time)
    });
    print(format!("{} records", sorted.len()))?;
    print(Times {
        serial: serial.as_ref().map(|(_, time)| *time),
        parallel,
        threads: pool.current_num_threads(),
    })?;
    if let Some((expected, _)) = serial {
        check(&sorted, &expected)?;
    }
    Ok(sorted)
}

fn check<K: Ord>(sorted: &[Record<K>], expected: &[Record<K>]) -> Result<(), Failure> {
    match (0..expected.len()).find(|&i| sorted[i] != expected[i]) {
        None => print("check: the standard library's stable sort gives the same order"),
        Some(i) => Err(Failure::Wrong(format!(
            "record {} is at index {i}, where the standard library's stable sort has record {}; \
             nothing was written",
            sorted[i].number, expected[i].number
        ))),
    }
}

// The records

/// A record, sorted by its key alone. Its number shows whether equal keys kept their order.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Record<K> {
    key: K,
    number: usize,
}

impl<K: Ord> Record<K> {
    fn by_key(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

fn numbered<K>(keys: impl Iterator<Item = K>) -> Vec<Record<K>> {
    keys.enumerate().map(|(number, key)| Record { key, number }).collect()
}

/// Returns the lines without their newlines. The last line may lack one.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

/// Returns records in which each key occurs about four times.
fn random_records(count: usize, seed: u64) -> Vec<Record<u32>> {
    let mut random = SmallRng::seed_from_u64(seed);
    let keys = (count / 4).max(1) as u32;
    numbered((0..count).map(|_| random.random_range(0..keys)))
}

// The sort

/// Slices up to this long are sorted or merged without forks.
const SERIAL: usize = 32768;

fn merge_sort<K: Ord + Copy + Send + Sync>(records: &mut [Record<K>], bar: &ProgressBar) {
    let mut scratch = records.to_vec();
    sort(records, &mut scratch, bar);
}

/// The length of the bar: each record is one step in its first sort, and one in each merge.
fn steps(len: usize) -> u64 {
    if len <= SERIAL {
        return len as u64;
    }
    len as u64 + steps(len / 2) + steps(len - len / 2)
}

/// Sorts `data`. `scratch` must be a copy of it, and has arbitrary contents afterwards.
fn sort<K>(data: &mut [Record<K>], scratch: &mut [Record<K>], bar: &ProgressBar)
where
    K: Ord + Copy + Send + Sync,
{
    if data.len() <= SERIAL {
        data.sort_by(Record::by_key);
        bar.inc(data.len() as u64);
        return;
    }
    let middle = data.len() / 2;
    let (left, right) = data.split_at_mut(middle);
    let (left_scratch, right_scratch) = scratch.split_at_mut(middle);
    // The halves are sorted into the scratch, with `data` as their scratch.
    filch::join(|| sort(left_scratch, left, bar), || sort(right_scratch, right, bar));
    merge(left_scratch, right_scratch, data, bar);
}

/// Merges into `out`. Of equal records, those of `left` come first.
fn merge<K>(left: &[Record<K>], right: &[Record<K>], out: &mut [Record<K>], bar: &ProgressBar)
where
    K: Ord + Copy + Send + Sync,
{
    if out.len() <= SERIAL {
        merge_serially(left, right, out);
        bar.inc(out.len() as u64);
        return;
    }
    let (left_cut, right_cut) = cut(left, right);
    let (left_low, left_high) = left.split_at(left_cut);
    let (right_low, right_high) = right.split_at(right_cut);
    let (out_low, out_high) = out.split_at_mut(left_cut + right_cut);
    filch::join(
        || merge(left_low, right_low, out_low, bar),
        || merge(left_high, right_high, out_high, bar),
    );
}

/// Halves the longer side, and cuts the other side where the middle record belongs.
fn cut<K: Ord>(left: &[Record<K>], right: &[Record<K>]) -> (usize, usize) {
    if left.len() >= right.len() {
        let middle = left.len() / 2;
        let key = &left[middle].key;
        (middle, right.partition_point(|record| record.key < *key))
    } else {
        let middle = right.len() / 2;
        let key = &right[middle].key;
        (left.partition_point(|record| record.key <= *key), middle)
    }
}

fn merge_serially<K: Ord + Copy>(left: &[Record<K>], right: &[Record<K>], out: &mut [Record<K>]) {
    let (mut l, mut r) = (0, 0);
    while let (Some(first_left), Some(first_right)) = (left.get(l), right.get(r)) {
        let from_right = first_right.key < first_left.key;
        out[l + r] = if from_right { *first_right } else { *first_left };
        // Without a branch, since the processor could not predict which side comes first.
        r += usize::from(from_right);
        l += usize::from(!from_right);
    }
    let (out_left, out_right) = out[l + r..].split_at_mut(left.len() - l);
    out_left.copy_from_slice(&left[l..]);
    out_right.copy_from_slice(&right[r..]);
}
