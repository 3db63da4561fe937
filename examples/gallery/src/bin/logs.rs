//! Sums up a web site's log files: requests, errors, bytes and the slowest answer of each page.
//!
//! In a `scope`, each folder and each file becomes a task as soon as it is found. So files are read
//! while others are still being found. Some files are much longer than others, so a parallel loop
//! reads the lines of a file, and idle workers help.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{fs, io};

use clap::Parser;
use filch::Scope;
use filch::prelude::*;
use gallery::{Result, compare, ensure, input};

#[derive(Parser)]
struct Arguments {
    /// A folder with logs, at any depth; without it, logs are generated in target/logs
    folder: Option<PathBuf>,
    /// How many lines to generate
    #[arg(long, default_value_t = 500_000)]
    lines: usize,
}

#[derive(Clone, Copy, Default, PartialEq)]
struct Page {
    requests: u64,
    errors: u64,
    bytes: u64,
    slowest: u64,
}

impl Page {
    fn add(&mut self, other: Page) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.bytes += other.bytes;
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// The pages by name. Lines that cannot be parsed have the name "?".
type Pages = BTreeMap<String, Page>;

/// Parses a line such as `203.0.113.9 GET /news 200 5120 38`, with status, bytes and milliseconds
/// at the end.
fn parse(line: &str) -> Option<(&str, Page)> {
    let words: Vec<&str> = line.split(' ').collect();
    let [_, _, name, status, bytes, time] = words[..] else { return None };
    let errors = u64::from(status.parse::<u16>().ok()? >= 500);
    let (bytes, slowest) = (bytes.parse().ok()?, time.parse().ok()?);
    Some((name, Page { requests: 1, errors, bytes, slowest }))
}

fn add(mut pages: Pages, line: &str) -> Pages {
    let (name, page) = parse(line).unwrap_or(("?", Page { requests: 1, ..Page::default() }));
    match pages.get_mut(name) {
        Some(sum) => sum.add(page),
        None => drop(pages.insert(name.to_owned(), page)),
    }
    pages
}

fn add_all(mut pages: Pages, others: Pages) -> Pages {
    others.into_iter().for_each(|(name, page)| pages.entry(name).or_default().add(page));
    pages
}

fn visit_serially(path: &Path, pages: Pages) -> io::Result<Pages> {
    if path.is_dir() {
        return fs::read_dir(path)?.try_fold(pages, |p, entry| visit_serially(&entry?.path(), p));
    }
    Ok(fs::read_to_string(path)?.lines().fold(pages, add))
}

/// Adds a file to the total. Spawns a task for each entry of a folder.
fn visit<'s>(scope: &'s Scope<'s, '_>, path: &Path, total: &'s Mutex<Pages>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            // The scope resumes a panic of its tasks.
            scope.spawn(move || visit(scope, &path, total).expect("cannot read a log"));
        }
        return Ok(());
    }
    let text = fs::read_to_string(path)?;
    let pages = text.par_lines().fold(Pages::new, add).reduce(Pages::new, add_all);
    // The lock is taken only after the loop. A worker that waits in the loop may run another of
    // these tasks, which would wait for the lock for ever.
    let mut total = total.lock().unwrap();
    *total = add_all(std::mem::take(&mut total), pages);
    Ok(())
}

fn main() -> Result {
    let arguments = Arguments::parse();
    let folder = arguments.folder.clone().unwrap_or("target/logs".into());
    if arguments.folder.is_none() {
        input::logs(&folder, arguments.lines)?;
    }
    ensure(folder.is_dir(), &format!("{} is not a folder", folder.display()))?;
    println!("the log files in {}", folder.display());
    let pages = compare(
        || visit_serially(&folder, Pages::new()).expect("cannot read the logs"),
        || {
            let total = Mutex::default();
            filch::scope(|s| visit(s, &folder, &total)).expect("cannot read the logs");
            total.into_inner().unwrap()
        },
    )?;
    ensure(!pages.is_empty(), "these files have no lines")?;
    println!("\n{:12} {:>9} {:>7} {:>9} {:>10}", "page", "requests", "errors", "MB", "slowest/ms");
    for (name, Page { requests, errors, bytes, slowest }) in &pages {
        let megabytes = *bytes as f64 / 1e6;
        println!("{name:12} {requests:9} {errors:7} {megabytes:9.1} {slowest:10}");
    }
    println!("answer right");
    Ok(())
}
