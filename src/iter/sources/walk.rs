//! Walks through trees, whose nodes are found on the way.
//!
//! The nodes that are still to be visited are on a stack, the next one on top. So the lower half of
//! the stack, which has the larger subtrees, can be cut off at any time.

use super::steps::{Steps, drive_steps};
use crate::iter::adaptors::adaptor;
use crate::iter::implement::parallel;
use crate::iter::plumbing::Folder;

/// When a node is given: before its children or after them.
const PREFIX: bool = true;
const POSTFIX: bool = false;

/// Declares walks by their order.
macro_rules! walks {
    ($($(#[$doc:meta])* $function:ident, $name:ident, $order:ident;)*) => {$(
        adaptor! {
            #[doc = concat!("The iterator of [`", stringify!($function), "`].")]
            $name<S, B> { root: S; children_of: B }
        }

        parallel! {
            [S: Send, B: Fn(&S) -> I + Send + Sync, I] $name<S, B>
            where { I: IntoIterator<Item = S, IntoIter: DoubleEndedIterator> } => S,
            |self, consumer| {
                let ahead = vec![Ahead::Enter(self.root)];
                let children_of = &self.children_of;
                drive_steps(Stack::<$order, S, B> { ahead, children_of }, consumer)
            }
        }

        $(#[$doc])*
        pub fn $function<S, B, I>(root: S, children_of: B) -> $name<S, B>
        where
            S: Send,
            B: Fn(&S) -> I + Send + Sync,
            I: IntoIterator<Item = S, IntoIter: DoubleEndedIterator>,
        {
            $name::new(root, children_of)
        }
    )*};
}

walks! {
    /// Returns a parallel iterator over the nodes of the tree below `root`. Each comes before its
    /// children, and these keep their order.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// // The prefixes of the words of up to two letters.
    /// let words: Vec<String> = filch::iter::walk_tree_prefix(String::new(), |word: &String| {
    ///     let letters = if word.len() < 2 { vec!['a', 'b'] } else { vec![] };
    ///     letters.into_iter().map(|c| format!("{word}{c}")).collect::<Vec<_>>()
    /// })
    /// .collect();
    /// assert_eq!(words, ["", "a", "aa", "ab", "b", "ba", "bb"]);
    /// ```
    walk_tree_prefix, WalkTreePrefix, PREFIX;

    /// Returns a parallel iterator over the nodes of the tree below `root`. Each comes after its
    /// children, and these keep their order.
    ///
    /// ```
    /// use filch::prelude::*;
    ///
    /// let halves = |n: &u32| if *n > 1 { vec![n / 2, n - n / 2] } else { vec![] };
    /// let sizes: Vec<u32> = filch::iter::walk_tree_postfix(4, halves).collect();
    /// assert_eq!(sizes, [1, 1, 2, 1, 1, 2, 4]);
    /// ```
    walk_tree_postfix, WalkTreePostfix, POSTFIX;

    /// Returns a parallel iterator over the nodes of the tree below `root`, in any order.
    ///
    /// # Graphs
    /// If several ways lead to a node, `children_of` must leave out nodes that have been seen. A
    /// set that all threads share decides that:
    ///
    /// ```
    /// use filch::prelude::*;
    /// use std::collections::HashSet;
    /// use std::sync::Mutex;
    ///
    /// // From n there are edges to 2n, and to 3n, modulo 1000.
    /// let seen = Mutex::new(HashSet::from([1]));
    /// let reached = filch::iter::walk_tree(1, |&n: &u32| {
    ///     let mut next = vec![2 * n % 1000, 3 * n % 1000];
    ///     let mut seen = seen.lock().unwrap();
    ///     next.retain(|&n| seen.insert(n));
    ///     next
    /// })
    /// .count();
    /// assert_eq!(reached, seen.into_inner().unwrap().len());
    /// ```
    ///
    /// One lock is enough if it takes longer to find the neighbours than the lock is held.
    /// Otherwise use at least as many sets, each with its lock, as there are threads, and choose
    /// one by the node's hash.
    walk_tree, WalkTree, PREFIX;
}

/// What comes next.
enum Ahead<S> {
    /// A node with its subtree.
    Enter(S),
    /// A node whose subtree is on top of it, or done.
    Leave(S),
}

struct Stack<'b, const ORDER: bool, S, B> {
    ahead: Vec<Ahead<S>>,
    children_of: &'b B,
}

impl<const ORDER: bool, S, B, I> Iterator for Stack<'_, ORDER, S, B>
where
    B: Fn(&S) -> I,
    I: IntoIterator<Item = S, IntoIter: DoubleEndedIterator>,
{
    type Item = S;

    fn next(&mut self) -> Option<S> {
        loop {
            let node = match self.ahead.pop()? {
                Ahead::Leave(node) => return Some(node),
                Ahead::Enter(node) => node,
            };
            let children = (self.children_of)(&node).into_iter().rev().map(Ahead::Enter);
            if ORDER == PREFIX {
                self.ahead.extend(children);
                return Some(node);
            }
            self.ahead.push(Ahead::Leave(node));
            self.ahead.extend(children);
        }
    }
}

impl<const ORDER: bool, S, B, I> Steps for Stack<'_, ORDER, S, B>
where
    S: Send,
    B: Fn(&S) -> I + Sync,
    I: IntoIterator<Item = S, IntoIter: DoubleEndedIterator>,
{
    type Item = S;

    fn step<F: Folder<S>>(&mut self, most: usize, folder: F) -> (F, bool) {
        let folder = folder.consume_iter(self.by_ref().take(most));
        (folder, !self.ahead.is_empty())
    }

    fn cut_off(&mut self, first: bool) -> Option<Self> {
        let lower = if first { self.ahead.len().saturating_sub(1) } else { self.ahead.len() / 2 };
        if lower == 0 {
            return None;
        }
        let upper = self.ahead.split_off(lower);
        let lower = std::mem::replace(&mut self.ahead, upper);
        Some(Stack { ahead: lower, children_of: self.children_of })
    }
}
