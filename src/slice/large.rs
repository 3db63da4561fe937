//! Sorting large elements on one thread: they are divided until a part fits into a core's cache;
//! there, numbers are sorted in their stead, and then each element is moved to its place.

use std::cmp::Ordering;
use std::mem;

use super::divide::{SAMPLE, divide};
use super::runs::sort_run;

/// About how many bytes of elements are sorted by their numbers. Measured, for 100 bytes each: with a
/// quarter of it, and with twice as much, it takes 1.1 to 1.3 times as long.
const CACHE: usize = 512 * 1024;

/// Sorts `v`; not stable. After a panic, `v` has its elements in any order.
pub(super) fn sort_large<T, F>(v: &mut [T], compare: &F)
where
    T: Send,
    F: Fn(&T, &T) -> Ordering + Sync,
{
    if sort_run(v, compare) {
        return;
    }
    let leaf = (CACHE / size_of::<T>().max(1)).max(SAMPLE + 1);
    let mut numbers = Vec::with_capacity(leaf.min(v.len()));
    sort(v, compare, leaf, usize::BITS - v.len().leading_zeros(), &mut numbers);
}

/// `depth`: after how many divisions to go on with numbers, whatever there is. `numbers`: space.
fn sort<T, F>(mut v: &mut [T], compare: &F, leaf: usize, mut depth: u32, numbers: &mut Vec<u32>)
where
    F: Fn(&T, &T) -> Ordering,
{
    while v.len() > leaf && depth > 0 {
        depth -= 1;
        let (less, greater) = divide(v, compare);
        let (short, long) =
            if less.len() < greater.len() { (less, greater) } else { (greater, less) };
        sort(short, compare, leaf, depth, numbers);
        v = long;
    }
    sort_by_numbers(v, compare, numbers);
}

fn sort_by_numbers<T, F>(v: &mut [T], compare: &F, numbers: &mut Vec<u32>)
where
    F: Fn(&T, &T) -> Ordering,
{
    let Ok(len) = u32::try_from(v.len()) else {
        return v.sort_unstable_by(compare);
    };
    numbers.clear();
    numbers.extend(0..len);
    numbers.sort_unstable_by(|&a, &b| compare(&v[a as usize], &v[b as usize]));
    arrange(v, numbers);
}

/// Moves to each place the element whose number stands there.
fn arrange<T>(v: &mut [T], numbers: &mut [u32]) {
    for start in 0..v.len() {
        let mut place = start;
        loop {
            let from = mem::replace(&mut numbers[place], place as u32) as usize;
            if from == start {
                break;
            }
            v.swap(place, from);
            place = from;
        }
    }
}
