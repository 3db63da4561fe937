//! The consumer of an ordered loop is called on other threads.

use std::rc::Rc;

use filch::prelude::*;

fn main() {
    let shared = Rc::new(());
    (0..10).into_par_iter().for_each_ordered(4, |_| drop(shared.clone()));
}
