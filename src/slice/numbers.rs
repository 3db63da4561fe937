//! Sorting wide elements on one thread: their numbers are sorted, and then each element is moved
//! once to its place.

// Unsafe, because elements are in no place or in two while they are moved.
#![allow(unsafe_code)]

use std::cmp::Ordering;
use std::mem::{self, MaybeUninit};

/// std sorts up to this many elements by insertion, without allocating.
pub(super) const SHORT: usize = 20;

/// Runs of this many elements are merged faster than their numbers are sorted. A guess.
const RUN: usize = 64;

/// Sorts `v`. If `stable`, equal elements keep their order. Allocates 4 to 8 bytes for each
/// element. If `compare` panics, `v` has its elements in any order.
pub(super) fn sort_by_numbers<T, F>(v: &mut [T], compare: &F, stable: bool)
where
    F: Fn(&T, &T) -> Ordering,
{
    match u32::try_from(v.len()) {
        Ok(len) if v.len() > SHORT && !has_long_runs(v, compare) => {
            let mut numbers: Vec<u32> = (0..len).collect();
            let compare = |a: &u32, b: &u32| compare(&v[*a as usize], &v[*b as usize]);
            if stable {
                numbers.sort_by(compare);
            } else {
                numbers.sort_unstable_by(compare);
            }
            arrange(v, &mut numbers);
        }
        _ => v.sort_by(compare),
    }
}

/// Returns whether `v` consists of long ascending runs, which std merges. Compares few elements of
/// other slices.
pub(super) fn has_long_runs<T>(v: &[T], compare: &impl Fn(&T, &T) -> Ordering) -> bool {
    let falls = v.windows(2).filter(|pair| compare(&pair[1], &pair[0]) == Ordering::Less);
    falls.take(v.len() / RUN + 1).count() <= v.len() / RUN
}

/// Moves each element to the place at which its number stands. `numbers` has the number of each
/// element once.
fn arrange<T>(v: &mut [T], numbers: &mut [u32]) {
    assert_eq!(v.len(), numbers.len());
    let elements = v.as_mut_ptr().cast::<MaybeUninit<T>>();
    for start in 0..numbers.len() {
        if numbers[start] as usize == start {
            continue;
        }
        let mut place = start;
        // SAFETY: this is a place of the slice. The copy owns the element until it is written to
        // the last place of the circle. Nothing panics until then, since each number is an index.
        let first = unsafe { elements.add(start).read() };
        loop {
            let from = mem::replace(&mut numbers[place], place as u32) as usize;
            if from == start {
                break;
            }
            // SAFETY: these are two different places of the slice, since no number is there twice.
            // The element at `place` was copied before.
            unsafe { elements.add(place).copy_from_nonoverlapping(elements.add(from), 1) };
            place = from;
        }
        // SAFETY: this is a place of the slice, and its element was copied before.
        unsafe { elements.add(place).write(first) };
    }
}
