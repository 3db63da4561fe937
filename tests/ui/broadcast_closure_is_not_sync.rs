//! All workers call the closure at once, so it must be `Sync`.

use std::cell::Cell;

fn main() {
    let cell = Cell::new(1);
    filch::broadcast(|_| cell.set(2));
}
