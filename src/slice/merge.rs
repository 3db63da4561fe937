//! Merging two sorted runs by moving their elements, both halves of a merge in parallel.
//!
//! A merge is cut where half of its output comes from (the "merge path" of Odeh et al., 2012), so
//! that its parts are of one length whatever the input. A part is merged by one thread, again as
//! two halves, in turns: two chains of comparisons that do not wait for each other.
//!
//! An element is compared by one thread at a time, and never after its bits were copied: the
//! elements need not be `Sync`, and may be changed through a `Cell` by a comparison.

// Elements are in two places while they are merged.
#![allow(unsafe_code)]

use std::cmp::Ordering;

use super::bits::{Room, copy};
use super::collect::{Filled, collect};
use crate::fork::join;

/// Outputs up to this long are merged by one thread: some 10 us. A guess.
const GRAIN: usize = 8 * 1024;

/// Merges `left` and `right`, equal elements of `left` first, into `out`.
///
/// Copies bits: afterwards each element is twice there, and the caller says which one counts. If
/// `compare` panics, `left` and `right` are what they were, and `out` holds nothing.
///
/// # Safety
/// 1. All of `left` and `right` is initialized.
/// 2. `out` is as long as both.
pub(super) unsafe fn merge<T, F>(
    left: &mut Room<T>,
    right: &mut Room<T>,
    out: &mut Room<T>,
    compare: &F,
) where
    T: Send,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    if out.len() <= GRAIN {
        // SAFETY: the caller's promises, both.
        return unsafe { merge_serially(left, right, out, compare) };
    }
    let half = out.len() / 2;
    // SAFETY: the caller's promise 1, for both.
    let cut = unsafe { cut(elements(left), elements(right), half, compare) };
    let (left_low, left_high) = left.split_at_mut(cut);
    let (right_low, right_high) = right.split_at_mut(half - cut);
    let (out_low, out_high) = out.split_at_mut(half);
    join(
        // SAFETY: parts of what is initialized; `cut + (half - cut)` is `half`.
        || unsafe { merge(left_low, right_low, out_low, compare) },
        // SAFETY: the same, of what remains.
        || unsafe { merge(left_high, right_high, out_high, compare) },
    );
}

