//! Tests for a system without threads and without a clock, where the caller runs all work:
//! `ci/platforms` loads this into Node.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use filch::prelude::*;

/// Returns 0, or the number of the first answer that is wrong.
#[unsafe(no_mangle)]
pub extern "C" fn check() -> u32 {
    let answers = [
        fib(20) == 6765,
        (0..100_000_u64).into_par_iter().filter(|n| n % 3 == 0).sum::<u64>() == 1_666_683_333,
        sorted() == (0..10_000).collect::<Vec<_>>(),
        tasks() == 4950,
        detached() == 7,
        (0..1000).par_bridge().map(|n| n * 2).max() == Some(1998),
        filch::broadcast(|context| context.num_threads()) == [1],
        filch::current_num_threads() == 1 && filch::current_thread_index() == Some(0),
        filch::ThreadPoolBuilder::new().num_threads(2).build().is_err(),
    ];
    answers.iter().position(|right| !right).map_or(0, |index| index as u32 + 1)
}

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = filch::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

fn sorted() -> Vec<u64> {
    let mut numbers: Vec<u64> = (0..10_000).map(|n| n * 7919 % 10_000).collect();
    numbers.par_sort_unstable();
    numbers
}

/// Tasks of a scope. A handle waits for the last one, and the scope's end for the others.
fn tasks() -> u64 {
    let sum = AtomicU64::new(0);
    filch::scope(|s| {
        for n in 0..99 {
            let sum = &sum;
            s.spawn(move || sum.fetch_add(n, Ordering::Relaxed));
        }
        let last = s.spawn(|| 99).join();
        sum.fetch_add(last.unwrap_or(0), Ordering::Relaxed);
    });
    sum.into_inner()
}

/// A detached task: the caller, the pool's one worker, runs it when it yields.
fn detached() -> u32 {
    thread_local!(static SEEN: Cell<u32> = const { Cell::new(0) });
    drop(filch::spawn(|| SEEN.set(7)));
    while SEEN.get() == 0 && filch::yield_now() == Some(filch::Yield::Executed) {}
    SEEN.get()
}
