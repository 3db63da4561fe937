//! Merging two sorted runs by moving their elements.
//!
//! A merge is cut where the first half of its output ends (the "merge path" of Odeh et al., 2012),
//! so both halves have the same length for any input, and run in parallel. One thread merges a
//! short part, again as two halves. It takes a step of each in turn, and neither waits for a
//! comparison of the other.
//!
//! One thread at a time compares an element, and none does after its bits were copied. So elements
//! need not be `Sync`, and a comparison may change them through a `Cell`.

// Unsafe, because elements are in two places while they are merged.
#![allow(unsafe_code)]

use std::cmp::Ordering;
use std::mem;

use super::bits::{Room, as_room, copy};
use super::collect::{collect, in_two};
use crate::fork::join_erased as join;
use crate::iter::ends::collect::{Filled, Places};
use crate::iter::plumbing::Folder;

/// One thread merges outputs of up to this length, in about 10 µs. (A guess.)
const GRAIN: usize = 8 * 1024;

/// A search compares so many elements in turn before it skips any: processors fetch them ahead.
/// Measured with 10^4 boxes among 10^6: if its steps double at once, it takes ten times as long.
const NEAR: usize = 1024;

/// Merges `left` and `right` into `out`. Of equal elements, those of `left` come first.
///
/// Copies bits: each element is then in two places, and the caller decides which one counts. If
/// `compare` panics, `left` and `right` are unchanged, and `out` counts as uninitialized.
///
/// # Safety
/// 1. All of `left` and `right` is initialized.
/// 2. `out` is as long as both together.
pub(super) unsafe fn merge<T, F>(
    left: &mut Room<T>,
    right: &mut Room<T>,
    out: &mut Room<T>,
    compare: &F,
) where
    T: Send,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    let is_short = out.len() <= GRAIN;
    // SAFETY: obligation 1, for both.
    let (all_left, all_right) = unsafe { (elements(left), elements(right)) };
    if is_short && are_in_order(all_left, all_right, compare) {
        let (out_left, out_right) = out.split_at_mut(left.len());
        copy(left, out_left);
        return copy(right, out_right);
    }
    let half = out.len() / 2;
    let cut = cut(all_left, all_right, half, compare);
    let (left_low, left_high) = left.split_at_mut(cut);
    let (right_low, right_high) = right.split_at_mut(half - cut);
    let (out_low, out_high) = out.split_at_mut(half);
    if is_short {
        let low = Merge::new(left_low, right_low, out_low);
        return in_turns(low, Merge::new(left_high, right_high, out_high), compare);
    }
    join(
        // SAFETY: both inputs are initialized, and `cut + (half - cut)` is `half`.
        || unsafe { merge(left_low, right_low, out_low, compare) },
        // SAFETY: the same, for the rest.
        || unsafe { merge(left_high, right_high, out_high, compare) },
    );
}

/// Returns how many of the first `count` elements of the merged runs are `left`'s. `count` is at
/// most the length of both together. Whatever `compare` returns, no run is shorter than its part.
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

/// Moves the elements from `run` on to their places among those before. Both are sorted. Of equal
/// elements, those of the first run come first. Takes one thread, and room for the second run only.
pub(super) fn insert<T, F: Fn(&T, &T) -> Ordering>(v: &mut [T], run: usize, compare: &F) {
    let (first, second) = v.split_at(run);
    let mut place = 0;
    let place_of = |element| {
        let comes_before = |other: &T| compare(element, other) != Ordering::Less;
        let near = first[place..].iter().take(NEAR).take_while(|other| comes_before(other)).count();
        place += near;
        if near == NEAR {
            place += first[place..].partition_point(comes_before);
        }
        place
    };
    let places: Vec<usize> = second.iter().map(place_of).collect();
    let mut scratch = Vec::with_capacity(second.len());
    let scratch = &mut scratch.spare_capacity_mut()[..second.len()];
    // SAFETY: each element is moved to another place or stays. Nothing panics from here on.
    let v = unsafe { as_room(v) };
    copy(&mut v[run..], scratch);
    let mut end = run;
    for (before, (element, place)) in scratch.iter_mut().zip(places).enumerate().rev() {
        let moved = v[place..end + before + 1].as_mut_ptr();
        // SAFETY: `place` is at most `end`, for the places ascend. This ends with the slice.
        unsafe { moved.copy_to(moved.add(before + 1), end - place) };
        mem::swap(&mut v[place + before], element);
        end = place;
    }
}

/// # Safety
/// All places are initialized.
unsafe fn elements<T>(room: &Room<T>) -> &[T] {
    // SAFETY: the caller's obligation.
    unsafe { std::slice::from_raw_parts(room.as_ptr().cast(), room.len()) }
}

