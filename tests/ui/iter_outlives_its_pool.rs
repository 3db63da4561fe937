//! A loop cannot run in a pool that is gone.

use filch::prelude::*;

fn main() {
    let numbers = {
        let pool = filch::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        (0..10).into_par_iter().with_pool(&pool)
    };
    assert_eq!(numbers.count(), 10);
}
