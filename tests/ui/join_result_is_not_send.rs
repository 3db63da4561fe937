//! `b`'s result may come from another thread, so it must be `Send`.

use std::rc::Rc;

fn main() {
    filch::join(|| (), || Rc::new(1));
}
