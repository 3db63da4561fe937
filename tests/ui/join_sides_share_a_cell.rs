//! The two sides may run at once, so what they share must be `Sync`.

use std::cell::Cell;

fn main() {
    let cell = Cell::new(1);
    filch::join(|| cell.set(2), || cell.set(3));
}
