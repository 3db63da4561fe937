//! Tree sums: one too short to gain from a second thread, and a long one. Each is called from
//! inside and from outside the pool.

mod harness;
mod workloads;

use criterion::{Criterion, criterion_group, criterion_main};
use harness::{THREADS, inside, outside};
use workloads::{Repeat, TreeSum};

fn tiny(c: &mut Criterion) {
    let calls = Repeat { work: TreeSum::new(10), times: 100 };
    inside(c, "100 sums of 1,023 nodes, inside", THREADS, &calls);
    outside(c, "a sum of 1,023 nodes, outside", THREADS, &calls.work);
}

fn long(c: &mut Criterion) {
    let tree = TreeSum::new(20);
    inside(c, "a sum of 1,048,575 nodes, inside", THREADS, &tree);
    outside(c, "a sum of 1,048,575 nodes, outside", THREADS, &tree);
}

criterion_group! {
    name = tree;
    config = harness::criterion();
    targets = tiny, long
}
criterion_main!(tree);
