//! Counts files, lines, words and the most frequent words of directory trees.
//!
//! The tree is walked by fork-join recursion: a directory's entries are halved
//! with [`filch::join`] until one is left, and a long text is halved the same way.

mod common;
#[path = "common/times.rs"]
mod times;

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::Parser;
use common::{Failure, PoolArgs, finish, print, progress, timed, whole};
use indicatif::ProgressBar;
use times::Times;

/// Count files, lines, words and the most frequent words of directory trees
///
/// A word is a run of letters, digits and underscores, compared in lower case.
/// A file that holds a zero byte or is not UTF-8 is binary and is skipped.
/// Symbolic links are followed only if they are named as PATH.
/// Skipped files are counted, and listed with --verbose.
#[derive(Parser)]
#[command(version, after_help = common::EXIT_STATUS)]
struct Args {
    /// Files and directories to count; a file reached through two PATHs counts twice
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<PathBuf>,

    /// How many of the most frequent words to print
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10,
        allow_negative_numbers = true,
        value_parser = whole(0..=1_000_000_usize)
    )]
    top: usize,

    /// Do not check the counts against a serial walk
    #[arg(long)]
    no_check: bool,

    /// List the skipped files, and why they were skipped
    #[arg(long, short)]
    verbose: bool,

    #[command(flatten)]
    pool: PoolArgs,
}

fn main() -> ExitCode {
    finish(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let roots = open_roots(&args.paths)?;
    let pool = args.pool.build()?;
    let (tally, parallel) = walk_on(&pool, &roots);
    print(report(&tally, args).join("\n"))?;
    print(format!("\nwalked in {parallel:.2?}"))?;
    if args.no_check {
        return Ok(());
    }
    check(&tally, &pool, &roots)
}

/// Compares with a serial walk. The first walk may have waited for the disk, so a second parallel
/// walk is measured for the speed-up.
fn check(found: &Tally, pool: &filch::ThreadPool, roots: &[PathBuf]) -> Result<(), Failure> {
    let bar = progress("files, serially", None);
    let (expected, serial) = timed(|| walk_serially(roots, &bar));
    bar.finish_and_clear();
    compare(found, &expected)?;
    let (again, parallel) = walk_on(pool, roots);
    compare(&again, &expected)?;
    let threads = pool.current_num_threads();
    print(Times { serial: Some(serial), parallel, threads })?;
    print("check: the serial walk found the same")
}

fn walk_on(pool: &filch::ThreadPool, roots: &[PathBuf]) -> (Tally, Duration) {
    let bar = progress("files, on the pool", None);
    let threads = pool.current_num_threads();
    let result = timed(|| pool.install(|| walk_in_parallel(roots, threads, &bar)));
    bar.finish_and_clear();
    result
}

fn compare(found: &Tally, expected: &Tally) -> Result<(), Failure> {
    if found == expected {
        return Ok(());
    }
    Err(Failure::Wrong(format!(
        "the serial walk found {expected}, the parallel one {found}; \
         were the files changed in between?"
    )))
}

// The counts

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Skip {
    Binary,
    Unreadable,
    SymbolicLink,
    Special,
}

impl Skip {
    const ALL: [(Skip, &str); 4] = [
        (Skip::Binary, "binary (a zero byte, or not UTF-8)"),
        (Skip::Unreadable, "unreadable"),
        (Skip::SymbolicLink, "symbolic link (not followed)"),
        (Skip::Special, "neither file nor directory"),
    ];
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Skipped {
    why: Skip,
    path: PathBuf,
    detail: String,
}

impl Skipped {
    fn describe(&self) -> String {
        let colon = if self.detail.is_empty() { "" } else { ": " };
        format!("{:15}{}{colon}{}", "", self.path.display(), self.detail)
    }
}

#[derive(Default, PartialEq, Eq)]
struct Tally {
    files: u64,
    directories: u64,
    bytes: u64,
    lines: u64,
    words: u64,
    frequency: HashMap<String, u64>,
    skipped: Vec<Skipped>,
}

impl Tally {
    fn add_text(&mut self, text: &str) {
        self.bytes += text.len() as u64;
        self.lines += text.bytes().filter(|&byte| byte == b'\n').count() as u64;
        let mut lower = String::new();
        for word in text.split(|c| !is_word_char(c)).filter(|word| !word.is_empty()) {
            self.words += 1;
            *self.entry(lower_case(word, &mut lower)) += 1;
        }
    }

    /// Returns the count of a word. Allocates only if the word is new.
    fn entry(&mut self, word: &str) -> &mut u64 {
        if !self.frequency.contains_key(word) {
            self.frequency.insert(word.to_owned(), 0);
        }
        self.frequency.get_mut(word).expect("it was just inserted")
    }

    fn skip(&mut self, path: &Path, why: Skip, detail: impl ToString) {
        self.skipped.push(Skipped { why, path: path.to_owned(), detail: detail.to_string() });
    }

    fn merge(mut self, other: Tally) -> Tally {
        self.files += other.files;
        self.directories += other.directories;
        self.bytes += other.bytes;
        self.lines += other.lines;
        self.words += other.words;
        self.skipped.extend(other.skipped);
        for (word, count) in other.frequency {
            *self.frequency.entry(word).or_default() += count;
        }
        self
    }

    /// Sorts the skipped files, whose order depends on the schedule.
    fn sorted(mut self) -> Tally {
        self.skipped.sort_unstable();
        self
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} files, {} lines, {} words ({} different), {} skipped",
            self.files,
            self.lines,
            self.words,
            self.frequency.len(),
            self.skipped.len()
        )
    }
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn lower_case<'a>(word: &'a str, buffer: &'a mut String) -> &'a str {
    if word.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        return word;
    }
    buffer.clear();
    buffer.extend(word.chars().flat_map(char::to_lowercase));
    buffer
}

