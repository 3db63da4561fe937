//! Scans (prefix sums), in two passes over blocks.
//!
//! The first pass folds each block; the folds are summed up from the first to the last; the
//! second pass scans each block, starting from what comes before it. Each block is folded from
//! its first element to its last, whichever thread does it, so that the result depends on the
//! elements alone.

use super::bits::Room;
use super::collect::{Filled, collect};
use crate::fork::join;

/// The elements of a block: part of what the scans promise. Some 10 us of additions.
const BLOCK: usize = 4096;

/// What comes before each block: `None` before the first, if there is no initial value.
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
                        // Not at the closure's end: a panic there would leak what it returns.
                        drop(fold);
                        next
                    }
                    None => fold,
                };
                total.replace(next)
            })
            .collect();
        Carries { before, total }
    }

    /// What comes before each of the blocks that were folded, and before one more.
    fn before_last_too(mut self) -> Vec<Option<T>> {
        self.before.push(self.total);
        self.before
    }
}

/// Whether all elements are one block: those without a size, of which there may be any number, and
/// whose sums do not show how they were made.
const fn is_one_block<T>() -> bool {
    size_of::<T>() == 0
}

/// Where the last block starts, whose fold nobody needs.
fn last_block(len: usize) -> usize {
    len.saturating_sub(1) / BLOCK * BLOCK
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

/// An element of the result is the sum of all elements up to and with the one of its place.
pub(super) fn inclusive<T, O>(v: &[T], op: &O) -> Vec<T>
where
    T: Clone + Send + Sync,
    O: Fn(&T, &T) -> T + Sync,
{
    if is_one_block::<T>() {
        return collect(v.len(), |room| inclusive_into(v, &[None], room, op));
    }
    let carries = Carries::new(None, folds(&v[..last_block(v.len())], op), op);
    let before = carries.before_last_too();
    let sums = collect(v.len(), |room| inclusive_into(v, &before, room, op));
    // As in `Carries::new`.
    drop(before);
    sums
}

/// An element of the result is the sum of `init` and all elements before its place; the sum of
/// all is given, too.
pub(super) fn exclusive<T, O>(v: &[T], init: T, op: &O) -> (Vec<T>, T)
where
    T: Clone + Send + Sync,
    O: Fn(&T, &T) -> T + Sync,
{
    if is_one_block::<T>() {
        let before = [Some(init)];
        let sums = collect(v.len(), |room| exclusive_into(v, &before, room, op));
        let [init] = before;
        let total = match (sums.last(), v.last()) {
            (Some(sum), Some(last)) => Some(op(sum, last)),
            _ => init,
        };
        return (sums, total.expect("there is an initial value"));
    }
    let Carries { before, total } = Carries::new(Some(init), folds(v, op), op);
    let sums = collect(v.len(), |room| exclusive_into(v, &before, room, op));
    // As in `Carries::new`.
    drop(before);
    (sums, total.expect("there is an initial value"))
}

/// The fold of each block.
fn folds<T, O>(v: &[T], op: &O) -> Vec<T>
where
    T: Clone + Send + Sync,
    O: Fn(&T, &T) -> T + Sync,
{
    collect(v.len().div_ceil(BLOCK), |room| folds_into(v, room, op))
}

fn folds_into<'a, T, O>(v: &[T], room: &'a mut Room<T>, op: &O) -> Filled<'a, T>
where
    T: Clone + Send + Sync,
    O: Fn(&T, &T) -> T + Sync,
{
    if v.len() <= BLOCK {
        return Filled::new(room).extend(v.chunks(BLOCK).map(|block| fold(block, op)));
    }
    let middle = room.len() / 2;
    let (left, right) = v.split_at(middle * BLOCK);
    Filled::in_two(
        room,
        middle,
        |room| folds_into(left, room, op),
        |room| folds_into(right, room, op),
    )
}

