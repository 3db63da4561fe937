//! Fork-join over a slice or a range: halves it until one item is left.

use std::ops::Range;

use crate::workloads::Fork;

/// Calls `work(cx, index, item)` for each item. The first item has the index `first`.
pub fn for_each<F: Fork, T: Send>(
    cx: &mut F::Context<'_>,
    first: usize,
    items: &mut [T],
    work: &(impl Fn(&mut F::Context<'_>, usize, &mut T) + Sync),
) {
    match items {
        [] => {}
        [item] => work(cx, first, item),
        _ => {
            let middle = items.len() / 2;
            let (left, right) = items.split_at_mut(middle);
            F::join(
                cx,
                |cx| for_each::<F, T>(cx, first, left, work),
                |cx| for_each::<F, T>(cx, first + middle, right, work),
            );
        }
    }
}

/// Returns the sum of `one(cx, index)` over a range, which must not be empty.
pub fn sum<F: Fork, R: Send>(
    cx: &mut F::Context<'_>,
    range: Range<u64>,
    one: &(impl Fn(&mut F::Context<'_>, u64) -> R + Sync),
    add: fn(R, R) -> R,
) -> R {
    let Range { start, end } = range;
    if end - start == 1 {
        return one(cx, start);
    }
    let middle = start + (end - start) / 2;
    let (left, right) = F::join(
        cx,
        |cx| sum::<F, R>(cx, start..middle, one, add),
        |cx| sum::<F, R>(cx, middle..end, one, add),
    );
    add(left, right)
}
