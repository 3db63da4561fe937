//! The unstable sorts. Quicksort on few threads: each part is divided by one of them, in place, and
//! the leaves are sorted by std, or by their numbers if their elements are large. Dividing the whole
//! slice is serial, so more threads merge instead.

use std::cmp::Ordering;

use super::divide::{divide, is_large};
use super::large::sort_large;
use super::runs::sort_run;
use super::sort::{SHORTEST, Sort};
use crate::current_num_threads;
use crate::fork::join;

/// Up to so many elements std sorts by insertion, without allocating.
const SHORT: usize = 20;
/// Up to how many threads divide rather than merge. A guess: by then dividing takes as long as
/// sorting what is divided.
const FEW_THREADS: usize = 8;
/// How many leaves there are for each thread, if the parts are of one size.
const LEAVES_PER_THREAD: usize = 4;

/// Sorts `v`; not stable. After a panic, `v` has its elements in any order.
pub(super) fn sort_unstable<T, F>(v: &mut [T], compare: &F)
where
    T: Send,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    let threads = current_num_threads();
    if threads > FEW_THREADS {
        return Sort { leaf: |v: &mut [T]| sort_serially(v, compare), compare }.sort(v);
    }
    if threads == 1 || v.len() < 2 * SHORTEST {
        return sort_serially(v, compare);
    }
    if !sort_run(v, compare) {
        let grain = (v.len() / (threads * LEAVES_PER_THREAD)).max(SHORTEST);
        sort(v, compare, grain, usize::BITS - v.len().leading_zeros());
    }
}

/// By this thread.
fn sort_serially<T, F>(v: &mut [T], compare: &F)
where
    T: Send,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    if is_large::<T>() && v.len() > SHORT {
        sort_large(v, compare);
    } else {
        v.sort_unstable_by(compare);
    }
}

/// `depth`: after how many divisions to leave it to std, which knows how to avoid the worst.
fn sort<T, F>(v: &mut [T], compare: &F, grain: usize, depth: u32)
where
    T: Send,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    if v.len() <= grain || depth == 0 {
        return sort_serially(v, compare);
    }
    let (less, greater) = divide(v, compare);
    join(|| sort(less, compare, grain, depth - 1), || sort(greater, compare, grain, depth - 1));
}
