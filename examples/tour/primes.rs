//! Counting primes by a sieve of Eratosthenes, segment by segment.

use crate::halves;
use crate::workloads::{Fork, Workload};

/// Counts the primes below a number, which must be more than 2.
pub struct Primes {
    pub below: u64,
}

/// How many odd numbers are sieved at once, a byte each, to fit into a first-level cache.
const SEGMENT: u64 = 32 << 10;

impl Primes {
    /// <https://oeis.org/A006880>
    const ANSWERS: [(u64, u64); 4] = [
        (1_000_000, 78_498),
        (10_000_000, 664_579),
        (100_000_000, 5_761_455),
        (1_000_000_000, 50_847_534),
    ];
}

impl Workload for Primes {
    type Value = u64;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> u64 {
        let small = small_odd_primes(self.below.isqrt());
        let segments = (self.below / 2).div_ceil(SEGMENT);
        let odd = halves::sum::<F, u64>(
            cx,
            0..segments,
            &|_, segment| self.count_segment(segment, &small),
            |a, b| a + b,
        );
        odd + 1 // for the prime 2
    }

    fn is_right(&self, value: &u64) -> bool {
        Self::ANSWERS.contains(&(self.below, *value))
    }
}

impl Primes {
    /// Counts the primes in a segment. Index `i` stands for the odd number `2 i + 1`.
    fn count_segment(&self, segment: u64, small: &[u64]) -> u64 {
        let first = segment * SEGMENT;
        let end = (first + SEGMENT).min(self.below / 2);
        let mut composite = [false; SEGMENT as usize];
        composite[0] = segment == 0; // 1 is not a prime
        for prime in small {
            let square = prime * prime / 2;
            // The first odd multiple in the segment that is not below the square.
            let start = square.max(first + (prime - 1 - (first + prime / 2) % prime));
            for i in (start..end).step_by(*prime as usize) {
                composite[(i - first) as usize] = true;
            }
        }
        let sieved = &composite[..(end - first) as usize];
        sieved.iter().filter(|composite| !**composite).count() as u64
    }
}

/// Returns the odd primes up to `last`. They are few, so trial division will do.
fn small_odd_primes(last: u64) -> Vec<u64> {
    let is_prime = |n: u64| (3..).take_while(|d| d * d <= n).all(|d| n % d != 0);
    (3..=last).step_by(2).filter(|&n| is_prime(n)).collect()
}
