//! The standard workloads, each written once and generic over the way it forks.
//!
//! A [`Workload`] is an input with a known answer. A [`Fork`] is a way to run it. So
//! `w.run::<Filch>` and `w.run::<Rayon>` compare `filch::join` and `rayon::join` with the same
//! source. Flat scopes and detached tasks have no common primitive, and are written once for each
//! pool.

// Every bench and example that includes this module uses a part of it.
#![allow(dead_code, unused_imports)]

mod flat;
mod fork;
mod matmul;
mod pin;
mod plain;
mod recursion;
mod skewed;
mod sort;
mod tree;

pub use flat::{Countdown, TINY_TASKS, TaskPool, is_filled, submit_from_outside};
pub use fork::{Chili, Filch, Fork, Ideal, Rayon, Serial};
pub use matmul::Matmul;
pub use pin::{pin_threads, take_place};
pub use plain::{on_each, share};
pub use recursion::{Fib, Integrate, Queens, fib};
pub use skewed::{Coarse, LeftComb, RightComb, Spin, TO_FALL_ASLEEP};
pub use sort::MergeSort;
pub use tree::{Tree, TreeSum, tree_sum};

/// A computation with a known answer.
pub trait Workload: Sync {
    /// What it computes.
    type Value: Send;

    /// Does the work, forking with `F`.
    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> Self::Value;

    /// Does the same work, split by hand over `threads` plain threads. This shows what the machine
    /// can do at this moment.
    fn ideal(&self, threads: usize) -> Self::Value {
        Ideal::install(&threads, |threads| self.run::<Ideal>(threads))
    }

    /// Whether `value` is the known answer.
    fn is_right(&self, value: &Self::Value) -> bool;
}

/// A workload repeated `times` times, if it is too short to measure alone.
pub struct Repeat<W> {
    pub work: W,
    pub times: usize,
}

impl<W: Workload> Workload for Repeat<W> {
    type Value = W::Value;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> W::Value {
        for _ in 1..self.times {
            std::hint::black_box(std::hint::black_box(&self.work).run::<F>(cx));
        }
        self.work.run::<F>(cx)
    }

    /// Each thread does its share of the repetitions, since a single run may be too short to split.
    fn ideal(&self, threads: usize) -> W::Value {
        plain::on_each(threads, |index| {
            let share = plain::share(self.times, threads, index).len().max(1);
            (0..share).map(|_| std::hint::black_box(&self.work).run::<Serial>(&mut ())).last()
        })
        .pop()
        .flatten()
        .expect("each thread ran the work at least once")
    }

    fn is_right(&self, value: &W::Value) -> bool {
        self.work.is_right(value)
    }
}
