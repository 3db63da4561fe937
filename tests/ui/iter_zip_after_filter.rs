//! Behind a filter, no positions are known.

use filch::prelude::*;

fn main() {
    let numbers = vec![1, 2, 3];
    let even = numbers.par_iter().filter(|number| **number % 2 == 0);
    even.clone().zip(numbers.par_iter()).for_each(drop);
    numbers.par_iter().zip(even).for_each(drop);
}
