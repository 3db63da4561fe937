//! Reducing blocks by vector instructions.

/// The number of elements of a block, which one thread reduces. It is part of the contract of
/// [`par_deterministic_reduce`](super::ParallelSlice::par_deterministic_reduce). A block is some
/// microseconds of additions, so that several threads can share 100,000 elements.
pub(super) const BLOCK: usize = 4096;

/// The number of lanes: enough for the widest vectors of bytes, and to hide the latency of an
/// addition.
pub(super) const LANES: usize = 32;

/// Reduces a block: lane `i % LANES` adds element `i`, and then the halves of the lanes are
/// combined.
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
