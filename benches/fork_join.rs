//! Recursions that consist mostly of forks: fib, nqueens, integrate.

mod harness;
mod workloads;

use criterion::{Criterion, criterion_group, criterion_main};
use harness::{THREADS, inside};
use workloads::{Fib, Integrate, Queens};

fn fib(c: &mut Criterion) {
    for threads in [1, THREADS] {
        inside(c, "fib(28)", threads, &Fib(28));
    }
}

fn nqueens(c: &mut Criterion) {
    inside(c, "nqueens(11)", THREADS, &Queens(11));
}

fn integrate(c: &mut Criterion) {
    let integrate = Integrate { to: 1e4, epsilon: 1e-2 };
    inside(c, "integrate", THREADS, &integrate);
}

criterion_group! {
    name = fork_join;
    config = harness::criterion();
    targets = fib, nqueens, integrate
}
criterion_main!(fork_join);
