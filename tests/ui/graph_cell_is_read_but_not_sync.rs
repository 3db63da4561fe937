//! Tasks read a cell at the same time, so its value must be `Sync`.

use std::cell::Cell;

use filch::graph::{Graph, read};

fn main() {
    let mut graph = Graph::new();
    let cell = graph.cell(Cell::new(1));
    graph.task(read(&cell), |number| number.set(2));
    graph.run().unwrap().success().unwrap();
}
