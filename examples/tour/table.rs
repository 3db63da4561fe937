//! The tour's tables.

use std::time::Duration;

use crate::case::{Counts, Tally, add_workers};
use crate::catalogue::Entry;

pub fn head() -> String {
    format!(
        "{:<10} {:<22} {:>10} {:>10} {:>8}  {:>10} {:>10} {:>9} {:>7}  answer",
        "workload",
        "size",
        "serial/ms",
        "pool/ms",
        "speed-up",
        "tasks",
        "published",
        "steals",
        "parks"
    )
}

pub fn row(entry: &Entry, tally: &Tally) -> String {
    let total = total(&tally.workers);
    let Counts { tasks, published, steals, parks, .. } = total;
    format!(
        "{:<10} {:<22} {:>10.2} {:>10.2} {:>8.2}  \
         {tasks:>10} {published:>10} {steals:>9} {parks:>7}  {}",
        entry.name,
        entry.size,
        millis(tally.serial),
        millis(tally.parallel),
        tally.speed_up,
        if tally.is_right { "right" } else { "WRONG" },
    )
}

/// Returns the table as comma-separated values.
pub fn csv(entries: &[Entry], tallies: &[Tally], threads: usize) -> String {
    let row = |(entry, tally): (&Entry, &Tally)| {
        let Counts { tasks, published, steals, parks, .. } = total(&tally.workers);
        let (serial, parallel) = (millis(tally.serial), millis(tally.parallel));
        let Tally { speed_up, is_right, .. } = tally;
        format!(
            "{},\"{}\",{threads},{serial:.3},{parallel:.3},{speed_up:.3},\
             {tasks},{published},{steals},{parks},{is_right}\n",
            entry.name, entry.size
        )
    };
    let head =
        "workload,size,threads,serial_ms,pool_ms,speed_up,tasks,published,steals,parks,right\n";
    head.to_owned() + &entries.iter().zip(tallies).map(row).collect::<String>()
}

/// Returns a table of what each worker did in the whole tour.
pub fn workers(tallies: &[Tally]) -> String {
    let workers = add_workers(tallies.iter().map(|tally| &tally.workers[..]));
    let head = format!(
        "\n{:<10} {:>12} {:>12} {:>12} {:>14} {:>10} {:>10}",
        "worker", "tasks", "published", "steals", "steals tried", "parks", "wakes"
    );
    let rows = workers.iter().enumerate().map(|(i, worker)| counts(&i.to_string(), worker));
    let all = counts("all", &total(&workers));
    let lines: Vec<_> = [head].into_iter().chain(rows).chain([all]).collect();
    lines.join("\n")
}

fn counts(name: &str, counts: &Counts) -> String {
    let Counts { tasks, published, steals, tried, parks, wakes } = counts;
    format!(
        "{name:<10} {tasks:>12} {published:>12} {steals:>12} {tried:>14} {parks:>10} {wakes:>10}"
    )
}

pub fn summary(tallies: &[Tally], threads: usize, time: Duration) -> String {
    let right = tallies.iter().filter(|tally| tally.is_right).count();
    let gains = tallies.iter().map(|tally| tally.speed_up.ln());
    let mean = (gains.sum::<f64>() / tallies.len() as f64).exp();
    format!(
        "\n{right} of {} answers are right; geometric mean of the speed-ups: {mean:.2}, \
         threads: {threads}; {:.1} s in all",
        tallies.len(),
        time.as_secs_f64()
    )
}

fn total(workers: &[Counts]) -> Counts {
    workers.iter().fold(Counts::default(), |sum, worker| sum.plus(*worker))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
