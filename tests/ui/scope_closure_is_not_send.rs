//! The closure of `scope` may run on a worker, so it must be `Send`.

use std::rc::Rc;

fn main() {
    let local = Rc::new(1);
    filch::scope(|_| drop(local.clone()));
}
