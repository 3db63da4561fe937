//! Divides a slice by a pivot: the step of a quicksort.

// Unsafe code, because an element is in no place or in two places while it is moved.
#![allow(unsafe_code)]

use std::cmp::Ordering;
use std::mem::{self, MaybeUninit};
use std::slice;

/// Of at least this many elements, the pivot is a median of medians. Of fewer, better pivots take
/// longer to find than they save.
const MANY: usize = 512;

/// Elements count as repeating if more than one comparison in this many finds two of them equal.
const MANY_EQUAL: u32 = 64;

/// A pivot that repeats is taken for the least element if no element of a sample of this size is
/// less.
const SAMPLE: usize = 16;

/// A slice that was divided: no element on the left is greater than the pivot, and none on the
/// right is less. Elements that equal the pivot may be in neither part: they are in place already.
pub(super) struct Parts<'v, T> {
    pub left: &'v mut [T],
    pub pivot: &'v mut T,
    pub right: &'v mut [T],
}

/// An element to divide a slice by.
pub(super) struct Pivot {
    at: usize,
    /// Whether many of the comparisons that found the pivot were of equal elements.
    pub repeats: bool,
    /// Whether all of those comparisons were.
    only_repeats: bool,
}

impl Pivot {
    /// Finds an element near the median of `v`, which is not empty.
    pub(super) fn find<T>(v: &[T], compare: &impl Fn(&T, &T) -> Ordering) -> Pivot {
        let (mut compared, mut equal) = (0, 0);
        let at = median(v, 0, v.len(), &mut |a, b| {
            let order = compare(a, b);
            compared += 1;
            equal += u32::from(order == Ordering::Equal);
            order == Ordering::Less
        });
        Pivot { at, repeats: equal > compared / MANY_EQUAL, only_repeats: equal == compared }
    }

    /// Returns whether all elements of `v` equal the pivot. Compares none of them if the search for
    /// the pivot found elements that differ.
    pub(super) fn equals_all<T>(&self, v: &[T], compare: &impl Fn(&T, &T) -> Ordering) -> bool {
        self.only_repeats && v.iter().all(|other| compare(other, &v[self.at]) == Ordering::Equal)
    }
}

/// Finds an element near the median of the `len` elements from `start` on: the median of three,
/// each of which is found in the same way if there are many. std's sorts do this, too.
fn median<T>(v: &[T], start: usize, len: usize, is_less: &mut impl FnMut(&T, &T) -> bool) -> usize {
    let eighth = len / 8;
    let [a, b, c] = [0, 4, 7].map(|eighths| {
        let start = start + eighths * eighth;
        if len < MANY { start } else { median(v, start, eighth, is_less) }
    });
    let a_is_first = is_less(&v[a], &v[b]);
    if a_is_first != is_less(&v[a], &v[c]) {
        a
    } else if a_is_first == is_less(&v[b], &v[c]) {
        b
    } else {
        c
    }
}

/// Divides `v` by `pivot`. No element of `v` is less than `before`. Elements that equal the pivot
/// go to the right part. But if the pivot equals `before`, or seems to be the least element, they
/// go to neither part. So one division is enough for a slice of two values, whichever of them the
/// pivot is.
pub(super) fn divide<'v, T, F>(
    v: &'v mut [T],
    pivot: &Pivot,
    before: Option<&T>,
    compare: &F,
) -> Parts<'v, T>
where
    F: Fn(&T, &T) -> Ordering,
{
    let is_less = |a: &T, b: &T| compare(a, b) == Ordering::Less;
    v.swap(0, pivot.at);
    let is_least = before.is_some_and(|before| !is_less(before, &v[0]));
    let mut sample = v.iter().step_by(v.len().div_ceil(SAMPLE));
    let seems_least = is_least || pivot.repeats && sample.all(|other| !is_less(other, &v[0]));
    let (pivot, rest) = v.split_first_mut().expect("not empty");
    let end =
        if seems_least { partition(rest, |element| !is_less(pivot, element)) } else { rest.len() };
    let rest = &mut rest[..end];
    let less = if is_least || seems_least && !rest.iter().any(|element| is_less(element, pivot)) {
        0
    } else {
        partition(rest, |element| is_less(element, pivot))
    };
    v.swap(0, less);
    let equal = if seems_least { end - less } else { 0 };
    let (left, rest) = v.split_at_mut(less);
    let (pivot, right) = rest.split_first_mut().expect("the pivot is there");
    Parts { left, pivot, right: &mut right[equal..] }
}

