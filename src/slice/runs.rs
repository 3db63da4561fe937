//! Slices that are already sorted, forwards or backwards. One pass before the sort detects them.

use std::cmp::Ordering;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::fork::join_erased as join;

/// How many elements at the start are checked before any fork: most slices are no runs.
const PREFIX: usize = 256;

/// One thread checks slices of up to this length: a few us.
const GRAIN: usize = 16 * 1024;

/// Sorts a slice that is a run, and returns whether it is one. A strictly descending one is
/// reversed: it has no equal elements whose order could change. Any other slice is unchanged.
pub(super) fn sort_run<T, F>(v: &mut [T], compare: &F) -> bool
where
    T: Send,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    let [first, second, ..] = v else {
        return true;
    };
    if compare(second, first) == Ordering::Less {
        let descends = is_run(v, &|a, b| compare(b, a) == Ordering::Less);
        if descends {
            reverse(v.split_at_mut(v.len() / 2));
        }
        descends
    } else {
        is_run(v, &|a, b| compare(b, a) != Ordering::Less)
    }
}

/// Returns whether `follow` is true for all neighbours. `v` is not empty.
fn is_run<T: Send, F: Fn(&T, &T) -> bool + Sync>(v: &mut [T], follow: &F) -> bool {
    let prefix = PREFIX.min(v.len());
    v[..prefix].is_sorted_by(follow)
        && is_run_in_parallel(&mut v[prefix - 1..], follow, &AtomicBool::new(false))
}

/// The slices are exclusive, since only one thread at a time may read an element that is not
/// `Sync`. `seen` is set if a thread has seen that this is no run.
fn is_run_in_parallel<T, F>(v: &mut [T], follow: &F, seen: &AtomicBool) -> bool
where
    T: Send,
    F: Fn(&T, &T) -> bool + Sync,
{
    if seen.load(Relaxed) {
        return false;
    }
    if v.len() <= GRAIN {
        let is_run = v.is_sorted_by(follow);
        if !is_run {
            seen.store(true, Relaxed);
        }
        return is_run;
    }
    let middle = v.len() / 2;
    let (left, right) = v.split_at_mut(middle);
    let (left, right) =
        join(|| is_run_in_parallel(left, follow, seen), || is_run_in_parallel(right, follow, seen));
    left && right && follow(&v[middle - 1], &v[middle])
}

/// Swaps the first of `low` with the last of `high`, and so on. (A loop might be stopped midway.)
fn reverse<T: Send>((low, high): (&mut [T], &mut [T])) {
    if low.len() <= GRAIN {
        return low.iter_mut().zip(high.iter_mut().rev()).for_each(|(a, b)| mem::swap(a, b));
    }
    let middle = low.len() / 2;
    let (low_left, low_right) = low.split_at_mut(middle);
    let (high_left, high_right) = high.split_at_mut(high.len() - middle);
    join(|| reverse((low_left, high_right)), || reverse((low_right, high_left)));
}
