//! Combs, whose forks have all of their depth on one side, and two coarse closures on a pool whose
//! workers sleep.

mod harness;
mod workloads;

use criterion::{Criterion, criterion_group, criterion_main};
use harness::{Group, THREADS, inside, time_of, timed};
use std::thread;
use workloads::{
    Chili, Coarse, Filch, Fork, LeftComb, Rayon, RightComb, Serial, Spin, TO_FALL_ASLEEP, TaskPool,
    Workload,
};

fn combs(c: &mut Criterion) {
    let (nodes, spin) = (1000, Spin::micros(5));
    let left = LeftComb { nodes, spin };
    inside(c, "left comb of 1,000 x 5 us", THREADS, &left);
    let right = RightComb { nodes, spin };
    inside(c, "right comb of 1,000 x 5 us", THREADS, &right);
}

fn coarse(c: &mut Criterion) {
    let spin = Spin::micros(1000);
    let work = Coarse { spin };
    let mut group = c.benchmark_group("two closures of 1 ms, inside");
    rested::<Serial>(&mut group, "serial", work);
    ideal(&mut group, work);
    rested::<Filch>(&mut group, "filch", work);
    rested::<Rayon>(&mut group, "rayon", work);
    rested::<Chili>(&mut group, "chili", work);
    group.finish();

    let mut group = c.benchmark_group("two closures of 1 ms, outside");
    rested_outside::<Serial>(&mut group, "serial", work);
    ideal(&mut group, work);
    rested_outside::<Filch>(&mut group, "filch", work);
    rested_outside::<Rayon>(&mut group, "rayon", work);
}

fn ideal(group: &mut Group<'_>, work: Coarse) {
    let work = work.repeated();
    timed(group, "ideal", || time_of(&work, || work.ideal(THREADS)) / work.times as u32);
}

fn rested<F: Fork>(group: &mut Group<'_>, name: &str, work: Coarse) {
    let pool = F::pool(THREADS);
    timed(group, name, || {
        F::install(&pool, |cx| {
            thread::sleep(TO_FALL_ASLEEP);
            time_of(&work, || work.run::<F>(cx))
        })
    });
}

fn rested_outside<F: TaskPool>(group: &mut Group<'_>, name: &str, work: Coarse) {
    let pool = F::pool(THREADS);
    timed(group, name, || {
        thread::sleep(TO_FALL_ASLEEP);
        time_of(&work, || F::enter(&pool, |cx| work.run::<F>(cx)))
    });
}

criterion_group! {
    name = skewed;
    config = harness::criterion();
    targets = combs, coarse
}
criterion_main!(skewed);
