//! Trees are walked in order, whichever worker walks which part.

use crate::everywhere::{assert_same, everywhere};
use filch::iter;
use filch::prelude::*;

const LONG: usize = 100_000;

/// The children of a node in a tree of `n` nodes, which are numbered level by level.
fn children(n: usize) -> impl Fn(&usize) -> Vec<usize> + Copy {
    move |&node| [2 * node + 1, 2 * node + 2].into_iter().filter(|&child| child < n).collect()
}

fn prefix(node: usize, n: usize, into: &mut Vec<usize>) {
    into.push(node);
    children(n)(&node).into_iter().for_each(|child| prefix(child, n, into));
}

fn postfix(node: usize, n: usize, into: &mut Vec<usize>) {
    children(n)(&node).into_iter().for_each(|child| postfix(child, n, into));
    into.push(node);
}

#[test]
fn trees_are_walked_in_order() {
    for n in [1, 2, 10, 300, LONG] {
        let (mut before, mut after) = (vec![], vec![]);
        prefix(0, n, &mut before);
        postfix(0, n, &mut after);
        everywhere(|| {
            assert_same(iter::walk_tree_prefix(0, children(n)), before.iter().copied());
            assert_same(iter::walk_tree_postfix(0, children(n)), after.iter().copied());
            let mut all: Vec<_> = iter::walk_tree(0, children(n)).collect();
            all.sort();
            assert!(all.into_iter().eq(0..n));
        });
    }
}

#[test]
fn long_branches_are_walked() {
    // A chain, with a leaf at every node.
    let n = LONG;
    let chain = |&node: &usize| {
        let next = [node + 2, node + 1].into_iter();
        next.filter(|&next| node % 2 == 0 && next < n).collect::<Vec<_>>()
    };
    everywhere(|| {
        assert_eq!(iter::walk_tree(0, chain).count(), n);
        assert_eq!(iter::walk_tree_prefix(0, chain).count(), n);
        let order: Vec<_> = iter::walk_tree_postfix(0, chain).collect();
        assert_eq!((order.len(), order.last()), (n, Some(&0)));
    });
}

#[test]
fn a_walk_stops_when_it_has_found() {
    everywhere(|| {
        let endless = |&n: &u64| [n.wrapping_mul(2), n.wrapping_mul(2) + 1];
        assert_eq!(
            iter::walk_tree(1, endless).find_any(|n| *n > 1000).map(|n| n > 1000),
            Some(true)
        );
    });
}
