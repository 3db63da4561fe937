//! The workloads of the tour, and their sizes.

use crate::case::Case;
use crate::cholesky::Cholesky;
use crate::fft::Fft;
use crate::heat::Heat;
use crate::knapsack::Knapsack;
use crate::lu::Lu;
use crate::primes::Primes;
use crate::quicksort::Quicksort;
use crate::skynet::Skynet;
use crate::sparse_lu::SparseLu;
use crate::strassen::Strassen;
use crate::uts::Uts;
use crate::workloads::{Fib, Integrate, Matmul, MergeSort, Queens};

#[derive(Clone, Copy)]
pub enum Size {
    Quick,
    Usual,
    Full,
}

impl Size {
    fn pick<T>(self, [quick, usual, full]: [T; 3]) -> T {
        match self {
            Size::Quick => quick,
            Size::Usual => usual,
            Size::Full => full,
        }
    }
}

pub struct Entry {
    pub name: &'static str,
    /// The size, as shown in the table.
    pub size: String,
    /// Makes the input. Since it may be large, the tour holds one input at a time.
    pub make: Box<dyn Fn() -> Box<dyn Case>>,
}

fn entry<C: Case + 'static>(
    name: &'static str,
    size: impl Into<String>,
    make: impl Fn() -> C + 'static,
) -> Entry {
    Entry { name, size: size.into(), make: Box::new(move || Box::new(make())) }
}

pub fn all(size: Size) -> Vec<Entry> {
    let mut all = recursions(size);
    all.extend(trees(size));
    all.extend(sorts(size));
    all.extend(matrices(size));
    all.extend(grids(size));
    all
}

/// Recursions with little work per fork.
fn recursions(size: Size) -> Vec<Entry> {
    let fib = size.pick([32, 37, 42]);
    let queens = size.pick([11, 13, 14]);
    let epsilon = size.pick([1e-5, 1e-7, 1e-9]);
    let leaves = size.pick([1_000_000, 10_000_000, 100_000_000]);
    let items = size.pick([28, 35, 40]);
    let below = size.pick([10_000_000, 100_000_000, 1_000_000_000]);
    vec![
        entry("fib", format!("{fib}"), move || Fib(fib)),
        entry("nqueens", format!("{queens}"), move || Queens(queens)),
        entry("integrate", format!("epsilon {epsilon:e}"), move || Integrate { to: 1e4, epsilon }),
        entry("skynet", format!("{leaves} leaves"), move || Skynet { leaves }),
        entry("knapsack", format!("{items} items"), move || Knapsack::new(items)),
        entry("primes", format!("below {below}"), move || Primes { below }),
    ]
}

/// Trees whose shape is not known before they are walked.
fn trees(size: Size) -> Vec<Entry> {
    let nodes = "4.1 million nodes";
    let t1 = entry("uts-t1", nodes, Uts::t1);
    let t2 = entry("uts-t2", nodes, Uts::t2);
    let t3 = entry("uts-t3", nodes, Uts::t3);
    let t5 = entry("uts-t5", nodes, Uts::t5);
    let large = entry("uts-t1l", "102 million nodes", Uts::t1_large);
    match size {
        Size::Quick => vec![t3],
        Size::Usual => vec![t1, t2, t3, t5],
        Size::Full => vec![t1, t2, t3, t5, large],
    }
}

/// Sorts, which mostly move memory.
fn sorts(size: Size) -> Vec<Entry> {
    let len = size.pick([500_000, 5_000_000, 20_000_000]);
    let numbers = format!("{len} numbers");
    vec![
        entry("mergesort", &numbers, move || MergeSort::new(len)),
        entry("quicksort", &numbers, move || Quicksort::new(len)),
    ]
}

fn matrices(size: Size) -> Vec<Entry> {
    let side = size.pick([512, 1024, 2048]);
    let blocks = size.pick([24, 64, 128]);
    let square = format!("{side} x {side}");
    vec![
        entry("matmul", &square, move || Matmul::new(side)),
        entry("strassen", &square, move || Strassen::new(side)),
        entry("lu", &square, move || Lu::new(side)),
        entry("cholesky", &square, move || Cholesky::new(side)),
        entry("sparse-lu", format!("{blocks} x {blocks} blocks"), move || SparseLu::new(blocks)),
    ]
}

fn grids(size: Size) -> Vec<Entry> {
    let points = size.pick([1 << 17, 1 << 21, 1 << 23]);
    let (side, steps) = size.pick([(256, 500), (512, 1000), (1024, 2000)]);
    let plate = format!("{side} x {side}, {steps} steps");
    vec![
        entry("fft", format!("{points} points"), move || Fft::new(points)),
        entry("heat", plate, move || Heat::new(side, steps)),
    ]
}
