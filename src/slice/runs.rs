//! Slices that are already sorted, forwards or backwards, or but for a few elements at the end. One
//! pass before the sort detects them.

use std::cmp::Ordering;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::bits::GRAIN;
use super::merge::insert;
use crate::fork::join_erased as join;

/// How many elements at the start are checked before any fork: most slices are no runs.
const PREFIX: usize = 256;

/// So many pairs are compared without a branch between them.
const BLOCK: usize = 16;

/// The elements behind a run are few if they are at most one in this many. A guess.
const FEW: usize = 64;

/// Sorts a slice that is a run, or a run and few elements behind it, which `sort` sorts. Returns
/// whether it is such a slice. A strictly descending run is reversed: it has no equal elements
/// whose order could change. Any other slice is unchanged.
pub(super) fn sort_run<T, F>(v: &mut [T], compare: &F, sort: impl FnOnce(&mut [T])) -> bool
where
    T: Send,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    let len = v.len();
    let [first, second, ..] = v else { return true };
    if compare(second, first) == Ordering::Less {
        let descends = first_run(v, &|a, b| compare(b, a) == Ordering::Less) == len;
        if descends {
            let (low, high) = v.split_at_mut(len / 2);
            reverse(low, high);
        }
        return descends;
    }
    let run = first_run(v, &|a, b| compare(b, a) != Ordering::Less);
    let is_run = len - run <= len / FEW;
    if is_run && run < len {
        sort(&mut v[run..]);
        insert(v, run, compare);
    }
    is_run
}

/// Returns for how many elements at the start `follow` is true for all neighbours. `v` is not
/// empty.
fn first_run<T: Send, F: Fn(&T, &T) -> bool + Sync>(v: &mut [T], follow: &F) -> usize {
    let prefix = PREFIX.min(v.len());
    let run = run(&v[..prefix], follow);
    if run < prefix {
        return run;
    }
    let end = AtomicUsize::new(v.len());
    find_end(&mut v[prefix - 1..], prefix - 1, follow, &end);
    end.into_inner()
}

/// Lowers `end` to the first place in `v` that does not follow the one before. `start` is the place
/// of `v`. The slices are exclusive, since only one thread at a time may read an element that is
/// not `Sync`.
fn find_end<T, F>(v: &mut [T], start: usize, follow: &F, end: &AtomicUsize)
where
    T: Send,
    F: Fn(&T, &T) -> bool + Sync,
{
    if end.load(Relaxed) <= start {
        return;
    }
    if size_of_val(v) <= GRAIN.max(size_of::<T>()) {
        let run = run(v, follow);
        if run < v.len() {
            end.fetch_min(start + run, Relaxed);
        }
        return;
    }
    let middle = v.len() / 2;
    let (left, right) = v.split_at_mut(middle);
    join(|| find_end(left, start, follow, end), || find_end(right, start + middle, follow, end));
    if !follow(&v[middle - 1], &v[middle]) {
        end.fetch_min(start + middle, Relaxed);
    }
}

/// Like `first_run`, on one thread.
fn run<T, F: Fn(&T, &T) -> bool>(v: &[T], follow: &F) -> usize {
    let all_follow =
        |v: &[T]| v.windows(2).fold(true, |all, pair| all & follow(&pair[0], &pair[1]));
    let is_in_run = |at: &usize| all_follow(&v[*at..=at + BLOCK]);
    let ends = (0..v.len().saturating_sub(BLOCK)).step_by(BLOCK);
    let at = ends.take_while(is_in_run).count() * BLOCK;
    let rest = v[at..].windows(2).take_while(|pair| follow(&pair[0], &pair[1]));
    at + rest.count() + 1
}

/// Swaps the first of `low` with the last of `high`, and so on. No parallel loop does so, since it
/// might be stopped midway. Two arguments tell the compiler that the slices do not overlap.
fn reverse<T: Send>(low: &mut [T], high: &mut [T]) {
    if size_of_val(low) <= GRAIN.max(size_of::<T>()) {
        return low.iter_mut().zip(high.iter_mut().rev()).for_each(|(a, b)| mem::swap(a, b));
    }
    let middle = low.len() / 2;
    let (low_left, low_right) = low.split_at_mut(middle);
    let (high_left, high_right) = high.split_at_mut(high.len() - middle);
    join(|| reverse(low_left, high_right), || reverse(low_right, high_left));
}
