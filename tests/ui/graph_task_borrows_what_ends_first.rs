//! A task must not borrow what is dropped before the graph runs.

use filch::graph::Graph;

fn main() {
    let mut graph = Graph::new();
    {
        let numbers = vec![1, 2, 3];
        graph.task((), |()| println!("{}", numbers.len()));
    }
    graph.run().unwrap().success().unwrap();
}
