//! Pools of one, two and four workers, built once, for tests of what must hold in all of them.
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::fmt::Debug;
use std::sync::LazyLock;

use filch::ThreadPool;
use filch::prelude::*;

use crate::common::{is_simulated, one_a_seed, pool};

const SIZES: [usize; 3] = [1, 2, 4];

static POOLS: LazyLock<[ThreadPool; 3]> = LazyLock::new(|| SIZES.map(pool));

/// Runs `op` in each of the pools. A simulated pool belongs to its thread, so a simulation runs
/// `op` in one new pool, of one of the sizes.
pub fn everywhere(op: impl Fn() + Sync) {
    // By reference, so that the rest is compiled once.
    let op: &(dyn Fn() + Sync) = &op;
    if is_simulated() {
        one_a_seed(SIZES).into_iter().for_each(|size| pool(size).install(op));
    } else {
        POOLS.iter().for_each(|pool| pool.install(op));
    }
}

/// Runs `op` in one of the three pools.
pub fn in_pool<R: Send>(number: usize, op: impl FnOnce() -> R + Send) -> R {
    let number = number % SIZES.len();
    if is_simulated() { pool(SIZES[number]).install(op) } else { POOLS[number].install(op) }
}

/// Asserts that a parallel iterator yields what the serial one yields, in the same order.
pub fn assert_same<I>(par: I, ser: impl Iterator<Item = I::Item>)
where
    I: ParallelIterator<Item: PartialEq + Debug> + Clone,
{
    let expected: Vec<_> = ser.collect();
    assert!(par.opt_len().is_none_or(|len| len == expected.len()));
    assert_eq!(par.clone().collect::<Vec<_>>(), expected);
    assert_eq!(par.clone().find_last(|_| true).as_ref(), expected.last());
    // The same for an iterator without positions.
    assert_eq!(par.filter(|_| true).collect::<Vec<_>>(), expected);
}
