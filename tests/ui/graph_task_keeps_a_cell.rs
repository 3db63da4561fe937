//! What a cell holds must not outlive the task that accesses it.

use filch::graph::{Graph, write};

fn main() {
    let mut kept: Option<&mut i32> = None;
    let mut graph = Graph::new();
    let cell = graph.cell(1);
    graph.task(write(&cell), |number| kept = Some(number));
    graph.run().unwrap().success().unwrap();
    drop(graph);
    drop(kept);
}
