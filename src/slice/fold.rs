//! Folds whose shape depends on the length alone.

use crate::fork::join;

/// The elements of a block, folded by one thread from the first to the last. Part of what
/// [`ParallelSlice::par_fold_fixed`](super::ParallelSlice::par_fold_fixed) promises: some
/// microseconds of additions, and short enough for 100,000 elements to be shared.
pub(super) const BLOCK: usize = 4096;

/// How many values a block is reduced to before they are combined: enough for the widest vectors
/// of bytes, and for the latency of an addition to be hidden.
pub(super) const LANES: usize = 32;

/// Folds each block by `leaf`, and combines two halves of the blocks, the left one the shorter
/// one if the number is odd, by `combine`.
pub(super) fn fold_blocks<T, R, L, C>(v: &[T], leaf: &L, combine: &C) -> R
where
    T: Sync,
    R: Send,
    L: Fn(&[T]) -> R + Sync,
    C: Fn(R, R) -> R + Sync,
{
    if v.len() <= BLOCK {
        return leaf(v);
    }
    let (left, right) = v.split_at(v.len().div_ceil(BLOCK) / 2 * BLOCK);
    let (left, right) =
        join(|| fold_blocks(left, leaf, combine), || fold_blocks(right, leaf, combine));
    combine(left, right)
}

/// Reduces a block: element `i` goes to lane `i % LANES`, and the lanes are combined by halves.
pub(super) fn reduce_lanes<T, R, M, O>(block: &[T], identity: R, map: &M, op: &O) -> R
where
    R: Copy,
    M: Fn(&T) -> R,
    O: Fn(R, R) -> R,
{
    let mut lanes = [identity; LANES];
    let mut rows = block.chunks_exact(LANES);
    for row in &mut rows {
        for (lane, element) in lanes.iter_mut().zip(row) {
            *lane = op(*lane, map(element));
        }
    }
    for (lane, element) in lanes.iter_mut().zip(rows.remainder()) {
        *lane = op(*lane, map(element));
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            lanes[lane] = op(lanes[lane], lanes[lane + width]);
        }
    }
    lanes[0]
}
