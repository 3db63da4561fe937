//! 100,000 tiny tasks: spawned in one scope, and submitted from outside.

mod harness;
mod workloads;

use criterion::{Criterion, criterion_group, criterion_main};
use harness::{Group, THREADS, timed};
use std::time::Instant;
use workloads::{
    Filch, Ideal, Rayon, Serial, TINY_TASKS, TaskPool, is_filled, submit_from_outside,
};

fn flat_scope(c: &mut Criterion) {
    for threads in [1, THREADS] {
        let mut group = c.benchmark_group(format!("flat scope, threads {threads}"));
        filled::<Serial>(&mut group, "serial", threads);
        filled::<Ideal>(&mut group, "ideal", threads);
        filled::<Filch>(&mut group, "filch", threads);
        filled::<Rayon>(&mut group, "rayon", threads);
    }
}

fn filled<P: TaskPool>(group: &mut Group<'_>, name: &str, threads: usize) {
    let pool = P::pool(threads);
    let mut slots = vec![0; TINY_TASKS];
    timed(group, name, || {
        slots.fill(0);
        let start = Instant::now();
        P::install(&pool, |cx| P::fill(cx, &mut slots));
        let time = start.elapsed();
        assert!(is_filled(&slots), "a task did not run");
        time
    });
}

fn detached(c: &mut Criterion) {
    for threads in [1, THREADS] {
        let mut group = c.benchmark_group(format!("detached by two threads, threads {threads}"));
        submitted::<Serial>(&mut group, "serial", threads, 1);
        submitted::<Ideal>(&mut group, "ideal", threads, threads);
        submitted::<Filch>(&mut group, "filch", threads, 2);
        submitted::<Rayon>(&mut group, "rayon", threads, 2);
    }
}

fn submitted<P: TaskPool>(group: &mut Group<'_>, name: &str, threads: usize, submitters: usize)
where
    P::Pool: Sync,
{
    let pool = P::pool(threads);
    timed(group, name, || {
        let start = Instant::now();
        let left = submit_from_outside::<P>(&pool, submitters, TINY_TASKS);
        let time = start.elapsed();
        assert_eq!(left, 0, "a task ran twice");
        time
    });
}

criterion_group! {
    name = scopes;
    config = harness::criterion();
    targets = flat_scope, detached
}
criterion_main!(scopes);
