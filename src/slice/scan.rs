//! Scans (prefix sums), in two passes over blocks.
//!
//! The first pass folds each block. The folds are then added up from the first to the last. The
//! second pass scans each block, beginning with the sum of all blocks before it. Any thread folds a
//! block from its first element to its last, so the result depends only on the elements.

use std::mem;

use super::collect::{collect, in_two};
use crate::iter::ends::collect::{Filled, Places};
use crate::iter::plumbing::{Folder, drop_first};
use crate::iter::sources::chunks::{Chunks, ChunksMut};
use crate::iter::{IndexedParallelIterator, ParallelIterator};

/// The number of elements of a block, a part of the contract of the scans. Some 10 us of additions.
const BLOCK: usize = 4096;

/// The sums before each block, and the sum of all. Without an initial value, the sum before the
/// first block is `None`.
struct Carries<T> {
    before: Vec<Option<T>>,
    total: Option<T>,
}

impl<T> Carries<T> {
    fn new<O: Fn(&T, &T) -> T>(init: Option<T>, folds: Vec<T>, op: &O) -> Carries<T> {
        let mut total = init;
        let before = folds
            .into_iter()
            .map(|fold| {
                let next = match &total {
                    Some(total) => {
                        let next = op(total, &fold);
                        drop_first(fold, next)
                    }
                    None => fold,
                };
                total.replace(next)
            })
            .collect();
        Carries { before, total }
    }

    /// Returns the sums before each of the blocks that were folded, and before one more.
    fn before_all(mut self) -> Vec<Option<T>> {
        self.before.push(self.total);
        self.before
    }
}

/// Returns the number of elements of a block. Elements without a size are all one block: there may
/// be any number of them, and the result does not show how they were added.
const fn block<T>() -> usize {
    if size_of::<T>() == 0 { usize::MAX } else { BLOCK }
}

/// Returns the start of the last block, whose fold is not needed.
fn last_block<T>(v: &[T]) -> usize {
    v.len().saturating_sub(1) / block::<T>() * block::<T>()
}

fn fold<T: Clone, O: Fn(&T, &T) -> T>(block: &[T], op: &O) -> T {
    let (first, rest) = block.split_first().expect("no block is empty");
    let mut sum = first.clone();
    for element in rest {
        sum = op(&sum, element);
    }
    sum
}

// ---- By reference ----

/// Returns, for each element, the sum of all elements up to it.
pub(super) fn inclusive<T, O>(v: &[T], op: &O) -> Vec<T>
where
    T: Clone + Send + Sync,
    O: Fn(&T, &T) -> T + Sync,
{
    let carries = Carries::new(None, folds(&v[..last_block(v)], op), op);
    sums(v, carries.before_all(), |block, before, sums| {
        let Some((first, rest)) = block.split_first() else { return sums };
        let first = match before {
            Some(before) => op(before, first),
            None => first.clone(),
        };
        sums.consume(first).scan(rest, op)
    })
}

/// Returns, for each element, the sum of `init` and all elements before it, and the sum of all.
pub(super) fn exclusive<T, O>(v: &[T], init: T, op: &O) -> (Vec<T>, T)
where
    T: Clone + Send + Sync,
    O: Fn(&T, &T) -> T + Sync,
{
    let Carries { before, total } = Carries::new(Some(init), folds(v, op), op);
    let sums = sums(v, before, |block, before, sums| match block.split_last() {
        Some((_, all_but_last)) => sums.consume_iter(before.clone()).scan(all_but_last, op),
        None => sums,
    });
    (sums, total.expect("there is an initial value"))
}

/// Returns the fold of each block.
fn folds<T: Clone + Send + Sync, O: Fn(&T, &T) -> T + Sync>(v: &[T], op: &O) -> Vec<T> {
    Chunks::new(v, block::<T>()).map(|block| fold(block, op)).collect()
}

/// Scans the blocks: `leaf` fills the places of a block, beginning with the sum before it.
fn sums<T, L>(v: &[T], before: Vec<Option<T>>, leaf: L) -> Vec<T>
where
    T: Send + Sync,
    L: for<'a> Fn(&[T], &Option<T>, Places<'a, T>) -> Places<'a, T> + Sync,
{
    let sums = collect(v.len(), |places| sums_into(v, &before, places, &leaf));
    drop_first(before, sums)
}

/// Fills the places of the blocks by `leaf`.
fn sums_into<'a, T, L>(
    v: &[T],
    before: &[Option<T>],
    places: Places<'a, T>,
    leaf: &L,
) -> Filled<'a, T>
where
    T: Send + Sync,
    L: Fn(&[T], &Option<T>, Places<'a, T>) -> Places<'a, T> + Sync,
{
    match before {
        [] => places.complete(),
        [before] => leaf(v, before, places).complete(),
        _ => {
            let middle = before.len() / 2;
            let (before_left, before_right) = before.split_at(middle);
            let (left, right) = v.split_at(middle * BLOCK);
            in_two(
                places,
                middle * BLOCK,
                |places| sums_into(left, before_left, places, leaf),
                |places| sums_into(right, before_right, places, leaf),
            )
        }
    }
}

// ---- In place ----

/// [`inclusive`], in place.
pub(super) fn inclusive_in_place<T: Clone + Send, O: Fn(&T, &T) -> T + Sync>(v: &mut [T], op: &O) {
    let start = last_block(v);
    let carries = Carries::new(None, folds_mut(&mut v[..start], op), op);
    on_blocks(v, carries.before_all(), |block, before| {
        if let (Some(before), Some(first)) = (before, block.first_mut()) {
            *first = op(&before, first);
        }
        let Some((mut last, rest)) = block.split_first_mut() else { return };
        for element in rest {
            *element = op(last, element);
            last = element;
        }
    });
}

/// [`exclusive`], in place.
pub(super) fn exclusive_in_place<T, O>(v: &mut [T], init: T, op: &O) -> T
where
    T: Clone + Send,
    O: Fn(&T, &T) -> T + Sync,
{
    let carries = Carries::new(Some(init), folds_mut(v, op), op);
    on_blocks(v, carries.before, |block, before| {
        let mut next = before.expect("there is an initial value");
        for element in block {
            let sum = op(&next, element);
            *element = mem::replace(&mut next, sum);
        }
    });
    carries.total.expect("there is an initial value")
}

/// [`folds`] of elements that only one thread at a time may read.
fn folds_mut<T: Clone + Send, O: Fn(&T, &T) -> T + Sync>(v: &mut [T], op: &O) -> Vec<T> {
    ChunksMut::new(v, block::<T>()).map(|block| fold(block, op)).collect()
}

/// Calls `scan` with each block and the sum before it.
fn on_blocks<T, S>(v: &mut [T], before: Vec<Option<T>>, scan: S)
where
    T: Send,
    S: Fn(&mut [T], Option<T>) + Sync + Send,
{
    let blocks = ChunksMut::new(v, block::<T>()).zip(before);
    blocks.for_each(|(block, before)| scan(block, before));
}
