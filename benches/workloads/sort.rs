//! Merge sort: balanced forks that move memory.

use super::{Fork, Workload};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Merge sort of random numbers, which sorts and merges in parallel; from the Cilk suite. Each run
/// sorts a copy of the input.
pub struct MergeSort {
    input: Vec<u32>,
    sorted: Vec<u32>,
}

/// Slices up to this long are sorted or merged without forks.
const SERIAL: usize = 2048;

impl MergeSort {
    /// Makes `len` random numbers, the same each time.
    pub fn new(len: usize) -> MergeSort {
        let mut random = SmallRng::seed_from_u64(1);
        let input: Vec<u32> = (0..len).map(|_| random.next_u32()).collect();
        let mut sorted = input.clone();
        sorted.sort_unstable();
        MergeSort { input, sorted }
    }
}

impl Workload for MergeSort {
    type Value = Vec<u32>;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> Vec<u32> {
        let mut data = self.input.clone();
        let mut scratch = vec![0; data.len()];
        sort::<F>(cx, &mut data, &mut scratch);
        data
    }

    fn is_right(&self, value: &Vec<u32>) -> bool {
        *value == self.sorted
    }
}

/// Sorts `data`. `scratch` must have the same length, and has arbitrary contents afterwards.
fn sort<F: Fork>(cx: &mut F::Context<'_>, data: &mut [u32], scratch: &mut [u32]) {
    if data.len() <= SERIAL {
        return data.sort_unstable();
    }
    let middle = data.len() / 2;
    let (left, right) = data.split_at_mut(middle);
    let (left_scratch, right_scratch) = scratch.split_at_mut(middle);
    F::join(
        cx,
        |cx| sort_into::<F>(cx, left, left_scratch),
        |cx| sort_into::<F>(cx, right, right_scratch),
    );
    let (left, right) = scratch.split_at(middle);
    merge::<F>(cx, left, right, data);
}

/// Sorts `data` into `out`, which must have the same length. `data` has arbitrary contents
/// afterwards.
fn sort_into<F: Fork>(cx: &mut F::Context<'_>, data: &mut [u32], out: &mut [u32]) {
    if data.len() <= SERIAL {
        out.copy_from_slice(data);
        return out.sort_unstable();
    }
    let middle = data.len() / 2;
    let (left, right) = data.split_at_mut(middle);
    let (left_out, right_out) = out.split_at_mut(middle);
    F::join(cx, |cx| sort::<F>(cx, left, left_out), |cx| sort::<F>(cx, right, right_out));
    let (left, right) = data.split_at(middle);
    merge::<F>(cx, left, right, out);
}

/// Merges two sorted slices into `out`, which must be as long as both together. Cuts the longer
/// slice in the middle, and the other one where the middle element belongs.
fn merge<F: Fork>(cx: &mut F::Context<'_>, left: &[u32], right: &[u32], out: &mut [u32]) {
    if out.len() <= SERIAL {
        return merge_serially(left, right, out);
    }
    let (longer, shorter) = if left.len() >= right.len() { (left, right) } else { (right, left) };
    let (longer_low, longer_high) = longer.split_at(longer.len() / 2);
    let cut = shorter.partition_point(|x| *x < longer_high[0]);
    let (shorter_low, shorter_high) = shorter.split_at(cut);
    let (out_low, out_high) = out.split_at_mut(longer_low.len() + cut);
    F::join(
        cx,
        move |cx| merge::<F>(cx, longer_low, shorter_low, out_low),
        move |cx| merge::<F>(cx, longer_high, shorter_high, out_high),
    );
}

fn merge_serially(mut left: &[u32], mut right: &[u32], out: &mut [u32]) {
    for place in out {
        *place = match (left, right) {
            ([x, rest @ ..], [y, ..]) if x <= y => {
                left = rest;
                *x
            }
            (_, [y, rest @ ..]) => {
                right = rest;
                *y
            }
            ([x, rest @ ..], []) => {
                left = rest;
                *x
            }
            ([], []) => unreachable!("out is as long as both"),
        };
    }
}
