//! Criterion groups with the same rows for each workload. Each row checks its result.

// Every bench that includes this module uses a part of it.
#![allow(dead_code)]

use crate::workloads::{Chili, Filch, Fork, Rayon, Serial, TaskPool, Workload};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How many threads the parallel rows use. More processors are rarely available.
pub const THREADS: usize = 2;

/// The settings of all benches. Times are short, since there are many rows.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

/// A group of rows for `work`, called from inside pools of `threads`: serial, ideal, filch, rayon
/// and chili.
pub fn inside<W: Workload>(c: &mut Criterion, name: &str, threads: usize, work: &W) {
    let mut group = c.benchmark_group(format!("{name}, threads {threads}"));
    installed::<Serial, W>(&mut group, "serial", threads, work);
    row(&mut group, "ideal", work, || work.ideal(threads));
    installed::<Filch, W>(&mut group, "filch", threads, work);
    installed::<Rayon, W>(&mut group, "rayon", threads, work);
    installed::<Chili, W>(&mut group, "chili", threads, work);
}

/// A group of rows for `work`, called from a thread outside the pools. chili has no row: its caller
/// is always one of the pool's threads.
pub fn outside<W: Workload>(c: &mut Criterion, name: &str, threads: usize, work: &W) {
    let mut group = c.benchmark_group(format!("{name}, threads {threads}"));
    entered::<Serial, W>(&mut group, "serial", threads, work);
    row(&mut group, "ideal", work, || work.ideal(threads));
    entered::<Filch, W>(&mut group, "filch", threads, work);
    entered::<Rayon, W>(&mut group, "rayon", threads, work);
}

fn installed<F: Fork, W: Workload>(group: &mut Group<'_>, name: &str, threads: usize, work: &W) {
    let pool = F::pool(threads);
    row(group, name, work, || F::install(&pool, |cx| work.run::<F>(cx)));
}

fn entered<F: TaskPool, W: Workload>(group: &mut Group<'_>, name: &str, threads: usize, work: &W) {
    let pool = F::pool(threads);
    row(group, name, work, || F::enter(&pool, |cx| work.run::<F>(cx)));
}

fn row<W: Workload>(group: &mut Group<'_>, name: &str, work: &W, run: impl Fn() -> W::Value) {
    timed(group, name, || time_of(work, &run));
}

/// Returns how long `run` takes to do `work`. Panics if the result is wrong.
pub fn time_of<W: Workload>(work: &W, run: impl FnOnce() -> W::Value) -> Duration {
    let start = Instant::now();
    let value = black_box(run());
    let time = start.elapsed();
    assert!(work.is_right(&value), "a wrong result");
    time
}

/// A criterion group.
pub type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// A row with the times that `run` returns.
pub fn timed(group: &mut Group<'_>, name: &str, mut run: impl FnMut() -> Duration) {
    group.bench_function(name, |b| {
        b.iter_custom(|times| (0..times).map(|_| run()).sum());
    });
}