/// Divides `v` by `pivot`. Elements that equal the pivot go to neither part. If elements repeat,
/// this compares them less often than [`divide`], but moves them twice as often.
///
/// It compares a block of elements without an unpredictable branch, and then moves those that are
/// not greater.
pub(super) fn divide_in_three<'v, T, F>(v: &'v mut [T], pivot: &Pivot, compare: &F) -> Parts<'v, T>
where
    F: Fn(&T, &T) -> Ordering,
{
    v.swap(0, pivot.at);
    // The elements in `..equal` equal the pivot, those in `equal..greater` are less, and those in
    // `greater..start` are greater.
    let (mut equal, mut greater) = (1, 1);
    // The places in the block of the elements that are not greater, and which of these are equal.
    let (mut not_greater, mut equals) = ([0; BLOCK], [0; BLOCK]);
    for start in (1..v.len()).step_by(BLOCK) {
        let (before, rest) = v.split_at(start);
        let (mut count, mut equal_count) = (0, 0);
        for (at, element) in rest.iter().take(BLOCK).enumerate() {
            let order = compare(element, &before[0]);
            not_greater[count % BLOCK] = at as u8;
            equals[equal_count % BLOCK] = count as u8;
            count += usize::from(order != Ordering::Greater);
            equal_count += usize::from(order == Ordering::Equal);
        }
        for (to, at) in (greater..).zip(&not_greater[..count]) {
            v.swap(start + usize::from(*at), to);
        }
        for (to, at) in (equal..).zip(&equals[..equal_count]) {
            v.swap(greater + usize::from(*at), to);
        }
        greater += count;
        equal += equal_count;
    }
    let less = greater - equal;
    let (rest, right) = v.split_at_mut(greater);
    let (start, end) = rest.split_at_mut(equal.max(less));
    start[..end.len()].swap_with_slice(end);
    let (left, rest) = rest.split_at_mut(less);
    Parts { left, pivot: &mut rest[0], right }
}

/// The most elements in a block: as many as a byte can number. More are better, since at the end of
/// each block there is a branch that is hard to predict.
const BLOCK: usize = 256;

/// The bytes in a cache line.
const LINE: usize = 64;

/// Slices of more bytes than this are far: they are not in a core's own cache. Measured: fetching
/// elements ahead of their moves saves a third of the time for far slices with elements of 256
/// bytes. For slices that are not far, it costs up to a tenth more.
const CACHE: usize = 8 * 1024 * 1024;

/// Moves the elements that go left in front of the others, and returns how many go left.
///
/// Checks a block of elements at each end, without an unpredictable branch, and then exchanges the
/// elements that are on the wrong side (Edelkamp and Weiss, "BlockQuicksort", 2016).
fn partition<T>(v: &mut [T], mut goes_left: impl FnMut(&T) -> bool) -> usize {
    // Each wide element needs a cache line of its own, and the first-level cache has room for few.
    // Measured with 10^6 elements of 40, 64 and 256 bytes: the shorter blocks save a tenth.
    let longest = if size_of::<T>() > LINE / 2 { BLOCK / 2 } else { BLOCK };
    // If a check reads only one line of each element, processors do not fetch its other lines.
    let is_far = size_of::<T>() > LINE && size_of_val(v) > CACHE;
    // All elements before `left` go left, and none from `right` on does.
    let (mut left, mut right) = (0, v.len());
    let (mut on_left, mut on_right) = (Block::new(), Block::new());
    while on_left.len + on_right.len < right - left {
        if on_left.len == 0 {
            let unseen = right - left - on_right.len;
            let len = if on_right.len == 0 { unseen.div_ceil(2) } else { unseen };
            let block = &v[left..left + len.min(longest)];
            if is_far {
                fetch(block);
            }
            on_left.find(block.iter(), |element| !goes_left(element));
        }
        if on_right.len == 0 {
            let unseen = right - left - on_left.len;
            let block = &v[right - unseen.min(longest)..right];
            if is_far {
                fetch(block);
            }
            // Backwards, as the blocks follow each other, so that processors fetch memory ahead.
            on_right.find(block.iter().rev(), &mut goes_left);
        }
        exchange(&mut v[left..right], &mut on_left, &mut on_right);
        left += on_left.end_if_right();
        right -= on_right.end_if_right();
    }
    // At most one block is left. Its elements on the wrong side are exchanged with those at the end
    // of the block that is nearer to where they belong.
    let (start, end) = (left, right);
    for at in on_left.wrong().iter().rev() {
        right -= 1;
        v.swap(start + usize::from(*at), right);
    }
    for at in on_right.wrong().iter().rev() {
        v.swap(end - 1 - usize::from(*at), left);
        left += 1;
    }
    if on_left.len > 0 { right } else { left }
}

