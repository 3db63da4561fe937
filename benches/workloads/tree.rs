//! The sum over a binary tree of boxes: forks that follow pointers.

use super::{Fork, Workload};

/// A perfect binary tree, each node in its own box.
pub struct Tree {
    value: u64,
    children: Option<[Box<Tree>; 2]>,
}

impl Tree {
    /// Makes a tree of `2^levels - 1` nodes, each of value 1.
    pub fn perfect(levels: u32) -> Tree {
        Tree {
            value: 1,
            children: (levels > 1).then(|| {
                [Box::new(Tree::perfect(levels - 1)), Box::new(Tree::perfect(levels - 1))]
            }),
        }
    }
}

/// Returns the sum of a tree's values. Forks at each node that has children.
pub fn tree_sum<F: Fork>(cx: &mut F::Context<'_>, tree: &Tree) -> u64 {
    let Some([left, right]) = &tree.children else {
        return tree.value;
    };
    let (a, b) = F::join(cx, |cx| tree_sum::<F>(cx, left), |cx| tree_sum::<F>(cx, right));
    tree.value + a + b
}

/// [`tree_sum`] of a tree of `2^levels - 1` nodes. The answer is the number of nodes. Spice and
/// chili use this benchmark with 1,023 nodes and more. 1,023 nodes take about a microsecond, too
/// short to gain from a second thread.
pub struct TreeSum {
    levels: u32,
    tree: Tree,
}

impl TreeSum {
    /// Makes the tree.
    pub fn new(levels: u32) -> TreeSum {
        TreeSum { levels, tree: Tree::perfect(levels) }
    }
}

impl Workload for TreeSum {
    type Value = u64;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> u64 {
        tree_sum::<F>(cx, &self.tree)
    }

    fn is_right(&self, value: &u64) -> bool {
        *value == (1 << self.levels) - 1
    }
}
