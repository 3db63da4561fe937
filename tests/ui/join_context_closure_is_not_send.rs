//! What holds for `join` holds for `join_context`.

use std::rc::Rc;

fn main() {
    let local = Rc::new(1);
    filch::join_context(|_| (), |_| drop(local.clone()));
}
