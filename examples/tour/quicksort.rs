//! Quicksort: forks with unequal sides, after a serial partition.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::workloads::{Fork, Workload};

/// Sorts a copy of random numbers; from the Cilk suite.
pub struct Quicksort {
    input: Vec<u32>,
    sorted: Vec<u32>,
}

/// Slices up to this long are sorted without forks.
const SERIAL: usize = 1024;

impl Quicksort {
    pub fn new(len: usize) -> Quicksort {
        let mut random = SmallRng::seed_from_u64(2);
        let input: Vec<u32> = (0..len).map(|_| random.next_u32()).collect();
        let mut sorted = input.clone();
        sorted.sort_unstable();
        Quicksort { input, sorted }
    }
}

impl Workload for Quicksort {
    type Value = Vec<u32>;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> Vec<u32> {
        let mut data = self.input.clone();
        quicksort::<F>(cx, &mut data);
        data
    }

    fn is_right(&self, value: &Vec<u32>) -> bool {
        *value == self.sorted
    }
}

fn quicksort<F: Fork>(cx: &mut F::Context<'_>, data: &mut [u32]) {
    if data.len() <= SERIAL {
        return data.sort_unstable();
    }
    let cut = partition(data);
    let (low, high) = data.split_at_mut(cut);
    F::join(cx, |cx| quicksort::<F>(cx, low), |cx| quicksort::<F>(cx, high));
}

/// Hoare's partition. Returns the cut: no number before it is larger than one after it. Neither
/// side is empty, because the pivot starts in the first place.
fn partition(data: &mut [u32]) -> usize {
    move_median_to_front(data);
    let pivot = data[0];
    let (mut low, mut high) = (0, data.len() - 1);
    loop {
        while data[low] < pivot {
            low += 1;
        }
        while data[high] > pivot {
            high -= 1;
        }
        if low >= high {
            return high + 1;
        }
        data.swap(low, high);
        low += 1;
        high -= 1;
    }
}

/// Moves the median of the first, the middle and the last number to the front.
fn move_median_to_front(data: &mut [u32]) {
    let mut places = [0, data.len() / 2, data.len() - 1];
    places.sort_unstable_by_key(|&place| data[place]);
    data.swap(0, places[1]);
}
