//! A reference to a cell must not outlive the time between two runs.

use filch::graph::Graph;

fn main() {
    let mut graph = Graph::new();
    let cell = graph.cell(1);
    let number = graph.get(&cell);
    graph.run().unwrap().success().unwrap();
    println!("{number}");
}
