//! Fork-join work on large memory: matmul and merge sort.

mod harness;
mod workloads;

use criterion::{Criterion, criterion_group, criterion_main};
use harness::{THREADS, inside};
use workloads::{Matmul, MergeSort};

fn matmul(c: &mut Criterion) {
    inside(c, "matmul of 512 x 512", THREADS, &Matmul::new(512));
}

fn merge_sort(c: &mut Criterion) {
    inside(c, "merge sort of 2^18", THREADS, &MergeSort::new(1 << 18));
}

criterion_group! {
    name = memory;
    config = harness::criterion();
    targets = matmul, merge_sort
}
criterion_main!(memory);
