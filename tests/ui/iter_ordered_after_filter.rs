//! Behind a filter, items have no positions by which they could be ordered.

use filch::prelude::*;

fn main() {
    (0..10).into_par_iter().filter(|n| n % 2 == 0).for_each_ordered(4, |n| println!("{n}"));
}
