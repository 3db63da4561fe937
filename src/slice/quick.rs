//! The unstable sorts. On few threads they are a quicksort. One thread divides each part, in place.
//! The leaves are sorted by std, or by their numbers if their elements are wide. One thread alone
//! divides the whole slice, so on many threads a merge sort is faster and is used instead.

use std::cmp::Ordering;
use std::mem::{self, needs_drop};

use super::divide::{Parts, Pivot, divide, divide_in_three};
use super::numbers::{SHORT, sort_by_numbers};
use super::runs::sort_run;
use super::sort::{SHORTEST, Sort};
use crate::current_num_threads;
use crate::fork::join_erased as join;

/// The most threads on which to divide rather than merge. A guess: on that many, the divisions take
/// as long as the sorting of the leaves.
const FEW_THREADS: usize = 8;
/// How many leaves of narrow elements there are for each thread, if all divisions are even.
const LEAVES_PER_THREAD: usize = 4;

/// Elements of up to this many bytes are narrow: std sorts them as fast as this quicksort does. It
/// moves wider ones twice as often as necessary.
const NARROW: usize = 16;
/// Elements that are not narrow, have up to this many bytes and own something are taken for texts.
const TEXT: usize = 24;
/// Elements of at least this many bytes are wide: they are sorted by their numbers.
const WIDE: usize = 64;
/// Parts of wide elements longer than this are divided, so that a leaf's keys stay in a core's
/// cache.
const WIDE_LEAF: usize = 2048;

/// Returns whether comparing elements seems to take longer than moving them, as it does for texts.
const fn compare_slowly<T>() -> bool {
    needs_drop::<T>() && size_of::<T>() > NARROW && size_of::<T>() <= TEXT
}

/// Sorts `v`, and may reorder equal elements. After a panic, `v` has its elements in any order.
pub(super) fn sort_unstable<T: Send, F: Fn(&T, &T) -> Ordering + Sync>(v: &mut [T], compare: &F) {
    if size_of::<T>() == 0 {
        // Nobody can see the order of elements without a size, and a slice may have any number.
        return;
    }
    let threads = current_num_threads();
    if threads > FEW_THREADS {
        return Sort { leaf: |v: &mut [T]| v.sort_unstable_by(|a, b| compare(a, b)), compare }
            .sort(v);
    }
    let leaf = match size_of::<T>() {
        // Measured with 10^6 keys in boxes: if they are not divided first, one thread takes a fifth
        // longer.
        ..=NARROW if threads == 1 && !needs_drop::<T>() => v.len(),
        ..=NARROW => (v.len() / (threads * LEAVES_PER_THREAD)).max(SHORTEST),
        // Measured with 20 to 128: if each key is there some ten times, longer leaves take up to a
        // tenth longer.
        size if size < WIDE => SHORT,
        _ => WIDE_LEAF,
    };
    if !sort_run(v, compare, |v| sort_unstable(v, compare)) {
        let quick = Quick { compare, leaf };
        quick.sort(v, None, 2 * v.len().checked_ilog2().unwrap_or(0));
    }
}

/// How to sort.
struct Quick<'c, F> {
    compare: &'c F,
    /// Parts longer than this are divided, and shorter ones if their elements repeat.
    leaf: usize,
}

impl<F> Quick<'_, F> {
    /// Sorts a part. No element of `v` is less than `before`. After `depth` nested divisions, the
    /// rest is sorted like a leaf: std's sorts are never quadratic.
    fn sort<T>(&self, v: &mut [T], before: Option<&mut T>, depth: u32)
    where
        T: Send,
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        let Some(pivot) = self.pivot(v).filter(|_| depth > 0) else {
            return self.sort_leaf(v);
        };
        if pivot.equals_all(v, self.compare) {
            return;
        }
        let Parts { left, pivot, right } = if pivot.repeats && compare_slowly::<T>() {
            divide_in_three(v, &pivot, self.compare)
        } else {
            divide(v, &pivot, before.as_deref(), self.compare)
        };
        let depth = depth - 1;
        let (mut long, mut short) = ((left, before), (right, Some(pivot)));
        if long.0.len() < short.0.len() {
            mem::swap(&mut long, &mut short);
        }
        let short_len = short.0.len();
        let sort_long = || self.sort(long.0, long.1, depth);
        let sort_short = || self.sort(short.0, short.1, depth);
        // This thread keeps the longer part, since a thief has to fetch its part from the cache of
        // this thread's core. Measured: if thieves take the longer parts, two threads need a fifth
        // more CPU time to sort a few distinct values. A short part is not worth a thief.
        if short_len > SHORTEST {
            join(sort_long, sort_short);
        } else {
            sort_long();
            sort_short();
        }
    }

    /// Returns what to divide `v` by, or `None` if `v` is a leaf: std sorts it by insertion, or it
    /// is short enough and few of its elements repeat.
    fn pivot<T>(&self, v: &[T]) -> Option<Pivot>
    where
        F: Fn(&T, &T) -> Ordering,
    {
        let pivot = (v.len() > SHORT).then(|| Pivot::find(v, self.compare))?;
        (v.len() > self.leaf || pivot.repeats).then_some(pivot)
    }

    fn sort_leaf<T>(&self, v: &mut [T])
    where
        F: Fn(&T, &T) -> Ordering,
    {
        if size_of::<T>() >= WIDE {
            sort_by_numbers(v, self.compare, false);
        } else {
            v.sort_unstable_by(|a, b| (self.compare)(a, b));
        }
    }
}
