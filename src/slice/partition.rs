//! Dividing a slice by a test, order kept: stable partition, and what rests on it.
//!
//! The first pass asks the test for each element, by blocks, and counts; the second moves the
//! elements of each block where they belong, all of those before them being counted by then.
//! Nothing of the user's runs while elements are moved.

// Elements are in two places while they are moved.
#![allow(unsafe_code)]

use super::bits::{Room, as_room, par_copy};
use crate::current_num_threads;
use crate::fork::join_erased as join;

/// The elements of a block, which one thread tests or moves: some 10 us.
const BLOCK: usize = 4096;

/// Moves the elements that `test` holds for to the front, order kept on both sides; gives their
/// number.
pub(super) fn stable_partition<T, F>(v: &mut [T], test: &F) -> usize
where
    T: Send,
    F: Fn(&T) -> bool + Sync,
{
    if size_of::<T>() == 0 {
        return count_in_parts(
            v,
            &|part| part.iter().filter(|element| test(element)).count(),
            &|_, _| 0,
        );
    }
    let mut flags = vec![false; v.len()];
    test_each(v, &mut flags, &|block, flags| {
        for (element, flag) in block.iter().zip(flags) {
            *flag = test(element);
        }
    });
    partition(v, &mut flags)
}

/// Moves the elements that are not `same` as their predecessors to the front, and gives their
/// number. `same` is given an element and its predecessor.
pub(super) fn dedup<T, F>(v: &mut [T], same: &F) -> usize
where
    T: Send,
    F: Fn(&T, &T) -> bool + Sync,
{
    if size_of::<T>() == 0 {
        let differs = |element: &T, before: &T| usize::from(!same(element, before));
        let in_part =
            |part: &mut [T]| part.windows(2).map(|pair| differs(&pair[1], &pair[0])).sum();
        let first = usize::from(!v.is_empty());
        return first + count_in_parts(v, &in_part, &differs);
    }
    let mut flags = vec![true; v.len()];
    test_each(v, &mut flags, &|block, flags| {
        for (pair, flag) in block.windows(2).zip(&mut flags[1..]) {
            *flag = !same(&pair[1], &pair[0]);
        }
    });
    // Only one thread may look at an element: those of two blocks have to wait until here.
    for start in (BLOCK..v.len()).step_by(BLOCK) {
        flags[start] = !same(&v[start], &v[start - 1]);
    }
    partition(v, &mut flags)
}

/// The sum of what `of_part` gives for a few parts for each thread, and `between` for the first
/// element of each but the first and the one before it. For elements without a size, of which there
/// may be any number: there is no room for flags of them, nor time for many blocks.
fn count_in_parts<T, F, B>(v: &mut [T], of_part: &F, between: &B) -> usize
where
    T: Send,
    F: Fn(&mut [T]) -> usize + Sync,
    B: Fn(&T, &T) -> usize + Sync,
{
    const PARTS_PER_THREAD: usize = 4;

    fn count<T, F, B>(v: &mut [T], longest: usize, of_part: &F, between: &B) -> usize
    where
        T: Send,
        F: Fn(&mut [T]) -> usize + Sync,
        B: Fn(&T, &T) -> usize + Sync,
    {
        if v.len() <= longest {
            return of_part(v);
        }
        let middle = v.len() / 2;
        let (left, right) = v.split_at_mut(middle);
        let (left, right) = join(
            || count(left, longest, of_part, between),
            || count(right, longest, of_part, between),
        );
        left + right + between(&v[middle], &v[middle - 1])
    }

    let longest = BLOCK.max(v.len() / (current_num_threads() * PARTS_PER_THREAD));
    count(v, longest, of_part, between)
}

/// Runs `test` on each block, which is not empty, and its flags.
fn test_each<T, F>(v: &mut [T], flags: &mut [bool], test: &F)
where
    T: Send,
    F: Fn(&mut [T], &mut [bool]) + Sync,
{
    if v.len() <= BLOCK {
        if !v.is_empty() {
            test(v, flags);
        }
        return;
    }
    let middle = middle(v.len());
    let (left, right) = v.split_at_mut(middle);
    let (left_flags, right_flags) = flags.split_at_mut(middle);
    join(|| test_each(left, left_flags, test), || test_each(right, right_flags, test));
}

/// A multiple of the length of a block, about half of `len`, which is longer than a block.
fn middle(len: usize) -> usize {
    len.div_ceil(BLOCK) / 2 * BLOCK
}

/// Moves the flagged elements to the front, order kept on both sides; gives their number.
fn partition<T: Send>(v: &mut [T], flags: &mut [bool]) -> usize {
    debug_assert_eq!(v.len(), flags.len());
    let mut counts = vec![0; v.len().div_ceil(BLOCK)];
    count(flags, &mut counts);
    let total = counts.iter().sum();
    if total == v.len() || total == 0 {
        return total;
    }
    let mut scratch = Vec::with_capacity(v.len());
    let scratch = &mut scratch.spare_capacity_mut()[..v.len()];
    let (yes, no) = scratch.split_at_mut(total);
    // SAFETY: each element is copied to a place of its own, and then all are copied back. If
    // anything of it panics, none was copied back yet.
    let room = unsafe { as_room(v) };
    scatter(room, flags, &counts, yes, no);
    par_copy(scratch, room);
    total
}

/// Counts the flags of each block.
fn count(flags: &[bool], counts: &mut [usize]) {
    if let [count] = counts {
        *count = flags.iter().map(|flag| usize::from(*flag)).sum();
    } else if !counts.is_empty() {
        let (left, right) = flags.split_at(middle(flags.len()));
        let (left_counts, right_counts) = counts.split_at_mut(counts.len() / 2);
        join(|| count(left, left_counts), || count(right, right_counts));
    }
}

/// Copies the flagged elements to `yes` and the others to `no`, as long as these are.
fn scatter<T: Send>(
    v: &mut Room<T>,
    flags: &[bool],
    counts: &[usize],
    yes: &mut Room<T>,
    no: &mut Room<T>,
) {
    if counts.len() <= 1 {
        return scatter_block(v, flags, yes, no);
    }
    let middle = middle(v.len());
    let (left, right) = v.split_at_mut(middle);
    let (left_flags, right_flags) = flags.split_at(middle);
    let (left_counts, right_counts) = counts.split_at(counts.len() / 2);
    let count = left_counts.iter().sum();
    let (left_yes, right_yes) = yes.split_at_mut(count);
    let (left_no, right_no) = no.split_at_mut(middle - count);
    join(
        || scatter(left, left_flags, left_counts, left_yes, left_no),
        || scatter(right, right_flags, right_counts, right_yes, right_no),
    );
}

fn scatter_block<T>(v: &Room<T>, flags: &[bool], yes: &mut Room<T>, no: &mut Room<T>) {
    assert!(v.len() == flags.len() && v.len() == yes.len() + no.len());
    let (yes, no) = (yes.as_mut_ptr(), no.as_mut_ptr());
    let mut count = 0;
    for (i, flag) in flags.iter().enumerate() {
        // No branch on a flag, which nobody can guess.
        let to = if *flag { yes.wrapping_add(count) } else { no.wrapping_add(i - count) };
        // SAFETY: there is a place for each flagged element and for each other one.
        unsafe { to.copy_from_nonoverlapping(&raw const v[i], 1) };
        count += usize::from(*flag);
    }
}
