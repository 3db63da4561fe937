//! What a graph holds between its runs: the values of its cells, and the results of its tasks. Also
//! draws the graph.
#![allow(unsafe_code)]

use std::fmt::Write as _;

use super::Graph;
use super::access::Cell;
use super::node::Node;
use super::plan::predecessors;
use super::report::Outcome;

impl Graph<'_> {
    /// Returns the value of a cell, between runs.
    ///
    /// # Panics
    /// Panics if the cell belongs to another graph.
    #[track_caller]
    pub fn get<A>(&self, cell: &Cell<A>) -> &A {
        self.expect_own(cell.graph);
        // SAFETY: case 2 of the invariant of `access.rs`. The graph is not `Sync`, so this thread
        // is the only one that has such references. The graph owns the value.
        unsafe { cell.slot.get() }
    }

    /// Returns the value of a cell, between runs, to change it.
    ///
    /// # Panics
    /// Panics if the cell belongs to another graph.
    #[track_caller]
    pub fn get_mut<A>(&mut self, cell: &Cell<A>) -> &mut A {
        self.expect_own(cell.graph);
        // SAFETY: case 2 of the invariant of `access.rs`, with exclusive use of the graph,
        // which owns the value.
        unsafe { cell.slot.get_mut() }
    }

    /// Returns the result of a task in the last run. Returns `None` if the task failed, was skipped
    /// or was added since, or if its result was taken.
    ///
    /// # Panics
    /// Panics if the task belongs to another graph.
    #[track_caller]
    pub fn result<T>(&self, node: &Node<T>) -> Option<&T> {
        self.expect_own(node.owner.graph);
        let has_result = self.outcomes.has_result(node.index);
        // SAFETY: as in `get`.
        has_result.then(|| unsafe { node.slot.get() }.as_ref()).flatten()
    }

    /// Takes the result of a task in the last run: see [`result`](Self::result). A result that is
    /// not taken is dropped when the task next returns a result, or with the graph.
    ///
    /// # Panics
    /// Panics if the task belongs to another graph.
    #[track_caller]
    pub fn take_result<T>(&mut self, node: &Node<T>) -> Option<T> {
        self.expect_own(node.owner.graph);
        let has_result = self.outcomes.has_result(node.index);
        // SAFETY: as in `get_mut`.
        has_result.then(|| unsafe { node.slot.get_mut() }.take()).flatten()
    }

    /// Returns the graph in the DOT language, for Graphviz to draw. The color of a task shows its
    /// outcome in the last run: green if it ran, orange if its fallback replaced the result, red if
    /// it failed, and grey if it was skipped or has never run.
    ///
    /// ```
    /// use filch::graph::Graph;
    ///
    /// let mut graph = Graph::new();
    /// let a = graph.task((), |()| 1).name("a");
    /// graph.task(&a, |a| a + 1).name("b");
    /// assert!(graph.dot().contains("0 -> 1"));
    /// ```
    pub fn dot(&self) -> String {
        let mut text = String::from("digraph {\n    node [shape=box, style=filled];\n");
        let mut before = predecessors(self.len(), &self.owner.settings().edges);
        for index in 0..self.len() {
            let color = match self.outcomes.of(index) {
                Some(Outcome::Ran) => "palegreen",
                Some(Outcome::Replaced) => "orange",
                Some(Outcome::Failed) => "tomato",
                Some(Outcome::Skipped) | None => "lightgrey",
            };
            let name = self.owner.name(index).replace('\\', "\\\\").replace('"', "\\\"");
            // Writing to a `String` does not fail.
            let _ = writeln!(text, "    {index} [label=\"{name}\", fillcolor={color}];");
            let before = before.of_mut(index);
            before.sort_unstable();
            for earlier in before.chunk_by(|one, other| one == other) {
                let _ = writeln!(text, "    {} -> {index};", earlier[0]);
            }
        }
        text.push_str("}\n");
        text
    }
}