/// How many of the first `count` elements of the merged runs are `left`'s; `count` is at most the
/// length of both. Whatever `compare` says, it is no more than `left` has, and the others are no
/// more than `right` has.
fn cut<T>(left: &[T], right: &[T], count: usize, compare: &impl Fn(&T, &T) -> Ordering) -> usize {
    let mut low = count.saturating_sub(right.len());
    let mut high = count.min(left.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if compare(&right[count - middle - 1], &left[middle]) == Ordering::Less {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// The elements of places.
///
/// # Safety
/// All of it is initialized.
unsafe fn elements<T>(room: &Room<T>) -> &[T] {
    // SAFETY: initialized, says the caller.
    unsafe { std::slice::from_raw_parts(room.as_ptr().cast(), room.len()) }
}

/// Whether nothing of `right` comes before anything of `left`, if both are sorted.
fn are_in_order<T>(left: &[T], right: &[T], compare: &impl Fn(&T, &T) -> Ordering) -> bool {
    match (left.last(), right.first()) {
        (Some(last), Some(first)) => compare(first, last) != Ordering::Less,
        _ => true,
    }
}

/// [`merge`] without forks.
///
/// # Safety
/// As [`merge`].
unsafe fn merge_serially<T>(
    left: &mut Room<T>,
    right: &mut Room<T>,
    out: &mut Room<T>,
    compare: &impl Fn(&T, &T) -> Ordering,
) {
    debug_assert_eq!(left.len() + right.len(), out.len());
    // SAFETY: the caller's promise 1, for both.
    if unsafe { are_in_order(elements(left), elements(right), compare) } {
        let (out_left, out_right) = out.split_at_mut(left.len());
        copy(left, out_left);
        return copy(right, out_right);
    }
    let half = out.len() / 2;
    // SAFETY: the caller's promise 1, for both.
    let cut = unsafe { cut(elements(left), elements(right), half, compare) };
    let (left_low, left_high) = left.split_at_mut(cut);
    let (right_low, right_high) = right.split_at_mut(half - cut);
    let (out_low, out_high) = out.split_at_mut(half);
    let mut low = Merge::new(left_low, right_low, out_low);
    let mut high = Merge::new(left_high, right_high, out_high);
    loop {
        let steps = low.safe_steps().min(high.safe_steps());
        if steps == 0 {
            break;
        }
        for _ in 0..steps {
            // SAFETY: no more steps than `low` has.
            unsafe { low.step(compare) };
            // SAFETY: no more steps than `high` has.
            unsafe { high.step(compare) };
        }
    }
    low.finish(compare);
    high.finish(compare);
}

/// A merge under way: what is left of both runs, and where the next element goes.
struct Merge<T> {
    left: *const T,
    left_end: *const T,
    right: *const T,
    right_end: *const T,
    out: *mut T,
}

impl<T> Merge<T> {
    /// All elements of `left` and `right` are initialized, and `out` has room for both; they are
    /// borrowed as long as this is used.
    fn new(left: &mut Room<T>, right: &mut Room<T>, out: &mut Room<T>) -> Merge<T> {
        let left = left.as_ptr_range();
        let right = right.as_ptr_range();
        Merge {
            left: left.start.cast(),
            left_end: left.end.cast(),
            right: right.start.cast(),
            right_end: right.end.cast(),
            out: out.as_mut_ptr().cast(),
        }
    }

    fn left_len(&self) -> usize {
        // Elements are not zero-sized, and the end comes after the start.
        (self.left_end.addr() - self.left.addr()) / size_of::<T>()
    }

    fn right_len(&self) -> usize {
        (self.right_end.addr() - self.right.addr()) / size_of::<T>()
    }

    /// How many steps there are before a run can be at its end.
    fn safe_steps(&self) -> usize {
        self.left_len().min(self.right_len())
    }

    /// Moves the next element on, without a branch for which it is.
    ///
    /// # Safety
    /// There are [`safe_steps`](Self::safe_steps).
    #[inline(always)]
    unsafe fn step(&mut self, compare: &impl Fn(&T, &T) -> Ordering) {
        // SAFETY: no run is at its end, so both pointers are to elements, of which nobody else has
        // a reference; `out` has room for all elements that are left.
        unsafe {
            let is_right = compare(&*self.right, &*self.left) == Ordering::Less;
            let next = if is_right { self.right } else { self.left };
            self.out.copy_from_nonoverlapping(next, 1);
            self.out = self.out.add(1);
            self.right = self.right.add(usize::from(is_right));
            self.left = self.left.add(usize::from(!is_right));
        }
    }

    /// Does what is left to do.
    fn finish(mut self, compare: &impl Fn(&T, &T) -> Ordering) {
        loop {
            let steps = self.safe_steps();
            if steps == 0 {
                break;
            }
            for _ in 0..steps {
                // SAFETY: no more steps than there are.
                unsafe { self.step(compare) };
            }
        }
        let (left_len, right_len) = (self.left_len(), self.right_len());
        // SAFETY: `out` has room for all elements that are left, those of one run.
        unsafe {
            self.out.copy_from_nonoverlapping(self.left, left_len);
            self.out.copy_from_nonoverlapping(self.right, right_len);
        }
    }
}

// ---- Of clones ----

/// Merges clones of the elements of two sorted slices.
pub(super) fn merge_clones<T, F>(left: &[T], right: &[T], compare: &F) -> Vec<T>
where
    T: Clone + Send + Sync,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    let len = left.len().checked_add(right.len());
    let len = len.unwrap_or_else(|| panic!("capacity overflow: {} + {}", left.len(), right.len()));
    collect(len, |room| {
        if size_of::<T>() == 0 {
            // There may be any number of them, and they have no order that could be seen.
            return Filled::new(room).extend(left.iter().cloned()).extend(right.iter().cloned());
        }
        merge_clones_into(left, right, room, compare)
    })
}

fn merge_clones_into<'a, T, F>(
    mut left: &[T],
    mut right: &[T],
    room: &'a mut Room<T>,
    compare: &F,
) -> Filled<'a, T>
where
    T: Clone + Send + Sync,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    if room.len() <= GRAIN {
        let next = || match (left.split_first(), right.split_first()) {
            (Some((first, rest)), other)
                if other.is_none_or(|(other, _)| compare(other, first) != Ordering::Less) =>
            {
                left = rest;
                Some(first.clone())
            }
            (_, Some((first, rest))) => {
                right = rest;
                Some(first.clone())
            }
            (_, None) => None,
        };
        return Filled::new(room).extend(std::iter::from_fn(next));
    }
    let half = room.len() / 2;
    let cut = cut(left, right, half, compare);
    let (left_low, left_high) = left.split_at(cut);
    let (right_low, right_high) = right.split_at(half - cut);
    Filled::in_two(
        room,
        half,
        |room| merge_clones_into(left_low, right_low, room, compare),
        |room| merge_clones_into(left_high, right_high, room, compare),
    )
}
