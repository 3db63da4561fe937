//! Square matrices that are stored quadrant by quadrant, down to [`block`]s.
//!
//! So each quadrant is a slice, and the four of them can be written in parallel
//! (Frens and Wise, "Auto-blocking matrix-multiplication", PPoPP 1997).

use crate::block;
use crate::halves;
use crate::workloads::Fork;

/// Makes a matrix of `size` by `size`. `size` must be a block's side times a power of two.
pub fn matrix(size: usize, mut element: impl FnMut(usize, usize) -> f64) -> Vec<f64> {
    assert!(size % block::SIDE == 0 && (size / block::SIDE).is_power_of_two());
    let mut elements = vec![0.0; size * size];
    for (offset, place) in elements.iter_mut().enumerate() {
        let (row, column) = position(offset);
        *place = element(row, column);
    }
    elements
}

/// Returns each element with its row and column.
pub fn elements(matrix: &[f64]) -> impl Iterator<Item = (usize, usize, f64)> {
    matrix.iter().enumerate().map(|(offset, &element)| {
        let (row, column) = position(offset);
        (row, column, element)
    })
}

/// Returns the row and column of the element at `offset`.
fn position(offset: usize) -> (usize, usize) {
    let within = offset % block::LEN;
    let (mut row, mut column) = (within / block::SIDE, within % block::SIDE);
    let (mut quadrants, mut side) = (offset / block::LEN, block::SIDE);
    while quadrants > 0 {
        row += quadrants / 2 % 2 * side;
        column += quadrants % 2 * side;
        quadrants /= 4;
        side *= 2;
    }
    (row, column)
}

/// Splits into quadrants: upper left, upper right, lower left, lower right.
pub fn split(matrix: &[f64]) -> [&[f64]; 4] {
    let (upper, lower) = matrix.split_at(matrix.len() / 2);
    let (q00, q01) = upper.split_at(upper.len() / 2);
    let (q10, q11) = lower.split_at(lower.len() / 2);
    [q00, q01, q10, q11]
}

/// Like [`split`], but mutable.
pub fn split_mut(matrix: &mut [f64]) -> [&mut [f64]; 4] {
    let (upper, lower) = matrix.split_at_mut(matrix.len() / 2);
    let (q00, q01) = upper.split_at_mut(upper.len() / 2);
    let (q10, q11) = lower.split_at_mut(lower.len() / 2);
    [q00, q01, q10, q11]
}

/// `c -= a * b`, the quadrants of `c` in parallel.
pub fn subtract_product<F: Fork>(cx: &mut F::Context<'_>, c: &mut [f64], a: &[f64], b: &[f64]) {
    if c.len() == block::LEN {
        return block::subtract_product(c, a, b);
    }
    let (a, b) = (split(a), split(b));
    halves::for_each::<F, _>(cx, 0, &mut split_mut(c), &|cx, i, c| {
        let (row, column) = (i / 2, i % 2);
        for k in 0..2 {
            subtract_product::<F>(cx, c, a[2 * row + k], b[2 * k + column]);
        }
    });
}

/// `c -= a * transpose(b)`, the quadrants of `c` in parallel.
pub fn subtract_product_transposed<F: Fork>(
    cx: &mut F::Context<'_>,
    c: &mut [f64],
    a: &[f64],
    b: &[f64],
) {
    if c.len() == block::LEN {
        return block::subtract_product(c, a, &block::transposed(b));
    }
    let (a, b) = (split(a), split(b));
    halves::for_each::<F, _>(cx, 0, &mut split_mut(c), &|cx, i, c| {
        let (row, column) = (i / 2, i % 2);
        for k in 0..2 {
            subtract_product_transposed::<F>(cx, c, a[2 * row + k], b[2 * column + k]);
        }
    });
}
