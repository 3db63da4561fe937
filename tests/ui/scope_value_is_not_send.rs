//! A task's value comes from any worker, so it must be `Send`.

use std::rc::Rc;

fn main() {
    filch::in_place_scope(|s| {
        s.spawn(|| Rc::new(1));
    });
}
