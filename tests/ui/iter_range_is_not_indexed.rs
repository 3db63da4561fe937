//! The length of a range of `u64` may not fit in a `usize`.

use filch::prelude::*;

fn main() {
    (0..100_u64).into_par_iter().with_max_len(1).for_each(drop);
    let letters = ["a", "b"];
    letters.par_iter().zip(0..=1_u32).for_each(drop);
}
