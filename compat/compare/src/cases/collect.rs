//! Collecting into vectors and maps, in several ways.

use std::collections::{HashMap, LinkedList};
use std::sync::Mutex;

use rayon::prelude::*;

use super::Run;

const LENGTH: u32 = 500_000;

fn mixed(n: u32) -> u64 {
    u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23)
}

/// From an indexed iterator, where each number's place in the vector is known in advance.
pub fn vec() -> Run {
    Box::new(|| {
        let numbers: Vec<u64> = (0..LENGTH).into_par_iter().map(mixed).collect();
        numbers[numbers.len() / 3]
    })
}

/// From a filtered iterator, where it is not.
pub fn vec_filtered() -> Run {
    Box::new(|| {
        let even = |n: &u64| n.is_multiple_of(2);
        let numbers: Vec<u64> = (0..LENGTH).into_par_iter().map(mixed).filter(even).collect();
        numbers.len() as u64 + numbers[numbers.len() / 3]
    })
}

/// Into a list of vectors, with `fold`.
pub fn vec_fold() -> Run {
    Box::new(|| {
        let push = |mut numbers: Vec<u64>, number| {
            numbers.push(number);
            numbers
        };
        let lists = (0..LENGTH).into_par_iter().map(mixed).fold(Vec::new, push);
        let lists: LinkedList<Vec<u64>> = lists.collect();
        lists.iter().map(|list| list.len() as u64).sum()
    })
}

const PAIRS: u32 = 60_000;

pub fn map() -> Run {
    Box::new(|| {
        let map: HashMap<u32, u64> = (0..PAIRS).into_par_iter().map(|n| (n, mixed(n))).collect();
        map.len() as u64 + map[&17]
    })
}

/// Into one map behind a lock.
pub fn map_mutex() -> Run {
    Box::new(|| {
        let map = Mutex::new(HashMap::new());
        (0..PAIRS)
            .into_par_iter()
            .fold(Vec::new, |mut pairs, n| {
                pairs.push((n, mixed(n)));
                pairs
            })
            .for_each(|pairs| map.lock().unwrap().extend(pairs));
        let map = map.into_inner().unwrap();
        map.len() as u64 + map[&17]
    })
}
