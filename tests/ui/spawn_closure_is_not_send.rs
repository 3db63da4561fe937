//! A task runs on any worker, so it must be `Send`.

use std::rc::Rc;

fn main() {
    let local = Rc::new(1);
    filch::spawn(move || drop(local));
}
