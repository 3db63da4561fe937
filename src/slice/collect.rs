//! Vectors whose parts are filled in parallel.

use crate::fork::join_erased as join;
use crate::iter::ends::collect::{Filled, Places, append_known};
use crate::iter::plumbing::{Consumer, Reducer};

/// Returns a vector of `len` values, whose places `fill` fills.
pub(super) fn collect<T: Send>(
    len: usize,
    fill: impl FnOnce(Places<'_, T>) -> Filled<'_, T>,
) -> Vec<T> {
    let mut values = Vec::new();
    append_known(&mut values, len, fill);
    values
}

/// Fills the places before `middle` by `left` and the others by `right`, in parallel.
pub(super) fn in_two<'a, T: Send>(
    places: Places<'a, T>,
    middle: usize,
    left: impl FnOnce(Places<'a, T>) -> Filled<'a, T> + Send,
    right: impl FnOnce(Places<'a, T>) -> Filled<'a, T> + Send,
) -> Filled<'a, T> {
    let (left_places, right_places, adjoin) = places.split_at(middle);
    let (left, right) = join(|| left(left_places), || right(right_places));
    adjoin.reduce(left, right)
}
