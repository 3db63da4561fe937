//! Stable partitions, and the removal of duplicates, which is one.
//!
//! The first pass calls the test for each element, and counts the results of each block. The second
//! pass moves the elements of each block: the counts of the blocks before it say where to. No code
//! of the user runs while elements are moved.

// Unsafe, because elements are in two places while they are moved.
#![allow(unsafe_code)]

use std::mem;

use super::bits::{Room, as_room, par_copy};
use crate::current_num_threads;
use crate::iter::sources::chunks::{Chunks, ChunksMut};
use crate::iter::{IndexedParallelIterator, ParallelIterator};

/// The number of elements of a block, which one thread tests or moves: some 10 us.
const BLOCK: usize = 4096;

/// Moves the elements for which `test` returns true to the front, and returns their number. Both
/// groups keep their order.
pub(super) fn stable_partition<T: Send, F: Fn(&T) -> bool + Sync>(v: &mut [T], test: &F) -> usize {
    if size_of::<T>() == 0 {
        let in_part = |part: &mut [T]| part.iter().filter(|element| test(element)).count();
        let len = part_len(v.len());
        return ChunksMut::new(v, len).map(in_part).sum();
    }
    let mut flags = vec![false; v.len()];
    blocks(v).zip(blocks(&mut flags)).for_each(|(block, flags)| {
        for (element, flag) in block.iter().zip(flags) {
            *flag = test(element);
        }
    });
    partition(v, &flags)
}

/// Moves the elements that are not `same` as the one before to the front, and returns their number.
/// `same` gets an element and the one before it.
pub(super) fn dedup<T: Send, F: Fn(&T, &T) -> bool + Sync>(v: &mut [T], same: &F) -> usize {
    if size_of::<T>() == 0 {
        let differs = |pair: &[T]| !same(&pair[1], &pair[0]);
        let in_part = |part: &mut [T]| part.windows(2).filter(|pair| differs(pair)).count();
        let len = part_len(v.len());
        let first = usize::from(!v.is_empty());
        let within: usize = ChunksMut::new(v, len).map(in_part).sum();
        let starts = (len..v.len()).step_by(len);
        let between = starts.filter(|&start| differs(&v[start - 1..=start])).count();
        return first + within + between;
    }
    let mut flags = vec![true; v.len()];
    blocks(v).zip(blocks(&mut flags)).for_each(|(block, flags)| {
        for (pair, flag) in block.windows(2).zip(&mut flags[1..]) {
            *flag = !same(&pair[1], &pair[0]);
        }
    });
    // Only one thread at a time may look at an element, so pairs across two blocks are tested here.
    for start in (BLOCK..v.len()).step_by(BLOCK) {
        flags[start] = !same(&v[start], &v[start - 1]);
    }
    partition(v, &flags)
}

/// The blocks of a slice, each for one thread.
fn blocks<T: Send>(v: &mut [T]) -> ChunksMut<'_, T> {
    ChunksMut::new(v, BLOCK)
}

/// Returns the length of the parts of a slice of `len` elements without a size: a few parts for
/// each thread. There may be any number of such elements: too many for a flag each, or for short
/// blocks.
fn part_len(len: usize) -> usize {
    const PARTS_PER_THREAD: usize = 4;
    BLOCK.max(len.div_ceil(current_num_threads() * PARTS_PER_THREAD))
}

/// Moves the flagged elements to the front, and returns their number. Both groups keep their order.
fn partition<T: Send>(v: &mut [T], flags: &[bool]) -> usize {
    debug_assert_eq!(v.len(), flags.len());
    let count = |flags: &[bool]| flags.iter().map(|flag| usize::from(*flag)).sum();
    let counts: Vec<usize> = Chunks::new(flags, BLOCK).map(count).collect();
    let total = counts.iter().sum();
    if total == v.len() || total == 0 {
        return total;
    }
    let mut scratch = Vec::with_capacity(v.len());
    let scratch = &mut scratch.spare_capacity_mut()[..v.len()];
    let (mut yes, mut no) = scratch.split_at_mut(total);
    // The places of each block's elements.
    let places = counts.into_iter().zip(flags.chunks(BLOCK)).map(|(count, flags)| {
        let (yes_here, no_here);
        (yes_here, yes) = mem::take(&mut yes).split_at_mut(count);
        (no_here, no) = mem::take(&mut no).split_at_mut(flags.len() - count);
        (flags, yes_here, no_here)
    });
    let places: Vec<_> = places.collect();
    // SAFETY: each element is copied to a place of its own, and then all are copied back. If
    // something panics before that, no element was copied back.
    let room = unsafe { as_room(v) };
    blocks(room).zip(places).for_each(|(block, (flags, yes, no))| scatter(block, flags, yes, no));
    par_copy(scratch, room);
    total
}

/// Copies the flagged elements of a block to `yes` and the others to `no`.
fn scatter<T>(v: &Room<T>, flags: &[bool], yes: &mut Room<T>, no: &mut Room<T>) {
    assert!(v.len() == flags.len() && v.len() == yes.len() + no.len());
    let (yes, no) = (yes.as_mut_ptr(), no.as_mut_ptr());
    let mut count = 0;
    for (i, flag) in flags.iter().enumerate() {
        // No branch on a flag, which the processor cannot predict.
        let to = if *flag { yes.wrapping_add(count) } else { no.wrapping_add(i - count) };
        // SAFETY: there is a place for each flagged element and for each other one.
        unsafe { to.copy_from_nonoverlapping(&raw const v[i], 1) };
        count += usize::from(*flag);
    }
}