// Files and directories

enum Found {
    Directory(Vec<PathBuf>),
    Text(String),
    Skip(Skip, String),
}

/// Fails if a PATH does not exist, since that is a mistake and not a file to skip.
fn open_roots(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    paths.iter().map(|path| open_root(path)).collect()
}

fn open_root(path: &Path) -> Result<PathBuf, Failure> {
    let cannot = |error| Failure::Input(format!("{}: {error}", path.display()));
    if fs::symlink_metadata(path).map_err(cannot)?.is_symlink() {
        return fs::canonicalize(path).map_err(cannot);
    }
    Ok(path.to_owned())
}

fn look_at(path: &Path) -> Found {
    look_inside(path).unwrap_or_else(|error| Found::Skip(Skip::Unreadable, error.to_string()))
}

fn look_inside(path: &Path) -> io::Result<Found> {
    let kind = fs::symlink_metadata(path)?.file_type();
    Ok(if kind.is_dir() {
        Found::Directory(
            fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?,
        )
    } else if kind.is_symlink() {
        Found::Skip(Skip::SymbolicLink, String::new())
    } else if kind.is_file() {
        read_text(fs::read(path)?)
    } else {
        Found::Skip(Skip::Special, String::new())
    })
}

fn read_text(bytes: Vec<u8>) -> Found {
    if bytes.contains(&0) {
        return Found::Skip(Skip::Binary, "a zero byte".into());
    }
    match String::from_utf8(bytes) {
        Ok(text) => Found::Text(text),
        Err(error) => Found::Skip(Skip::Binary, error.utf8_error().to_string()),
    }
}

// The serial walk: a loop with a stack

fn walk_serially(roots: &[PathBuf], bar: &ProgressBar) -> Tally {
    let mut tally = Tally::default();
    let mut to_visit = roots.to_vec();
    while let Some(path) = to_visit.pop() {
        match look_at(&path) {
            Found::Directory(entries) => {
                tally.directories += 1;
                to_visit.extend(entries);
            }
            Found::Text(text) => {
                tally.files += 1;
                tally.add_text(&text);
                bar.inc(1);
            }
            Found::Skip(why, detail) => tally.skip(&path, why, detail),
        }
    }
    tally.sorted()
}

