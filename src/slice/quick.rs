//! The unstable sorts. Quicksort on few threads: each part is divided by one of them, in place, and
//! the leaves are sorted by std; or by their numbers, if their elements are large; or in three parts, if
//! they are middling and have few values. Dividing the whole slice is serial, so more threads merge
//! instead.

use std::cmp::Ordering;

use super::divide::{divide, divide_in_three, find_few_values, is_large, is_middling};
use super::large::sort_large;
use super::runs::sort_run;
use super::sort::{SHORTEST, Sort};
use crate::current_num_threads;
use crate::fork::join;

/// Up to so many elements std sorts by insertion, without allocating.
const SHORT: usize = 20;
/// So many elements are asked whether they have few values, at least: then that costs 1 percent.
const LONG: usize = 8 * 1024;
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
    if size_of::<T>() == 0 {
        // What has no size has no order that could be seen, and there may be any number of it.
        return;
    }
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
    } else if is_middling::<T>() && v.len() >= LONG {
        if !sort_run(v, compare) {
            sort_few_values(v, compare, usize::BITS - v.len().leading_zeros());
        }
    } else {
        v.sort_unstable_by(compare);
    }
}

/// In three parts, those that are equal in the middle, as long as there are few values; else by std.
fn sort_few_values<T, F>(mut v: &mut [T], compare: &F, mut depth: u32)
where
    F: Fn(&T, &T) -> Ordering,
{
    while v.len() >= LONG && depth > 0 && find_few_values(v, compare) {
        depth -= 1;
        let (less, greater) = divide_in_three(v, compare);
        let (short, long) =
            if less.len() < greater.len() { (less, greater) } else { (greater, less) };
        sort_few_values(short, compare, depth);
        v = long;
    }
    v.sort_unstable_by(compare);
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
