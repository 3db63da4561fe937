//! Histograms: each leaf counts on its own, and the counts are added up.

use crate::current_num_threads;
use crate::fork::join;

/// No leaf is shorter: some 10 us.
const SHORTEST: usize = 8 * 1024;

/// A leaf has this many times as many elements as there are buckets, at least, for the counts to
/// cost less than the counting.
const ELEMENTS_PER_BUCKET: usize = 4;

/// How many elements of `v` each of the `buckets` has.
pub(super) fn histogram<T, F>(v: &[T], buckets: usize, bucket: &F) -> Vec<usize>
where
    T: Sync,
    F: Fn(&T) -> usize + Sync,
{
    let leaf = SHORTEST.max(buckets.saturating_mul(ELEMENTS_PER_BUCKET));
    // Of elements without a size there may be too many for short leaves.
    let few = if size_of::<T>() == 0 { v.len() / (current_num_threads() * 4) } else { 0 };
    let leaf = leaf.max(few);
    let mut counts = vec![0; buckets];
    count(v, &mut counts, bucket, leaf);
    counts
}

/// Adds the elements of `v` to `counts`.
fn count<T, F>(v: &[T], counts: &mut [usize], bucket: &F, leaf: usize)
where
    T: Sync,
    F: Fn(&T) -> usize + Sync,
{
    if v.len() <= leaf {
        for element in v {
            let index = bucket(element);
            let buckets = counts.len();
            let Some(count) = counts.get_mut(index) else {
                panic!("bucket {index} of {buckets} in a histogram");
            };
            *count += 1;
        }
        return;
    }
    let (left, right) = v.split_at(v.len() / 2);
    let buckets = counts.len();
    let ((), others) = join(
        || count(left, counts, bucket, leaf),
        || {
            let mut counts = vec![0; buckets];
            count(right, &mut counts, bucket, leaf);
            counts
        },
    );
    for (count, other) in counts.iter_mut().zip(others) {
        *count += other;
    }
}