// The parallel walk: join over halves

/// A text longer than this is halved.
const LONG_TEXT: usize = 256 << 10;

/// One tally for each worker, merged at the end. A worker locks only its own tally, and never
/// across a `join`, so no worker ever waits for a lock.
struct Walk<'a> {
    tallies: Vec<Mutex<Tally>>,
    bar: &'a ProgressBar,
}

fn walk_in_parallel(roots: &[PathBuf], threads: usize, bar: &ProgressBar) -> Tally {
    let walk = Walk { tallies: (0..threads).map(|_| Mutex::default()).collect(), bar };
    walk.visit_all(roots);
    walk.tallies
        .into_iter()
        .map(|tally| tally.into_inner().unwrap_or_else(PoisonError::into_inner))
        .reduce(Tally::merge)
        .unwrap_or_default()
        .sorted()
}

impl Walk<'_> {
    fn visit_all(&self, paths: &[PathBuf]) {
        match paths {
            [] => {}
            [path] => self.visit(path),
            _ => {
                let (left, right) = paths.split_at(paths.len() / 2);
                filch::join(|| self.visit_all(left), || self.visit_all(right));
            }
        }
    }

    fn visit(&self, path: &Path) {
        match look_at(path) {
            Found::Directory(entries) => {
                self.record(|tally| tally.directories += 1);
                self.visit_all(&entries);
            }
            Found::Text(text) => {
                self.record(|tally| tally.files += 1);
                self.count(&text);
                self.bar.inc(1);
            }
            Found::Skip(why, detail) => self.record(|tally| tally.skip(path, why, detail)),
        }
    }

    fn count(&self, text: &str) {
        let halves = (text.len() > LONG_TEXT).then(|| halve(text)).flatten();
        match halves {
            Some((left, right)) => {
                filch::join(|| self.count(left), || self.count(right));
            }
            None => self.record(|tally| tally.add_text(text)),
        }
    }

    fn record(&self, change: impl FnOnce(&mut Tally)) {
        let worker = filch::current_thread_index().expect("the walk runs on the pool");
        let mut tally = self.tallies[worker].lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut tally);
    }
}

/// Cuts at the end of the first word after the middle.
fn halve(text: &str) -> Option<(&str, &str)> {
    let middle = (text.len() / 2..text.len()).find(|&at| text.is_char_boundary(at))?;
    let cut = middle + text[middle..].find(|c| !is_word_char(c))?;
    Some(text.split_at(cut))
}

// The report

fn report(tally: &Tally, args: &Args) -> Vec<String> {
    let counts = [
        (tally.files, "text files"),
        (tally.directories, "directories"),
        (tally.bytes, "bytes"),
        (tally.lines, "lines"),
        (tally.words, "words"),
        (tally.frequency.len() as u64, "different words"),
    ];
    let mut lines: Vec<_> = counts.map(|(count, what)| row(count, what)).into();
    lines.extend(report_skipped(&tally.skipped, args.verbose));
    lines.push(String::new());
    lines.extend(report_top(&tally.frequency, args.top));
    lines
}

fn row(count: u64, what: &str) -> String {
    format!("{count:>12} {what}")
}

fn report_skipped(skipped: &[Skipped], verbose: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for (kind, name) in Skip::ALL {
        let alike = || skipped.iter().filter(|skipped| skipped.why == kind);
        lines.push(row(alike().count() as u64, &format!("skipped: {name}")));
        if verbose {
            lines.extend(alike().map(Skipped::describe));
        }
    }
    lines
}

fn report_top(frequency: &HashMap<String, u64>, top: usize) -> Vec<String> {
    let mut words: Vec<_> = frequency.iter().collect();
    words.sort_unstable_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    words.truncate(top);
    words.iter().map(|&(word, &count)| row(count, word)).collect()
}
