//! Dividing a slice by a pivot: what quicksorts do.

use std::cmp::Ordering;

/// How many elements the pivot is the median of. No slice that is divided has fewer.
pub(super) const SAMPLE: usize = 127;

/// Larger elements are compared by the block and moved only if they have to be.
const LARGE: usize = 64;
/// Those that are larger still come apart by a branch for each: moving them takes the time.
const TOO_LARGE: usize = 192;
/// Smaller elements are divided twice where many equal the pivot, larger ones in three at once.
/// Measured: `u64` of 16 values take 1.3 times as long in three, strings 0.9.
const SMALL: usize = 16;

/// Whether elements are so large that moving few of them is worth it, but not so large that nothing
/// else counts. Measured, for random elements: below, numbers in their stead gain nothing, and
/// above, std's sort is the faster one.
pub(super) const fn is_large<T>() -> bool {
    LARGE < size_of::<T>() && size_of::<T>() <= TOO_LARGE
}

/// Whether elements are so large that moving them less is worth it, but not large.
pub(super) const fn is_middling<T>() -> bool {
    SMALL < size_of::<T>() && size_of::<T>() <= LARGE
}

/// Divides `v` by a pivot, and leaves out elements that are where they belong. `v` has more than
/// [`SAMPLE`] elements.
pub(super) fn divide<'v, T, F>(v: &'v mut [T], compare: &F) -> (&'v mut [T], &'v mut [T])
where
    F: Fn(&T, &T) -> Ordering,
{
    let is_less = |a: &T, b: &T| compare(a, b) == Ordering::Less;
    let sample = sample(v, compare);
    let middle = SAMPLE / 2;
    let many_equal = !is_less(&sample[middle - SAMPLE / 16], &sample[middle])
        || !is_less(&sample[middle], &sample[middle + SAMPLE / 16]);
    sample.swap(0, middle);
    if many_equal && is_middling::<T>() {
        return divide_in_three(v, compare);
    }
    let (pivot, rest) = v.split_first_mut().expect("longer than a sample");
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

/// Whether the elements of `v` seem to have few values: then the first is one by which to divide them.
/// `v` has more than [`SAMPLE`] elements.
pub(super) fn find_few_values<T, F>(v: &mut [T], compare: &F) -> bool
where
    F: Fn(&T, &T) -> Ordering,
{
    let sample = sample(v, compare);
    let steps = sample.windows(2).filter(|two| compare(&two[0], &two[1]) == Ordering::Less).count();
    sample.swap(0, SAMPLE / 2);
    steps <= SAMPLE / 4
}

/// Moves some elements to the front, and sorts these.
fn sample<'v, T, F>(v: &'v mut [T], compare: &F) -> &'v mut [T]
where
    F: Fn(&T, &T) -> Ordering,
{
    let len = v.len();
    for at in 0..SAMPLE {
        v.swap(at, at * (len / SAMPLE));
    }
    let sample = &mut v[..SAMPLE];
    sample.sort_unstable_by(compare);
    sample
}

/// Divides `v`, which is not empty, by its first element, and leaves out those that equal it.
pub(super) fn divide_in_three<'v, T, F>(v: &'v mut [T], compare: &F) -> (&'v mut [T], &'v mut [T])
where
    F: Fn(&T, &T) -> Ordering,
{
    let (pivot, rest) = v.split_first_mut().expect("not empty");
    let (less, not_greater) = partition_in_three(rest, |element| compare(element, pivot));
    v.swap(0, less);
    let (not_greater, greater) = v.split_at_mut(not_greater + 1);
    (&mut not_greater[..less], greater)
}

/// Moves the elements that are less before those that are equal, and these before the others: how
/// many are less, and how many are not greater.
fn partition_in_three<T>(v: &mut [T], mut order: impl FnMut(&T) -> Ordering) -> (usize, usize) {
    let (mut less, mut not_greater) = (0, 0);
    for at in 0..v.len() {
        let order = order(&v[at]);
        let is_less = order == Ordering::Less;
        // Without a branch on what cannot be foreseen.
        v.swap(at, not_greater);
        v.swap(less, if is_less { not_greater } else { less });
        less += usize::from(is_less);
        not_greater += usize::from(order != Ordering::Greater);
    }
    (less, not_greater)
}

/// Moves the elements for which `goes_left` is true before the others; how many they are.
fn partition<T>(v: &mut [T], mut goes_left: impl FnMut(&T) -> bool) -> usize {
    if is_large::<T>() {
        return partition_by_blocks(v, goes_left);
    }
    if size_of::<T>() > TOO_LARGE {
        return partition_from_both_ends(v, goes_left);
    }
    let mut left = 0;
    // Without a branch on what cannot be foreseen.
    for at in 0..v.len() {
        let goes = goes_left(&v[at]);
        v.swap(left, at);
        left += usize::from(goes);
    }
    left
}

fn partition_from_both_ends<T>(v: &mut [T], mut goes_left: impl FnMut(&T) -> bool) -> usize {
    let (mut left, mut right) = (0, v.len());
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

// ---- By blocks ----

/// How many elements of either side are compared before some are exchanged.
const BLOCK: usize = 64;

/// Asks about a block of elements on either side, without a branch on what cannot be foreseen, and
/// then exchanges those that are on the wrong side (Edelkamp and Weiss, "BlockQuicksort", 2016).
fn partition_by_blocks<T>(v: &mut [T], mut goes_left: impl FnMut(&T) -> bool) -> usize {
    // Before `left` all go left, from `right` on none does.
    let (mut left, mut right) = (0, v.len());
    let (mut on_left, mut on_right) = (Wrong::new(), Wrong::new());
    while right - left > 2 * BLOCK {
        if on_left.is_empty() {
            on_left.find(|at| !goes_left(&v[left + at]));
        }
        if on_right.is_empty() {
            on_right.find(|at| goes_left(&v[right - 1 - at]));
        }
        while let Some((a, b)) = on_left.take_two(&mut on_right) {
            v.swap(left + a, right - 1 - b);
        }
        if on_left.is_empty() {
            left += BLOCK;
        }
        if on_right.is_empty() {
            right -= BLOCK;
        }
    }
    // What was found in a block that is not finished is asked again.
    left + partition_from_both_ends(&mut v[left..right], goes_left)
}

/// Which elements of a block are on the wrong side.
struct Wrong {
    /// Those from `next` to before `end`, by their distance from the end of the slice.
    at: [u8; BLOCK],
    next: usize,
    end: usize,
}

impl Wrong {
    fn new() -> Wrong {
        Wrong { at: [0; BLOCK], next: 0, end: 0 }
    }

    fn is_empty(&self) -> bool {
        self.next == self.end
    }

    /// Looks through a block.
    fn find(&mut self, mut is_wrong: impl FnMut(usize) -> bool) {
        let mut end = 0;
        for at in 0..BLOCK {
            self.at[end % BLOCK] = at as u8;
            end += usize::from(is_wrong(at));
        }
        (self.next, self.end) = (0, end);
    }

    /// Takes one from here and one from `other`, if both have any.
    fn take_two(&mut self, other: &mut Wrong) -> Option<(usize, usize)> {
        if self.is_empty() || other.is_empty() {
            return None;
        }
        let two = (self.at[self.next % BLOCK].into(), other.at[other.next % BLOCK].into());
        self.next += 1;
        other.next += 1;
        Some(two)
    }
}
