//! The unstable sorts. Quicksort on few threads: each part is divided by one of them, in place, and
//! the leaves are sorted by std. Dividing the whole slice is serial, so more threads merge instead.

use std::cmp::Ordering;

use super::runs::sort_run;
use super::sort::{SHORTEST, Sort};
use crate::current_num_threads;
use crate::fork::join;

/// Up to how many threads divide rather than merge. A guess: by then dividing takes as long as
/// sorting what is divided.
const FEW_THREADS: usize = 8;
/// How many leaves there are for each thread, if the parts are of one size.
const LEAVES_PER_THREAD: usize = 4;
/// How many elements the pivot is the median of.
const SAMPLE: usize = 127;
/// Elements of more bytes are moved only if they have to be.
const LARGE: usize = 64;

/// Sorts `v`; not stable. After a panic, `v` has its elements in any order.
pub(super) fn sort_unstable<T, F>(v: &mut [T], compare: &F)
where
    T: Send,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    let threads = current_num_threads();
    if threads > FEW_THREADS {
        return Sort { leaf: |v: &mut [T]| v.sort_unstable_by(compare), compare }.sort(v);
    }
    if threads == 1 || v.len() < 2 * SHORTEST {
        return v.sort_unstable_by(compare);
    }
    if !sort_run(v, compare) {
        let grain = (v.len() / (threads * LEAVES_PER_THREAD)).max(SHORTEST);
        sort(v, compare, grain, usize::BITS - v.len().leading_zeros());
    }
}

/// `depth`: after how many divisions to leave it to std, which knows how to avoid the worst.
fn sort<T, F>(v: &mut [T], compare: &F, grain: usize, depth: u32)
where
    T: Send,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    if v.len() <= grain || depth == 0 {
        return v.sort_unstable_by(compare);
    }
    let (less, greater) = divide(v, compare);
    join(|| sort(less, compare, grain, depth - 1), || sort(greater, compare, grain, depth - 1));
}

/// Divides `v` by a pivot, and leaves out elements that are where they belong.
fn divide<'v, T, F>(v: &'v mut [T], compare: &F) -> (&'v mut [T], &'v mut [T])
where
    F: Fn(&T, &T) -> Ordering,
{
    let is_less = |a: &T, b: &T| compare(a, b) == Ordering::Less;
    let len = v.len();
    for at in 0..SAMPLE {
        v.swap(at, at * (len / SAMPLE));
    }
    let sample = &mut v[..SAMPLE];
    sample.sort_unstable_by(compare);
    let middle = SAMPLE / 2;
    let many_equal = !is_less(&sample[middle - SAMPLE / 16], &sample[middle])
        || !is_less(&sample[middle], &sample[middle + SAMPLE / 16]);
    sample.swap(0, middle);

    let (pivot, rest) = v.split_first_mut().expect("longer than a leaf");
    let at = partition(rest, |element| is_less(element, pivot));
    v.swap(0, at);
    let (less, rest) = v.split_at_mut(at);
    let (pivot, rest) = rest.split_first_mut().expect("the pivot is there");
    if !many_equal {
        return (less, rest);
    }
    let equal = partition(rest, |element| !is_less(pivot, element));
    (less, &mut rest[equal..])
}

/// Moves the elements for which `goes_left` is true before the others; how many they are.
fn partition<T>(v: &mut [T], mut goes_left: impl FnMut(&T) -> bool) -> usize {
    let mut left = 0;
    if size_of::<T>() <= LARGE {
        // Without a branch on what cannot be foreseen.
        for at in 0..v.len() {
            let goes = goes_left(&v[at]);
            v.swap(left, at);
            left += usize::from(goes);
        }
        return left;
    }
    let mut right = v.len();
    loop {
        while left < right && goes_left(&v[left]) {
            left += 1;
        }
        while left < right && !goes_left(&v[right - 1]) {
            right -= 1;
        }
        if left == right {
            return left;
        }
        v.swap(left, right - 1);
        left += 1;
        right -= 1;
    }
}
