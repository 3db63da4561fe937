//! Sorting wide elements by one thread: their numbers are sorted in their stead, and then each
//! element is moved to its place, once.

// Elements are in no place or in two while they are moved.
#![allow(unsafe_code)]

use std::cmp::Ordering;
use std::mem::{self, MaybeUninit};

/// Up to this many elements std sorts by insertion, without allocating.
const SHORT: usize = 20;

/// Sorts `v`, stable; allocates 4 to 8 bytes for each element. If `compare` panics, `v` has its
/// elements in any order.
pub(super) fn sort_by_numbers<T, F>(v: &mut [T], compare: &F)
where
    F: Fn(&T, &T) -> Ordering,
{
    match u32::try_from(v.len()) {
        Ok(len) if v.len() > SHORT => {
            let mut numbers: Vec<u32> = (0..len).collect();
            numbers.sort_by(|&a, &b| compare(&v[a as usize], &v[b as usize]));
            arrange(v, &mut numbers);
        }
        _ => v.sort_by(compare),
    }
}

/// Moves to each place the element whose number stands there. `numbers` has the numbers of all
/// elements, each once.
fn arrange<T>(v: &mut [T], numbers: &mut [u32]) {
    assert_eq!(v.len(), numbers.len());
    let elements = v.as_mut_ptr().cast::<MaybeUninit<T>>();
    for start in 0..numbers.len() {
        if numbers[start] as usize == start {
            continue;
        }
        let mut place = start;
        // SAFETY: a place of the slice. The copy counts until it is written to the last place of
        // the circle, and nothing panics by then: each number is an index.
        let first = unsafe { elements.add(start).read() };
        loop {
            let from = mem::replace(&mut numbers[place], place as u32) as usize;
            if from == start {
                break;
            }
            // SAFETY: two places of the slice, and not the same one, since no number is there
            // twice. What was at `place` was copied before.
            unsafe { elements.add(place).copy_from_nonoverlapping(elements.add(from), 1) };
            place = from;
        }
        // SAFETY: a place of the slice, whose element was copied before.
        unsafe { elements.add(place).write(first) };
    }
}
