//! Histograms: each piece has counts of its own, which are added up at the end.

use crate::current_num_threads;
use crate::iter::ParallelIterator;
use crate::iter::sources::chunks::Chunks;

/// The fewest elements of a leaf, which one thread counts: some 10 us.
const SHORTEST: usize = 8 * 1024;

/// The fewest elements of a leaf for each bucket, so that adding up costs less than counting.
const ELEMENTS_PER_BUCKET: usize = 4;

/// Returns how many elements of `v` are in each of the `buckets`.
pub(super) fn histogram<T, F>(v: &[T], buckets: usize, bucket: &F) -> Vec<usize>
where
    T: Sync,
    F: Fn(&T) -> usize + Sync,
{
    let leaf = SHORTEST.max(buckets.saturating_mul(ELEMENTS_PER_BUCKET));
    // Of elements without a size there may be too many for short leaves.
    let few = if size_of::<T>() == 0 { v.len() / (current_num_threads() * 4) } else { 0 };
    let none = || vec![0; buckets];
    let count = |mut counts: Vec<usize>, leaf: &[T]| {
        for element in leaf {
            let index = bucket(element);
            let Some(count) = counts.get_mut(index) else {
                panic!("`bucket` returned {index}; accepted: less than {buckets}");
            };
            *count += 1;
        }
        counts
    };
    let add = |mut counts: Vec<usize>, others: Vec<usize>| {
        counts.iter_mut().zip(others).for_each(|(count, other)| *count += other);
        counts
    };
    Chunks::new(v, leaf.max(few)).fold(none, count).reduce_with(add).unwrap_or_else(none)
}