fn inclusive_into<'a, T, O>(
    v: &[T],
    before: &[Option<T>],
    room: &'a mut Room<T>,
    op: &O,
) -> Filled<'a, T>
where
    T: Clone + Send + Sync,
    O: Fn(&T, &T) -> T + Sync,
{
    match before {
        [] => Filled::new(room),
        [before] => {
            let Some((first, rest)) = v.split_first() else {
                return Filled::new(room);
            };
            let first = match before {
                Some(before) => op(before, first),
                None => first.clone(),
            };
            Filled::new(room).extend([first]).scan(rest, op)
        }
        _ => {
            let middle = before.len() / 2;
            let (before_left, before_right) = before.split_at(middle);
            let (left, right) = v.split_at(middle * BLOCK);
            Filled::in_two(
                room,
                middle * BLOCK,
                |room| inclusive_into(left, before_left, room, op),
                |room| inclusive_into(right, before_right, room, op),
            )
        }
    }
}

fn exclusive_into<'a, T, O>(
    v: &[T],
    before: &[Option<T>],
    room: &'a mut Room<T>,
    op: &O,
) -> Filled<'a, T>
where
    T: Clone + Send + Sync,
    O: Fn(&T, &T) -> T + Sync,
{
    match before {
        [] => Filled::new(room),
        [before] => {
            let Some((_, all_but_last)) = v.split_last() else {
                return Filled::new(room);
            };
            Filled::new(room).extend(before.clone()).scan(all_but_last, op)
        }
        _ => {
            let middle = before.len() / 2;
            let (before_left, before_right) = before.split_at(middle);
            let (left, right) = v.split_at(middle * BLOCK);
            Filled::in_two(
                room,
                middle * BLOCK,
                |room| exclusive_into(left, before_left, room, op),
                |room| exclusive_into(right, before_right, room, op),
            )
        }
    }
}

// ---- In place ----

/// [`inclusive`], in place.
pub(super) fn inclusive_in_place<T, O>(v: &mut [T], op: &O)
where
    T: Clone + Send,
    O: Fn(&T, &T) -> T + Sync,
{
    let start = if is_one_block::<T>() { 0 } else { last_block(v.len()) };
    let carries = Carries::new(None, folds_mut(&mut v[..start], op), op);
    on_blocks(v, &mut carries.before_last_too(), &|block, before| {
        if let (Some(before), Some(first)) = (before, block.first_mut()) {
            *first = op(&before, first);
        }
        let Some((mut last, rest)) = block.split_first_mut() else {
            return;
        };
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
    if is_one_block::<T>() {
        return exclusive_serially(v, init, op);
    }
    let mut carries = Carries::new(Some(init), folds_mut(v, op), op);
    on_blocks(v, &mut carries.before, &|block, before| {
        exclusive_serially(block, before.expect("there is an initial value"), op);
    });
    carries.total.expect("there is an initial value")
}

fn exclusive_serially<T, O: Fn(&T, &T) -> T>(block: &mut [T], init: T, op: &O) -> T {
    let mut next = init;
    for element in block {
        let sum = op(&next, element);
        *element = std::mem::replace(&mut next, sum);
    }
    next
}

/// [`folds`], of elements that only one thread may look at.
fn folds_mut<T, O>(v: &mut [T], op: &O) -> Vec<T>
where
    T: Clone + Send,
    O: Fn(&T, &T) -> T + Sync,
{
    collect(v.len().div_ceil(BLOCK), |room| folds_mut_into(v, room, op))
}

fn folds_mut_into<'a, T, O>(v: &mut [T], room: &'a mut Room<T>, op: &O) -> Filled<'a, T>
where
    T: Clone + Send,
    O: Fn(&T, &T) -> T + Sync,
{
    if v.len() <= BLOCK {
        return Filled::new(room).extend(v.chunks(BLOCK).map(|block| fold(block, op)));
    }
    let middle = room.len() / 2;
    let (left, right) = v.split_at_mut(middle * BLOCK);
    Filled::in_two(
        room,
        middle,
        |room| folds_mut_into(left, room, op),
        |room| folds_mut_into(right, room, op),
    )
}

/// Runs `scan` on each block and what comes before it.
fn on_blocks<T, S>(v: &mut [T], before: &mut [Option<T>], scan: &S)
where
    T: Send,
    S: Fn(&mut [T], Option<T>) + Sync,
{
    match before {
        [] => (),
        [before] => scan(v, before.take()),
        _ => {
            let middle = before.len() / 2;
            let (before_left, before_right) = before.split_at_mut(middle);
            let (left, right) = v.split_at_mut(middle * BLOCK);
            join(|| on_blocks(left, before_left, scan), || on_blocks(right, before_right, scan));
        }
    }
}
