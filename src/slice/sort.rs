//! Merge sort: leaves sorted by std, merged in parallel.
//!
//! Each level moves all elements from the slice to scratch space or back. The number of levels is
//! even, so that the leaves are sorted where the elements are at first, and end up there.

// Elements are away from their slice while they are merged.
#![allow(unsafe_code)]

use std::cmp::Ordering;
use std::mem;

use super::bits::{Room, as_room, copy, par_copy};
use super::merge::merge;
use super::numbers::{has_long_runs, sort_by_numbers};
use super::runs::sort_run;
use crate::current_num_threads;
use crate::fork::join_erased as join;

/// No leaf is shorter, but by a rounding: at least some 10 us of sorting. A guess.
pub(super) const SHORTEST: usize = 1024;

/// How many leaves there are for each thread at least, if the slice is long enough. Merging makes
/// up for leaves that take different times, for it is cut more finely; more leaves mean more of it.
/// Measured: with 4, two threads take up to twice as long for a few distinct values.
const LEAVES_PER_THREAD: usize = 2;

/// Wider elements are sorted by their numbers in the leaves: std moves them too often.
const WIDE: usize = 32;

/// No leaf of wide elements is longer, unless they are in long runs: else it looks at its elements
/// in no order, and caches do not help.
const LONGEST_WIDE: usize = 128 * 1024;

/// How to sort.
pub(super) struct Sort<L, F> {
    /// Sorts a short slice.
    pub leaf: L,
    /// Compares elements, as `leaf` does.
    pub compare: F,
}

impl<L, F> Sort<L, F> {
    /// Sorts `v`; stable if `leaf` is. After a panic, `v` has its elements in any order.
    pub(super) fn sort<T>(&self, v: &mut [T])
    where
        T: Send,
        L: Fn(&mut [T]) + Sync,
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        // What has no size has no order that could be seen.
        if size_of::<T>() == 0 || sort_run(v, &self.compare, |v| self.sort(v)) {
            return;
        }
        let depth = depth(v, &self.compare);
        if depth == 0 {
            return self.sort_leaf(v);
        }
        let mut scratch = Vec::with_capacity(v.len());
        let scratch = &mut scratch.spare_capacity_mut()[..v.len()];
        self.sort_here(v, scratch, depth);
    }

    /// Sorts `v` where it is, in an even number of levels.
    fn sort_here<T>(&self, v: &mut [T], scratch: &mut Room<T>, depth: u32)
    where
        T: Send,
        L: Fn(&mut [T]) + Sync,
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        if depth == 0 {
            return self.sort_leaf(v);
        }
        let middle = v.len() / 2;
        let (left, right) = v.split_at_mut(middle);
        let (left_scratch, right_scratch) = scratch.split_at_mut(middle);
        let (left, right) = join(
            || self.sort_away(left, left_scratch, depth - 1),
            || self.sort_away(right, right_scratch, depth - 1),
        );
        mem::forget((left, right));
        // SAFETY: both halves are there, and stay, for nobody moves them home.
        unsafe { Away::new(v, scratch) }.merge_home(middle, &self.compare);
    }

    /// Sorts `v` into `scratch`, as long, in an odd number of levels.
    fn sort_away<'a, T>(&self, v: &'a mut [T], scratch: &'a mut Room<T>, depth: u32) -> Away<'a, T>
    where
        T: Send,
        L: Fn(&mut [T]) + Sync,
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        let middle = v.len() / 2;
        let (left, right) = v.split_at_mut(middle);
        let (left_scratch, right_scratch) = scratch.split_at_mut(middle);
        join(
            || self.sort_here(left, left_scratch, depth - 1),
            || self.sort_here(right, right_scratch, depth - 1),
        );
        Away::merge(v, scratch, middle, &self.compare)
    }

    fn sort_leaf<T>(&self, v: &mut [T])
    where
        L: Fn(&mut [T]),
        F: Fn(&T, &T) -> Ordering,
    {
        if size_of::<T>() > WIDE {
            sort_by_numbers(v, &self.compare, true);
        } else {
            (self.leaf)(v);
        }
    }
}

/// How many levels of merging a slice has, an even number: 4^(levels / 2) leaves.
fn depth<T>(v: &[T], compare: &impl Fn(&T, &T) -> Ordering) -> u32 {
    let len = v.len();
    if len < 2 * SHORTEST {
        return 0;
    }
    let threads = current_num_threads();
    let leaves = if threads == 1 { 1 } else { LEAVES_PER_THREAD * threads };
    // Measured with 10^6 elements of 64 bytes in eight runs: if one thread merges leaves instead of
    // runs, it takes three times as long.
    let is_long = len > LONGEST_WIDE && size_of::<T>() > WIDE;
    let is_far = is_long && !has_long_runs(&v[..LONGEST_WIDE], compare);
    let mut depth = 0;
    while 1 << depth < leaves || is_far && len >> depth > LONGEST_WIDE {
        if depth > 0 && len >> (depth + 2) < SHORTEST {
            break;
        }
        depth += 2;
    }
    depth
}

/// Merges the sorted runs `v[..middle]` and `v[middle..]` where they are.
#[track_caller]
pub(super) fn merge_in_place<T, F>(v: &mut [T], middle: usize, compare: &F)
where
    T: Send,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    assert!(middle <= v.len(), "cannot merge {} elements from {middle} on", v.len());
    if size_of::<T>() == 0 {
        return;
    }
    let mut scratch = Vec::with_capacity(v.len());
    let scratch = &mut scratch.spare_capacity_mut()[..v.len()];
    Away::merge(v, scratch, middle, compare).move_home();
}

/// Elements of a slice, their home, that are in scratch space; dropped, it moves them home.
struct Away<'a, T> {
    home: &'a mut Room<T>,
    scratch: &'a mut Room<T>,
}

impl<'a, T: Send> Away<'a, T> {
    /// # Safety
    /// The elements of `v` are in `scratch`, as long, and count there.
    unsafe fn new(v: &'a mut [T], scratch: &'a mut Room<T>) -> Away<'a, T> {
        // SAFETY: nothing but all elements is written to it, by the drop at the latest.
        Away { home: unsafe { as_room(v) }, scratch }
    }

    /// Merges the sorted runs `v[..middle]` and `v[middle..]` into `scratch`, as long.
    fn merge<F>(v: &'a mut [T], scratch: &'a mut Room<T>, middle: usize, compare: &F) -> Away<'a, T>
    where
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        // SAFETY: nothing is written to it.
        let (left, right) = unsafe { as_room(v) }.split_at_mut(middle);
        // SAFETY: elements of `v`; `scratch` is as long. If it panics, they are all in `v`.
        unsafe { merge(left, right, scratch, compare) };
        // SAFETY: there they are.
        unsafe { Away::new(v, scratch) }
    }

    /// Merges the sorted runs up to and from `middle` home.
    fn merge_home<F>(self, middle: usize, compare: &F)
    where
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        let (left, right) = self.scratch.split_at_mut(middle);
        // SAFETY: the elements are in the scratch space, and home is as long. If it panics, they
        // are all where they were, and moved home by the drop.
        unsafe { merge(left, right, self.home, compare) };
        mem::forget(self);
    }

    /// Moves the elements home, in parallel.
    fn move_home(self) {
        par_copy(self.scratch, self.home);
        mem::forget(self);
    }
}

impl<T> Drop for Away<'_, T> {
    fn drop(&mut self) {
        copy(self.scratch, self.home);
    }
}
