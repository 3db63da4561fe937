//! A task runs on any worker, so it must be `Send`.

use std::rc::Rc;

fn main() {
    let local = Rc::new(1);
    filch::in_place_scope(|s| {
        s.spawn(|| drop(local.clone()));
    });
}
