//! A parallel iterator does nothing until it is driven.
#![deny(unused_must_use)]

use filch::prelude::*;

fn main() {
    let mut numbers = vec![1, 2, 3];
    numbers.par_iter_mut().map(|number| *number += 1);
    numbers.par_iter().filter(|number| **number > 1);
    numbers.par_chunks(2);
}
