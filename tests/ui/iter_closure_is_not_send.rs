//! The closures of a parallel iterator run on any thread, several at a time.

use std::cell::Cell;
use std::rc::Rc;

use filch::prelude::*;

fn main() {
    let one = Rc::new(1);
    let sum: i32 = (0..10).into_par_iter().map(|n| n + *one).sum();
    let count = Cell::new(0);
    (0..sum).into_par_iter().for_each(|_| count.set(count.get() + 1));
}
