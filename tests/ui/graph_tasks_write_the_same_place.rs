//! Two tasks must not write the same place, but by a cell.

use filch::graph::Graph;

fn main() {
    let mut count = 0;
    let mut graph = Graph::new();
    graph.task((), |()| count += 1);
    graph.task((), |()| count += 1);
    graph.run().unwrap().success().unwrap();
}
