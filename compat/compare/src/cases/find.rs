//! Searches that stop at the first match, and a serial iterator made parallel.

use rayon::prelude::*;

use super::Run;

const LENGTH: u64 = 3_000_000;

/// Searches for the number that has the hash of `wanted`.
fn finding(wanted: u64) -> Run {
    let hash = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31);
    let target = hash(wanted);
    Box::new(move || {
        let found = (0..LENGTH).into_par_iter().find_any(|&n| hash(n) == target);
        assert_eq!(found, Some(wanted).filter(|&n| n < LENGTH));
        found.unwrap_or(LENGTH)
    })
}

pub fn at_a_third() -> Run {
    finding(LENGTH / 3)
}

pub fn at_the_end() -> Run {
    finding(LENGTH - 1)
}

pub fn missing() -> Run {
    finding(LENGTH)
}

/// `par_bridge`: the threads take items from a serial iterator, one thread at a time.
pub fn bridge() -> Run {
    Box::new(|| {
        let work = |n: u64| (0..300).fold(n, |n, i| n.rotate_left(5) ^ i);
        (0..10_000_u64).par_bridge().map(|n| work(n) & 0xFF).sum()
    })
}
