//! The closures of a parallel iterator share what they capture.

use filch::prelude::*;

fn main() {
    let mut sum = 0;
    (0..10).into_par_iter().for_each(|n| sum += n);
    println!("{sum}");
}
