//! Items go to other threads, so they must be `Send`.

use std::rc::Rc;

fn main() {
    filch::pipeline((0..9).map(Rc::new)).parallel(|item| *item).run().unwrap();
}
