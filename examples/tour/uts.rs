//! Unbalanced Tree Search: counts the nodes of a tree whose shape is not known before it is walked.
//!
//! After S. Olivier et al., "UTS: An Unbalanced Tree Search Benchmark" (LCPC 2006). A node is a
//! SHA-1 digest, which decides how many children the node has. The digest hashed with a child's
//! number gives that child.

use std::f64::consts::PI;

use example_tools::sha1::{Digest, Sha1};

use crate::halves;
use crate::workloads::{Fork, Workload};

pub struct Uts {
    tree: Tree,
    /// The root's expected number of children, the benchmark's `-b`.
    branching: f64,
    /// The benchmark's `-r`.
    seed: u32,
    answer: Counts,
}

/// How the number of children is distributed.
enum Tree {
    /// `children` with probability `q`, or else none; the benchmark's `-t0 -q -m`.
    Binomial { q: f64, children: u64 },
    /// Geometrically, with a mean that depends on the depth; the benchmark's `-t1 -a -d`.
    Geometric { shape: Shape, depth: f64 },
}

enum Shape {
    Linear,
    Cyclic,
    Fixed,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Counts {
    nodes: u64,
    depth: u64,
    leaves: u64,
}

impl Counts {
    fn add(self, other: Counts) -> Counts {
        Counts {
            nodes: self.nodes + other.nodes,
            depth: self.depth.max(other.depth),
            leaves: self.leaves + other.leaves,
        }
    }
}

/// The sample trees of the benchmark.
impl Uts {
    pub fn t1() -> Uts {
        let tree = geometric(Shape::Fixed, 10.0);
        Uts::new(tree, 4.0, 19, [4_130_071, 10, 3_305_118])
    }

    pub fn t2() -> Uts {
        let tree = geometric(Shape::Cyclic, 16.0);
        Uts::new(tree, 6.0, 502, [4_117_769, 81, 2_342_762])
    }

    pub fn t3() -> Uts {
        let (q, children) = (0.124875, 8);
        let tree = Tree::Binomial { q, children };
        Uts::new(tree, 2000.0, 42, [4_112_897, 1572, 3_599_034])
    }

    pub fn t5() -> Uts {
        let tree = geometric(Shape::Linear, 20.0);
        Uts::new(tree, 4.0, 34, [4_147_582, 20, 2_181_318])
    }

    pub fn t1_large() -> Uts {
        let tree = geometric(Shape::Fixed, 13.0);
        Uts::new(tree, 4.0, 29, [102_181_082, 13, 81_746_377])
    }

    fn new(tree: Tree, branching: f64, seed: u32, [nodes, depth, leaves]: [u64; 3]) -> Uts {
        Uts { tree, branching, seed, answer: Counts { nodes, depth, leaves } }
    }
}

fn geometric(shape: Shape, depth: f64) -> Tree {
    Tree::Geometric { shape, depth }
}

impl Workload for Uts {
    type Value = Counts;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> Counts {
        self.walk::<F>(cx, &Node::root(self.seed))
    }

    fn is_right(&self, value: &Counts) -> bool {
        *value == self.answer
    }
}

impl Uts {
    fn walk<F: Fork>(&self, cx: &mut F::Context<'_>, node: &Node) -> Counts {
        let children = self.children(node);
        let this = Counts { nodes: 1, depth: node.depth, leaves: u64::from(children == 0) };
        if children == 0 {
            return this;
        }
        let below = halves::sum::<F, Counts>(
            cx,
            0..children,
            &|cx, i| self.walk::<F>(cx, &node.child(i as u32)),
            Counts::add,
        );
        this.add(below)
    }

    fn children(&self, node: &Node) -> u64 {
        const MOST: u64 = 100;
        match &self.tree {
            Tree::Binomial { .. } if node.depth == 0 => self.branching as u64,
            Tree::Binomial { q, children } => {
                let has_children = node.random() < *q;
                (u64::from(has_children) * children).min(MOST)
            }
            Tree::Geometric { shape, depth } => {
                let mean = shape.mean(self.branching, node.depth as f64, *depth);
                let p = 1.0 / (1.0 + mean);
                let children = (1.0 - node.random()).ln() / (1.0 - p).ln();
                (children as u64).min(MOST)
            }
        }
    }
}

impl Shape {
    /// Returns the mean number of children at a depth, in a tree about `whole` levels deep.
    fn mean(&self, root: f64, depth: f64, whole: f64) -> f64 {
        match self {
            _ if depth == 0.0 => root,
            Shape::Linear => root * (1.0 - depth / whole),
            Shape::Cyclic if depth > 5.0 * whole => 0.0,
            Shape::Cyclic => root.powf((2.0 * PI * depth / whole).sin()),
            Shape::Fixed if depth < whole => root,
            Shape::Fixed => 0.0,
        }
    }
}

struct Node {
    digest: [u8; 20],
    depth: u64,
}

impl Node {
    fn root(seed: u32) -> Node {
        let hash = Sha1::new().chain_update([0; 16]).chain_update(seed.to_be_bytes());
        Node { digest: hash.finalize().into(), depth: 0 }
    }

    fn child(&self, number: u32) -> Node {
        let hash = Sha1::new().chain_update(self.digest).chain_update(number.to_be_bytes());
        Node { digest: hash.finalize().into(), depth: self.depth + 1 }
    }

    /// Returns a number from 0 to 1, from the digest's last 31 bits.
    fn random(&self) -> f64 {
        let [.., a, b, c, d] = self.digest;
        let bits = u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff;
        f64::from(bits) / f64::from(1_u32 << 31)
    }
}