/// Returns whether no element of `right` comes before one of `left`, if both are sorted.
fn are_in_order<T>(left: &[T], right: &[T], compare: &impl Fn(&T, &T) -> Ordering) -> bool {
    match (left.last(), right.first()) {
        (Some(last), Some(first)) => compare(first, last) != Ordering::Less,
        _ => true,
    }
}

/// Runs two merges on one thread, a step of each in turn.
fn in_turns<T>(mut low: Merge<T>, mut high: Merge<T>, compare: &impl Fn(&T, &T) -> Ordering) {
    while let steps @ 1.. = low.safe_steps().min(high.safe_steps()) {
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

/// A merge under way: the rest of both runs, and the place for the next element.
struct Merge<T> {
    left: *const T,
    left_end: *const T,
    right: *const T,
    right_end: *const T,
    out: *mut T,
}

impl<T> Merge<T> {
    /// `left` and `right` are initialized, and `out` has room for both. All stay borrowed as long
    /// as this is used.
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
        // Elements are not zero-sized, and the end is not before the start.
        (self.left_end.addr() - self.left.addr()) / size_of::<T>()
    }

    fn right_len(&self) -> usize {
        (self.right_end.addr() - self.right.addr()) / size_of::<T>()
    }

    /// Returns the number of steps before a run can be at its end.
    fn safe_steps(&self) -> usize {
        self.left_len().min(self.right_len())
    }

    /// Copies the next element to its place, without a branch.
    ///
    /// # Safety
    /// [`safe_steps`](Self::safe_steps) is not 0.
    #[inline(always)]
    unsafe fn step(&mut self, compare: &impl Fn(&T, &T) -> Ordering) {
        // SAFETY: no run is at its end, so both pointers are to elements, which only this merge
        // uses. `out` has room for all elements that are left.
        unsafe {
            let is_right = compare(&*self.right, &*self.left) == Ordering::Less;
            let next = if is_right { self.right } else { self.left };
            self.out.copy_from_nonoverlapping(next, 1);
            self.out = self.out.add(1);
            self.right = self.right.add(usize::from(is_right));
            self.left = self.left.add(usize::from(!is_right));
        }
    }

    /// Merges the rest.
    fn finish(mut self, compare: &impl Fn(&T, &T) -> Ordering) {
        while let steps @ 1.. = self.safe_steps() {
            for _ in 0..steps {
                // SAFETY: these are no more than the safe steps.
                unsafe { self.step(compare) };
            }
        }
        let (left_len, right_len) = (self.left_len(), self.right_len());
        // SAFETY: the rest is of one run, and `out` has room for it.
        unsafe {
            self.out.copy_from_nonoverlapping(self.left, left_len);
            self.out.copy_from_nonoverlapping(self.right, right_len);
        }
    }
}

// ---- Merges of clones ----

/// Merges clones of the elements of two sorted slices.
pub(super) fn merge_clones<T, F>(left: &[T], right: &[T], compare: &F) -> Vec<T>
where
    T: Clone + Send + Sync,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    let len = left.len().checked_add(right.len());
    let len = len.unwrap_or_else(|| panic!("capacity overflow: {} + {}", left.len(), right.len()));
    collect(len, |places| {
        if size_of::<T>() == 0 {
            // There may be any number of them, and their order cannot be seen.
            return places.consume_iter(left.iter().chain(right).cloned()).complete();
        }
        merge_clones_into(left, right, places, compare)
    })
}

fn merge_clones_into<'a, T, F>(
    mut left: &[T],
    mut right: &[T],
    places: Places<'a, T>,
    compare: &F,
) -> Filled<'a, T>
where
    T: Clone + Send + Sync,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    let len = places.len();
    if len <= GRAIN {
        let next = |_| match (left.split_first(), right.split_first()) {
            (Some((first, rest)), other)
                if other.is_none_or(|(other, _)| compare(other, first) != Ordering::Less) =>
            {
                left = rest;
                first.clone()
            }
            (_, Some((first, rest))) => {
                right = rest;
                first.clone()
            }
            (_, None) => unreachable!("there are as many elements as places"),
        };
        return places.consume_iter((0..len).map(next)).complete();
    }
    let half = len / 2;
    let cut = cut(left, right, half, compare);
    let (left_low, left_high) = left.split_at(cut);
    let (right_low, right_high) = right.split_at(half - cut);
    in_two(
        places,
        half,
        |places| merge_clones_into(left_low, right_low, places, compare),
        |places| merge_clones_into(left_high, right_high, places, compare),
    )
}
