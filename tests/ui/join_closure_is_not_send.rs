//! `b` may run on another thread, so it must be `Send`.

use std::rc::Rc;

fn main() {
    let local = Rc::new(1);
    filch::join(|| (), || drop(local.clone()));
}
