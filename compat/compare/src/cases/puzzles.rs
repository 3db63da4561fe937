//! Combinatorial counting: primes, queens, round trips, right triangles.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::Run;
use crate::random::Random;

/// Counts the primes below two million, segment by segment.
pub fn sieve() -> Run {
    const END: usize = 2_000_000;
    const SEGMENT: usize = 16_384;
    let root = (END as f64).sqrt() as usize + 1;
    let is_prime = |n: &usize| (2..*n).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
    let small: Vec<usize> = (2..root).filter(is_prime).collect();
    Box::new(move || {
        let mut composite = vec![false; END];
        composite.par_chunks_mut(SEGMENT).enumerate().for_each(|(segment, composite)| {
            let start = segment * SEGMENT;
            for &prime in &small {
                let first = (start.div_ceil(prime) * prime).max(prime * prime);
                let multiples = (first.saturating_sub(start)..composite.len()).step_by(prime);
                multiples.for_each(|at| composite[at] = true);
            }
        });
        let primes = composite.par_iter().skip(2).filter(|&&composite| !composite).count();
        assert_eq!(primes, 148_933);
        primes as u64
    })
}

/// Counts the placements of ten queens. Each row is a parallel loop.
pub fn nqueens() -> Run {
    const SIDE: u32 = 10;
    fn ways(columns: u32, left: u32, right: u32, row: u32) -> u64 {
        if row == SIDE {
            return 1;
        }
        let attacked = columns | left | right;
        let free = (0..SIDE).into_par_iter().filter(|column| attacked >> column & 1 == 0);
        free.map(|column| {
            let queen = 1 << column;
            ways(columns | queen, (left | queen) << 1, (right | queen) >> 1, row + 1)
        })
        .sum()
    }
    Box::new(|| {
        let ways = ways(0, 0, 0, 0);
        assert_eq!(ways, 724);
        ways
    })
}

/// Counts the round trips that are at most twice as long as the one that always goes to the nearest
/// place. Down to some depth, each step is a task of a scope.
///
/// A search for the shortest trip would be a different amount of work in each run, since it depends
/// on how early a short trip is found.
pub fn tsp() -> Run {
    const PLACES: usize = 10;
    let mut random = Random::new(5);
    let places: Vec<[f64; 2]> =
        (0..PLACES).map(|_| [random.unit() * 1e4, random.unit() * 1e4]).collect();
    let apart = |a: &[f64; 2], b: &[f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]) as u32;
    let distances: Vec<Vec<u32>> =
        places.iter().map(|a| places.iter().map(|b| apart(a, b)).collect()).collect();
    let most = 2 * to_the_nearest(&distances);
    Box::new(move || {
        let ways = AtomicU64::new(0);
        let trip = Trip { distances: &distances, most, ways: &ways };
        rayon::scope(|s| trip.go_on(s, 1, 0, 0));
        ways.into_inner()
    })
}

fn to_the_nearest(distances: &[Vec<u32>]) -> u32 {
    let (mut seen, mut at, mut length) = (1_u32, 0, 0);
    let left = |seen: u32| (0..distances.len()).filter(move |next| seen >> next & 1 == 0);
    while let Some(next) = left(seen).min_by_key(|&next| distances[at][next]) {
        length += distances[at][next];
        seen |= 1 << next;
        at = next;
    }
    length + distances[at][0]
}

#[derive(Clone, Copy)]
struct Trip<'a> {
    distances: &'a [Vec<u32>],
    most: u32,
    ways: &'a AtomicU64,
}

impl<'a> Trip<'a> {
    /// Counts the ways on from `at` through all places that are not in `seen`.
    fn go_on(self, scope: &rayon::Scope<'a>, seen: u32, at: usize, length: u32) {
        if seen.count_ones() >= 5 {
            self.ways.fetch_add(self.alone(seen, at, length), Ordering::Relaxed);
            return;
        }
        self.steps(seen, at, length).for_each(|(seen, at, length)| {
            scope.spawn(move |scope| self.go_on(scope, seen, at, length));
        });
    }

    fn alone(self, seen: u32, at: usize, length: u32) -> u64 {
        if seen.count_ones() as usize == self.distances.len() {
            return u64::from(length + self.distances[at][0] <= self.most);
        }
        self.steps(seen, at, length).map(|(seen, at, length)| self.alone(seen, at, length)).sum()
    }

    fn steps(self, seen: u32, at: usize, length: u32) -> impl Iterator<Item = (u32, usize, u32)> {
        let left = (0..self.distances.len()).filter(move |next| seen >> next & 1 == 0);
        let step =
            move |next: usize| (seen | 1_u32 << next, next, length + self.distances[at][next]);
        left.map(step).filter(move |&(_, _, length)| length <= self.most)
    }
}

/// Counts right triangles with integer sides, with two nested parallel loops.
pub fn pythagoras() -> Run {
    const END: u32 = 600;
    fn root(n: u32) -> u32 {
        f64::from(n).sqrt() as u32
    }
    Box::new(|| {
        let triangles = (1..END).into_par_iter().map(|a| {
            let is_square = |&b: &u32| root(a * a + b * b).pow(2) == a * a + b * b;
            (a..END).into_par_iter().filter(is_square).count() as u64
        });
        triangles.sum()
    })
}
