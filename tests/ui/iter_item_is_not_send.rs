//! The items of a parallel iterator go to other threads.

use std::rc::Rc;

use filch::prelude::*;

fn main() {
    let counted = vec![Rc::new(1), Rc::new(2)];
    counted.par_iter().for_each(|_| {});
    counted.into_par_iter().for_each(drop);
    (0..3).map(Rc::new).par_bridge().for_each(drop);
}
