//! What is no parallel iterator says what would make it one.

use std::collections::HashMap;

use filch::prelude::*;

fn sum(numbers: impl ParallelIterator<Item = i32>) -> i32 {
    numbers.sum()
}

fn main() {
    sum([1, 2, 3].into_iter());
    (0..3).into_par_iter().chain((0..3).map(|n| n + 1)).for_each(drop);
    let _: HashMap<i32, i32> = (0..3).into_par_iter().collect();
    (0..3).into_par_iter().try_for_each(|n| n);
}
