//! A task's value comes from any worker, so it must be `Send`.

use std::rc::Rc;

fn main() {
    filch::spawn(|| Rc::new(1));
}