/// Reads a byte of each cache line, in order, so that the elements are in the cache when they move.
fn fetch<T>(block: &[T]) {
    let bytes = block.as_ptr().cast::<MaybeUninit<u8>>();
    for at in (0..size_of_val(block)).step_by(LINE) {
        // SAFETY: a byte of the block, which need not be initialized.
        _ = unsafe { bytes.add(at).read_volatile() };
    }
}

/// Exchanges elements that are on the wrong side, as many on the left as on the right. Taken from
/// left and right in turn, each moves to the place of the one before it, and the first to that of
/// the last.
fn exchange<T>(v: &mut [T], on_left: &mut Block, on_right: &mut Block) {
    assert!(on_left.len + on_right.len <= v.len());
    let count = on_left.wrong().len().min(on_right.wrong().len());
    let right = &on_right.wrong()[..count];
    if let ([first, left @ ..], [.., last]) = (&on_left.wrong()[..count], right) {
        let end = v.len() - 1;
        let v = v.as_mut_ptr().cast::<MaybeUninit<T>>();
        // SAFETY: these are places in two blocks of the slice, which do not overlap. Each place
        // occurs once, and is read before it is written to.
        unsafe {
            let mut free = v.add(usize::from(*first));
            let kept = free.read();
            for (a, b) in left.iter().zip(right) {
                let (a, b) = (v.add(usize::from(*a)), v.add(end - usize::from(*b)));
                free.copy_from_nonoverlapping(b, 1);
                b.copy_from_nonoverlapping(a, 1);
                free = a;
            }
            let last = v.add(end - usize::from(*last));
            free.copy_from_nonoverlapping(last, 1);
            last.write(kept);
        }
    }
    on_left.next += count;
    on_right.next += count;
}

/// A block at an end of the slice, and which of its elements are on the wrong side.
struct Block {
    /// How many elements it has, or 0 if none is on the wrong side any more.
    len: usize,
    /// In `next..end`: how far the elements on the wrong side are from that end of the slice, in
    /// the order in which they were found.
    at: [MaybeUninit<u8>; BLOCK],
    next: usize,
    end: usize,
}

impl Block {
    const fn new() -> Block {
        Block { len: 0, at: [const { MaybeUninit::uninit() }; BLOCK], next: 0, end: 0 }
    }

    /// Finds the elements of a block that are on the wrong side. `block` begins at that end.
    fn find<'v, T: 'v>(
        &mut self,
        block: impl ExactSizeIterator<Item = &'v T>,
        mut is_wrong: impl FnMut(&T) -> bool,
    ) {
        let len = block.len();
        assert!(len <= BLOCK);
        let mut end = 0;
        for (at, element) in block.enumerate() {
            // SAFETY: both callers pass the iterator of a slice, forwards or backwards, which gives
            // exactly `len` elements. That is at most `BLOCK`, and `end` is less than the number of
            // elements so far, this one included.
            unsafe { self.at.get_unchecked_mut(end).write(at as u8) };
            end += usize::from(is_wrong(element));
        }
        (self.len, self.next, self.end) = (len, 0, end);
    }

    #[inline]
    fn wrong(&self) -> &[u8] {
        let at = &self.at[self.next..self.end];
        // SAFETY: `find` has written to all places before `end`.
        unsafe { slice::from_raw_parts(at.as_ptr().cast(), at.len()) }
    }

    /// Ends the block if none of its elements is on the wrong side any more. Returns the length of
    /// a block that it ended, else 0.
    #[inline]
    fn end_if_right(&mut self) -> usize {
        if self.next == self.end { mem::take(&mut self.len) } else { 0 }
    }
}
