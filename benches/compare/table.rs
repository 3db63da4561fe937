//! The Markdown table, printed row by row as it is measured.

use std::io::{Write, stdout};

/// A row.
pub struct Row {
    pub name: String,
    pub threads: usize,
    /// Filch's time for an operation.
    pub time: Option<String>,
    pub rayon: Option<f64>,
    pub rayon_cpu: Option<f64>,
    pub chili: Option<f64>,
    pub ideal: Option<f64>,
    pub goal: Vec<String>,
    pub verdict: Verdict,
}

/// Whether filch reached the goals of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    NoGoal,
    Pass,
    Fail,
}

impl Verdict {
    /// The verdict, given whether each goal was reached.
    pub fn of(mut reached: impl ExactSizeIterator<Item = bool>) -> Verdict {
        if reached.len() == 0 {
            Verdict::NoGoal
        } else if reached.all(|one| one) {
            Verdict::Pass
        } else {
            Verdict::Fail
        }
    }
}

/// Prints the table, and counts verdicts.
pub struct Table {
    passed: usize,
    judged: usize,
}

impl Table {
    /// Prints the head.
    pub fn start() -> Table {
        print_line([
            "workload",
            "threads",
            "filch",
            "÷ rayon",
            "CPU ÷ rayon",
            "÷ chili",
            "÷ ideal",
            "goal",
            "verdict",
        ]);
        print_line(["---", "---:", "---:", "---:", "---:", "---:", "---:", "---", "---"]);
        Table { passed: 0, judged: 0 }
    }

    /// Prints a row.
    pub fn add(&mut self, row: &Row) {
        self.passed += usize::from(row.verdict == Verdict::Pass);
        self.judged += usize::from(row.verdict != Verdict::NoGoal);
        let verdict = match row.verdict {
            Verdict::NoGoal => "",
            Verdict::Pass => "pass",
            Verdict::Fail => "FAIL",
        };
        print_line([
            &row.name,
            &row.threads.to_string(),
            row.time.as_deref().unwrap_or("–"),
            &ratio(row.rayon),
            &ratio(row.rayon_cpu),
            &ratio(row.chili),
            &ratio(row.ideal),
            &row.goal.join(", "),
            verdict,
        ]);
    }

    /// Prints a summary of the verdicts.
    pub fn end(self, rounds: usize) {
        println!();
        println!(
            "{} of {} rows reach their goals. Each number is the median of {rounds} interleaved \
             rounds. A ratio is\nfilch's time over the other's in the same round. Ideal: the same \
             work split by hand over plain threads\n(plain calls on one thread). Times of one \
             operation, where they say more than ratios:",
            self.passed, self.judged
        );
    }
}

fn print_line(cells: [&str; 9]) {
    let [name, threads, time, rayon, cpu, chili, ideal, goal, verdict] = cells;
    println!(
        "| {name:<36} | {threads:>7} | {time:>8} | {rayon:>7} | {cpu:>11} | {chili:>7} \
         | {ideal:>7} | {goal:<25} | {verdict:<7} |"
    );
    // Shows each row at once. An error here does not matter.
    let _ = stdout().flush();
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or("–".to_string(), |ratio| format!("{ratio:.2}"))
}

/// Formats a time in nanoseconds in a suitable unit.
pub fn duration(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n < 1e3 => format!("{n:.1} ns"),
        n if n < 1e6 => format!("{:.1} µs", n / 1e3),
        n => format!("{:.1} ms", n / 1e6),
    }
}
