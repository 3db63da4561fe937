//! Cholesky factorization of a dense matrix by recursion over quadrants.

use crate::workloads::{Fork, Workload};
use crate::{block, quadrants, vectors};

/// Factors a symmetric, positive definite matrix; from the Cilk suite.
pub struct Cholesky {
    input: Vec<f64>,
    size: usize,
}

impl Cholesky {
    /// Makes a matrix of `size` by `size`.
    pub fn new(size: usize) -> Cholesky {
        let input = quadrants::matrix(size, |row, column| {
            let diagonal = if row == column { 8.0 * size as f64 } else { 0.0 };
            diagonal + ((row + column) % 17) as f64 - 8.0
        });
        Cholesky { input, size }
    }
}

impl Workload for Cholesky {
    /// The lower factor. The elements above its diagonal are meaningless.
    type Value = Vec<f64>;

    fn run<F: Fork>(&self, cx: &mut F::Context<'_>) -> Vec<f64> {
        let mut matrix = self.input.clone();
        factor::<F>(cx, &mut matrix);
        matrix
    }

    fn is_right(&self, factor: &Vec<f64>) -> bool {
        let x = vectors::random(self.size);
        let lower = || quadrants::elements(factor).filter(|(row, column, _)| row >= column);
        let transposed = lower().map(|(row, column, element)| (column, row, element));
        let found = vectors::multiply(lower(), &vectors::multiply(transposed, &x));
        let expected = vectors::multiply(quadrants::elements(&self.input), &x);
        vectors::are_close(&found, &expected)
    }
}

fn factor<F: Fork>(cx: &mut F::Context<'_>, a: &mut [f64]) {
    if a.len() == block::LEN {
        return block::cholesky(a);
    }
    let [a00, _, a10, a11] = quadrants::split_mut(a);
    factor::<F>(cx, a00);
    solve_transposed::<F>(cx, a00, a10);
    subtract_square::<F>(cx, a11, a10);
    factor::<F>(cx, a11);
}

/// Replaces `x` by the solution `y` of `y * transpose(l) = x`, its upper and lower halves in
/// parallel.
fn solve_transposed<F: Fork>(cx: &mut F::Context<'_>, l: &[f64], x: &mut [f64]) {
    if x.len() == block::LEN {
        return block::solve_transposed(l, x);
    }
    let [l00, _, l10, l11] = quadrants::split(l);
    let half = |cx: &mut F::Context<'_>, left: &mut [f64], right: &mut [f64]| {
        solve_transposed::<F>(cx, l00, left);
        quadrants::subtract_product_transposed::<F>(cx, right, left, l10);
        solve_transposed::<F>(cx, l11, right);
    };
    let [x00, x01, x10, x11] = quadrants::split_mut(x);
    F::join(cx, |cx| half(cx, x00, x01), |cx| half(cx, x10, x11));
}

/// `c -= a * transpose(a)`, only on and below the diagonal of `c`.
fn subtract_square<F: Fork>(cx: &mut F::Context<'_>, c: &mut [f64], a: &[f64]) {
    if c.len() == block::LEN {
        return block::subtract_product(c, a, &block::transposed(a));
    }
    let [a00, a01, a10, a11] = quadrants::split(a);
    let [c00, _, c10, c11] = quadrants::split_mut(c);
    let on_diagonal = |cx: &mut F::Context<'_>, c: &mut [f64], left: &[f64], right: &[f64]| {
        subtract_square::<F>(cx, c, left);
        subtract_square::<F>(cx, c, right);
    };
    let below = |cx: &mut F::Context<'_>, c: &mut [f64]| {
        quadrants::subtract_product_transposed::<F>(cx, c, a10, a00);
        quadrants::subtract_product_transposed::<F>(cx, c, a11, a01);
    };
    F::join(
        cx,
        |cx| below(cx, c10),
        |cx| F::join(cx, |cx| on_diagonal(cx, c00, a00, a01), |cx| on_diagonal(cx, c11, a10, a11)),
    );
}
