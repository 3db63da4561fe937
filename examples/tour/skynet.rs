//! Skynet: a tree in which every node has ten children, and the leaves are numbered.

use crate::halves;
use crate::workloads::{Fork, Workload};

/// Adds up the numbers of `leaves` leaves, a power of ten. A benchmark of the cost of tasks
/// (<https://github.com/atemerev/skynet>).
pub struct Skynet {
    pub leaves: u64,
}

impl Workload for Skynet {
    type Value = u64;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> u64 {
        skynet::<F>(cx, 0, self.leaves)
    }

    fn is_right(&self, value: &u64) -> bool {
        *value == self.leaves * (self.leaves - 1) / 2
    }
}

fn skynet<F: Fork>(cx: &mut F::Context<'_>, first: u64, leaves: u64) -> u64 {
    if leaves == 1 {
        return first;
    }
    let child = leaves / 10;
    halves::sum::<F, u64>(cx, 0..10, &|cx, i| skynet::<F>(cx, first + i * child, child), |a, b| {
        a + b
    })
}
