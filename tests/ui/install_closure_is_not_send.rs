//! `install` moves to a worker, so its closure must be `Send`.

use std::rc::Rc;

fn main() {
    let pool = filch::ThreadPoolBuilder::new().build().unwrap();
    let local = Rc::new(1);
    pool.install(|| drop(local.clone()));
}
