//! Pools of one, two and four workers, made once, for what has to hold in all of them.
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::sync::LazyLock;

use filch::ThreadPool;

use crate::common::{one_a_seed, pool};

static POOLS: LazyLock<Vec<ThreadPool>> =
    LazyLock::new(|| one_a_seed([1, 2, 4]).into_iter().map(pool).collect());

/// Runs `op` in each of the pools; in a simulation, in one of them.
pub fn everywhere(op: impl Fn() + Sync) {
    POOLS.iter().for_each(|pool| pool.install(&op));
}

/// What `op` comes to in one of the three.
pub fn in_pool<R: Send>(pool: usize, op: impl FnOnce() -> R + Send) -> R {
    POOLS[pool % POOLS.len()].install(op)
}
