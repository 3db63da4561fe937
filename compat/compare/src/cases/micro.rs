//! The overhead of the core: forks, tasks, short loops, calls from outside the pool.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::Run;

/// Each call forks.
pub fn fibonacci() -> Run {
    fn fib(n: u32) -> u64 {
        if n < 2 {
            return u64::from(n);
        }
        let (a, b) = rayon::join(|| fib(n - 1), || fib(n - 2));
        a + b
    }
    Box::new(|| fib(black_box(24)))
}

/// A fork for each number of a slice.
pub fn fork_increments() -> Run {
    fn increment(numbers: &mut [u64]) {
        if let [number] = numbers {
            *number += 1;
        } else {
            let (left, right) = numbers.split_at_mut(numbers.len() / 2);
            rayon::join(|| increment(left), || increment(right));
        }
    }
    Box::new(|| {
        let mut numbers = vec![0; 1 << 17];
        increment(&mut numbers);
        numbers.iter().sum()
    })
}

/// Joins of empty closures, on a thread of the pool.
pub fn join_empty() -> Run {
    Box::new(|| {
        rayon::scope(|_| (0..100_000).for_each(|_| _ = rayon::join(|| black_box(()), || ())));
        0
    })
}

/// Joins of empty closures, called from outside the pool.
pub fn install_empty() -> Run {
    Box::new(|| (0..300_u64).map(|i| rayon::join(|| black_box(i), || 1)).map(|(a, b)| a * b).sum())
}

/// Loops over a thousand numbers, on a thread of the pool.
pub fn small_loops() -> Run {
    let numbers: Vec<u64> = (0..1_000).collect();
    Box::new(move || {
        rayon::scope(|_| (0..1_000).map(|_| black_box(&numbers).par_iter().sum::<u64>()).sum())
    })
}

/// The same, called from outside the pool.
pub fn small_loops_outside() -> Run {
    let numbers: Vec<u64> = (0..1_000).collect();
    Box::new(move || (0..200).map(|_| black_box(&numbers).par_iter().sum::<u64>()).sum())
}

/// One thread spawns all of the small tasks.
pub fn scope_spawn() -> Run {
    Box::new(|| {
        let sum = AtomicU64::new(0);
        rayon::scope(|s| {
            for i in 0..20_000 {
                let sum = &sum;
                s.spawn(move |_| _ = sum.fetch_add(i, Ordering::Relaxed));
            }
        });
        sum.into_inner()
    })
}

/// The same with `spawn_fifo`.
pub fn scope_fifo_spawn() -> Run {
    Box::new(|| {
        let sum = AtomicU64::new(0);
        rayon::scope_fifo(|s| {
            for i in 0..20_000 {
                let sum = &sum;
                s.spawn_fifo(move |_| _ = sum.fetch_add(i, Ordering::Relaxed));
            }
        });
        sum.into_inner()
    })
}

/// Tasks spawn tasks.
pub fn tree_spawn() -> Run {
    fn grow<'scope>(s: &rayon::Scope<'scope>, sum: &'scope AtomicU64, depth: u32) {
        if depth == 0 {
            sum.fetch_add(1, Ordering::Relaxed);
            return;
        }
        s.spawn(move |s| grow(s, sum, depth - 1));
        s.spawn(move |s| grow(s, sum, depth - 1));
    }
    Box::new(|| {
        let sum = AtomicU64::new(0);
        rayon::scope(|s| grow(s, &sum, 14));
        sum.into_inner()
    })
}

/// Repeated broadcasts.
pub fn broadcast() -> Run {
    Box::new(|| {
        (0..200)
            .map(|_| rayon::broadcast(|context| context.index() as u64).iter().sum::<u64>())
            .sum()
    })
}
