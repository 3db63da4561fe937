//! Sorting slices: std, filch and rayon.

mod harness;
mod workloads;

use criterion::{Criterion, criterion_group, criterion_main};
use harness::{Group, THREADS, timed};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::time::Instant;
use workloads::{Filch, Fork, Rayon};

/// How many elements are sorted.
const LEN: usize = 1_000_000;

fn sorts(c: &mut Criterion) {
    let mut random = SmallRng::seed_from_u64(1);
    let random: Vec<u64> = (0..LEN).map(|_| random.next_u64()).collect();
    let sorted: Vec<u64> = (0..LEN as u64).collect();
    let reversed = sorted.iter().rev().copied().collect();
    let few = random.iter().map(|n| n % 16).collect();
    for (name, input) in
        [("random", random), ("sorted", sorted), ("reversed", reversed), ("16 values", few)]
    {
        for threads in [1, THREADS] {
            sorted_by_all(c, name, threads, &input);
        }
    }
}

/// Returns a hundred bytes, of which the first eight are the key.
fn large(key: u64) -> [u8; 100] {
    let mut bytes = [0; 100];
    bytes[..8].copy_from_slice(&key.to_be_bytes());
    bytes
}

fn wide_sorts(c: &mut Criterion) {
    let mut random = SmallRng::seed_from_u64(1);
    let random: Vec<u64> = (0..LEN / 5).map(|_| random.next_u64()).collect();
    let few: Vec<u64> = random.iter().map(|n| n % 16).collect();
    for threads in [1, THREADS] {
        for (kind, keys) in [("random", &random), ("16 values", &few)] {
            let wide: Vec<[u8; 100]> = keys.iter().map(|key| large(*key)).collect();
            let texts: Vec<String> = keys.iter().map(u64::to_string).collect();
            sorted_by_all(c, &format!("100 bytes, {kind}"), threads, &wide);
            sorted_by_all(c, &format!("strings, {kind}"), threads, &texts);
        }
    }
}

fn sorted_by_all<T>(c: &mut Criterion, name: &str, threads: usize, input: &[T])
where
    T: Ord + Clone + Send,
{
    use filch::slice::ParallelSliceMut as Ours;
    use rayon::slice::ParallelSliceMut as Rayons;

    let (filch, rayon) = (Filch::pool(threads), Rayon::pool(threads));
    let mut group = c.benchmark_group(format!("sort, {name}, threads {threads}"));
    row(&mut group, "std", input, |v| v.sort());
    row(&mut group, "filch", input, |v| filch.install(|| Ours::par_sort(v)));
    row(&mut group, "rayon", input, |v| rayon.install(|| Rayons::par_sort(v)));
    row(&mut group, "std, unstable", input, |v| v.sort_unstable());
    row(&mut group, "filch, unstable", input, |v| filch.install(|| Ours::par_sort_unstable(v)));
    row(&mut group, "rayon, unstable", input, |v| rayon.install(|| Rayons::par_sort_unstable(v)));
}

fn row<T>(group: &mut Group<'_>, name: &str, input: &[T], sort: impl Fn(&mut [T]))
where
    T: Ord + Clone,
{
    let mut right = input.to_vec();
    right.sort();
    let mut v = input.to_vec();
    timed(group, name, || {
        v.clone_from_slice(input);
        let start = Instant::now();
        sort(&mut v);
        let time = start.elapsed();
        assert!(v == right, "not sorted");
        time
    });
}

criterion_group! {
    name = slice;
    config = harness::criterion();
    targets = sorts, wide_sorts
}
criterion_main!(slice);
