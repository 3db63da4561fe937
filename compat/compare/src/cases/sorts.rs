//! Sorting: quicksort and mergesort with `join`, and rayon's own sorts.

use rayon::prelude::*;

use super::Run;
use crate::random::Random;

const LENGTH: usize = 200_000;

/// Up to this length, quicksort and mergesort are serial.
const SERIAL: usize = 1_000;

/// A case that sorts the same numbers each time.
fn sorting(sort: fn(&mut Vec<u32>)) -> Run {
    let mut random = Random::new(1);
    let numbers: Vec<u32> = (0..LENGTH).map(|_| random.next() as u32).collect();
    let mut sorted = numbers.clone();
    Box::new(move || {
        sorted.copy_from_slice(&numbers);
        sort(&mut sorted);
        assert!(sorted.is_sorted());
        sorted.iter().step_by(997).map(|&number| u64::from(number)).sum()
    })
}

pub fn stable() -> Run {
    sorting(|numbers| numbers.par_sort())
}

pub fn unstable() -> Run {
    sorting(|numbers| numbers.par_sort_unstable())
}

pub fn quicksort() -> Run {
    fn sort(numbers: &mut [u32]) {
        if numbers.len() <= SERIAL {
            return serial(numbers);
        }
        let (low, high) = partition(numbers);
        rayon::join(|| sort(low), || sort(high));
    }
    fn serial(numbers: &mut [u32]) {
        if numbers.len() > 1 {
            let (low, high) = partition(numbers);
            serial(low);
            serial(high);
        }
    }
    sorting(|numbers| sort(numbers))
}

/// Lomuto's partition, with the middle number as the pivot.
fn partition(numbers: &mut [u32]) -> (&mut [u32], &mut [u32]) {
    let last = numbers.len() - 1;
    numbers.swap(last / 2, last);
    let pivot = numbers[last];
    let mut low = 0;
    for at in 0..last {
        if numbers[at] < pivot {
            numbers.swap(low, at);
            low += 1;
        }
    }
    numbers.swap(low, last);
    let (left, right) = numbers.split_at_mut(low);
    (left, &mut right[1..])
}

pub fn mergesort() -> Run {
    sorting(|numbers| {
        let mut space = vec![0; numbers.len()];
        merge_sort(numbers, &mut space);
    })
}

fn merge_sort(numbers: &mut [u32], space: &mut [u32]) {
    if numbers.len() <= SERIAL {
        return numbers.sort();
    }
    let middle = numbers.len() / 2;
    let (left, right) = numbers.split_at_mut(middle);
    let (left_space, right_space) = space.split_at_mut(middle);
    rayon::join(|| merge_sort(left, left_space), || merge_sort(right, right_space));
    merge(left, right, space);
    numbers.copy_from_slice(space);
}

/// Merges in parallel: splits at the middle of the longer side.
fn merge(left: &[u32], right: &[u32], into: &mut [u32]) {
    if left.len() < right.len() {
        return merge(right, left, into);
    }
    if into.len() <= SERIAL {
        return merge_serial(left, right, into);
    }
    let middle = left.len() / 2;
    let at = right.partition_point(|&number| number < left[middle]);
    let (low, high) = into.split_at_mut(middle + at);
    rayon::join(
        || merge(&left[..middle], &right[..at], low),
        || merge(&left[middle..], &right[at..], high),
    );
}

fn merge_serial<'a>(mut left: &'a [u32], mut right: &'a [u32], into: &mut [u32]) {
    for place in into {
        let from = match (left.first(), right.first()) {
            (Some(l), Some(r)) if r < l => &mut right,
            (None, _) => &mut right,
            _ => &mut left,
        };
        *place = from[0];
        *from = &from[1..];
    }
}
