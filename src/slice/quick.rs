//! The unstable sorts. Quicksort on few threads: each part is divided by one of them, in place,
//! and the leaves are sorted by std, or by their numbers if their elements are wide. Dividing the
//! whole slice is serial, so more threads merge instead.

use std::cmp::Ordering;
use std::mem::needs_drop;

use super::divide::{Parts, divide};
use super::numbers::sort_by_numbers;
use super::runs::sort_run;
use super::sort::{SHORTEST, Sort};
use crate::current_num_threads;
use crate::fork::join;

/// Up to how many threads divide rather than merge. A guess: by then dividing takes as long as
/// sorting what is divided.
const FEW_THREADS: usize = 8;
/// How many leaves of narrow elements there are for each thread, if the parts are of one size.
const LEAVES_PER_THREAD: usize = 4;

/// Elements up to this many bytes are narrow: std sorts them as fast as we do. Wider ones it moves
/// twice as often as they need.
const NARROW: usize = 16;
/// So are those that own something, such as a string: their comparisons take the time.
const NARROW_OWNER: usize = 24;
/// Longer parts of elements that are not narrow are divided.
const LEAF: usize = 128;
/// Wider elements are sorted by their numbers.
const WIDE: usize = 64;
/// About how many bytes of wide elements make a leaf: they stay in a core's cache.
const CACHE: usize = 512 * 1024;

/// Sorts `v`; not stable. After a panic, `v` has its elements in any order.
pub(super) fn sort_unstable<T, F>(v: &mut [T], compare: &F)
where
    T: Send,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    if size_of::<T>() == 0 {
        // What has no size has no order that could be seen, and there may be any number of it.
        return;
    }
    let threads = current_num_threads();
    if threads > FEW_THREADS {
        return Sort { leaf: |v: &mut [T]| v.sort_unstable_by(|a, b| compare(a, b)), compare }
            .sort(v);
    }
    let narrow = if needs_drop::<T>() { NARROW_OWNER } else { NARROW };
    let leaf = match size_of::<T>() {
        size if size <= narrow && threads == 1 => v.len(),
        size if size <= narrow => (v.len() / (threads * LEAVES_PER_THREAD)).max(SHORTEST),
        size if size <= WIDE => LEAF,
        size => (CACHE / size).max(LEAF),
    };
    let quick = Quick { compare, leaf };
    if v.len() <= leaf || !sort_run(v, compare) {
        quick.sort(v, None, 2 * v.len().checked_ilog2().unwrap_or(0));
    }
}

/// How to sort.
struct Quick<'c, F> {
    compare: &'c F,
    /// Longer parts are divided.
    leaf: usize,
}

impl<F> Quick<'_, F> {
    /// `before`: an element that nothing in `v` is less than. `depth`: after how many divisions to
    /// leave it to std, which knows how to avoid the worst.
    fn sort<T>(&self, v: &mut [T], before: Option<&mut T>, depth: u32)
    where
        T: Send,
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        let len = v.len();
        if len <= self.leaf || depth == 0 {
            return self.sort_leaf(v);
        }
        let Parts { left, pivot, right } = divide(v, before.as_deref(), self.compare);
        let depth = depth - 1;
        // A part that is short is not worth a thief, who would take the long one for it.
        if left.len().min(right.len()) > SHORTEST {
            join(|| self.sort(left, before, depth), || self.sort(right, Some(pivot), depth));
        } else {
            self.sort(left, before, depth);
            self.sort(right, Some(pivot), depth);
        }
    }

    fn sort_leaf<T>(&self, v: &mut [T])
    where
        F: Fn(&T, &T) -> Ordering,
    {
        if size_of::<T>() > WIDE {
            sort_by_numbers(v, self.compare);
        } else {
            v.sort_unstable_by(|a, b| (self.compare)(a, b));
        }
    }
}
