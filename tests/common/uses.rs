//! Uses of pools: all operations, with checks of their results, for tests of what happens to a
//! pool.
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use filch::ThreadPool;

use crate::common::eventually;

/// A Fibonacci number, with a fork for each addition.
pub fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = filch::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

/// Calls every free function and checks the results. The thread may be a worker or not.
pub fn use_free_functions() {
    let size = filch::current_num_threads();
    assert_eq!(fib(12), 144);
    assert_eq!(filch::join_context(|_| 1, |_| 2), (1, 2));
    assert_eq!(filch::scope(|s| s.spawn(|| fib(9)).join().unwrap()), 34);
    assert_eq!(filch::in_place_scope(|s| s.spawn(|| fib(9)).join().unwrap()), 34);
    assert_eq!(filch::spawn(|| fib(10)).join().unwrap(), 55);
    assert_eq!(filch::broadcast(|ctx| ctx.index()), (0..size).collect::<Vec<_>>());
    let told = Arc::new(AtomicUsize::new(0));
    let tell = Arc::clone(&told);
    filch::spawn_broadcast(move |_| {
        tell.fetch_add(1, Ordering::SeqCst);
    });
    eventually("the broadcast", || {
        filch::yield_now();
        told.load(Ordering::SeqCst) == size
    });
    assert_eq!(filch::counters().workers.len(), size);
}

/// Calls every operation of a pool and checks the results.
pub fn use_pool(pool: &ThreadPool) {
    let size = pool.current_num_threads();
    assert_eq!(pool.install(|| fib(12)), 144);
    assert_eq!(pool.join(|| fib(10), || fib(11)), (55, 89));
    assert_eq!(pool.join_context(|_| 1, |_| 2), (1, 2));
    assert_eq!(pool.scope(|s| s.spawn(|| fib(9)).join().unwrap()), 34);
    assert_eq!(pool.in_place_scope(|s| s.spawn(|| fib(9)).join().unwrap()), 34);
    assert_eq!(pool.spawn(|| fib(10)).join().unwrap(), 55);
    assert_eq!(pool.broadcast(|ctx| ctx.index()), (0..size).collect::<Vec<_>>());
    pool.spawn_broadcast(|_| ());
    assert_eq!(pool.counters().workers.len(), size);
}

/// Spawns more tasks than one list of free blocks holds, so that all lists are used.
pub fn use_many_tasks() {
    let ran = AtomicUsize::new(0);
    filch::scope(|s| {
        for _ in 0..2_000 {
            drop(s.spawn(|| ran.fetch_add(1, Ordering::Relaxed)));
        }
    });
    assert_eq!(ran.load(Ordering::Relaxed), 2_000);
}
