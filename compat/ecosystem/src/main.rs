//! Measures what loops across filch and rayon cost: `cargo run --release [CASE...]`. Some loops run
//! in filch over collections that implement only rayon's traits. In others, a method of rayon
//! consumes an iterator of filch. Each row compares the medians of two loops that ran in turn.

mod cases;

use std::time::{Duration, Instant};

/// A row of the table: a loop, and the native loop to compare it with. Both return the same number.
pub struct Case {
    pub name: &'static str,
    /// The loop across both libraries.
    pub across: Box<dyn Fn() -> u64>,
    /// The same loop within one of them.
    pub native: Box<dyn Fn() -> u64>,
}

const ROUNDS: usize = 51;

fn time(op: &dyn Fn() -> u64, wanted: u64) -> Duration {
    let start = Instant::now();
    let sum = op();
    let took = start.elapsed();
    assert_eq!(sum, wanted);
    took
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    println!("| loop | native | across | ratio |\n| --- | ---: | ---: | ---: |");
    for case in cases::all() {
        if !wanted.is_empty() && !wanted.iter().any(|part| case.name.contains(part.as_str())) {
            continue;
        }
        let sum = (case.native)();
        let (mut native, mut across) = (vec![], vec![]);
        for _ in 0..ROUNDS {
            native.push(time(&case.native, sum));
            across.push(time(&case.across, sum));
        }
        let (native, across) = (median(native), median(across));
        let ratio = across.as_secs_f64() / native.as_secs_f64();
        println!("| {} | {native:.1?} | {across:.1?} | {ratio:.2} |", case.name);
    }
}
